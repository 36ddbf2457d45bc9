"""The admin client as processor.kafka uses confluent_kafka's, and who makes the clients of a simulated process."""

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from processor.kafka.clients import ClientSettings, Makers
from tests.simulation.broker import Broker, Fate
from tests.simulation.consuming import SimulatedConsumer, listed
from tests.simulation.log import Partition
from tests.simulation.producing import SimulatedProducer, timed_out
from tests.simulation.schedule import Process, SimulatedClock

_EARLIEST, _LATEST = type(OffsetSpec.earliest()), type(OffsetSpec.latest())  # type: ignore[no-untyped-call]


class SimulatedAdmin:
    """Asks for offsets and topics, and deletes records."""

    def __init__(self, broker: Broker, process: Process) -> None:
        self._broker = broker
        self._process = process

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        return listed(self._broker, self._process)

    def poll(self, timeout: float = 0) -> int:
        return 0

    def list_offsets(
        self, places: dict[TopicPartition, OffsetSpec], *, isolation_level: IsolationLevel, request_timeout: float
    ) -> dict[TopicPartition, Future[Any]]:
        self._process.step("before list_offsets")
        is_lost = self._broker.fate("list_offsets") is not Fate.GOOD
        deadline_s = self._process.schedule.now_s + request_timeout
        while is_lost or self._broker.is_away:
            if self._process.schedule.now_s >= deadline_s:
                return {place: _failed("list_offsets") for place in places}
            self._process.wait(min(1.0, max(0.001, deadline_s - self._process.schedule.now_s)))
        answers = {
            place: _done(SimpleNamespace(offset=self._offset(place, spec, isolation_level)))
            for place, spec in places.items()
        }
        self._process.step("after list_offsets")
        return answers

    def _offset(self, place: TopicPartition, spec: OffsetSpec, isolation: IsolationLevel) -> int:
        partition = self._broker.partition((place.topic, place.partition))
        if isinstance(spec, _EARLIEST):
            return partition.first
        assert isinstance(spec, _LATEST)
        return partition.stable if isolation is IsolationLevel.READ_COMMITTED else partition.end

    def delete_records(
        self, places: list[TopicPartition], *, request_timeout: float
    ) -> dict[TopicPartition, Future[Any]]:
        """Done in the background, soon or never."""
        self._process.step("delete_records")
        if self._broker.fate("delete_records") is not Fate.GOOD:
            return {place: _failed("delete_records") for place in places}
        for place in places:
            partition = self._broker.partition((place.topic, place.partition))
            self._process.schedule.later(self._broker.chance.random() * 0.1, partial(_trim, partition, place.offset))
        return {place: _done(None) for place in places}


def _trim(partition: Partition, offset: int) -> None:
    partition.first = max(partition.first, offset)


def _done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(result)
    return future


def _failed(what: str) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(timed_out(what))
    return future


def settings_of(
    broker: Broker, process: Callable[[], Process], about: Callable[[], Any] = lambda: None
) -> ClientSettings:
    """Settings with which a process gets simulated clients, and the simulated clock."""
    makers = Makers(
        consumer=cast("Any", lambda properties, logger: SimulatedConsumer(broker, process(), properties)),
        producer=cast("Any", lambda properties, logger: SimulatedProducer(broker, process(), properties, about)),
        admin=cast("Any", lambda properties, logger: SimulatedAdmin(broker, process())),
    )
    return ClientSettings("simulated:9092", makers=makers, clock=SimulatedClock(process))
