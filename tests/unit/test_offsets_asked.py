"""The ends of partitions are asked for until there is an answer that is one."""

from collections.abc import Mapping
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import TopicPartition

from processor.kafka.clients import ClientSettings, Makers
from processor.kafka.reading import high_watermarks, offsets_at

OFFSET_INVALID = -1001


class Admin:
    """Answers the questions for offsets with these, one after the other."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers

    def list_topics(self, **_: Any) -> Any:
        return SimpleNamespace(topics={"t": SimpleNamespace(partitions={0: None})})

    def list_offsets(self, places: Mapping[TopicPartition, Any], **_: Any) -> dict[TopicPartition, Future[Any]]:
        answer: Future[Any] = Future()
        answer.set_result(SimpleNamespace(offset=self.answers.pop(0)))
        return dict.fromkeys(places, answer)


def settings_for(answers: list[int]) -> ClientSettings:
    return ClientSettings("127.0.0.1:1", makers=Makers(admin=cast(Any, lambda *_, **__: Admin(answers))))


def test_an_answer_without_an_offset_is_asked_for_again() -> None:
    assert high_watermarks(settings_for([OFFSET_INVALID, 7]), "t", [0]) == {0: 7}


def test_that_there_is_no_record_after_a_time_is_an_answer() -> None:
    assert offsets_at(settings_for([-1]), "t", [0], 1) == {0: -1}
