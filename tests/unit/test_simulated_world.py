"""What the simulation itself has to know of Kafka, where a campaign has found it wrong."""

import random

import pytest

from processor.kafka.topics import TopicNames
from processor.verdicts.event import MessageVerdict, Verdict
from tests.engines import payload_of
from tests.simulation.broker import Broker
from tests.simulation.decisions import Decisions, Violated
from tests.simulation.schedule import Schedule
from tests.simulation.world import START_MS

NAMES = TopicNames()


def _verdict(number: int) -> bytes:
    return payload_of(MessageVerdict(f"e{number}", START_MS, "a.test", "ann@a.test", 0, 1, Verdict.CLEAN, None))


@pytest.mark.parametrize(("from_offset", "is_so"), [(2, True), (1, False), (3, False)])
def test_a_gap_may_tear_a_page_in_its_midst(from_offset: int, is_so: bool) -> None:
    """A worker has read two verdicts and stands still; retention takes two more before it goes on. Both are in one commit."""
    decisions = Decisions(lambda: broker, NAMES, 1)
    broker = Broker(Schedule(random.Random(1), START_MS), decisions.decided)
    broker.create(NAMES.verdicts, 1)
    place = (NAMES.verdicts, 0)
    for number in range(6):
        broker.append(place, b"ann@a.test", _verdict(number), [])
    broker.partition(place).first = 4
    gap = {"kind": "GAP", "from_offset": from_offset, "before_offset": 4}
    page = {"first_offset": 0, "next_offset": 6, "inputs": [gap], "records": 4, "rejected": []}
    if is_so:
        assert list(decisions._live(0, page, set())) == []
    else:
        with pytest.raises(Violated):
            list(decisions._live(0, page, set()))
