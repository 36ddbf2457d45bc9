"""Section `pair`: two workers that share four partitions, beside one that has all of them, and beside Kafka Streams with two threads.

Workers are measured from when all have their partitions until the first partition is done: so all are at work all the time, and no
start is in it. Kafka Streams is measured from when it is warm to its end.
"""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass

from bench.costs import RunFailed
from bench.ground import Ground, Report, heading, say
from bench.peers import Peer, streams
from bench.results import Figure, table
from bench.topics import forget_detection
from bench.watching import Progress, cpu_s, free_port, wait_until_ready
from processor.kafka.topics import TopicNames

_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Together:
    """What some workers, or threads, did in a while that none of them was idle. What the broker did is known of workers alone."""

    who: str
    records: int
    cpu_s: float
    wall_s: float
    broker_cpu_s: float | None = None

    @property
    def wall_rate(self) -> float:
        """Records a second."""
        return self.records / self.wall_s

    @property
    def cpu_rate(self) -> float:
        """Records per CPU-second."""
        return self.records / self.cpu_s


def section(ground: Ground) -> Report:
    """One and two, in turn."""
    records, runs = (12_000_000, 1) if ground.quick else (30_000_000, 5)
    topics = ground.topics("pair-")
    say(f"pair: writing {records:,} verdicts")
    ground.run("bench.traffic", ground.broker.bootstrap, topics.prefix, "skewed", str(records))
    threads = streams("memory", threads=2)
    runners: dict[str, Callable[[], Together]] = {
        "one worker": lambda: _together(ground, topics, "one worker", 1),
        "two workers": lambda: _together(ground, topics, "two workers", 2),
        threads.name: lambda: _streams(ground, topics, threads),
    }
    found: dict[str, list[Together]] = {who: [] for who in runners}
    for number in range(1, runs + 1):
        for who, run in runners.items():
            found[who].append(run())
            say(f"pair: run {number} of {runs}, {who}: {found[who][-1].wall_rate:,.0f} records/s")
    threads.clear(ground.broker.bootstrap, topics)
    one, two, peer = found.values()
    ratio = Figure.of(both.cpu_rate / alone.cpu_rate for alone, both in zip(one, two, strict=True))
    beside = Figure.of(both.wall_rate / other.wall_rate for both, other in zip(two, peer, strict=True))
    return Report(
        heading(
            "Two workers",
            "Skewed, four partitions; median (least–most). CPU is that of all workers together.",
            table(
                ("", "records per CPU-second", "records/s of wall time", "CPU s a second", "broker, CPU s a second"),
                [_row(each) for each in found.values()],
            ),
            f"Two beside one, records per CPU-second, in pairs of runs: {ratio.shown(lambda value: f'{value:.2f}')}. Two workers beside "
            f"Kafka Streams with two threads, records a second of wall time: {beside.shown(lambda value: f'{value:.2f}')}.",
        ),
        {
            "runs": [asdict(each) for runs_of in found.values() for each in runs_of],
            "ratio": asdict(ratio),
            "beside_streams": asdict(beside),
        },
    )


def _streams(ground: Ground, topics: TopicNames, peer: Peer) -> Together:
    peer.prepare(ground.broker.bootstrap, topics)
    cost = ground.measure(peer.command(ground.broker.bootstrap, topics), peer.word)
    if len(cost.marks) != 2:
        raise RunFailed(f"{peer.name} has not told when it was warm")
    warm, end = cost.marks
    return Together(peer.name, end.records - warm.records, end.cpu_s - warm.cpu_s, end.wall_s - warm.wall_s)


def _together(ground: Ground, topics: TopicNames, who: str, count: int) -> Together:
    forget_detection(ground.broker.bootstrap, topics)
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(ground.broker.bootstrap, topics))
        ports = [free_port() for _ in range(count)]
        workers = [
            stack.enter_context(ground.process(*ground.detect(topics, "--metrics-port", str(port)))) for port in ports
        ]
        for port, worker in zip(ports, workers, strict=True):
            wait_until_ready(port, worker)
        ends = progress.ends()
        began_s, cpu_before_s, broker_before_s = time.monotonic(), cpu_s(*workers), ground.broker.cpu_s()
        before = progress.by_partition()
        while True:
            time.sleep(_PAUSE_S)
            wall_s, used_s = time.monotonic() - began_s, cpu_s(*workers) - cpu_before_s
            broker_s = ground.broker.cpu_s() - broker_before_s
            now = progress.by_partition()
            if any(now[partition] >= end for partition, end in ends.items()):
                return Together(who, sum(now.values()) - sum(before.values()), used_s, wall_s, broker_s)


def _row(runs: list[Together]) -> tuple[str, ...]:
    broker = [each.broker_cpu_s / each.wall_s for each in runs if each.broker_cpu_s is not None]
    return (
        runs[0].who,
        Figure.of(each.cpu_rate for each in runs).shown(lambda value: f"{value:,.0f}"),
        Figure.of(each.wall_rate for each in runs).shown(lambda value: f"{value:,.0f}"),
        Figure.of(each.cpu_s / each.wall_s for each in runs).shown(lambda value: f"{value:.2f}"),
        Figure.of(broker).shown(lambda value: f"{value:.2f}") if broker else "",
    )
