"""The straightforward loop: confluent-kafka, fastavro, and the rules a record at a time in Python; exactly once.

What anyone would write first who knows Kafka's transactions: a dictionary of senders for each partition, once a second a transaction
with the blocks, the state of every sender that was touched (absolute, in a compacted changelog) and the offsets. After a crash
it is started again and reads its changelog. The client's properties are the worker's own (`processor/kafka/clients.py`).
"""

import argparse
import io
import json
import time
from dataclasses import dataclass, field
from typing import Any, cast

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from fastavro import parse_schema, schemaless_reader

from bench.windows import SPAM, Sender
from processor import resources
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks, partitions_of, read_to_end

_COMMIT_S = 1.0
_BATCH = 10_000
_WAIT_S = 0.05
_PREFIX_BYTES = 10
"""Marker and fingerprint, before the Avro body."""
_TIMEOUT_S = 30.0


@dataclass
class Partition:
    """What is known of one partition: where it is read on, its stream time, its senders, and who was touched since the commit."""

    next_offset: int | None
    stream_time_ms: int
    senders: dict[str, Sender]
    touched: set[str] = field(default_factory=set)


class Loop:
    """A member of the group that does the whole job for its partitions."""

    def __init__(self, bootstrap: str, topic: str, group: str, blocks: str, changelog: str) -> None:
        self._settings = ClientSettings(bootstrap)
        self._topic, self._blocks, self._changelog = topic, blocks, changelog
        self._partitions: dict[int, Partition] = {}
        self._told: list[dict[str, Any]] = []
        self._schema = _schema()
        self._producer: Producer = clients.transactional_producer(self._settings, transactional_id=group)
        self._producer.init_transactions(_TIMEOUT_S)
        self._consumer: Consumer = clients.consumer(self._settings, group=group)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked)

    def run_once(self) -> None:
        """Up to where the topic ends now."""
        ends = high_watermarks(self._settings, self._topic, partitions_of(self._settings, self._topic))
        commit_s = time.monotonic() + _COMMIT_S
        while not self._is_at(ends):
            for message in self._consumer.consume(_BATCH, _WAIT_S):
                if message.error() is not None:
                    raise RuntimeError(message.error())
                self._take(
                    cast("int", message.partition()), cast("int", message.offset()), cast("bytes", message.value())
                )
            if time.monotonic() >= commit_s:
                self._commit()
                commit_s = time.monotonic() + _COMMIT_S
        self._commit()
        self._consumer.close()

    def _take(self, number: int, offset: int, content: bytes) -> None:
        body = io.BytesIO(content)
        body.seek(_PREFIX_BYTES)
        verdict = cast("dict[str, Any]", schemaless_reader(body, self._schema, None))
        partition, name, at_ms = self._partitions[number], verdict["sender"], verdict["occurred_at"]
        partition.next_offset = offset + 1
        partition.stream_time_ms = max(partition.stream_time_ms, at_ms)
        sender = partition.senders.get(name)
        if sender is None:
            sender = partition.senders[name] = Sender()
        partition.touched.add(name)
        spam = verdict["verdict"] in SPAM
        if sender.take(
            partition.stream_time_ms, at_ms, spam, verdict["internal_recipients"], verdict["external_recipients"]
        ):
            block = {"sender": name, "partition": number, "offset": offset, "until_ms": sender.until_ms}
            self._told.append(block)

    def _commit(self) -> None:
        """One transaction. What fails ends the process: the next one restores what was committed."""
        producer = self._producer
        producer.begin_transaction()
        for block in self._told:
            producer.produce(self._blocks, json.dumps(block), block["sender"])
        places = []
        for number, partition in self._partitions.items():
            for name in partition.touched:
                producer.produce(self._changelog, partition.senders[name].pack(), name, number)
            if partition.next_offset is not None:
                stream_time = str(partition.stream_time_ms)
                places.append(TopicPartition(self._topic, number, partition.next_offset, stream_time))
            partition.touched = set()
        producer.send_offsets_to_transaction(places, self._consumer.consumer_group_metadata())
        producer.commit_transaction()
        self._told = []

    def _assigned(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        starts = []
        for place in consumer.committed(places, _TIMEOUT_S):
            is_new = place.offset < 0
            stream_time_ms = 0 if is_new else int(place.metadata or 0)
            senders = {
                cast("bytes", message.key()).decode(): Sender.unpack(cast("bytes", message.value()))
                for message in read_to_end(self._settings, self._changelog, [place.partition], {})
            }
            self._partitions[place.partition] = Partition(None if is_new else place.offset, stream_time_ms, senders)
            starts.append(TopicPartition(place.topic, place.partition, OFFSET_BEGINNING if is_new else place.offset))
        consumer.incremental_assign(starts)

    def _revoked(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        self._commit()
        for place in places:
            del self._partitions[place.partition]
        consumer.incremental_unassign(places)

    def _is_at(self, ends: dict[int, int]) -> bool:
        return all(
            number in self._partitions and (self._partitions[number].next_offset or 0) >= end
            for number, end in ends.items()
        )


def _schema() -> Any:
    """The verdict's, with plain numbers for times: fastavro would make a datetime of each."""
    schema = json.loads((resources.folder("schemas") / "MessageVerdict.avsc").read_text())
    schema["fields"] = [
        {**each, "type": "long"} if each["name"] == "occurred_at" else each for each in schema["fields"]
    ]
    return parse_schema(schema)


def main() -> None:
    """Do the whole job on one topic, once."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("bootstrap", "topic", "group", "blocks", "changelog"):
        parser.add_argument(name)
    Loop(**vars(parser.parse_args())).run_once()


if __name__ == "__main__":
    main()
