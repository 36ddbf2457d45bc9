"""A worker's part of a topic: the partitions that its group gives it, from where each goes on, and their records.

The group's callbacks come in the thread that polls, while it polls. Each partition's start is explicit: the committed
offset, else the first record there is; where retention took the next one, the first that is left (design, section 3).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import first_offsets, high_watermarks, place, raise_unless_end
from processor.kafka.transactions import Fenced

_log = structlog.get_logger(__name__)

_COMMITTED_TIMEOUT_S = 5.0
"""One try. The transaction of a worker that was killed stays undecided for up to 20 s."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record of an owned partition."""

    partition: int
    offset: int
    value: bytes | None


class Owner(Protocol):
    """What a worker does when partitions come and go. `assigned` restores them and says where each goes on."""

    def assigned(self, partitions: list[int]) -> dict[int, int]: ...
    def revoked(self, partitions: list[int]) -> None: ...
    def lost(self, partitions: list[int]) -> None: ...


class Membership:
    """One member of a consumer group on one topic. Not for use by several threads."""

    def __init__(
        self,
        settings: ClientSettings,
        topic: str,
        *,
        group: str,
        slot: str | None,
        owner: Owner,
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._owner = owner
        self._next: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._raised: BaseException | None = None
        self.consumer: Consumer = clients.consumer(settings, group=group, slot=slot, partition_eof=True)
        self.was_assigned = False

    def join(self) -> None:
        """Ask the group for partitions; they come with `poll`."""
        self.consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

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
        return high_watermarks(self._settings, self._topic, partitions)

    def poll(self, most: int, timeout_s: float) -> list[Record]:
        """The next records of owned partitions, in order within each; runs the group's callbacks.

        Raises Fenced, ReadingFailed, and what the owner's callbacks raise.
        """
        messages = self.consumer.consume(most, timeout_s)
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return [record for message in messages if (record := self._record(message)) is not None]

    def _record(self, message: Message) -> Record | None:
        error = message.error()
        if error is not None and error.code() != KafkaError._PARTITION_EOF:
            self._judge(message, error)
            return None
        partition, offset = place(message)
        if partition not in self._next or (error is None and offset < self._next[partition]):
            return None  # fetched before the partition was taken away, or read again
        if error is not None:
            self._ends[partition] = offset  # past the last record by more than one where control records trail
            return None
        self._next[partition] = offset + 1
        return Record(partition, offset, message.value())

    def _judge(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._MAX_POLL_EXCEEDED:
            return  # the callback for lost partitions follows
        if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED) or error.fatal():
            raise Fenced(f"another process took this group member's place: {error.str()}")
        raise_unless_end(message)

    def offsets(self, partitions: Iterable[int]) -> list[TopicPartition]:
        """What a transaction commits of these partitions once everything that was polled is processed."""
        return [TopicPartition(self._topic, partition, self._next[partition]) for partition in partitions]

    def committed(self, partitions: Iterable[int]) -> dict[int, int]:
        """From where each partition goes on.

        Raises UnknownTopic, and BrokerUnreachable also while a transaction that may still change the offsets is undecided:
        ask again then.
        """
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        firsts = first_offsets(self._settings, self._topic, [each.partition for each in wanted])
        return {each.partition: self._start(each, firsts[each.partition]) for each in self._asked(wanted)}

    def rewind(self, starts: Mapping[int, int]) -> None:
        """Read owned partitions on from `starts`, whatever was fetched of them before."""
        places = [TopicPartition(self._topic, partition, offset) for partition, offset in starts.items()]
        self.consumer.incremental_unassign(places)
        self.consumer.incremental_assign(places)
        self._next.update(starts)

    def leave(self) -> None:
        """Leave the group (a member with a slot only stops: its partitions wait for it), after `revoked` was called."""
        self.consumer.close()

    def _asked(self, wanted: list[TopicPartition]) -> list[TopicPartition]:
        try:
            answers = self.consumer.committed(wanted, timeout=_COMMITTED_TIMEOUT_S)
        except KafkaException as error:
            raise BrokerUnreachable(self._settings.bootstrap_servers, error.args[0].str()) from None
        failed = [each.error for each in answers if each.error is not None]
        if failed:
            raise BrokerUnreachable(self._settings.bootstrap_servers, failed[0].str())
        return answers

    def _start(self, committed: TopicPartition, first: int) -> int:
        if committed.offset < 0:
            return first
        if committed.offset < first:
            _log.error(
                "events were removed by retention before they were read; going on at the first that is left",
                topic=self._topic,
                partition=committed.partition,
                committed=committed.offset,
                first_left=first,
            )
        return max(committed.offset, first)

    def _on_assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        partitions = [each.partition for each in places]

        def take_over() -> None:
            starts = self._owner.assigned(partitions)
            self._next.update(starts)
            consumer.incremental_assign([TopicPartition(self._topic, each, start) for each, start in starts.items()])

        self.was_assigned = True
        self._keeping(take_over)

    def _on_revoke(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._drop(consumer, places, self._owner.revoked)

    def _on_lost(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._drop(consumer, places, self._owner.lost)

    def _drop(self, consumer: Consumer, places: list[TopicPartition], tell: Callable[[list[int]], None]) -> None:
        gone = [each.partition for each in places if each.partition in self._next]
        self._keeping(lambda: tell(gone))
        for partition in gone:
            del self._next[partition]
            self._ends.pop(partition, None)
        consumer.incremental_unassign(places)

    def _keeping(self, call: Callable[[], None]) -> None:
        """Calls, and keeps what is raised for `poll` to raise: the client's own code must not be unwound by it."""
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - nothing is swallowed, only put off
            self._raised = raised
