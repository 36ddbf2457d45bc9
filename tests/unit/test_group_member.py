"""A member of a group between its owner and its client."""

from confluent_kafka import TopicPartition

from processor.kafka.clients import ClientSettings
from processor.kafka.group import GroupMember
from processor.kafka.reading import ReadingStopped


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


def test_what_a_member_has_may_be_anothers_once_it_has_joined_again() -> None:
    """Found by a fault campaign: a worker with a slot stood still, and went on where it had been, beside its successor's commits."""
    member = GroupMember(ClientSettings("127.0.0.1:9"), "topic", group="members", slot="a", owner=Stopping())
    client, renamed = member.client, Renamed()
    member.client = renamed  # type: ignore[assignment]
    assert not member.is_as_committed([0]), "nobody has asked yet"
    member.committed([0, 1])
    assert member.is_as_committed([0, 1])
    renamed.name = ""
    assert not member.is_as_committed([0])
    renamed.name = "second"
    member.committed([1])
    assert member.is_as_committed([1])
    assert not member.is_as_committed([0, 1])
    client.close()
