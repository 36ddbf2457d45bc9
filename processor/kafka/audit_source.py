"""What an audit reads: pinned first, then read up to the pins, in no consumer group and with nothing written (design, section 8).

The group's committed offsets are asked for first, the ends of all topics after: what belongs to those offsets is below the ends.
Of these the end of what was published comes first: what each of its events came from is below the other ends.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.audit.findings import Event
from processor.audit.pages import Page, Snapshot
from processor.audit.replay import GivenCommand
from processor.avro import UndecodableRecord
from processor.detection.changes import SenderValues, check
from processor.detection.soundness import check_whole
from processor.kafka.batched_runs import run_source
from processor.kafka.changelog import CommitMark
from processor.kafka.clients import ClientSettings, consumer
from processor.kafka.columns import senders_values
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.event_log import EventName
from processor.kafka.journal import COMMIT, SNAPSHOT
from processor.kafka.reading import (
    Partition,
    ReadingFailed,
    ReadingStopped,
    bounds,
    offsets_at,
    partitions_of_each,
    place,
    read_to_end,
)
from processor.kafka.rights import lacks
from processor.kafka.runs import End, Run
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import command_topics
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import RECORD, Command
from processor.restrictions.life import Role

_ASK_S = 30.0
_BATCH, _WAIT_S = 2_500, 0.05


class PinsUnusable(Exception):
    """Pins that cannot be used here; the text says why."""


@dataclass(frozen=True, slots=True)
class Pins:
    """What the audit reads, and nothing beyond. `committed`: next offset and commit number by partition; `bounds`: of each topic.

    A partition of which nothing was committed has commit 0.
    """

    group: str
    committed: Mapping[int, tuple[int, int]]
    bounds: Mapping[Partition, tuple[int, int]]

    def of(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset and end of a partition. Raises ReadingFailed where there is none."""
        found = self.bounds.get((topic, partition))
        if found is None:
            raise ReadingFailed(
                f"{topic} has no partition {partition}, which the verdicts have: they must have the same number "
                "(`senderwatch topics list` shows both)"
            )
        return found

    def to_json(self) -> dict[str, Any]:
        """As a file of pins has it."""
        topics: dict[str, dict[str, list[int]]] = {}
        for (topic, partition), found in sorted(self.bounds.items()):
            topics.setdefault(topic, {})[str(partition)] = list(found)
        return {
            "group": self.group,
            "committed": {str(partition): list(found) for partition, found in sorted(self.committed.items())},
            "bounds": topics,
        }

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The way back. Raises PinsUnusable."""
        try:
            given = json.loads(text)
            committed = {int(partition): (int(pair[0]), int(pair[1])) for partition, pair in given["committed"].items()}
            found = {
                (str(topic), int(partition)): (int(pair[0]), int(pair[1]))
                for topic, pairs in given["bounds"].items()
                for partition, pair in pairs.items()
            }
            return cls(str(given["group"]), committed, found)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError) as error:
            raise PinsUnusable(f"this is no file of pins of senderwatch: {repr(error)[:200]}") from None


def check_pins(settings: ClientSettings, topics: TopicNames, pins: Pins) -> None:
    """Raises PinsUnusable for pins of other topics, which would be waited for without an end; else as `pin`."""
    read = (topics.restrictions, *_inputs(topics))
    for topic in read:
        if all(name != topic for name, _ in pins.bounds):
            raise PinsUnusable(
                f"these pins have no topic {topic}: are they of another cluster, or another topics.prefix?"
            )
    pinned = {partition: found for partition, found in pins.bounds.items() if partition[0] in read}
    if {partition for topic, partition in pinned if topic == topics.verdicts} != pins.committed.keys():
        raise PinsUnusable(
            f"these pins are not whole: what was committed is not told of each partition of {topics.verdicts}"
        )
    check_ends(pinned, bounds(settings, pinned))


def check_ends(pinned: Mapping[Partition, tuple[int, int]], now: Mapping[Partition, tuple[int, int]]) -> None:
    """Raises PinsUnusable for ends that are not there now."""
    for (topic, partition), (first, end) in pinned.items():
        there = now[topic, partition][1]
        if not 0 <= first <= end <= there:
            raise PinsUnusable(
                f"these pins have offsets {first} to {end} of {topic}, partition {partition}, which ends at {there}: "
                "are they of another cluster, or was the topic made anew?"
            )


def _inputs(topics: TopicNames) -> tuple[str, ...]:
    return (topics.verdicts, topics.journal, topics.commands, topics.support_commands, topics.policies)


def pin(settings: ClientSettings, topics: TopicNames, group: str) -> Pins:
    """Everything as it is now. Raises BrokerUnreachable, UnknownTopic, ReadingFailed."""
    read = _inputs(topics)
    partitions = partitions_of_each(settings, (topics.restrictions, *read))
    committed = _committed(settings, topics.verdicts, partitions[topics.verdicts], group)
    found: dict[Partition, tuple[int, int]] = {}
    for several in ((topics.restrictions,), read):
        found |= bounds(settings, [(topic, partition) for topic in several for partition in partitions[topic]])
    return Pins(group, committed, found)


def _committed(settings: ClientSettings, topic: str, partitions: list[int], group: str) -> dict[int, tuple[int, int]]:
    """Asked by a consumer that never joins: an admin client of librdkafka dies of a coordinator that is not ready (2.16)."""
    client = consumer(settings, group=group)
    try:
        answers = client.committed([TopicPartition(topic, partition) for partition in partitions], timeout=_ASK_S)
    except KafkaException as error:
        code = error.args[0].code()
        if error.args[0].retriable() or code == KafkaError._TIMED_OUT:
            raise BrokerUnreachable(settings.bootstrap_servers, error.args[0].str()) from None
        if code == KafkaError.GROUP_AUTHORIZATION_FAILED:
            raise ReadingFailed(lacks("Describe", f"group {group}")) from None
        raise ReadingFailed(f"cannot ask for the offsets of group {group}: {error.args[0].str()}") from None
    finally:
        client.close()
    found = {}
    for each in answers:
        mark = CommitMark.from_metadata(each.metadata) if each.offset >= 0 else None
        found[each.partition] = (max(each.offset, 0), 0 if mark is None else mark.commit)
    return found


class AuditSource:
    """Reads what was pinned. `should_stop` ends any reading with ReadingStopped."""

    def __init__(
        self, settings: ClientSettings, topics: TopicNames, serde: Serde, pins: Pins, should_stop: Callable[[], bool]
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._serde = serde
        self._should_stop = should_stop
        self.pins = pins

    def journal(self, partition: int) -> tuple[list[Page], list[Snapshot]]:
        """Pages and snapshots up to the pinned commit. Raises ReadingFailed for what this version cannot read."""
        _, last = self.pins.committed[partition]
        pages: list[Page] = []
        snapshots: list[Snapshot] = []
        chunks: list[SenderValues] = []
        begun = 0
        for offset, name, record in self._records(self._topics.journal, partition):
            if name not in (COMMIT, SNAPSHOT) or record["commit"] > last:
                continue
            if name == COMMIT:
                try:
                    pages.append(Page.from_record(record))
                except ValueError as error:
                    raise self._damaged(partition, offset, error) from None
                continue
            if begun != record["commit"]:
                begun, chunks = record["commit"], []  # of one that has no end nothing is taken over
            if record["senders"] is not None:
                chunks.append(self._senders(partition, offset, record["senders"]))
            if record["last"]:
                snapshots.append(self._snapshot(partition, offset, record, chunks))
                chunks = []
        return pages, snapshots

    def _senders(self, partition: int, offset: int, record: dict[str, Any]) -> SenderValues:
        try:
            values = senders_values(record)
            check(values)
        except ValueError as error:
            raise self._damaged(partition, offset, error) from None
        return values

    def _snapshot(self, partition: int, offset: int, record: Mapping[str, Any], chunks: list[SenderValues]) -> Snapshot:
        brake = {each["pane"]: each["count"] for each in record["brake"]}
        try:
            check_whole(record["stream_time"], brake)
        except ValueError as error:
            raise self._damaged(partition, offset, error) from None
        return Snapshot(
            commit=record["commit"],
            next_offset=record["next_offset"],
            stream_time_ms=record["stream_time"],
            policy_version=record["policy_version"],
            brake=brake,
            senders=tuple(chunks),
        )

    def _damaged(self, partition: int, offset: int, error: ValueError) -> ReadingFailed:
        return ReadingFailed(f"{self._topics.journal}, partition {partition}, offset {offset}, is damaged: {error}")

    def commands(self, partition: int) -> dict[tuple[Role, int], GivenCommand]:
        """The commands that can be read, by role and offset."""
        found = {}
        for role, topic in command_topics(self._topics).items():
            for message in self._messages(topic, partition):
                try:
                    name, record = self._serde.decode(message.value())
                    if name == RECORD:
                        found[role, place(message)[1]] = GivenCommand(
                            Command.from_record(record), message.timestamp()[1]
                        )
                except UndecodableRecord:
                    continue  # so it was to the worker; if not, the journal says that it is missing
        return found

    def published(self) -> dict[int, dict[str, list[Event]]]:
        """What was published, by the partition of the record that caused it and by event id."""
        found: dict[int, dict[str, list[Event]]] = {}
        topic = self._topics.restrictions
        for partition in sorted(partition for name, partition in self.pins.bounds if name == topic):
            for _, name, record in self._records(topic, partition):
                if name in set(EventName):
                    event_id = record["block_id"] if name == EventName.SENDER_BLOCKED else record["event_id"]
                    of_partition = found.setdefault(record["position"]["partition"], {})
                    of_partition.setdefault(event_id, []).append(Event(event_id, name, record))
        return found

    def offset_at(self, partition: int, time_ms: int) -> int:
        """The first verdict that Kafka stamped at or after this time; the pinned end where there is none."""
        end = self.pins.of(self._topics.verdicts, partition)[1]
        found = offsets_at(self._settings, self._topics.verdicts, [partition], time_ms)[partition]
        return end if found < 0 else min(found, end)

    def verdicts(self, partition: int, start: int, end: int) -> Iterator[Run]:
        """The verdicts from `start` to `end` (exclusive), in order."""
        topic = self._topics.verdicts
        end = min(end, self.pins.of(topic, partition)[1])  # less was left, if somebody took records away
        if start >= end:
            return
        client = consumer(self._settings, group=None, partition_eof=True)
        source = run_source(client, topic, lambda call: call(), in_batches=self._settings.in_batches)
        try:
            source.expect([partition])
            client.assign([TopicPartition(topic, partition, start)])
            while True:
                if self._should_stop():
                    raise ReadingStopped
                for each in source.take(_BATCH, _WAIT_S):
                    if isinstance(each, End):
                        if each.offset >= end:
                            return
                        continue
                    until = int((each.offsets < end).sum())
                    if until:
                        yield each.up_to_row(until)
                    if until < len(each.offsets) or int(each.offsets[-1]) + 1 >= end:
                        return
        finally:
            source.close()
            client.close()

    def _messages(self, topic: str, partition: int) -> Iterator[Any]:
        first, end = self.pins.of(topic, partition)
        starts, ends = {partition: first}, {partition: end}
        return read_to_end(self._settings, topic, [partition], starts, ends=ends, should_stop=self._should_stop)

    def _records(self, topic: str, partition: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for message in self._messages(topic, partition):
            _, offset = place(message)
            try:
                name, record = self._serde.decode(message.value())
            except UndecodableRecord as error:
                raise ReadingFailed(
                    f"{topic}, partition {partition}, offset {offset} cannot be read: {error}"
                ) from None
            yield offset, name, record
