"""How long the changelog grows for the verdicts that it counts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import TopicPartition

from bench.changelog_reader import READING
from bench.ground import Ground
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames

_SAMPLE = 10_000
_TIMEOUT_S = 30.0


@contextmanager
def changelog_followed(ground: Ground, topics: TopicNames) -> Iterator[Path]:
    """A process that adds up the changelog while the block lasts; afterwards its figures are in the file."""
    out = ground.folder / f"{topics.prefix}changelog.json"
    with ground.process("bench.changelog_reader", ground.broker.bootstrap, topics.prefix, str(out), says=READING):
        yield out


def changelog_share(ground: Ground, topics: TopicNames, followed: Path, starts: dict[int, int]) -> float:
    """Bytes of changelog for a byte of verdicts, of the verdicts from `starts` (by partition) on."""
    heads: dict[str, list[tuple[int, int]]] = json.loads(followed.read_text())
    written, verdicts = 0, 0
    for partition, start in starts.items():
        after = [head for head in heads[str(partition)] if head[0] >= start]
        written += after[-1][1] - after[0][1]
        verdicts += after[-1][0] - after[0][0]
    return written / (verdicts * _verdict_bytes(ground, topics))


def _verdict_bytes(ground: Ground, topics: TopicNames) -> float:
    """The mean of the first records of a partition, values alone: all are made alike."""
    consumer = clients.consumer(ClientSettings(ground.broker.bootstrap), group=None)
    consumer.assign([TopicPartition(topics.verdicts, 0, 0)])
    sizes: list[int] = []
    while len(sizes) < _SAMPLE and (messages := consumer.consume(_SAMPLE, _TIMEOUT_S if not sizes else 1.0)):
        sizes += [len(message.value() or b"") for message in messages]
    consumer.close()
    return sum(sizes) / len(sizes)
