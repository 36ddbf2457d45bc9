"""What must have been published: the plain reference model over the verdicts as they stand in the topic."""

from collections import defaultdict
from typing import Any, cast

from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of, read_to_end
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from processor.verdicts.event import MessageVerdict, Verdict
from tests.reference import Reference

Decisions = dict[str, tuple[str, dict[str, Any]]]
"""By event id: the event's type and its whole record."""


def verdict_of(record: dict[str, Any]) -> MessageVerdict:
    """The record of a payload as a value."""
    fields = {**record, "occurred_at_ms": record["occurred_at"], "verdict": Verdict[record["verdict"]]}
    del fields["occurred_at"]
    return MessageVerdict(**fields)


def expected_decisions(bootstrap: str, topics: TopicNames, policies: PolicySet) -> Decisions:
    """The decisions on a topic of good records, each by its event's id."""
    settings, serde = ClientSettings(bootstrap), Serde(None)
    partitions = partitions_of(settings, topics.verdicts)
    references = {each: Reference(topics.verdicts, each, policies) for each in partitions}
    decisions: Decisions = {}
    for message in read_to_end(settings, topics.verdicts, partitions, {}):
        partition, offset = message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        _, record = serde.decode(message.value())
        for event in references[partition].take(offset, verdict_of(record)):
            assert event.event_id not in decisions
            decisions[event.event_id] = (type(event).__name__, event.to_record())
    return decisions


def published_decisions(bootstrap: str, topics: TopicNames) -> Decisions:
    """What a read_committed reader finds; an event that stands there twice fails the test."""
    settings, serde = ClientSettings(bootstrap), Serde(None)
    decisions: Decisions = {}
    for message in read_to_end(settings, topics.restrictions, partitions_of(settings, topics.restrictions), {}):
        name, record = serde.decode(message.value())
        headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
        event_id = headers["ce_id"].decode()
        assert event_id not in decisions, f"{name} {event_id} was published twice"
        decisions[event_id] = (name, record)
    return decisions


def restricted_now(bootstrap: str, topics: TopicNames) -> dict[str, str]:
    """Who is restricted by `restricted-senders`: sender to block id."""
    settings, serde = ClientSettings(bootstrap), Serde(None)
    restricted: dict[str, str] = {}
    for message in read_to_end(settings, topics.restricted, partitions_of(settings, topics.restricted), {}):
        key, value = message.key(), message.value()
        assert key is not None
        if value is None:
            restricted.pop(key.decode(), None)
        else:
            restricted[key.decode()] = serde.decode(value)[1]["block_id"]
    return restricted


def restricted_by(decisions: Decisions) -> dict[str, str]:
    """Who must be restricted after these decisions."""
    blocks: dict[str, list[tuple[int, str]]] = defaultdict(list)
    lifted = {record["block_id"] for name, record in decisions.values() if name == "SenderUnblocked"}
    for name, record in decisions.values():
        if name == "SenderBlocked" and record["block_id"] not in lifted:
            blocks[record["sender"]].append((record["blocked_at"], record["block_id"]))
    assert all(len(each) == 1 for each in blocks.values()), "two blocks in force for one sender"
    return {sender: each[0][1] for sender, each in blocks.items()}
