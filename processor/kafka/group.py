"""A member of a consumer group on one topic: who owns which partition, and from where each goes on.

The group's callbacks come in the thread that polls, while it polls; what they raise comes out of the poll.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol, TypeVar, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.committed import Committed
from processor.kafka.epochs import Epochs
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, raise_unless_end
from processor.kafka.transactions import Fenced, Offset

_log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_COMMITTED_TIMEOUT_S = 5.0
"""One try. The transaction of a worker that was killed stays undecided for up to 20 s."""
_GIVEN_UP_S = 90.0
"""A client that has got no answer for so long, while brokers answer others, gets none any more: it has asked by some connections."""


class Owner(Protocol):
    """What a worker does when partitions come and go. `assigned` restores them and says where each goes on."""

    def assigned(self, partitions: list[int]) -> dict[int, int]: ...
    def revoked(self, partitions: list[int]) -> None: ...
    def lost(self, partitions: list[int]) -> None: ...


class GroupMember:
    """One member. Not for use by several threads."""

    def __init__(
        self,
        settings: ClientSettings,
        topic: str,
        *,
        group: str,
        slot: str | None,
        owner: Owner,
    ) -> None:
        self.topic = topic
        self.settings = settings
        self.client: Consumer = clients.consumer(settings, group=group, slot=slot, partition_eof=True)
        self.was_assigned = False
        self._is_leaving = False
        self._known_as: dict[int, str] = {}
        """Which member this was when it last asked from where a partition goes on."""
        self._given_to: dict[int, str] = {}
        """And which it was when the group gave it the partition."""
        self._epochs = Epochs(settings, self.client, topic, group) if settings.group_protocol == "consumer" else None
        self._unanswered_since_s: float | None = None
        self._owner = owner
        self._slot = slot
        self._raised: BaseException | None = None

    def join(self) -> None:
        """Ask the group for partitions; they come with the polls."""
        self.client.subscribe([self.topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost)

    def committed(self, partitions: Iterable[int], *, to_go_on: bool = True) -> list[Committed]:
        """The group's committed offsets, stable ones. `to_go_on`: the caller goes on from these, whatever it stood at before.

        Raises BrokerUnreachable, also while a transaction that may still change the offsets is undecided: ask again then. Raises
        ReadingFailed when that has been in vain for long, and Fenced for partitions that a member with a slot kept without a word.
        """
        wanted = [TopicPartition(self.topic, partition) for partition in partitions]
        if not wanted:
            return []
        name = self.client.memberid() or ""
        self._check_given(wanted, name)
        try:
            answers = self.client.committed(wanted, timeout=_COMMITTED_TIMEOUT_S)
        except KafkaException as error:
            raise self._unanswered(error.args[0]) from None
        failed = [each.error for each in answers if each.error is not None]
        if failed:
            raise self._unanswered(failed[0])
        self._unanswered_since_s = None
        found = [Committed.of(each) for each in answers]
        if to_go_on:
            self._known_as.update(dict.fromkeys((each.partition for each in found), name))
            if self._epochs is not None:
                self._epochs.goes_on_from(found)
        return found

    def _unanswered(self, error: KafkaError) -> Exception:
        now_s = self.settings.clock.monotonic()
        if self._unanswered_since_s is None:
            self._unanswered_since_s = now_s
        unreachable = BrokerUnreachable(self.settings.bootstrap_servers, error.str())
        if now_s - self._unanswered_since_s < _GIVEN_UP_S:
            return unreachable
        try:
            clients.check_reachable(self.settings)
        except BrokerUnreachable:
            return unreachable
        return ReadingFailed(
            f"the client has got no committed offsets for {now_s - self._unanswered_since_s:.0f} s, though brokers answer: {error.str()}. "
            "Start this worker again; if that does not help, a transaction of the group is undecided"
        )

    def is_as_committed(self, partitions: Iterable[int], identity: object) -> bool:
        """Whether nobody else can have committed anything of these partitions since `committed` was asked for them to go on from.

        `identity` is what the transaction's offsets are sent with (`Consumer.consumer_group_metadata`), taken before this is asked.

        A member whose session is over gets another name when it joins again. The client may then keep what it had without a word
        (librdkafka 2.16, with a slot: the group answers the joining, not the heartbeat, that it does not know the member), though
        others may have owned and committed it meanwhile, or own it now. By KIP-848 it keeps its name; processor.kafka.epochs has more.
        """
        if self._epochs is not None:
            return self._epochs.may_commit(partitions, identity)
        name = self.client.memberid()
        return bool(name) and all(
            self._known_as.get(partition) == name == self._given_to.get(partition) for partition in partitions
        )

    def has_committed(self, offsets: Iterable[Offset]) -> None:
        """A transaction with these went through."""
        if self._epochs is not None:
            self._epochs.goes_on_from(Committed.of(each) for each in offsets if each.topic == self.topic)

    def _check_given(self, places: Iterable[TopicPartition], name: str) -> None:
        """To ask what is committed does not help who kept partitions without a word: the group may have given them to another.

        What tells so comes with a later poll, and till then the group would take this one's commits as well. A member without a slot
        has a loss to tell of with the next poll.
        """
        if self._slot is None or not name:
            return
        kept = [each.partition for each in places if self._given_to.get(each.partition, name) != name]
        if kept:
            _log.warning("partitions kept in a group that had gone on without this worker", partitions=kept)
            raise Fenced(
                f"the group went on without this worker (slot {self._slot!r}) while it could not be reached, and what it has kept may be "
                "another's by now: start it again"
            )

    def rewind(self, starts: Mapping[int, int]) -> None:
        """Read owned partitions on from `starts`, whatever was fetched of them before.

        By seeking: to assign them anew would be taken for the answer to a loss or a revocation that the next poll tells of. The
        client would join the group again with our agreement, and as its new member we could commit what is another's by then.
        """
        for each in _places(self.topic, starts):
            # One that is not read yet starts where it was assigned, which is no later; one that is no longer read is lost.
            with suppress(KafkaException):
                self.client.seek(each)

    def restart(self, starts: Mapping[int, int]) -> None:
        """Read partitions on from `starts` that the client has given up reading: what it should have read was not there.

        A client that has a loss or a revocation to tell of takes this for the answer to it. Where its session is over it has lost
        its name; but it may have either and its name still (a member of KIP-848 always has). So it is asked at once what it has to
        tell, and from here on nothing is committed before the group was asked again what is. Raises as a poll.
        """
        if self._epochs is not None:
            self._epochs.forget(list(self._known_as))
        self._known_as.clear()
        if not starts or not self.client.memberid():
            return
        places = _places(self.topic, starts)
        self.client.incremental_unassign(places)
        self._went(starts)
        self._came(starts)
        self.client.incremental_assign(places)
        self.polled(lambda: self.client.poll(0))  # a record that comes instead is read again: the caller goes back

    def leave(self) -> None:
        """Leave the group, after `revoked` was called. A member with a slot only stops: its partitions wait for it."""
        self._is_leaving = True
        self.polled(self.client.close)

    def polled(self, poll: Callable[[], Answer]) -> Answer:
        """What `poll` gives, which may run the callbacks. Raises Fenced, and what they raised."""
        try:
            answer = poll()
        except KafkaException as error:
            if error.args[0].fatal():
                raise _fenced(error.args[0]) from None
            raise
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised
        return answer

    def _came(self, starts: Mapping[int, int]) -> None:
        """Partitions are owned from now on, to be read from these offsets."""

    def _went(self, partitions: Iterable[int]) -> None:
        """Partitions are owned no more."""

    def _on_assign(self, client: Consumer, places: list[TopicPartition]) -> None:
        def take_over() -> None:
            name = client.memberid() or ""  # as it is now: to restore takes long enough for a session to end
            starts = self._owner.assigned([each.partition for each in places])
            self._given_to.update(dict.fromkeys(starts, name))
            self._came(starts)
            client.incremental_assign(_places(self.topic, starts))

        self.was_assigned = True
        if not self._is_leaving:  # they come too late, and go at once
            self._keeping(take_over)

    def _on_revoke(self, client: Consumer, places: list[TopicPartition]) -> None:
        self._drop(client, places, self._owner.revoked)

    def _on_lost(self, client: Consumer, places: list[TopicPartition]) -> None:
        self._drop(client, places, self._owner.lost)

    def _drop(self, client: Consumer, places: list[TopicPartition], tell: Callable[[list[int]], None]) -> None:
        partitions = [each.partition for each in places]
        self._keeping(lambda: tell(partitions))
        for each in partitions:
            self._given_to.pop(each, None)
        if self._epochs is not None:
            self._epochs.forget(partitions)
        client.incremental_unassign(places)
        self._went(partitions)

    def _keeping(self, call: Callable[[], None]) -> None:
        """Calls, and keeps what is raised for the poll to raise: the client's own code must not be unwound by it."""
        try:
            call()
        except BaseException as raised:  # noqa: BLE001 - nothing is swallowed, only put off
            self._raised = raised


def end_of(message: Message) -> bool:
    """For a message with an error: whether it is the end of a partition; what passes by itself is not.

    Raises Fenced, RecordsGone, UnknownTopic, ReadingFailed.
    """
    error = cast("KafkaError", message.error())
    if error.code() == KafkaError._MAX_POLL_EXCEEDED:
        return False  # the callback for lost partitions follows
    if error.code() in (KafkaError.FENCED_INSTANCE_ID, KafkaError._FENCED, KafkaError._FATAL) or error.fatal():
        raise _fenced(error)
    raise_unless_end(message)
    return error.code() == KafkaError._PARTITION_EOF


def _places(topic: str, starts: Mapping[int, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition, offset) for partition, offset in starts.items()]


def _fenced(error: KafkaError) -> Fenced:
    _log.warning("fenced", code=error.name(), reason=error.str())
    return Fenced(
        "another process took this group member's place, and this one gives way: each slot may run once (option --slot). If there is "
        "no other one, the broker took this one for its own successor after an outage: start it again"
    )
