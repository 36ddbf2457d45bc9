"""A Kafka inside this process, for the demo: the client library's own mock cluster.

It speaks the real protocol on a port of 127.0.0.1, to any client. Groups, transactions and headers work; nothing is kept. What
it cannot do (librdkafka 2.x, rdkafka_mock.c):

- make topics on request: each appears, with four partitions, when a producer first asks for it; topic configs do not exist,
  so nothing is stamped LogAppendTime, compacted or deleted by age;
- keep much: of each partition the last 5 MB;
- remember offsets that were sent in a transaction: who takes a partition over starts from the changelog or the ledger;
- undo: an aborted transaction's records stay visible to readers with read_committed.

So it holds for one detector and one notifier that are not killed, and for no promise of the design.
"""

import logging
from typing import Self

from confluent_kafka import Producer

from processor.kafka.topics import TopicNames, TopicShape, designed_topics

_log = logging.getLogger("kafka.embedded")
_TIMEOUT_S = 10.0

CONSUMER_PROPERTIES = {"fetch.wait.max.ms": "20"}
"""For consumers of the embedded broker: it answers a fetch that found nothing only after this time, not when data comes."""
UNREAD_MAX = 40_000
"""How many generated verdicts (120 bytes) may be unread: far from the 5 MB of a partition after which it drops the oldest."""


class EmbeddedBroker:
    """Runs until it is closed. Used as a context manager."""

    def __init__(self) -> None:
        # It lives in threads of this client, which has no other use.
        self._client: Producer | None = Producer({"test.mock.num.brokers": 1}, logger=_log)
        (broker,) = self._client.list_topics(timeout=_TIMEOUT_S).brokers.values()
        self.bootstrap_servers = f"{broker.host}:{broker.port}"

    def make_topics(self, names: TopicNames) -> None:
        """All topics of the design. Asking for a topic by its name makes it."""
        if self._client is None:
            raise ValueError("the broker is closed")
        for design in designed_topics(names, TopicShape()):
            self._client.list_topics(design.name, timeout=_TIMEOUT_S)

    def close(self) -> None:
        """Ends the broker and everything in it. Its clients should be gone before."""
        self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
