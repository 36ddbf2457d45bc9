"""What an audit takes out of a journal."""

from collections.abc import Iterator
from typing import Any, cast

from processor.detection.engine import Engine
from processor.kafka.audit_source import AuditSource, Pins
from processor.kafka.journal import SNAPSHOT, snapshot_records
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from tests.detecting import verdict
from tests.engines import feed, new_engine


class Journal(AuditSource):
    """A partition's journal in memory."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        super().__init__(cast("Any", None), TopicNames(), cast("Any", None), Pins("g", {0: (90, 9)}, {}), lambda: False)
        self._given = records

    def _records(self, _topic: str, _partition: int) -> Iterator[tuple[int, str, dict[str, Any]]]:
        for offset, record in enumerate(self._given):
            yield offset, SNAPSHOT, record


def blocked(sender: str) -> Engine:
    engine = new_engine(PolicySet())
    feed(engine, [verdict(number, sender) for number in range(12)], [12])
    return engine


def test_a_snapshot_without_its_end_is_no_part_of_the_next() -> None:
    (*begun, _), whole = snapshot_records(blocked("ann@a.test"), 3, 40), snapshot_records(blocked("bob@a.test"), 7, 90)
    (snapshot,) = Journal([*begun, *whole]).journal(0)[1]
    assert (snapshot.commit, snapshot.next_offset) == (7, 90)
    assert b"".join(each.names for each in snapshot.senders) == b"bob@a.test"
