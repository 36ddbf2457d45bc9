"""The producer as processor.kafka uses confluent_kafka's."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from tests.simulation.broker import Broker, Fate
from tests.simulation.group import Refused
from tests.simulation.log import Headers, Place, Transaction
from tests.simulation.schedule import Process
from tests.simulation.transactions import FencedEpoch, NotInOrder, StillEnding

Report = Callable[[KafkaError | None, Message], None]
_RETRY_S = 0.02
_DEFAULT_S = 60.0


@dataclass(eq=False, slots=True)
class _Outgoing:
    place: Place
    key: bytes | None
    value: bytes | None
    headers: Headers
    report: Report | None


def timed_out(what: str) -> KafkaException:
    return KafkaException(KafkaError(KafkaError._TIMED_OUT, what, retriable=True))


def fenced() -> KafkaException:
    return KafkaException(KafkaError(KafkaError._FENCED, "this producer instance has been fenced", fatal=True))


class SimulatedProducer:
    """One producer of one process. `about` is what that process wants to be known of it once it asks for a commit."""

    def __init__(
        self,
        broker: Broker,
        process: Process,
        properties: dict[str, Any],
        about: Callable[[], Any] = lambda: None,
    ) -> None:
        self._broker = broker
        self._process = process
        self._about = about
        self._name: str | None = properties.get("transactional.id")
        self._timeout_s = properties.get("transaction.timeout.ms", 60_000) / 1000
        self._epoch = -1
        self._queue: list[_Outgoing] = []
        self._is_begun = False

    def list_topics(self, topic: str | None = None, timeout: float = _DEFAULT_S) -> None:
        """A broker is found. No point to die at: nothing has happened since the producer was made, and `init_transactions` is next."""

    def init_transactions(self, timeout: float = _DEFAULT_S) -> None:
        def init() -> None:
            self._epoch = self._broker.transactions.init(self._named, self._timeout_s)

        self._ask("init_transactions", init, timeout)

    def begin_transaction(self) -> None:
        self._process.step("begin_transaction")
        self._is_begun = True

    def produce(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        partition: int = -1,
        on_delivery: Report | None = None,
        headers: Headers | None = None,
    ) -> None:
        if partition < 0:
            partition = self._broker.partition_for(topic, key)
        self._queue.append(_Outgoing((topic, partition), key, value, list(headers or []), on_delivery))

    def flush(self, timeout: float = _DEFAULT_S) -> int:
        """Sends what is in the queue, a batch a partition, in whichever order. How many have had no answer."""
        places = list(dict.fromkeys(each.place for each in self._queue))
        self._broker.chance.shuffle(places)
        for place in places:
            batch = [each for each in self._queue if each.place == place]
            try:
                self._ask("produce", partial(self._send, batch), timeout)
            except KafkaException as error:
                if error.args[0].code() == KafkaError._TIMED_OUT:
                    return len(self._queue)
                self._queue = [each for each in self._queue if each.place != place]
                for each in batch:
                    self._say(each, error.args[0], -1)
        return len(self._queue)

    def _send(self, batch: list[_Outgoing]) -> None:
        transaction = self._transaction() if self._name is not None else None
        offsets = [self._broker.append(each.place, each.key, each.value, each.headers, transaction) for each in batch]
        self._queue = [each for each in self._queue if each not in batch]
        for each, offset in zip(batch, offsets, strict=True):
            self._say(each, None, offset)

    def _say(self, record: _Outgoing, error: KafkaError | None, offset: int) -> None:
        if record.report is not None and not self._process.is_dead:
            record.report(error, Message(topic=record.place[0], partition=record.place[1], offset=offset))

    def send_offsets_to_transaction(
        self, positions: Sequence[TopicPartition], group_metadata: "MemberNow", timeout: float = _DEFAULT_S
    ) -> None:
        offsets = {(each.topic, each.partition): (each.offset, each.metadata or "") for each in positions}
        member = group_metadata

        def send() -> None:
            transaction = self._transaction()
            group = self._broker.groups[member.group]
            transaction.groups.setdefault(member.group, {}).update(offsets)
            group.commit(transaction, offsets, member.member, member.slot, member.generation)

        self._ask("send_offsets_to_transaction", send, timeout)

    def commit_transaction(self, timeout: float = _DEFAULT_S) -> None:
        about = self._about()

        def commit() -> None:
            self._broker.transactions.end(self._named, self._epoch, commits=True, about=about)

        self._ask("commit_transaction", commit, timeout)
        self._is_begun = False

    def abort_transaction(self, timeout: float = _DEFAULT_S) -> None:
        def abort() -> None:
            self._broker.transactions.end(self._named, self._epoch, commits=False)

        self._ask("abort_transaction", abort, timeout)
        self._is_begun = False

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        self._queue.clear()

    def poll(self, timeout: float = 0) -> int:
        self._process.step("poll")
        return 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def _named(self) -> str:
        assert self._name is not None, "not a transactional producer"
        return self._name

    def _transaction(self) -> Transaction:
        return self._broker.transactions.transaction(self._named, self._epoch)

    def _ask(self, what: str, request: Callable[[], None], timeout: float) -> None:
        """A request that the process may die before or after; what becomes of it and of its reply is the weather's choice."""
        process, broker = self._process, self._broker
        process.step(f"before {what}")
        deadline_s = process.schedule.now_s + timeout
        fate = broker.fate(what)
        if fate is Fate.LATE:
            epoch = self._epoch
            delay_s = timeout + broker.chance.random() * 5.0
            process.schedule.later(delay_s, lambda: self._late(what, request, epoch))
        if fate in (Fate.LOST, Fate.LATE):
            process.wait(timeout)
            raise timed_out(what)
        while broker.is_away or not self._is_answered(what, request):
            if process.schedule.now_s >= deadline_s:
                raise timed_out(what)
            process.wait(min(_RETRY_S, max(0.001, deadline_s - process.schedule.now_s)))
        process.step(f"after {what}")
        if fate is Fate.SILENT:
            process.wait(timeout)
            raise timed_out(what)

    def _is_answered(self, what: str, request: Callable[[], None]) -> bool:
        """False where the broker says to try again. Raises KafkaException where it refuses."""
        try:
            request()
        except StillEnding:
            return False
        except FencedEpoch:
            self._process.step(f"after {what}")
            raise fenced() from None
        except Refused as refused:
            self._process.step(f"after {what}")
            code = getattr(KafkaError, refused.code)
            raise KafkaException(KafkaError(code, refused.code, txn_requires_abort=True)) from None
        except NotInOrder:
            raise KafkaException(KafkaError(KafkaError.INVALID_TXN_STATE, what, fatal=True)) from None
        return True

    def _late(self, what: str, request: Callable[[], None], epoch: int) -> None:
        """A request that was on its way for long. One of a producer that has a successor by now is refused."""
        if self._broker.is_away or what == "init_transactions" or self._epoch != epoch:
            return
        if what != "commit_transaction" and not self._broker.transactions.has_open(self._named, epoch):
            return  # a partition or a group does not take anything for a transaction that is not under way (KIP-890)
        with contextlib.suppress(StillEnding, FencedEpoch, Refused, NotInOrder):
            request()


@dataclass(frozen=True, slots=True)
class MemberNow:
    """What a consumer says of its membership: opaque to whoever hands it on."""

    group: str
    member: str
    slot: str | None
    generation: int
