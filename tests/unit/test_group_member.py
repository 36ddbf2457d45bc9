"""A member of a group between its owner and its client."""

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings, Makers
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.group import GroupMember
from processor.kafka.reading import ReadingFailed, ReadingStopped
from processor.kafka.transactions import Fenced


class Stopping:
    """An owner that was told to stop, and takes nothing over any more."""

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        raise ReadingStopped

    def revoked(self, partitions: list[int]) -> None: ...

    def lost(self, partitions: list[int]) -> None: ...


class Closing:
    """A client that still gives partitions while it is closed."""

    def __init__(self, member: GroupMember) -> None:
        self._member = member

    def close(self) -> None:
        self._member._on_assign(self, [TopicPartition("topic", 0)])  # type: ignore[arg-type]

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        raise AssertionError("nothing is to be read any more")


def test_partitions_that_come_while_a_member_leaves_are_not_taken_over() -> None:
    member = GroupMember(ClientSettings("127.0.0.1:9"), "topic", group="members", slot=None, owner=Stopping())
    client, member.client = member.client, Closing(member)  # type: ignore[assignment]
    member.leave()
    client.close()


class Renamed:
    """A client whose session ended: it joined again, under another name, and kept what it had without a word."""

    def __init__(self) -> None:
        self.name = "first"

    def memberid(self) -> str:
        return self.name

    def committed(self, wanted: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return wanted

    def incremental_assign(self, places: list[TopicPartition]) -> None: ...
    def incremental_unassign(self, places: list[TopicPartition]) -> None: ...


class Taking:
    """An owner that takes what it gets."""

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, 0)

    def revoked(self, partitions: list[int]) -> None: ...

    def lost(self, partitions: list[int]) -> None: ...


@pytest.fixture
def renamed() -> Iterator[Callable[[str | None], tuple[GroupMember, Renamed]]]:
    """A member with that slot that was given partitions 0 and 1, and its client."""
    clients_made = []

    def made(slot: str | None) -> tuple[GroupMember, Renamed]:
        member = GroupMember(ClientSettings("127.0.0.1:9"), "topic", group="members", slot=slot, owner=Taking())
        clients_made.append(member.client)
        client = Renamed()
        member.client = client  # type: ignore[assignment]
        assert not member.is_as_committed([0], None), "nothing was given yet"
        member._on_assign(client, [TopicPartition("topic", 0), TopicPartition("topic", 1)])  # type: ignore[arg-type]
        assert not member.is_as_committed([0], None), "nobody has asked yet"
        member.committed([0, 1])
        return member, client

    yield made
    for each in clients_made:
        each.close()


Made = Callable[[str | None], tuple[GroupMember, Renamed]]


def test_what_a_member_has_may_be_anothers_once_it_has_joined_again(renamed: Made) -> None:
    """Found by a fault campaign: a worker with a slot stood still, and went on where it had been, beside its successor's commits."""
    member, client = renamed("a")
    assert member.is_as_committed([0, 1], None)
    client.name = ""
    assert not member.is_as_committed([0], None)
    assert member.committed([0, 1]), "it may be told of a loss yet"
    client.name = "second"
    assert not member.is_as_committed([0], None)


def test_who_kept_partitions_without_a_word_ends_and_does_not_ask_what_is_committed(renamed: Made) -> None:
    """Found by the simulation: it asked under its new name, and committed before it was told that another has them."""
    member, client = renamed("a")
    client.name = "second"
    with pytest.raises(Fenced, match="start it again"):
        member.committed([0])
    assert member.committed([2]), "what comes now is its own"


def test_what_was_lost_and_given_again_is_the_new_members(renamed: Made) -> None:
    member, client = renamed("a")
    client.name = "second"
    member._on_lost(client, [TopicPartition("topic", 0), TopicPartition("topic", 1)])  # type: ignore[arg-type]
    member._on_assign(client, [TopicPartition("topic", 1)])  # type: ignore[arg-type]
    assert member.committed([0, 1])
    assert member.is_as_committed([1], None)
    assert not member.is_as_committed([0, 1], None)


def test_a_member_without_a_slot_waits_for_the_loss_that_it_is_told_of(renamed: Made) -> None:
    member, client = renamed(None)
    client.name = "second"
    assert member.committed([0])
    assert not member.is_as_committed([0], None)


def test_who_only_wants_to_know_how_far_the_group_is_has_not_gone_back_to_it() -> None:
    """With `--once` a worker asks whether all is done. It still stands where it stood, perhaps beside another's commits."""
    member = GroupMember(ClientSettings("127.0.0.1:9"), "topic", group="members", slot="a", owner=Taking())
    client, renamed = member.client, Renamed()
    member.client = renamed  # type: ignore[assignment]
    member._on_assign(renamed, [TopicPartition("topic", 0)])  # type: ignore[arg-type]
    member.committed([0, 1], to_go_on=False)
    assert not member.is_as_committed([0], None)
    member.committed([0])
    assert member.is_as_committed([0], None)
    client.close()


class Answered(Renamed):
    """A client that has a loss to tell of and still its name, as a member of KIP-848 has, and takes what is assigned for the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def incremental_unassign(self, places: list[TopicPartition]) -> None:
        self.calls.append("unassign")

    def incremental_assign(self, places: list[TopicPartition]) -> None:
        self.calls.append("assign")

    def poll(self, timeout: float) -> None:
        self.calls.append("poll")


def test_after_partitions_were_assigned_anew_nothing_is_committed_before_the_group_was_asked() -> None:
    member = GroupMember(ClientSettings("127.0.0.1:9"), "topic", group="members", slot=None, owner=Taking())
    client, answered = member.client, Answered()
    member.client = answered  # type: ignore[assignment]
    member._on_assign(answered, [TopicPartition("topic", 0), TopicPartition("topic", 1)])  # type: ignore[arg-type]
    member.committed([0, 1])
    answered.calls.clear()
    member.restart({1: 5})
    assert answered.calls == ["unassign", "assign", "poll"], "what it has to tell is heard before anything else is done"
    assert not member.is_as_committed([0], None)
    member.committed([0, 1])
    assert member.is_as_committed([0, 1], None)
    client.close()


class Deaf:
    """A client that gets no answer to anything, and one beside it that does."""

    def __init__(self, *_: object, **__: object) -> None:
        self.now_s = 0.0

    def memberid(self) -> str:
        return "member"

    def committed(self, wanted: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "timed out"))

    def monotonic(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return 0

    def sleep(self, seconds: float) -> None: ...


def test_a_client_that_gets_no_answer_for_long_while_brokers_answer_ends_its_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    deaf, away = Deaf(), True

    def reached(settings: ClientSettings) -> None:
        if away:
            raise BrokerUnreachable(settings.bootstrap_servers, "refused")

    monkeypatch.setattr(clients, "check_reachable", reached)
    settings = ClientSettings("127.0.0.1:9", clock=deaf, makers=Makers(consumer=cast(Any, lambda *_, **__: deaf)))
    member = GroupMember(settings, "topic", group="members", slot=None, owner=Stopping())
    for now_s in (0.0, 89.0, 1000.0):
        deaf.now_s = now_s
        with pytest.raises(BrokerUnreachable):
            member.committed([0])
    away = False
    with pytest.raises(ReadingFailed, match="though brokers answer"):
        member.committed([0])
