"""What the simulation itself has to know of Kafka, where a campaign has found it wrong."""

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from processor.kafka.topics import TopicNames
from processor.verdicts.event import MessageVerdict, Verdict
from tests.engines import payload_of
from tests.simulation.broker import Broker
from tests.simulation.consuming import SimulatedConsumer
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


@pytest.mark.parametrize("seed", range(10))
def test_who_waits_for_a_rebalance_has_only_what_he_has_named(seed: int) -> None:
    """Else the group gives it to somebody else as well: what it had assigned before must not come any more, as with librdkafka."""
    schedule = Schedule(random.Random(seed), START_MS)
    broker = Broker(schedule, lambda _: None)
    broker.create(NAMES.verdicts, 2)
    process = SimpleNamespace(schedule=schedule, is_dead=False, is_frozen=False, name="a", step=lambda _: None)
    properties = {"group.id": "g", "isolation.level": "read_committed", "enable.partition.eof": True}
    consumer = SimulatedConsumer(broker, cast("Any", process), properties)
    consumer.subscribe([NAMES.verdicts], on_assign=_agree, on_revoke=_agree, on_lost=_agree)
    group = broker.group("g", NAMES.verdicts)

    def serve_until(seconds: float) -> None:
        while schedule.now_s < seconds:
            schedule.run(lambda: bool(consumer._queue) or schedule.now_s >= seconds)
            while consumer._queue:
                consumer._serve(cast("Any", consumer._queue.popleft()))
            member = group.members.get(consumer._member)
            if member is not None and member.has_joined and not group.is_stable:
                assert consumer._owned <= member.owned

    serve_until(1.0)
    assert consumer._owned == {0, 1}
    group.join(
        cast("Any", SimpleNamespace(joined=_agree, synced=_agree)), "", None, frozenset()
    )  # and is never heard of again
    schedule.run(lambda: group.generation == 2)
    consumer._say_alive()  # before it hears of its own generation
    serve_until(20.0)
    assert consumer._owned == {0, 1}


def _agree(*_: Any) -> None:
    """To whatever the group wants."""
