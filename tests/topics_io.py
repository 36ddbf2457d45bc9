"""Reading and writing whole topics in tests."""

from collections.abc import Iterable, Sequence
from functools import partial

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topic_creation import TopicState, create
from processor.kafka.topics import TopicNames, TopicShape
from tests.waiting import wait_until

Record = tuple[bytes | None, bytes | None]
"""Key and value."""


def make_topics(bootstrap: str, prefix: str, partitions: int = 3, out_partitions: int = 2) -> TopicNames:
    """All topics of senderwatch under `prefix`, new."""
    names = TopicNames(prefix)
    shape = TopicShape(partitions=partitions, out_partitions=out_partitions)
    reports = create(ClientSettings(bootstrap), names, shape)
    assert {report.state for report in reports} == {TopicState.CREATED}, reports
    return names


def read_all(bootstrap: str, topic: str, *, read_committed: bool = True, timeout_s: float = 30.0) -> list[Message]:
    """Every record from the first up to the ends as they are now, ordered within each partition.

    With `read_committed` it waits until the transactions before those ends are decided.
    """
    # To a reader with read_committed the client gives the last stable offset for the end, which lies before a
    # transaction whose commit is decided but whose marker has not reached this partition yet.
    asker = clients.consumer(ClientSettings(bootstrap), group=None, read_committed=False)
    reader = clients.consumer(ClientSettings(bootstrap), group=None, read_committed=read_committed, partition_eof=True)
    try:
        partitions = sorted(reader.list_topics(topic, timeout=10).topics[topic].partitions)
        ends: dict[int, int] = {}
        starts: list[TopicPartition] = []
        for partition in partitions:
            low, high = wait_until(partial(_watermarks, asker, topic, partition), f"the leader of {topic}/{partition}")
            if high > low:
                ends[partition] = high
                starts.append(TopicPartition(topic, partition, low))
        reader.assign(starts)
        messages: list[Message] = []

        def reached() -> bool:
            for message in reader.consume(1000, 0.05):
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                if (error := message.error()) is None:
                    if offset < ends.get(partition, offset + 1):
                        messages.append(message)
                    offset += 1
                elif error.code() != KafkaError._PARTITION_EOF:
                    raise AssertionError(error.str())
                if offset >= ends.get(partition, offset):
                    ends.pop(partition, None)
            return not ends

        wait_until(reached, f"the ends {ends} of {topic}", timeout_s)
        return sorted(messages, key=lambda message: (message.partition() or 0, message.offset() or 0))
    finally:
        asker.close()
        reader.close()


def _watermarks(reader: Consumer, topic: str, partition: int) -> tuple[int, int] | None:
    """The first and next offset; None while a broker that has just started does not lead the partition yet."""
    try:
        return reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE):
            return None
        raise


def write_all(bootstrap: str, topic: str, records: Iterable[Record], *, partition: int = -1) -> None:
    """Produce `records` in order and wait until they are there; partition -1 goes by the key."""
    writer = clients.producer(ClientSettings(bootstrap))
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    for key, value in records:
        while True:
            try:
                writer.produce(topic, value, key, partition, on_delivery=delivered)
                break
            except BufferError:
                writer.poll(0.1)
    assert writer.flush(30) == 0, "records still not delivered after 30 s"
    assert not failures, failures


def values(messages: Sequence[Message]) -> list[bytes]:
    """The values; none of the messages may be a tombstone."""
    found = [message.value() for message in messages]
    assert None not in found
    return [value for value in found if value is not None]
