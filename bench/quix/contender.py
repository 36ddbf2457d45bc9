"""The job of the benchmark on Quix Streams: exactly once, state in RocksDB and its changelog, a commit a second.

It runs in an environment of its own (`requirements.txt` beside this file), so of this checkout it imports `bench.windows` alone.
"""

import argparse
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition
from fastavro import parse_schema, schemaless_reader
from quixstreams import Application, message_context
from quixstreams.models import Deserializer, SerializationContext, TopicConfig
from quixstreams.state.rocksdb import RocksDBOptions

from bench.windows import SPAM, Sender

_PREFIX_BYTES = 10
"""Marker and fingerprint, before the Avro body."""
_STATE = b"sender"
_CONSUMER = {
    "queued.min.messages": 1_000_000,
    "queued.max.messages.kbytes": 16_384,
    "fetch.queue.backoff.ms": 10,
}
_PRODUCER = {
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "compression.type": "lz4",
    "queue.buffering.max.messages": 1_000_000,
    "retry.backoff.ms": 5,
}


class Verdicts(Deserializer):  # type: ignore[misc] # the library is not there where types are checked
    """Avro by fastavro, with plain numbers for times; quicker than the library's own, which reads the prefix by itself."""

    def __init__(self, schema: Path) -> None:
        super().__init__()
        record = json.loads(schema.read_text())
        record["fields"] = [
            {**each, "type": "long"} if each["name"] == "occurred_at" else each for each in record["fields"]
        ]
        self._schema = parse_schema(record)

    def __call__(self, value: bytes, ctx: SerializationContext) -> Any:  # noqa: ARG002 - as the library calls it
        return schemaless_reader(io.BytesIO(value[_PREFIX_BYTES:]), self._schema, None)


class Counting:
    """What is done with each verdict. Ends the application where the topic ended at its start."""

    def __init__(self, app: Application, ends: dict[int, int]) -> None:
        self._app = app
        self._ends = ends
        self._stream_time_ms: dict[int, int] = defaultdict(int)

    def take(self, verdict: Any, key: Any, timestamp: int, headers: Any, state: Any) -> Any:  # noqa: ARG002
        """The block that this verdict causes, or None."""
        context = message_context()
        number, at_ms = context.partition, verdict["occurred_at"]
        now_ms = self._stream_time_ms[number] = max(self._stream_time_ms[number], at_ms)
        content = state.get_bytes(_STATE)
        sender = Sender() if content is None else Sender.unpack(content)
        spam = verdict["verdict"] in SPAM
        is_blocked = sender.take(now_ms, at_ms, spam, verdict["internal_recipients"], verdict["external_recipients"])
        state.set_bytes(_STATE, sender.pack())
        if context.offset + 1 >= self._ends.get(number, 0) and self._ends.pop(number, None) and not self._ends:
            self._app.stop()
        if not is_blocked:
            return None
        name = verdict["sender"]
        return {"sender": name, "partition": number, "offset": context.offset, "until_ms": sender.until_ms}


def unread(bootstrap: str, topic: str, group: str) -> dict[int, int]:
    """Where each partition ends now, of those that the group has not read to their end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    places = [TopicPartition(topic, number) for number in consumer.list_topics(topic).topics[topic].partitions]
    ends = {place.partition: consumer.get_watermark_offsets(place, timeout=30)[1] for place in places}
    committed = {place.partition: max(place.offset, 0) for place in consumer.committed(places, timeout=30)}
    consumer.close()
    return {number: end for number, end in ends.items() if committed[number] < end}


def run_once(bootstrap: str, topic: str, group: str, blocks: str, state_folder: str, schema: Path) -> None:
    """Up to where the topic ends now."""
    ends = unread(bootstrap, topic, group)
    app = Application(
        broker_address=bootstrap,
        consumer_group=group,
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=1.0,
        state_dir=state_folder,
        consumer_extra_config=_CONSUMER,
        producer_extra_config=_PRODUCER,
        rocksdb_options=RocksDBOptions(use_fsync=False),
        loglevel="WARNING",
    )
    verdicts = app.topic(topic, value_deserializer=Verdicts(schema), key_deserializer="bytes")
    told = app.topic(blocks, value_serializer="json", key_serializer="bytes", config=TopicConfig(4, 1))
    counting = Counting(app, ends)
    frame = app.dataframe(verdicts).apply(counting.take, stateful=True, metadata=True)
    frame.filter(lambda block: block is not None).to_topic(told)
    app.run(timeout=0.0 if ends else 1.0)


def main() -> None:
    """Do the whole job on one topic, once."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("bootstrap", "topic", "group", "blocks", "state_folder"):
        parser.add_argument(name)
    parser.add_argument("schema", type=Path)
    run_once(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
