"""Section `pair`: two workers that share four partitions, beside one that has all of them, and beside Kafka Streams with two threads.

Workers are measured from when all have their partitions until the first partition is done: so all are at work all the time, and no
start is in it. Beside Kafka Streams, which tells its end alone, it is until the last partition is done, of both.
"""

import time
from collections.abc import Iterable
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
    """What some workers did in a while that none of them was idle."""

    workers: int
    records: int
    cpu_s: float
    wall_s: float
    broker_cpu_s: float
    whole_rate: float
    """Records a second of wall time until the last partition was done."""


def section(ground: Ground) -> Report:
    """One, two and Kafka Streams in turn."""
    records, runs = (12_000_000, 1) if ground.quick else (30_000_000, 5)
    topics = ground.topics("pair-")
    say(f"pair: writing {records:,} verdicts")
    ground.run("bench.traffic", ground.broker.bootstrap, topics.prefix, "skewed", str(records))
    found: dict[int, list[Together]] = {1: [], 2: []}
    threads, rates = streams("memory", threads=2), list[float]()
    for number in range(1, runs + 1):
        for workers, each in found.items():
            each.append(_together(ground, topics, workers))
            say(f"pair: run {number} of {runs}, {workers} at work: {each[-1].records / each[-1].wall_s:,.0f} records/s")
        rates.append(_streams_rate(ground, topics, threads))
        say(f"pair: run {number} of {runs}, {threads.name}: {rates[-1]:,.0f} records/s")
    threads.clear(ground.broker.bootstrap, topics)
    beside = Figure.of(two.whole_rate / rate for two, rate in zip(found[2], rates, strict=True))
    ratio = Figure.of(
        (two.records / two.cpu_s) / (one.records / one.cpu_s) for one, two in zip(found[1], found[2], strict=True)
    )
    return Report(
        heading(
            "Two workers",
            "Skewed, four partitions; median (least–most). CPU is that of all workers together.",
            table(
                (
                    "workers",
                    "records per CPU-second",
                    "records/s of wall time",
                    "CPU s a second",
                    "broker, CPU s a second",
                ),
                [_row(each) for each in found.values()],
            ),
            f"Two beside one, records per CPU-second, in pairs of runs: {ratio.shown(lambda value: f'{value:.2f}')}. Until the last "
            f"partition is done, records a second of wall time: two workers {_shown(each.whole_rate for each in found[2])}, {threads.name} "
            f"{_shown(rates)}; in pairs of runs {beside.shown(lambda value: f'{value:.2f}')}.",
        ),
        {
            "runs": [asdict(each) for runs_of in found.values() for each in runs_of],
            "ratio": asdict(ratio),
            "streams_rates": rates,
            "beside_streams": asdict(beside),
        },
    )


def _streams_rate(ground: Ground, topics: TopicNames, peer: Peer) -> float:
    """Records a second of wall time, from when it is warm to its end."""
    peer.prepare(ground.broker.bootstrap, topics)
    cost = ground.measure(peer.command(ground.broker.bootstrap, topics), peer.word)
    if (part := cost.between_marks) is None:
        raise RunFailed(f"{peer.name} has not told when it was warm")
    return part.records / part.wall_s


def _together(ground: Ground, topics: TopicNames, count: int) -> Together:
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
        nobody_idle: tuple[int, float, float, float] | None = None
        while True:
            time.sleep(_PAUSE_S)
            wall_s, used_s = time.monotonic() - began_s, cpu_s(*workers) - cpu_before_s
            broker_s = ground.broker.cpu_s() - broker_before_s
            now = progress.by_partition()
            records = sum(now.values()) - sum(before.values())
            is_done = [now[partition] >= end for partition, end in ends.items()]
            if nobody_idle is None and any(is_done):
                nobody_idle = records, used_s, wall_s, broker_s
            if nobody_idle is not None and all(is_done):
                return Together(count, *nobody_idle, records / wall_s)


def _row(runs: list[Together]) -> tuple[str, ...]:
    return (
        str(runs[0].workers),
        _shown(each.records / each.cpu_s for each in runs),
        _shown(each.records / each.wall_s for each in runs),
        Figure.of(each.cpu_s / each.wall_s for each in runs).shown(lambda value: f"{value:.2f}"),
        Figure.of(each.broker_cpu_s / each.wall_s for each in runs).shown(lambda value: f"{value:.2f}"),
    )


def _shown(rates: Iterable[float]) -> str:
    return Figure.of(rates).shown(lambda value: f"{value:,.0f}")
