"""Section `latency`: from a verdict being produced to its block being readable for a subscriber with read_committed.

A feeder keeps to 50,000 records a second, skewed, in which new accounts are blocked all the time; a detector with its default settings
works on them; a subscriber notes when it can read each block. All run on this machine and by one clock. Event time runs faster than
the clock, as in the other sections, so that panes end all the time and no brake is in force.
"""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from bench.costs import RunFailed
from bench.ground import Ground, Report, heading, quantile, say
from bench.results import table
from bench.subscriber import READING
from bench.sweeps import Sweeps, Swept
from bench.times import HOUR_MS, MIDNIGHT_MS, PANE_MS
from bench.watching import Progress, free_port, wait_until_ready
from processor.kafka.topics import TopicNames

RATE = 50_000
_CULPRITS_A_SECOND = 40
_HOURS = 20
"""Of event time that pass while records are fed; they begin an hour after midnight, so that no midnight falls into them."""
_END_MS = MIDNIGHT_MS + (1 + _HOURS) * HOUR_MS
_VAST_START_MS = MIDNIGHT_MS - 19 * HOUR_MS
"""The pane of the many senders leaves the day window after four of those hours."""
_NO_SWEEP = "[detector]\nchangelog_sweep_bytes = 1_000_000_000_000\n"
_AFTER_S = 3.0
_WARM_S = 5
"""So long nothing counts: a broker that has just begun compiles its code, and event time has jumped over most of a day and a midnight."""
_ROUNDS_BEFORE_SWEEP = 24
"""Each verdict of a sender makes the changelog longer, and what is to be kept of him no larger."""


@dataclass(frozen=True, slots=True)
class Latencies:
    """Of one situation: milliseconds from produced to readable, ascending; how far the feeder was behind its own plan, ms."""

    situation: str
    latencies_ms: tuple[float, ...]
    feeder_late_p99_ms: float
    sweep_s: float


def section(ground: Ground) -> Report:
    """Steady traffic; while the pane of millions of senders ends; while the changelog is swept."""
    seconds = 15 if ground.quick else 60
    vast, swept = (1_000_000, 200_000) if ground.quick else (5_000_000, 500_000)
    found = [
        *_steady(ground, seconds),
        *_pane_ends(ground, seconds, vast),
        *_swept(ground, 10 if ground.quick else 20, swept),
    ]
    return Report(
        heading(
            "Latency",
            f"Milliseconds from a verdict being produced to its block being readable, at {RATE:,} records/s.",
            table(
                ("situation", "blocks", "p50", "p90", "p99", "most", "feeder late, p99"), [_row(each) for each in found]
            ),
        ),
        {"rate": RATE, "situations": [asdict(each) for each in found]},
    )


def _steady(ground: Ground, seconds: int) -> list[Latencies]:
    topics = ground.topics("latency-steady-")
    say("latency: a day before")
    records = str(500_000 if ground.quick else 2_000_000)
    ground.run(
        *("bench.traffic", ground.broker.bootstrap, topics.prefix, "skewed", records),
        *("--hours", "24", "--end-ms", str(MIDNIGHT_MS + HOUR_MS)),
    )
    with _detector(ground, topics) as worker:
        samples = _fed(ground, topics, worker, _WARM_S + seconds)
    return [samples.warm("steady")]


def _pane_ends(ground: Ground, seconds: int, senders: int) -> list[Latencies]:
    topics = ground.topics("latency-pane-")
    say(f"latency: {senders:,} senders in one pane")
    _write_rounds(ground, topics, senders, 1, _VAST_START_MS)
    with _detector(ground, topics) as worker:
        samples = _fed(ground, topics, worker, _WARM_S + seconds)
    return [samples.warm(f"a pane of {senders:,} senders ends")]


def _swept(ground: Ground, seconds: int, senders: int) -> list[Latencies]:
    """The changelog is long before the worker starts, since the one before it was told to let it grow: so it begins with a sweep."""
    topics = ground.topics("latency-sweep-")
    say(f"latency: a changelog of {senders:,} senders to be swept")
    _write_rounds(ground, topics, senders, _ROUNDS_BEFORE_SWEEP, MIDNIGHT_MS)
    settings = ground.folder / "no-sweep.toml"
    settings.write_text(_NO_SWEEP)
    ground.run(*ground.detect(topics, "--once", "--config", str(settings), "--commit-interval-ms", "20"))
    with _detector(ground, topics) as worker:
        samples = _fed(ground, topics, worker, seconds)
    return [samples.while_swept(f"the changelog of {senders:,} senders is swept")]


def _write_rounds(ground: Ground, topics: TopicNames, senders: int, rounds: int, start_ms: int) -> None:
    sizes = (senders, rounds, start_ms, PANE_MS - 1, 0)
    ground.run("bench.rounds", ground.broker.bootstrap, topics.prefix, *map(str, sizes))


@contextmanager
def _detector(ground: Ground, topics: TopicNames) -> Iterator[subprocess.Popen[bytes]]:
    """A detector with default settings that has done all that there is."""
    port = free_port()
    with (
        Progress(ground.broker.bootstrap, topics) as progress,
        ground.process(*ground.detect(topics, "--metrics-port", str(port))) as worker,
    ):
        wait_until_ready(port, worker)
        progress.wait_for(progress.written(), worker)
        time.sleep(_AFTER_S)
        yield worker


@dataclass(frozen=True, slots=True)
class _Samples:
    produced_ns: dict[str, int]
    readable_ns: dict[str, int]
    late_ns: Sequence[int]
    sweeps: Sequence[Swept]

    def warm(self, situation: str) -> Latencies:
        """Of the verdicts that came once the broker was warm."""
        from_ns = min(self.produced_ns.values()) + _WARM_S * 1_000_000_000
        return self._of(situation, (event for event, at_ns in self.produced_ns.items() if at_ns >= from_ns))

    def while_swept(self, situation: str) -> Latencies:
        """Of the verdicts that were produced while any partition was being swept."""
        return self._of(situation, (event for event, at_ns in self.produced_ns.items() if self._is_swept(at_ns)))

    def _is_swept(self, at_ns: int) -> bool:
        return any(each.began_ns <= at_ns <= each.ended_ns for each in self.sweeps)

    def _of(self, situation: str, events: Iterable[str]) -> Latencies:
        latencies_ms = sorted((self.readable_ns[event] - self.produced_ns[event]) / 1e6 for event in events)
        swept_s = max((each.ended_ns for each in self.sweeps), default=0) - min(
            (each.began_ns for each in self.sweeps), default=0
        )
        return Latencies(situation, tuple(latencies_ms), quantile(sorted(self.late_ns), 0.99) / 1e6, swept_s / 1e9)


def _fed(ground: Ground, topics: TopicNames, worker: subprocess.Popen[bytes], seconds: int) -> _Samples:
    say(f"latency: {RATE:,} records/s for {seconds} s")
    where = (ground.broker.bootstrap, topics.prefix)
    readable, produced = (ground.folder / f"{topics.prefix}{name}.json" for name in ("readable", "produced"))
    sweeps = Sweeps(ground.broker.bootstrap, topics)
    traffic = map(str, ("skewed", RATE, seconds, _CULPRITS_A_SECOND, _HOURS, _END_MS))
    with (
        Progress(ground.broker.bootstrap, topics) as progress,
        ground.process("bench.subscriber", *where, str(readable), says=READING),
    ):
        with ground.process("bench.pacing", *where, *traffic, str(produced)) as feeder:
            while feeder.poll() is None:
                sweeps.look()
                time.sleep(0.05)
        progress.wait_for(progress.written(), worker)
        time.sleep(_AFTER_S)
        sweeps.look()
    sweeps.close()
    found: dict[str, Any] = json.loads(readable.read_text()) | json.loads(produced.read_text())
    if missing := found["produced_ns"].keys() - found["readable_ns"].keys():
        raise RunFailed(f"latency: {len(missing)} of {len(found['produced_ns'])} blocks never became readable")
    return _Samples(found["produced_ns"], found["readable_ns"], found["late_ns"], sweeps.seen)


def _row(found: Latencies) -> tuple[str, ...]:
    values, late = found.latencies_ms, f"{found.feeder_late_p99_ms:.1f}"
    if not values:
        return (f"{found.situation}: no sweep came to its end", "0", "", "", "", "", late)
    parts = (f"{quantile(values, part):.0f}" for part in (0.5, 0.9, 0.99))
    return (found.situation, f"{len(values):,}", *parts, f"{values[-1]:.0f}", late)
