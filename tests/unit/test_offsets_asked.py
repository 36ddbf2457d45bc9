"""Asking for the ends of partitions, of brokers that do not agree."""

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from processor.kafka.clients import ClientSettings, Makers
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, high_watermarks


class Refusing:
    """Knows the topic, and answers each question for its offsets with the same error."""

    def __init__(self, code: int) -> None:
        self._code = code

    def list_topics(self, **_: object) -> SimpleNamespace:
        return SimpleNamespace(topics={"topic": SimpleNamespace(partitions={0: None})})

    def list_offsets(self, places: dict[TopicPartition, object], **_: object) -> dict[TopicPartition, Future[Any]]:
        answer: Future[Any] = Future()
        answer.set_exception(KafkaException(KafkaError(self._code)))
        return dict.fromkeys(places, answer)


def asked(code: int) -> None:
    makers = Makers(admin=cast("Any", lambda *_, **__: Refusing(code)))
    high_watermarks(ClientSettings("nowhere:1", makers=makers), "topic", [0], timeout_s=0.0)


def test_brokers_that_do_not_agree_who_leads_are_waited_for_like_brokers_that_are_away() -> None:
    """A worker that cannot reach one of three hears of a new leader late: that is no reason to end."""
    with pytest.raises(BrokerUnreachable):
        asked(KafkaError.FENCED_LEADER_EPOCH)


def test_what_waiting_does_not_mend_ends_the_reading() -> None:
    with pytest.raises(ReadingFailed):
        asked(KafkaError.UNSUPPORTED_VERSION)
