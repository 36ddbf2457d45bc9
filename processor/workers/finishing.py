"""`--once`: whether all is done that there was when the worker started."""

from collections.abc import Callable, Iterable, Sequence

from processor.kafka.clients import ClientSettings
from processor.kafka.committed import Committed
from processor.kafka.reading import first_offsets, high_watermarks, read_to_end

_ASK_EVERY_S = 0.3


class Finish:
    """The ends of a topic as they were, and how far the group has come."""

    def __init__(self, settings: ClientSettings, topic: str, partitions: int, should_stop: Callable[[], bool]) -> None:
        """Raises BrokerUnreachable, UnknownTopic."""
        self._settings = settings
        self._topic = topic
        self._should_stop = should_stop
        self._ends = high_watermarks(settings, topic, range(partitions))
        self._ahead = set(self._ends)
        self._ask_again_s = 0.0

    def reached(self, partition: int, offset: int) -> None:
        """A record or an end of the partition was seen, `offset` is past it."""
        if offset >= self._ends[partition]:
            self._ahead.discard(partition)

    def is_worth_asking(self, own: Iterable[int]) -> bool:
        """Whether nothing of the own partitions is ahead, and the last question is a while ago."""
        now_s = self._settings.clock.monotonic()
        if any(partition in self._ahead for partition in own) or now_s < self._ask_again_s:
            return False
        self._ask_again_s = now_s + _ASK_EVERY_S
        return True

    def is_done(self, committed: Sequence[Committed]) -> bool:
        """Whether the group has committed all records before the ends; `committed` has all partitions.

        That a worker's own partitions are done does not suffice: one that moves between workers is nobody's for a while.
        """
        left = {each.partition: each.offset for each in committed if each.offset < self._ends[each.partition]}
        firsts = first_offsets(self._settings, self._topic, left)
        starts = {partition: max(offset, firsts[partition]) for partition, offset in left.items()}
        ends = {partition: self._ends[partition] for partition in left}
        unread = read_to_end(self._settings, self._topic, left, starts, ends=ends, should_stop=self._should_stop)
        return next(iter(unread), None) is None
