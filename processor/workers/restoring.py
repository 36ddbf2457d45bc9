"""Partitions that come to a detect worker, with the state that belongs to what is committed of them."""

from collections.abc import Callable, Sequence

import structlog

from processor.detection.engine import Engine
from processor.kafka.changelog import Head, RestoreFailed, restore
from processor.kafka.clients import ClientSettings
from processor.kafka.committed import Committed
from processor.kafka.reading import first_offsets, high_watermarks
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.workers.partition import PartitionWork
from processor.workers.telling import Teller

_log = structlog.get_logger(__name__)


def restored_works(
    settings: ClientSettings,
    topics: TopicNames,
    serde: Serde,
    committed: Sequence[Committed],
    new_engine: Callable[[int], Engine],
    teller: Teller,
    *,
    sweep_bytes: int,
    should_stop: Callable[[], bool],
) -> dict[int, PartitionWork]:
    """The partitions' works, ready to go on.

    `committed` was asked for before: what it belongs to is in the changelog by then (design, section 3).
    Raises RestoreFailed, ReadingFailed, ReadingStopped, BrokerUnreachable.
    """
    if not committed:
        return {}
    began_s = settings.clock.monotonic()
    partitions = [each.partition for each in committed]
    engines = {partition: new_engine(partition) for partition in partitions}
    restored = restore(
        settings, serde, topics.changelog, committed, engines, should_stop=should_stop, progress=teller.restoring
    )
    firsts = first_offsets(settings, topics.verdicts, partitions)
    ends = high_watermarks(settings, topics.verdicts, partitions)
    works = {}
    for each in committed:
        partition, found, first = each.partition, restored[each.partition], firsts[each.partition]
        expected = _expected(topics.verdicts, each, found.head)
        if expected > ends[partition]:
            raise RestoreFailed(
                f"{topics.verdicts}, partition {partition}, ends at offset {ends[partition]}, but verdicts up to {expected} were "
                "processed: the topic was made anew. Delete and create all topics of senderwatch together, and its groups"
            )
        if 0 <= expected < first:
            teller.gap(partition, expected, first)
        work = PartitionWork.from_restored(engines[partition], found, max(expected, first), sweep_bytes)
        teller.restoring(partition, 0)
        _log.info(
            "partition restored",
            partition=partition,
            next_offset=work.next_offset,
            senders=int(work.engine.table.state[0].senders),
            commit=work.commit,
            seconds=round(settings.clock.monotonic() - began_s, 3),
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
