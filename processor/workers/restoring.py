"""Partitions that come to a detect worker, with the state that belongs to what is committed of them."""

from collections.abc import Callable, Sequence

import structlog

from processor.detection.engine import Engine
from processor.kafka.changelog import Head, RestoreFailed, restore
from processor.kafka.clients import ClientSettings
from processor.kafka.committed import Committed
from processor.kafka.reading import RecordsGone, bounds
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.workers.partition import PartitionWork
from processor.workers.telling import Teller

_log = structlog.get_logger(__name__)


class Restorer:
    """Makes the works of partitions as they belong to what is committed of them."""

    def __init__(
        self,
        settings: ClientSettings,
        topics: TopicNames,
        serde: Serde,
        teller: Teller,
        *,
        new_engine: Callable[[int], Engine],
        sweep_bytes: int,
        should_stop: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._topics = topics
        self._serde = serde
        self._teller = teller
        self._new_engine = new_engine
        self._sweep_bytes = sweep_bytes
        self._should_stop = should_stop

    def works(self, ask: Callable[[], Sequence[Committed]]) -> dict[int, PartitionWork]:
        """The works that belong to what is committed, of whoever has committed it last; `ask` asks the group for that.

        A worker that stands still while it restores can lose its partitions meanwhile; their next owner sweeps the changelog, and
        deletes what this one was about to read. Then other offsets are committed, and nobody has to be told that records are gone.

        Raises RestoreFailed, ReadingFailed, ReadingStopped, BrokerUnreachable.
        """
        while True:
            committed = ask()
            try:
                return self._restored(committed)
            except (RecordsGone, RestoreFailed) as problem:
                if ask() == committed:
                    raise
                _log.warning(
                    "another worker went on with what was being restored; it is read again", reason=str(problem)
                )

    def _restored(self, committed: Sequence[Committed]) -> dict[int, PartitionWork]:
        """`committed` was asked for before: what it belongs to is in the changelog by then (design, section 3)."""
        if not committed:
            return {}
        clock = self._settings.clock
        began_s = clock.monotonic()
        engines = {each.partition: self._new_engine(each.partition) for each in committed}
        restored = restore(
            self._settings,
            self._serde,
            self._topics.changelog,
            committed,
            engines,
            should_stop=self._should_stop,
            progress=self._teller.restoring,
        )
        verdicts = self._topics.verdicts
        there = bounds(self._settings, [(verdicts, each.partition) for each in committed])
        works = {}
        for each in committed:
            partition, found = each.partition, restored[each.partition]
            first, end = there[verdicts, partition]
            expected = _expected(verdicts, each, found.head)
            if expected > end:
                raise RestoreFailed(
                    f"{verdicts}, partition {partition}, ends at offset {end}, but verdicts up to {expected} were "
                    "processed: the topic was made anew. Delete and create all topics of senderwatch together, and its groups"
                )
            if 0 <= expected < first:
                self._teller.gap(partition, expected, first)
            work = PartitionWork.from_restored(engines[partition], found, max(expected, first), self._sweep_bytes)
            self._teller.restoring(partition, 0)
            _log.info(
                "partition restored",
                partition=partition,
                next_offset=work.next_offset,
                senders=int(work.engine.table.state[0].senders),
                commit=work.commit,
                seconds=round(clock.monotonic() - began_s, 3),
            )
            works[partition] = work
        return works


def _expected(topic: str, committed: Committed, head: Head | None) -> int:
    """The offset to go on at; below 0 when nothing was processed yet."""
    if head is None:
        return committed.offset
    if committed.offset >= 0 and committed.offset != head.next_verdict:
        raise RestoreFailed(
            f"{topic}, partition {committed.partition}: the committed offset is {committed.offset}, but the counts are those of "
            f"offset {head.next_verdict}: somebody has reset it, and verdicts would count twice or not at all. Set it back to "
            f"{head.next_verdict}; to count anew from another place, give the workers new topics (topics.prefix)"
        )
    return head.next_verdict
