"""The consumer as processor.kafka uses confluent_kafka's: in a group by the cooperative protocol, or by `assign()`."""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, TopicPartition

from tests.simulation.broker import Broker, Fate
from tests.simulation.group import Group, Refused
from tests.simulation.log import Place
from tests.simulation.producing import MemberNow, timed_out
from tests.simulation.schedule import IDLE, Process

HEARTBEAT_S = 1.5
_JOIN_AGAIN_S = (3.0, 12.0)
"""When a joining that was lost is sent again: a session may be over by then. Till then nothing else comes to this client either."""
_LOOK_S = 0.01
_FETCH_MAX = 60

Callback = Callable[["SimulatedConsumer", list[TopicPartition]], None]


@dataclass(slots=True)
class _Followed:
    """An assigned partition: where the next fetch begins, and the number of its assignment."""

    position: int
    version: int
    told_end: int = -1
    is_paused: bool = False
    high: int = -1


@dataclass(slots=True)
class _Fetched:
    place: Place
    version: int
    message: Message


@dataclass(slots=True)
class _Rebalance:
    """What the group wants of the application: "assign", "revoke" or "lost"."""

    kind: str
    partitions: frozenset[int]
    is_answered: bool = False


class SimulatedConsumer:
    """One consumer of one process. Its heartbeats go on by themselves, as long as the process lives and is not frozen."""

    def __init__(self, broker: Broker, process: Process, properties: dict[str, Any]) -> None:
        self._broker = broker
        self.process = process
        self._group_name: str = properties["group.id"]
        self._slot: str | None = properties.get("group.instance.id")
        self._committed_only = properties["isolation.level"] == "read_committed"
        self._tells_ends: bool = properties["enable.partition.eof"]
        self._followed: dict[Place, _Followed] = {}
        self._queue: deque[_Fetched | _Rebalance] = deque()
        self._versions = 0
        self._is_closed = False
        self._topic = ""
        self._on: dict[str, Callback] = {}
        self._member = ""
        self._name = ""
        self._generation = -1
        self._owned: frozenset[int] = frozenset()
        self._awaits_app = self._is_serving = self._is_joining = False
        self._error: KafkaError | None = None
        self._deaf_until_s = 0.0

    # -- the group ----------------------------------------------------------------------------------------------------

    def subscribe(self, topics: list[str], *, on_assign: Callback, on_revoke: Callback, on_lost: Callback) -> None:
        (self._topic,) = topics
        self._on = {"assign": on_assign, "revoke": on_revoke, "lost": on_lost}
        self._group  # noqa: B018 - the group is there from now on
        self.process.schedule.later(0.0, self._beat)

    @property
    def _group(self) -> Group:
        return self._broker.group(self._group_name, self._topic)

    def _beat(self) -> None:
        """The client's own thread: joins, and tells the coordinator that this member is alive."""
        if self.process.is_dead or self._is_closed or self._error is not None:
            return
        schedule = self.process.schedule
        if self.process.is_frozen:
            schedule.later(self.process.frozen_until_s - schedule.now_s + schedule.chance.random() * 0.02, self._beat)
            return
        if not self._broker.is_away:
            self._say_alive()
        schedule.later(HEARTBEAT_S * (0.8 + 0.4 * schedule.chance.random()), self._beat)

    def _say_alive(self) -> None:
        if self._is_joining:
            return
        try:
            if not self._member:
                if not self._awaits_app and not self._owned:
                    self._member = self._group.join(self, "", self._slot, frozenset())
                elif not self._awaits_app:
                    self._want("lost", self._owned)
            elif self._group.heartbeat(self._member, self._slot, self._generation) and not self._awaits_app:
                self._send_join()
        except Refused as refused:
            self._refused(refused)

    def _send_join(self) -> None:
        """It is on its way for a moment, or lost and sent again. No heartbeat goes out before it is answered."""
        self._is_joining, chance = True, self.process.schedule.chance
        delay_s = chance.random() * 0.02
        if chance.random() < self._broker.weather.lost_join:
            self._broker.note("join lost")
            delay_s = chance.uniform(*_JOIN_AGAIN_S)
            self._deaf_until_s = self.process.schedule.now_s + delay_s
        self.process.schedule.later(delay_s, self._join)

    def _join(self) -> None:
        if self.process.is_dead or self._is_closed:
            return
        if self.process.is_frozen or self._broker.is_away:
            self.process.schedule.later(0.5, self._join)
            return
        self._is_joining = False
        if self._member and not self._awaits_app:
            self._rejoin()

    def _rejoin(self) -> None:
        try:
            self._group.join(self, self._member, self._slot, self._owned)
        except Refused as refused:
            if refused.code != "UNKNOWN_MEMBER_ID" or self._slot is None:
                self._refused(refused)
                return
            # As librdkafka 2.16 does it where it is the answer to its joining, not to a heartbeat, that says so: a new name, and it
            # keeps what it has without a word. A member without a slot is told of a loss (by way of MEMBER_ID_REQUIRED).
            self._broker.note("joined again without a word" if self._owned else "joined again")
            self._name, self._generation = "", -1
            self._member = self._group.join(self, "", self._slot, self._owned)

    def _refused(self, refused: Refused) -> None:
        if refused.code == "FENCED_INSTANCE_ID":
            self._error = KafkaError(KafkaError.FENCED_INSTANCE_ID, "fenced by a newer instance", fatal=True)
            return
        if self._generation < 0 and refused.code == "ILLEGAL_GENERATION":
            return  # joined, and not told of its generation yet
        if refused.code == "UNKNOWN_MEMBER_ID":
            self._member = self._name = ""
        elif self._group.members[self._member].has_joined and not self._owned:
            return
        else:
            self._generation = -1
        if self._awaits_app:
            return  # one rebalance after the other: that all is lost is found out again once the application has answered
        self._want("lost", self._owned)
        if not self._owned:
            self._served("lost", self._owned)

    def joined(self, member: str, generation: int) -> None:
        """All have asked, and this one is let in: it may commit from now on, and does not know yet what it owns."""
        if self.process.is_frozen:
            delay_s = self.process.frozen_until_s - self.process.schedule.now_s
            self.process.schedule.later(delay_s, lambda: self.joined(member, generation))
        elif not self.process.is_dead and not self._is_closed and member == self._member:
            self._name, self._generation = member, generation

    def synced(self, member: str, generation: int, partitions: frozenset[int]) -> None:
        """What the coordinator has assigned has come."""
        if self.process.is_dead or self._is_closed or member != self._member:
            return
        if self.process.is_frozen:
            delay_s = self.process.frozen_until_s - self.process.schedule.now_s
            self.process.schedule.later(delay_s, lambda: self.synced(member, generation, partitions))
            return
        if generation != self._group.generation or self._group.waits_with(member):
            return
        if self._awaits_app:
            self.process.schedule.later(0.05, lambda: self.synced(member, generation, partitions))
            return
        gone, new = self._owned - partitions, partitions - self._owned
        if gone:
            self._want("revoke", gone)
        if new:
            self._want("assign", new)

    def _want(self, kind: str, partitions: frozenset[int]) -> None:
        if partitions:
            self._awaits_app = True
            self._queue.append(_Rebalance(kind, partitions))

    def _serve(self, rebalance: _Rebalance) -> None:
        self._is_serving = True
        self._on[rebalance.kind](self, [TopicPartition(self._topic, each) for each in sorted(rebalance.partitions)])
        self._is_serving = False
        if not rebalance.is_answered:
            rebalance.is_answered = True
            self._served(rebalance.kind, rebalance.partitions)

    def _served(self, kind: str, partitions: frozenset[int]) -> None:
        self._owned = self._owned | partitions if kind == "assign" else self._owned - partitions
        self._awaits_app = self._unanswered() is not None
        if self._awaits_app or self.process.is_dead or self._is_closed:
            return
        if kind == "revoke" or (kind == "lost" and self._member):
            delay_s = self.process.schedule.chance.random() * 0.02
            self.process.schedule.later(delay_s, self._rejoin_if_alive)

    def _rejoin_if_alive(self) -> None:
        if self.process.is_dead or self._is_closed or self._awaits_app or not self._member:
            return
        if self.process.is_frozen or self._broker.is_away:
            self.process.schedule.later(0.5, self._rejoin_if_alive)
            return
        self._rejoin()

    def consumer_group_metadata(self) -> MemberNow:
        return MemberNow(self._group_name, self._name, self._slot, self._generation)

    def memberid(self) -> str | None:
        return self._name or None

    def committed(self, partitions: list[TopicPartition], timeout: float = 60.0) -> list[TopicPartition]:
        """The stable ones: it waits while a transaction may still change them."""
        self.process.step("before committed")
        deadline_s = self.process.schedule.now_s + timeout
        if self._broker.fate("committed") is not Fate.GOOD:
            self.process.wait(timeout)
            raise timed_out("committed")
        places = [(each.topic, each.partition) for each in partitions]
        while self._broker.is_away or any(self._group.is_undecided(place) for place in places):
            if self.process.schedule.now_s >= deadline_s:
                raise timed_out("committed")
            self.process.wait(0.05)
        found = [self._group.committed.get(place, (-1001, "")) for place in places]
        self.process.step("after committed")
        return [
            TopicPartition(*place, offset, metadata) for place, (offset, metadata) in zip(places, found, strict=True)
        ]

    def close(self) -> None:
        if self._is_closed:
            return
        if not self._topic:  # perhaps by a generator that nobody holds any more: that must not wait for a turn
            self._is_closed = True
            self._followed.clear()
            return
        self.process.step("before close")
        lost = next((each for each in self._queue if isinstance(each, _Rebalance) and each.kind == "lost"), None)
        self._queue.clear()
        if self._owned and self._error is None:
            self._serve(_Rebalance("revoke" if lost is None else "lost", self._owned))
        self._is_closed = True
        self.process.step("before leaving")
        if self._member and self._slot is None and not self._broker.is_away:
            self._group.leave(self._member)
        self._followed.clear()

    # -- what is followed ---------------------------------------------------------------------------------------------

    def assign(self, partitions: list[TopicPartition]) -> None:
        self.process.step("assign")
        self._followed.clear()
        self._follow(partitions)

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self.process.step("incremental_assign")
        self._answer()
        self._follow(partitions)

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self.process.step("incremental_unassign")
        self._answer()
        for each in partitions:
            self._followed.pop((each.topic, each.partition), None)

    def _answer(self) -> None:
        """Whatever the application assigns or gives up, the client takes for its answer to what the group wants of it.

        The callback still comes with the next poll.
        """
        wanted = self._unanswered()
        if wanted is not None and not self._is_serving:
            wanted.is_answered = True
            self._served(wanted.kind, wanted.partitions)

    def _unanswered(self) -> _Rebalance | None:
        return next((each for each in self._queue if isinstance(each, _Rebalance) and not each.is_answered), None)

    def seek(self, partition: TopicPartition) -> None:
        """Only where it is read already, and not given up: it is no answer to the group, as assigning and unassigning are."""
        self.process.step("seek")
        followed = self._followed.get((partition.topic, partition.partition))
        if followed is None or followed.is_paused:
            raise KafkaException(KafkaError(KafkaError._STATE))
        self._follow([partition])

    def _follow(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            assert each.offset >= 0, "every start is explicit"
            self._versions += 1
            self._followed[each.topic, each.partition] = _Followed(each.offset, self._versions)

    def pause(self, partitions: list[TopicPartition]) -> None:
        for each in partitions:
            self._followed[each.topic, each.partition].is_paused = True

    def get_watermark_offsets(
        self, partition: TopicPartition, timeout: float = 0, cached: bool = False
    ) -> tuple[int, int]:
        followed = self._followed.get((partition.topic, partition.partition))
        return (0, -1001 if followed is None else followed.high)

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        return listed(self._broker, self.process)

    # -- reading ------------------------------------------------------------------------------------------------------

    def poll(self, timeout: float = 0.0) -> Message | None:
        messages = self.consume(1, timeout)
        return messages[0] if messages else None

    def consume(self, num_messages: int = 1, timeout: float = 0.0) -> list[Message]:
        """Records and ends; the group's callbacks run in between. What was fetched before them may be among it.

        A new fetch of a partition makes the batch forget what it has of an older one (librdkafka's barrier), no sooner.
        """
        process, chance = self.process, self._broker.chance
        process.step(IDLE)
        if self._error is not None:
            return [_error(self._error)]
        deadline_s = process.schedule.now_s + timeout
        batch: list[_Fetched] = []
        while True:
            self._fetch()
            while self._queue and len(batch) < num_messages:
                each = self._queue.popleft()
                if isinstance(each, _Rebalance):
                    self._serve(each)
                    process.step("after a rebalance")
                    self._fetch()
                elif self._is_current(each):
                    batch = [old for old in batch if old.place != each.place or old.version == each.version]
                    batch.append(each)
            left_s = deadline_s - process.schedule.now_s
            if len(batch) >= num_messages or left_s <= 0 or (batch and chance.random() < 0.3):
                break
            process.wait(min(left_s, _LOOK_S if batch else 0.02 + chance.random() * 0.03))
        if chance.random() < self._broker.weather.stray_error:
            stray = KafkaError(KafkaError._TRANSPORT, "connection reset", retriable=True)
            return [*(each.message for each in batch), _error(stray)]
        return [each.message for each in batch]

    def _is_current(self, fetched: _Fetched) -> bool:
        followed = self._followed.get(fetched.place)
        return followed is not None and followed.version == fetched.version

    def _fetch(self) -> None:
        """What a fetch brings of each partition, as much as chance wants."""
        if self._broker.is_away or self.process.schedule.now_s < self._deaf_until_s:
            return
        for place, followed in self._followed.items():
            if not followed.is_paused:
                self._fetch_from(place, followed)

    def _fetch_from(self, place: Place, followed: _Followed) -> None:
        partition = self._broker.partition(place)
        followed.high = partition.end
        end = partition.stable if self._committed_only else partition.end
        if followed.position < partition.first or followed.position > partition.end:
            error = KafkaError(KafkaError._AUTO_OFFSET_RESET, "offset out of range")
            self._put(place, followed, [_error(error, place, followed.position)])
            followed.is_paused = True
            return
        if followed.position < end:
            until = min(end, followed.position + 1 + self._broker.chance.randrange(_FETCH_MAX))
            entries = partition.readable(followed.position, until, committed=self._committed_only)
            self._put(place, followed, (_message(each) for each in entries))
            followed.position = until
        if self._tells_ends and followed.position >= end and followed.told_end != followed.position:
            followed.told_end = followed.position
            error = KafkaError(KafkaError._PARTITION_EOF, "end")
            self._put(place, followed, [_error(error, place, followed.position)])

    def _put(self, place: Place, followed: _Followed, messages: Iterable[Message]) -> None:
        self._queue.extend(_Fetched(place, followed.version, message) for message in messages)


def _error(error: KafkaError, place: Place = ("", -1), offset: int = -1001) -> Message:
    """An error has no time, and the library says so with -1."""
    return Message(topic=place[0], partition=place[1], offset=offset, error=error, timestamp=(0, -1))


def _message(entry: Any) -> Message:
    return Message(
        topic=entry.place[0],
        partition=entry.place[1],
        offset=entry.offset,
        key=entry.key,
        value=entry.value,
        headers=entry.headers,
        timestamp=(TIMESTAMP_LOG_APPEND_TIME, entry.timestamp_ms),
    )


def listed(broker: Broker, process: Process) -> Any:
    """What `list_topics` gives: topics and their partitions."""
    process.step("list_topics")
    while broker.is_away:
        process.wait(0.1)
    topics = {name: SimpleNamespace(partitions=dict.fromkeys(range(len(each)))) for name, each in broker.topics.items()}
    return SimpleNamespace(topics=topics)
