"""The topics of a benchmark: made once with the input in it, the rest made anew before each run of the detector."""

import time
from collections.abc import Iterable

from confluent_kafka.admin import AdminClient, NewTopic

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topic_creation import create
from processor.kafka.topics import TopicNames, TopicShape
from processor.settings import load_settings
from processor.workers.wiring import group_name

PARTITIONS = 4
_SHAPE = TopicShape(partitions=PARTITIONS)
_TIMEOUT_S = 30.0


def make_topics(bootstrap: str, topics: TopicNames) -> None:
    """All topics under a prefix that are not there yet."""
    reports = create(ClientSettings(bootstrap), topics, _SHAPE)
    if bad := [report for report in reports if not report.good]:
        raise RuntimeError(f"topics could not be made: {bad}")


def detector_group(topics: TopicNames) -> str:
    """The consumer group of the workers on these topics."""
    settings = load_settings(None, {"topics.prefix": topics.prefix})
    return group_name(settings, settings.detector.group)


def forget_detection(bootstrap: str, topics: TopicNames) -> None:
    """As if no detector had ever run on the verdicts of `topics`: no offsets, no state, no output."""
    forget_group(bootstrap, detector_group(topics))
    delete_topics(
        bootstrap, (topics.changelog, topics.journal, topics.restrictions, topics.restricted, topics.dead_letters)
    )
    make_topics(bootstrap, topics)


def forget_group(bootstrap: str, group: str) -> None:
    """As if the consumer group had never been."""
    client = clients.admin(ClientSettings(bootstrap))
    groups = client.list_consumer_groups(request_timeout=_TIMEOUT_S).result().valid
    if any(each.group_id == group for each in groups):
        client.delete_consumer_groups([group], request_timeout=_TIMEOUT_S)[group].result()


def topics_named(bootstrap: str, part: str) -> list[str]:
    """All topics whose names have this in them."""
    client = clients.admin(ClientSettings(bootstrap))
    return [name for name in client.list_topics(timeout=_TIMEOUT_S).topics if part in name]


def make_topic(bootstrap: str, name: str, *, is_compacted: bool = False) -> None:
    """A topic of a contender's own; a changelog as Kafka Streams makes them, with segments small enough to be compacted.

    Kafka Streams stamps what it writes with event time, which may lie a year back: retention must not think it old.
    """
    client = clients.admin(ClientSettings(bootstrap))
    compacted = {"cleanup.policy": "compact", "segment.bytes": str(50 * 1024 * 1024)}
    config = compacted if is_compacted else {"retention.ms": "-1"}
    client.create_topics([NewTopic(name, PARTITIONS, config=config)], operation_timeout=_TIMEOUT_S)[name].result()


def delete_topics(bootstrap: str, names: Iterable[str]) -> None:
    """These topics, of which some need not be there; returns when the broker lists none of them."""
    _delete(clients.admin(ClientSettings(bootstrap)), names)


def _delete(client: AdminClient, names: Iterable[str]) -> None:
    present = [name for name in names if name in client.list_topics(timeout=_TIMEOUT_S).topics]
    if not present:
        return
    for answer in client.delete_topics(present, operation_timeout=_TIMEOUT_S).values():
        answer.result()
    deadline_s = time.monotonic() + _TIMEOUT_S
    while not client.list_topics(timeout=_TIMEOUT_S).topics.keys().isdisjoint(present):
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"the broker still lists {present}, which it has deleted")
        time.sleep(0.02)
