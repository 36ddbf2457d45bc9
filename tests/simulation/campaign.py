"""Many worlds, one a seed, on all cores: what did not hold, and how to see it again."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

import structlog

from tests.simulation.plan import Plan
from tests.simulation.world import Outcome, simulate

_BAR = 30


def quietly() -> None:
    """What the workers log is theirs; of thousands of deaths nobody wants to read."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def outcome_of(seed: int) -> Outcome:
    return simulate(Plan.of(seed))


def outcomes(seeds: Iterable[int], jobs: int, plan_of: Callable[[int], Plan] = Plan.of) -> Iterator[Outcome]:
    """The outcomes as they come. Plans of other kinds are for one job."""
    if jobs == 1:
        quietly()
        yield from (simulate(plan_of(seed)) for seed in seeds)
        return
    with multiprocessing.get_context("spawn").Pool(jobs, initializer=_of_a_pool, maxtasksperchild=500) as pool:
        yield from pool.imap_unordered(outcome_of, seeds, chunksize=4)


def _of_a_pool() -> None:
    """Ctrl-C is for the parent, which ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    quietly()


def campaign(seeds: range, jobs: int, plan_of: Callable[[int], Plan] = Plan.of) -> int:
    """Run it, with a progress bar on a terminal. The last line is the verdict; the exit status is 1 if something did not hold."""
    began_s = time.monotonic()
    faults: Counter[str] = Counter()
    failed: list[int] = []
    done = commits = restores = events = mails = 0
    for outcome in outcomes(seeds, jobs, plan_of):
        done += 1
        commits, restores, events = commits + outcome.commits, restores + outcome.restores, events + outcome.events
        mails += outcome.mails
        faults += outcome.faults
        if outcome.violation is not None:
            failed.append(outcome.seed)
            _say(f"seed {outcome.seed}: {outcome.violation[:2000]}")
            _say(f"  again: {again(outcome.seed)}")
        if sys.stderr.isatty():
            _bar(done, len(seeds), time.monotonic() - began_s)
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    for name, count in sorted(faults.items()):
        _say(f"{count:>9,}  {name}")
    took_s = time.monotonic() - began_s
    what = (
        f"{done:,} seeds in {took_s:.0f} s: {commits:,} commits, {restores:,} restores, {events:,} events, "
        f"{mails:,} mails, {sum(faults.values()):,} faults"
    )
    if failed:
        _say(f"FAILED: {len(failed)} of {what}; seeds {', '.join(map(str, sorted(failed)[:20]))}")
        return 1
    _say(f"HELD: {what}; nothing lost, nothing twice")
    return 0


def again(seed: int) -> str:
    """The command that runs a seed again, exactly, with the workers' logs."""
    return f".venv/bin/python -m tests.simulation --seeds {seed} --log"


def jobs_here() -> int:
    return len(os.sched_getaffinity(0))


def _bar(done: int, total: int, took_s: float) -> None:
    full = _BAR * done // total
    left_s = took_s / done * (total - done)
    sys.stderr.write(
        f"\r\x1b[K[{'#' * full}{'.' * (_BAR - full)}] {done:,}/{total:,}, {done / took_s:.1f}/s, {left_s:.0f} s left"
    )
    sys.stderr.flush()


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - a command
