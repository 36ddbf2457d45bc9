"""How long a contender takes to be ready again: a new process on a machine that knows nothing, with the state in the changelog.

The same for all, seen from outside: some verdicts more are written, so that every partition has one; the contender's local state
is taken away; the time runs from the start of its process until its group has committed the offsets behind these verdicts, so that
all state has been restored and used. The process before it had ended in order: nobody waits for a dead member's session to end.
"""

import itertools
import time
from collections.abc import Iterable, Mapping, Sequence

from confluent_kafka import TopicPartition

from bench.contenders import DETECT
from bench.costs import RunFailed, started
from bench.ground import Ground, Report, heading, say
from bench.peers import Peer, streams
from bench.results import Figure, table
from bench.times import HOUR_MS, MIDNIGHT_MS
from bench.topics import detector_group
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks, partitions_of
from processor.kafka.topics import TopicNames

_MORE = 64
"""Verdicts of as many senders: each of four partitions has some of them."""
_PAUSE_S = 0.01
_LONGEST_S = 300.0
_TIMES = itertools.count(1)
_HISTORY_HOURS = 24


def restored(ground: Ground, topics: TopicNames, peers: Iterable[Peer], times: int) -> dict[str, list[float]]:
    """Seconds of each time, by contender: the detector's and those of peers that have done these verdicts, in turn."""
    taken: dict[str, list[float]] = {}
    bootstrap = ground.broker.bootstrap
    for _ in range(times):
        _write(ground, topics, senders=_MORE, rounds=1, start_ms=MIDNIGHT_MS + next(_TIMES) * 1000, interval_ms=0)
        group = detector_group(topics)
        seconds = _restored_s(ground, DETECT.command(bootstrap, topics), topics.verdicts, group)
        taken.setdefault(DETECT.name, []).append(seconds)
        done: set[str] = set()
        for peer in peers:
            if peer.word in done:  # another form of one that has just done these verdicts
                _write(
                    ground, topics, senders=_MORE, rounds=1, start_ms=MIDNIGHT_MS + next(_TIMES) * 1000, interval_ms=0
                )
            done.add(peer.word)
            peer.lose_state(bootstrap, topics)
            group = peer.job(bootstrap, topics).group
            seconds = _restored_s(ground, peer.command(bootstrap, topics), topics.verdicts, group)
            taken.setdefault(peer.name, []).append(seconds)
    return taken


def rows(shown: str, taken: Mapping[str, Sequence[float]]) -> list[tuple[str, ...]]:
    """For the table of `HEAD`: a row for each contender, with how many times the detector's time it took."""
    ours = Figure.of(taken[DETECT.name]).median
    return [
        (shown, name, Figure.of(seconds).shown(lambda value: f"{value:.2f}"), f"{Figure.of(seconds).median / ours:.1f}")
        for name, seconds in taken.items()
    ]


HEAD = ("senders", "contender", "seconds from process start", "times detect's")


def section(ground: Ground) -> Report:
    """A million senders with a day of history: the detector beside Kafka Streams with either store."""
    senders, rounds, times = (100_000, 2, 1) if ground.quick else (1_000_000, 8, 5)
    topics = ground.topics("restore-")
    say(f"restore: {senders:,} senders with {rounds} cells each")
    interval_ms = _HISTORY_HOURS * HOUR_MS // rounds
    start_ms = MIDNIGHT_MS - _HISTORY_HOURS * HOUR_MS
    _write(ground, topics, senders=senders, rounds=rounds, start_ms=start_ms, interval_ms=interval_ms)
    bootstrap = ground.broker.bootstrap
    memory, rocksdb = streams("memory"), streams("rocksdb")
    ground.measure(DETECT.command(bootstrap, topics), "detect")
    memory.prepare(bootstrap, topics)
    ground.measure(memory.command(bootstrap, topics), memory.word)
    taken = restored(ground, topics, (memory, rocksdb), times)
    memory.clear(bootstrap, topics)
    shown = f"{senders:,}, {rounds} cells each over a day"
    return Report(
        heading(
            "Restore",
            "From the start of a process that has the changelog and nothing else until its first commit behind new verdicts.",
            table(HEAD, rows(shown, taken)),
        ),
        {"senders": senders, "cells_each": rounds, "seconds": taken},
    )


def _write(ground: Ground, topics: TopicNames, *, senders: int, rounds: int, start_ms: int, interval_ms: int) -> None:
    span_ms = max(interval_ms - 1, 1)
    where = (ground.broker.bootstrap, topics.prefix)
    ground.run("bench.rounds", *where, *map(str, (senders, rounds, start_ms, span_ms, interval_ms)))


def _restored_s(ground: Ground, command: Sequence[str], topic: str, group: str) -> float:
    """Seconds from the start of this command until its group is behind all verdicts. Raises RunFailed."""
    settings = ClientSettings(ground.broker.bootstrap)
    ends = high_watermarks(settings, topic, partitions_of(settings, topic))
    places = [TopicPartition(topic, number) for number in ends]
    watcher = clients.consumer(settings, group=group)
    watcher.committed(places, timeout=30)  # it is connected before the time begins to run
    log = ground.log("restore")
    began_s = time.monotonic()
    process = started(command, log)
    try:
        while any(place.offset < ends[place.partition] for place in watcher.committed(places, timeout=30)):
            if time.monotonic() - began_s > _LONGEST_S or process.poll() not in (None, 0):
                raise RunFailed(f"{' '.join(command)}: not restored\n{log.read_text()[-2000:]}")
            time.sleep(_PAUSE_S)
        taken_s = time.monotonic() - began_s
        if process.wait(60) != 0:
            raise RunFailed(f"{' '.join(command)}: exit status {process.returncode}\n{log.read_text()[-2000:]}")
        return taken_s
    finally:
        watcher.close()
        if process.poll() is None:
            process.kill()
            process.wait()
