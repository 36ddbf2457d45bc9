"""A subscriber that reads along, with read_committed, while everything breaks: what it gets, and how long it had to wait."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from confluent_kafka import Message, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of, place
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames


class Watching:
    """Reads `sender-restrictions` and the journal from the first record on, in a thread of its own."""

    def __init__(self, bootstrap: str, topics: TopicNames) -> None:
        self._settings = ClientSettings(bootstrap)
        self._topics = topics
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self.events: list[tuple[int, int, str]] = []
        """Partition, offset and id of each event, in the order in which they came."""
        self.told: list[tuple[int, int, str]] = []
        """Those of them that somebody gets a mail of."""
        self.restricted: dict[str, str] = {}
        """Sender to tenant, as a subscriber would know it."""
        self.longest_wait_s = 0.0
        """From a record's production to its being readable."""

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work, name="watching", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(30)
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            topics = (self._topics.restrictions, self._topics.journal)
            places = [
                TopicPartition(topic, partition, 0)
                for topic in topics
                for partition in partitions_of(self._settings, topic)
            ]
            reader = clients.consumer(self._settings, group=None)
            reader.assign(places)
            while not self._stop.is_set():
                for message in reader.consume(1000, 0.05):
                    if message.error() is None:
                        self._take(message)
            reader.close()
        except BaseException as failure:  # noqa: BLE001 - raised again in the campaign's own thread
            self._failure = failure

    def _take(self, message: Message) -> None:
        _, produced_ms = message.timestamp()
        self.longest_wait_s = max(self.longest_wait_s, time.time() - produced_ms / 1000)
        if message.topic() != self._topics.restrictions:
            return
        event = (*place(message), id_of(message))
        self.events.append(event)
        name, record = Serde(None).decode(message.value())
        if name != "CommandRefused":
            self.told.append(event)
        if name == "SenderBlocked":
            self.restricted[record["sender"]] = record["tenant_id"]
        elif name == "SenderUnblocked":
            self.restricted.pop(record["sender"], None)


def id_of(message: Message) -> str:
    """The event's id, as its header says it."""
    return dict(cast("list[tuple[str, bytes]]", message.headers()))["ce_id"].decode()
