"""`make fuzz TARGET=policies COUNT=100000 SEED=1`: one campaign, a progress bar, and the verdict in the last line."""

import argparse
import importlib.util
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from tests.fuzz import campaign, corpus
from tests.fuzz.registry import NAMES, target_named
from tests.fuzz.target import Found

EXIT_PASSED, EXIT_FOUND, EXIT_USAGE, EXIT_STOPPED = 0, 1, 2, 130


def main(arguments: list[str]) -> int:
    """Run what the arguments say; the exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.count < 1:
        parser.error(f"--count {given.count}: at least 1")
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background of a shell the first is ignored otherwise
        signal.signal(number, signal.default_int_handler)
    names = list(NAMES) if given.target == "all" else [given.target]
    if given.replay is not None:
        return _replay(names[0], given.replay)
    worst = EXIT_PASSED
    for name in names:
        worst = max(worst, _campaign(name, given.count, given.seed, given.engine))
        if worst == EXIT_STOPPED:  # Ctrl-C is meant for all of them
            break
    return worst


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*NAMES, "all"])
    parser.add_argument("--count", type=int, default=20_000, help="inputs to check")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--engine", choices=["auto", "guided", "seeded"], default="auto",
        help="guided: by coverage, with atheris; seeded: mutations alone, the same for the same seed; "
        "auto: guided where atheris is installed, but the decoder in bulk",
    )  # fmt: skip
    parser.add_argument("--replay", type=Path, help="check this file alone")
    return parser


def _replay(name: str, path: Path) -> int:
    try:
        outcome = campaign.checked(target_named(name), path.read_bytes())
    except Found as found:
        print(f"FOUND {name}: {found}")
        return EXIT_FOUND
    print(f"passed: {name}, {path}: {outcome}")
    return EXIT_PASSED


def _campaign(name: str, count: int, seed: int, asked: str) -> int:
    target = target_named(name)
    has_atheris = importlib.util.find_spec("atheris") is not None
    if asked == "guided" and not has_atheris:
        print("atheris is not installed: it has wheels for Linux on x86-64 alone, see requirements/fuzz.txt")
        return EXIT_USAGE
    guided = asked == "guided" or (asked == "auto" and has_atheris and target.in_bulk is None)
    began_s = time.monotonic()
    outcomes: Counter[str] = Counter()
    reached, word, status = "", "passed", EXIT_PASSED
    try:
        with _bar(name, count) as advance:
            if guided:
                from tests.fuzz import guiding

                reached = guiding.run(name, count, seed, advance, outcomes)
            else:
                campaign.run(target, count, seed, advance, outcomes)
    except Found as found:
        path = corpus.saved(name, found.content)
        print(f"again: {sys.executable} -m tests.fuzz {name} --replay {path}")
        print(f"FOUND {name} by seed {seed}, {len(found.content)} bytes: {str(found).splitlines()[0]}")
        return EXIT_FOUND
    except KeyboardInterrupt:
        word, status = "stopped before its end, nothing found so far", EXIT_STOPPED
    engine = "guided" if guided else "seeded"
    print(f"{word}: {_verdict(name, engine, seed, outcomes, time.monotonic() - began_s)}{reached}")
    return status


def _verdict(name: str, engine: str, seed: int, outcomes: Counter[str], seconds: float) -> str:
    total = outcomes.total()
    classes = ", ".join(f"{outcome} {number:,}" for outcome, number in outcomes.most_common(12))
    more = f" and {len(outcomes) - 12} more" if len(outcomes) > 12 else ""
    rate = total / max(seconds, 1e-9)
    return f"{name}, {engine}, seed {seed}: {total:,} in {seconds:.0f} s ({rate:,.0f}/s): {classes}{more}"


class _bar:  # noqa: N801 - used as a context manager's function
    """The progress bar, on standard error so that the last line of the output is the verdict."""

    def __init__(self, name: str, count: int) -> None:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task(name, total=count)

    def __enter__(self) -> Callable[[int], None]:
        self._progress.start()
        return lambda number: self._progress.advance(self._task, number)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
