"""What a run of the detector has decided, so that two runs can be held against each other."""

import hashlib
from dataclasses import dataclass
from typing import cast

from confluent_kafka import TopicPartition

from bench.topics import detector_group
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks, partitions_of, read_to_end
from processor.kafka.topics import TopicNames


@dataclass(frozen=True, slots=True)
class Decisions:
    """How many events were published, by their types, and a digest of the set of their ids."""

    events: int
    types: dict[str, int]
    digest: str


class WrongDecisions(Exception):
    """A run did not do the whole work, or decided something else than the run before it."""


def published(bootstrap: str, topics: TopicNames) -> Decisions:
    """What a reader with read_committed finds. Raises WrongDecisions for an event that stands there twice, for verdicts
    that were refused, and when not all verdicts were processed.
    """
    settings = ClientSettings(bootstrap)
    require_processed(settings, topics.verdicts, detector_group(topics))
    if sum(high_watermarks(settings, topics.dead_letters, [0]).values()):
        raise WrongDecisions(f"{topics.dead_letters} is not empty: good verdicts were refused")
    ids: set[bytes] = set()
    types: dict[str, int] = {}
    for message in read_to_end(settings, topics.restrictions, partitions_of(settings, topics.restrictions), {}):
        headers = dict(cast("list[tuple[str, bytes]]", message.headers()))
        event_id, kind = headers["ce_id"], headers["ce_type"].decode()
        if event_id in ids:
            raise WrongDecisions(f"{kind} {event_id.decode()} was published twice")
        ids.add(event_id)
        types[kind] = types.get(kind, 0) + 1
    return Decisions(len(ids), dict(sorted(types.items())), hashlib.sha256(b"".join(sorted(ids))).hexdigest()[:16])


def require_processed(settings: ClientSettings, topic: str, group: str) -> None:
    """Raises WrongDecisions unless the group has committed all that there is in the topic."""
    partitions = partitions_of(settings, topic)
    consumer = clients.consumer(settings, group=group)
    try:
        answers = consumer.committed([TopicPartition(topic, partition) for partition in partitions], timeout=30)
    finally:
        consumer.close()
    committed = {each.partition: each.offset for each in answers}
    ends = high_watermarks(settings, topic, partitions)
    if any(committed[partition] < end for partition, end in ends.items() if end):
        raise WrongDecisions(f"{group} has committed up to {committed}, but the verdicts end at {ends}")
