"""Partitions that are followed beside a group's: by `assign()`, from where each is told to begin, for ever.

What the group has committed of them is for lag displays only: a broker forgets the offsets of topics that a group does not
subscribe to (KIP-211). Where to go on stands in the follower's own state (design, section 3).
"""

from collections.abc import Callable, Iterable, Mapping

from confluent_kafka import Message, TopicPartition

from processor.kafka.clients import ClientSettings, consumer
from processor.kafka.reading import Partition, Patience, ReadingStopped, place, raise_unless_end

_BATCH = 1000
_WAIT_S = 0.05
_FETCH_WAIT_MS = 100
"""The end of a partition is told by a fetch that found nothing, which the broker holds back for so long: half a second by default."""


class Follower:
    """One consumer for all partitions that somebody follows. Not for use by several threads."""

    def __init__(self, settings: ClientSettings) -> None:
        self._clock = settings.clock
        self._client = consumer(settings, group=None, partition_eof=True, extra={"fetch.wait.max.ms": _FETCH_WAIT_MS})
        self._next: dict[Partition, int] = {}
        """What was read of each, or found to be its end."""

    def follow(self, starts: Mapping[Partition, int]) -> None:
        """Read these partitions, too, from these offsets on; one that is followed already goes back or on to its offset."""
        self.drop(starts)
        self._client.incremental_assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
        self._next |= starts

    def drop(self, partitions: Iterable[Partition]) -> None:
        """Follow these no more."""
        known = [partition for partition in partitions if partition in self._next]
        if known:
            self._client.incremental_unassign([TopicPartition(*partition) for partition in known])
        for partition in known:
            del self._next[partition]

    def poll(self) -> list[Message]:
        """The records that have come; waits for none. Raises as `raise_unless_end`."""
        return self._polled(0.0)

    def read_up_to(self, ends: Mapping[Partition, int], should_stop: Callable[[], bool]) -> Iterable[list[Message]]:
        """What comes, until every partition has been read to its end (exclusive). Says what it waits for when nothing comes for long.

        Raises ReadingStopped when `should_stop`, and as `poll`.
        """
        patience = Patience(self._clock)
        while unread := {partition: end for partition, end in ends.items() if self._next[partition] < end}:
            if should_stop():
                raise ReadingStopped
            records = self._polled(_WAIT_S)
            if records:
                patience.renew()
            yield records
            patience.say_if_out(unread)

    def _polled(self, wait_s: float) -> list[Message]:
        records = []
        for message in self._client.consume(_BATCH, wait_s):
            number, offset = place(message)
            partition = (message.topic() or "", number)
            expected = self._next.get(partition)
            if message.error() is not None:
                raise_unless_end(message)
                if expected is not None and offset > expected:
                    self._next[partition] = offset
            elif expected is not None and offset >= expected:  # else fetched before it was dropped, or set back
                self._next[partition] = offset + 1
                records.append(message)
        return records

    def close(self) -> None:
        """End the client."""
        self._client.close()
