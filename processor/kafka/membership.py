"""A worker's part of a topic: the partitions that its group gives it, from where each goes on, and their records.

The group's callbacks come in the thread that polls, while it polls. Each partition's start is explicit: the committed
offset, else the first record there is; where retention took the next one, the first that is left (design, section 3).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import structlog
from confluent_kafka import Message, TopicPartition

from processor.kafka.clients import ClientSettings
from processor.kafka.committed import Committed
from processor.kafka.group import GroupMember, Owner, end_of
from processor.kafka.reading import first_offsets, high_watermarks, place

_log = structlog.get_logger(__name__)

_AT_REST = "at rest"
"""Metadata of the offset that an owner commits last: nothing that it began is in doubt."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an owned partition."""

    partition: int
    offset: int
    value: bytes | None


class Membership(GroupMember):
    """A group member that gives records one by one, and remembers where it is in each partition."""

    def __init__(self, settings: ClientSettings, topic: str, *, group: str, slot: str | None, owner: Owner) -> None:
        super().__init__(settings, topic, group=group, slot=slot, owner=owner)
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._at_rest: set[int] = set()

    @property
    def partitions(self) -> list[int]:
        return sorted(self._next)

    def reached(self, ends: Mapping[int, int]) -> bool:
        """Whether every owned partition has been polled up to its end in `ends` (exclusive)."""
        return all(
            max(following, self._ends.get(partition, 0)) >= ends.get(partition, 0)
            for partition, following in self._next.items()
        )

    def ends(self, partitions: Iterable[int]) -> dict[int, int]:
        """The high watermarks of now. Raises as `high_watermarks`."""
        return high_watermarks(self.settings, self.topic, partitions)

    def poll(self, most: int, timeout_s: float) -> list[Record]:
        """The next records of owned partitions, in order within each; runs the group's callbacks.

        Raises Fenced, ReadingFailed, and what the owner's callbacks raise.
        """
        messages = self.polled(lambda: self.client.consume(most, timeout_s))
        return [record for message in messages if (record := self._record(message)) is not None]

    def _record(self, message: Message) -> Record | None:
        is_record = message.error() is None
        if not is_record and not end_of(message):
            return None
        partition, offset = place(message)
        if partition not in self._next or (is_record and offset < self._next[partition]):
            return None  # fetched before the partition was taken away, or read again
        if not is_record:
            self._ends[partition] = offset  # past the last record by more than one where control records trail
            return None
        self._next[partition] = offset + 1
        return Record(partition, offset, message.value())

    def offsets(self, partitions: Iterable[int], *, at_rest: bool = False) -> list[TopicPartition]:
        """What a transaction commits of these partitions once everything that was polled is processed.

        `at_rest`: this is the last of them, and nothing is left whose outcome is not recorded.
        """
        metadata = _AT_REST if at_rest else ""
        return [TopicPartition(self.topic, partition, self._next[partition], metadata) for partition in partitions]

    def starts(self, partitions: Iterable[int]) -> dict[int, int]:
        """From where each partition goes on. Raises UnknownTopic, and BrokerUnreachable as `committed`."""
        partitions = list(partitions)
        firsts = first_offsets(self.settings, self.topic, partitions)
        committed = self.committed(partitions)
        self._at_rest.difference_update(partitions)
        self._at_rest.update(each.partition for each in committed if each.metadata == _AT_REST)
        return {each.partition: self._start(each, firsts[each.partition]) for each in committed}

    def was_at_rest(self, partition: int) -> bool:
        """Whether the owner before left the partition at rest, as the last `starts` has found."""
        return partition in self._at_rest

    def rewind(self, starts: Mapping[int, int]) -> None:
        super().rewind(starts)
        self._next.update(starts)

    def _came(self, starts: Mapping[int, int]) -> None:
        self._next.update(starts)

    def _went(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._next.pop(partition, None)
            self._ends.pop(partition, None)

    def _start(self, committed: Committed, first: int) -> int:
        if committed.offset < 0:
            return first
        if committed.offset < first:
            _log.error(
                "events were removed by retention before they were read; going on at the first that is left",
                topic=self.topic,
                partition=committed.partition,
                committed=committed.offset,
                first_left=first,
            )
        return max(committed.offset, first)
