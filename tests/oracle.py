"""What must have been published: the plain reference model over the verdicts as they stand in the topic."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from typing import Any, cast

from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.journal import COMMIT
from processor.kafka.policy_log import version_at
from processor.kafka.reading import partitions_of, place, read_to_end
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from processor.restrictions.commands import Command
from processor.restrictions.events import Position, Published
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
    """The decisions on a topic, each by its event's id; `policies` are those that have no number. What cannot be read is no record.

    Before which verdict a command, a version of the policies or a clock applied is the worker's choice: the journal says it.
    """
    settings, serde = ClientSettings(bootstrap), Serde(None)
    partitions = partitions_of(settings, topics.verdicts)
    references = {each: Reference(topics.verdicts, each, policies) for each in partitions}
    inputs = _inputs(settings, topics, serde)
    commands = _commands(settings, topics, serde)
    decisions: Decisions = {}
    version_of = cache(lambda version: version_at(settings, topics.policies, serde, "default", version))

    def publish(events: Iterable[Published]) -> None:
        for event in events:
            assert event.event_id not in decisions
            decisions[event.event_id] = (type(event).__name__, event.to_record())

    def apply_inputs(partition: int, offset: float) -> None:
        reference = references[partition]
        while inputs[partition] and inputs[partition][0]["before_offset"] <= offset:
            each = inputs[partition].popleft()
            if each["kind"] == "POLICY":
                version = each["policy_version"]
                reference.policies = version_of(version) if version.isdecimal() else policies
            elif each["kind"] == "CLOCK":
                position = Position(topics.verdicts, partition, each["before_offset"])
                publish(reference.expire(each["clock"], position))
            elif each["kind"] in _COMMAND_TOPICS:
                topic, by_support = getattr(topics, _COMMAND_TOPICS[each["kind"]]), each["kind"] != "COMMAND"
                position = Position(topic, partition, each["command_offset"])
                command, at_ms = commands.pop(position)
                publish([reference.obey(command, by_support, at_ms, position)])

    for message in read_to_end(settings, topics.verdicts, partitions, {}):
        partition, offset = place(message)
        apply_inputs(partition, offset)
        with suppress(UndecodableRecord):
            publish(references[partition].take(offset, verdict_of(serde.decode(message.value())[1])))
    for partition in partitions:
        apply_inputs(partition, math.inf)
    assert not commands, f"commands that nobody took up: {commands}"
    return decisions


_COMMAND_TOPICS = {"COMMAND": "commands", "SUPPORT_COMMAND": "support_commands"}


def _inputs(settings: ClientSettings, topics: TopicNames, serde: Serde) -> dict[int, deque[dict[str, Any]]]:
    """What the journal says of each partition, in the order of its commits."""
    found: dict[int, deque[dict[str, Any]]] = defaultdict(deque)
    for message in read_to_end(settings, topics.journal, partitions_of(settings, topics.journal), {}):
        name, record = serde.decode(message.value())
        if name == COMMIT:
            found[place(message)[0]].extend(record["inputs"])
    return found


def _commands(settings: ClientSettings, topics: TopicNames, serde: Serde) -> dict[Position, tuple[Command, int]]:
    """Every command, and when Kafka appended it."""
    found = {}
    for topic in (topics.commands, topics.support_commands):
        for message in read_to_end(settings, topic, partitions_of(settings, topic), {}):
            command = Command.from_record(serde.decode(message.value())[1])
            found[Position(topic, *place(message))] = (command, message.timestamp()[1])
    return found


def published_decisions(bootstrap: str, topics: TopicNames) -> Decisions:
    """What a read_committed reader finds; an event that stands there twice fails the test.

    A refusal's message is for people, and left out here.
    """
    settings, serde = ClientSettings(bootstrap), Serde(None)
    decisions: Decisions = {}
    for message in read_to_end(settings, topics.restrictions, partitions_of(settings, topics.restrictions), {}):
        name, record = serde.decode(message.value())
        headers = dict(cast("list[tuple[str, bytes]]", message.headers() or []))
        event_id = headers["ce_id"].decode()
        assert event_id not in decisions, f"{name} {event_id} was published twice"
        if name == "CommandRefused":
            assert record["message"]
            record["message"] = ""
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
