"""The group is asked who owns what was given, and once an epoch what is committed; a commit that does not follow on it is refused."""

from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.kafka.clients import ClientSettings
from processor.kafka.committed import Committed
from processor.kafka.epochs import Epochs
from processor.kafka.ownership import Owned

TOPIC, GROUP = "t", "members"


class Group:
    """What the group would say, and how often it was asked."""

    def __init__(self) -> None:
        self.owned = {0, 1}
        self.to_keep = {0, 1, 2}
        self.committed_offsets = {0: 10, 1: 20}
        self.asked = 0
        self.refusal: int | None = None

    # As a consumer's client.
    def memberid(self) -> str:
        return "us"

    def committed(self, places: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        return [
            TopicPartition(TOPIC, each.partition, self.committed_offsets[each.partition], metadata="")
            for each in places
        ]

    # As processor.kafka.ownership.
    def ask(self, properties: dict[str, Any], group: str, member: str, topic: str, *, timeout_s: float) -> Owned:
        self.asked += 1
        if self.refusal is not None:
            raise KafkaException(KafkaError(self.refusal))
        assert (properties["bootstrap.servers"], group, member, topic) == ("127.0.0.1:1", GROUP, "us", TOPIC)
        return Owned(frozenset(self.owned), frozenset(self.to_keep))


@pytest.fixture
def group() -> Group:
    return Group()


@pytest.fixture
def epochs(group: Group) -> Epochs:
    """Of a member that has asked what is committed, and goes on from there."""
    made = Epochs(ClientSettings("127.0.0.1:1"), cast(Any, group), TOPIC, GROUP, ask=group.ask)
    made.goes_on_from([Committed(0, 10, None), Committed(1, 20, None)])
    return made


def test_the_group_is_asked_who_owns_what_once_it_was_given(group: Group, epochs: Epochs) -> None:
    for _ in range(3):
        assert epochs.may_commit([0, 1], "epoch 1")
    assert epochs.may_commit([0, 1], "epoch 2")
    assert group.asked == 1
    group.owned |= {2}
    group.committed_offsets[2] = 5
    epochs.goes_on_from([Committed(2, 5, None)])
    assert epochs.may_commit([0, 1, 2], "epoch 2")
    assert group.asked == 2


def test_what_the_group_has_given_on_is_not_committed(group: Group, epochs: Epochs) -> None:
    group.owned = {0}
    assert not epochs.may_commit([0, 1], "epoch 1")
    assert not epochs.may_commit([1], "epoch 1")
    assert epochs.may_commit([0], "epoch 1")


def test_what_another_has_committed_between_two_epochs_is_not_committed_over(group: Group, epochs: Epochs) -> None:
    assert epochs.may_commit([0, 1], "epoch 1")
    epochs.goes_on_from([Committed(0, 11, None)])
    group.committed_offsets = {0: 11, 1: 25}
    assert epochs.may_commit([0, 1], "epoch 1"), "nobody else can commit in this epoch"
    assert not epochs.may_commit([0, 1], "epoch 3")
    epochs.goes_on_from([Committed(1, 25, None)])
    assert epochs.may_commit([0, 1], "epoch 3")


def test_who_has_not_asked_what_is_committed_commits_nothing(group: Group, epochs: Epochs) -> None:
    group.owned = {0, 1, 2}
    assert not epochs.may_commit([2], "epoch 1")
    epochs.forget([1])
    assert not epochs.may_commit([1], "epoch 1")
    assert group.asked == 0


def test_about_what_the_group_wants_back_it_is_asked_each_time(group: Group, epochs: Epochs) -> None:
    """A word of the client's from before the callback's end can let go of it yet, and the epoch may stay the same."""
    group.to_keep = {0}
    assert epochs.may_commit([0, 1], "epoch 1")
    assert epochs.may_commit([0], "epoch 1")
    assert group.asked == 1
    assert epochs.may_commit([1], "epoch 1")
    group.owned = {0}
    assert not epochs.may_commit([0, 1], "epoch 1")
    assert epochs.may_commit([0], "epoch 1")


def test_a_partition_that_comes_back_in_the_same_epoch_is_asked_about_again(group: Group, epochs: Epochs) -> None:
    assert epochs.may_commit([1], "epoch 1")
    epochs.forget([1])
    epochs.goes_on_from([Committed(1, 20, None)])
    group.owned = {0}
    assert not epochs.may_commit([1], "epoch 1")


@pytest.mark.parametrize("code", [KafkaError._TIMED_OUT, KafkaError.COORDINATOR_LOAD_IN_PROGRESS])
def test_a_group_that_does_not_answer_allows_nothing(group: Group, epochs: Epochs, code: int) -> None:
    group.refusal = code
    assert not epochs.may_commit([0], "epoch 1")
    group.refusal = None
    assert epochs.may_commit([0], "epoch 1")


def test_a_login_that_may_not_ask_is_told_so_and_does_not_try_for_ever(group: Group, epochs: Epochs) -> None:
    group.refusal = KafkaError.GROUP_AUTHORIZATION_FAILED
    with pytest.raises(KafkaException, match="GROUP_AUTHORIZATION_FAILED"):
        epochs.may_commit([0], "epoch 1")
