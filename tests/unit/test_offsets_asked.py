"""The ends of partitions are asked for until there is an answer that is one."""

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.kafka.clients import ClientSettings, Makers
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import high_watermarks, offsets_at

OFFSET_INVALID = -1001


class Admin:
    """Answers the questions for offsets with these, one after the other; the last one for ever."""

    def __init__(self, answers: list[int | KafkaError]) -> None:
        self.answers = answers

    def list_topics(self, **_: Any) -> Any:
        return SimpleNamespace(topics={"t": SimpleNamespace(partitions={0: None})})

    def list_offsets(self, places: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        answer: Future[Any] = Future()
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, KafkaError):
            answer.set_exception(KafkaException(given))
        else:
            answer.set_result(SimpleNamespace(offset=given))
        return dict.fromkeys(places, answer)


def settings_for(answers: list[int | KafkaError]) -> ClientSettings:
    return ClientSettings("127.0.0.1:1", makers=Makers(admin=cast(Any, lambda *_, **__: Admin(answers))))


def test_an_answer_without_an_offset_is_asked_for_again() -> None:
    assert high_watermarks(settings_for([OFFSET_INVALID, 7]), "t", [0]) == {0: 7}


def test_that_there_is_no_record_after_a_time_is_an_answer() -> None:
    assert offsets_at(settings_for([-1]), "t", [0], 1) == {0: -1}


@pytest.mark.parametrize("code", [KafkaError._NOENT, KafkaError.LEADER_NOT_AVAILABLE])
def test_a_partition_that_has_no_leader_for_long_is_waited_for_as_brokers_that_are_away(code: int) -> None:
    """Found by a fault campaign: a notifier ended, while all brokers restarted, with "No leaders found"."""
    no_leader = KafkaError(code, "No leaders found")
    assert high_watermarks(settings_for([no_leader, 7]), "t", [0]) == {0: 7}
    with pytest.raises(BrokerUnreachable, match="No leaders found"):
        high_watermarks(settings_for([no_leader]), "t", [0], timeout_s=0.2)
