"""Deleting what a sweep of the changelog has made superfluous."""

from concurrent.futures import Future
from functools import partial
from typing import Any

import structlog
from confluent_kafka import KafkaException, TopicPartition

from processor.kafka.clients import ClientSettings, admin

_log = structlog.get_logger(__name__)

_TIMEOUT_S = 30.0


class Trimmer:
    """Deletes records in the background. A refusal costs disk and time, no state."""

    def __init__(self, settings: ClientSettings, topic: str) -> None:
        self._client = admin(settings)
        self._topic = topic

    def trim(self, partition: int, offset: int) -> None:
        """Delete the records of a partition before `offset`."""
        place = TopicPartition(self._topic, partition, offset)
        answer = self._client.delete_records([place], request_timeout=_TIMEOUT_S)[place]
        answer.add_done_callback(partial(_said, self._topic, partition))


def _said(topic: str, partition: int, answer: Future[Any]) -> None:
    try:
        answer.result()
    except KafkaException as error:
        _log.warning(
            "the changelog could not be trimmed: it grows, and nothing is lost (may the principal delete records of it?)",
            topic=topic,
            partition=partition,
            reason=error.args[0].str(),
        )
