"""When the changelog of a partition was swept, as it shows from outside: records are written again, and then the old ones deleted."""

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of
from processor.kafka.topics import TopicNames

_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Swept:
    """One sweep, in monotonic ns: from its first record to when the log before it was gone."""

    partition: int
    began_ns: int
    ended_ns: int


class Sweeps:
    """Asks again and again where the changelog begins."""

    def __init__(self, bootstrap: str, topics: TopicNames) -> None:
        settings = ClientSettings(bootstrap)
        self._topic = topics.changelog
        self._client: Consumer = clients.consumer(settings, group=None)
        self._starts = {partition: self._start_of(partition) for partition in partitions_of(settings, self._topic)}
        self.seen: list[Swept] = []

    def look(self) -> None:
        """Note what has been swept since the last look."""
        for partition, before in self._starts.items():
            start = self._start_of(partition)
            if start == before:
                continue
            self._starts[partition] = start
            now_ns = time.monotonic_ns()
            since_1970_ns = time.time_ns() - now_ns
            self.seen.append(Swept(partition, self._written_ms(partition, start) * 1_000_000 - since_1970_ns, now_ns))

    def close(self) -> None:
        """No more looks."""
        self._client.close()

    def _start_of(self, partition: int) -> int:
        first, _ = self._client.get_watermark_offsets(TopicPartition(self._topic, partition), timeout=_TIMEOUT_S)
        return int(first)

    def _written_ms(self, partition: int, offset: int) -> int:
        self._client.assign([TopicPartition(self._topic, partition, offset)])
        message = self._client.poll(_TIMEOUT_S)
        if message is None or message.error() is not None:
            raise TimeoutError(f"no record of {self._topic}, partition {partition}, at {offset}")
        self._client.unassign()
        return int(message.timestamp()[1])
