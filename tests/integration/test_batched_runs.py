"""Runs straight out of librdkafka, beside those that the client gives message by message: the same, record for record."""

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from processor.kafka import clients, librdkafka
from processor.kafka.batched_runs import InBatches, run_source
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import RecordsGone, high_watermarks
from processor.kafka.runs import MessageByMessage, Run, RunSource
from tests import processes
from tests.brokers import Broker
from tests.waiting import wait_until

PARTITIONS = 3
RECORDS = 3_000
Row = tuple[Any, ...]


@pytest.fixture(scope="module")
def settings(kafka: Broker) -> ClientSettings:
    return ClientSettings(kafka.bootstrap)


@pytest.fixture(scope="module")
def topic(settings: ClientSettings) -> str:
    """Partitions with all kinds of records, some in transactions that were aborted or committed."""
    name, rng = "batched-runs", random.Random(5)
    made = NewTopic(name, PARTITIONS, config={"message.timestamp.type": "LogAppendTime"})
    admin = clients.admin(settings)
    admin.create_topics([made])[name].result(30)
    wait_until(lambda: name in admin.list_topics(timeout=10).topics, "the new topic")
    plain = clients.producer(settings)
    careful = clients.transactional_producer(settings, transactional_id=name)
    careful.init_transactions(30)
    for number in range(0, RECORDS, 100):
        in_transaction = rng.random() < 0.5
        producer = careful if in_transaction else plain
        if in_transaction:
            careful.begin_transaction()
        for each in range(number, number + 100):
            producer.produce(name, **_record(rng, each))
        producer.flush(30)
        if in_transaction:
            end = careful.commit_transaction if rng.random() < 0.7 else careful.abort_transaction
            end(30)
    return name


def _record(rng: random.Random, number: int) -> dict[str, Any]:
    value = rng.choice([None, b"", b"x", f"{number}".encode(), rng.randbytes(rng.choice([5, 110, 5_000]))])
    headers = [("h", b"1"), ("h", None), ("ünsold", rng.randbytes(9)), ("", b"")]
    return {
        "value": rng.randbytes(900_000) if number == RECORDS // 2 else value,
        "key": rng.choice([None, b"", b"key", rng.randbytes(40)]),
        "partition": rng.randrange(PARTITIONS),
        "headers": headers[: rng.randrange(5)],
    }


@contextmanager
def reading(
    settings: ClientSettings, topic: str, starts: dict[int, int], *, in_batches: bool
) -> Iterator[tuple[Consumer, RunSource]]:
    client = clients.consumer(settings, group=None, partition_eof=True)
    source = run_source(client, topic, lambda call: call(), in_batches=in_batches)
    assert isinstance(source, InBatches if in_batches else MessageByMessage)
    try:
        source.expect(starts)
        client.assign([TopicPartition(topic, partition, offset) for partition, offset in starts.items()])
        yield client, source
    finally:
        source.close()
        client.close()


def rows_of(run: Run) -> list[Row]:
    """All that there is to know of each record; what its message says is asked for each twentieth, for time."""
    columns = zip(run.offsets.tolist(), run.values, run.timestamps_ms.tolist(), strict=True)
    rows: list[Row] = [(run.partition, *each) for each in columns]
    for row in range(len(rows)):
        if rows[row][1] % 20 == 0:
            message = run.messages[row]
            assert (message.partition(), message.offset(), message.value()) == rows[row][:3]
            assert message.error() is None
            rows[row] += (message.topic(), message.key(), message.headers() or [], message.timestamp())
    return rows


def read_all(source: RunSource, ends: dict[int, int], sizes: Callable[[], int]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = {partition: [] for partition in ends}
    at_end: dict[int, int] = {}
    while at_end != ends:
        size = sizes()
        taken = source.take(size, 1.0)
        assert sum(len(each.offsets) for each in taken if isinstance(each, Run)) <= size
        for each in taken:
            if isinstance(each, Run):
                found[each.partition] += rows_of(each)
            else:
                at_end[each.partition] = each.offset
    return found


def test_both_ways_give_the_same_records(settings: ClientSettings, topic: str) -> None:
    ends = high_watermarks(settings, topic, range(PARTITIONS))
    rng = random.Random(3)
    found = []
    for in_batches in (False, True):
        with reading(settings, topic, dict.fromkeys(ends, 0), in_batches=in_batches) as (_, source):
            found.append(read_all(source, ends, lambda: rng.choice([1, 7, 1_000])))
    assert found[0] == found[1]
    assert 0 < sum(map(len, found[1].values())) < RECORDS  # what was aborted is left out
    assert any(row[2] is None for row in found[1][0])
    assert any(len(row[2] or b"") == 900_000 for rows in found[1].values() for row in rows)


def test_a_seek_leaves_nothing_of_what_was_fetched_before(settings: ClientSettings, topic: str) -> None:
    ends = high_watermarks(settings, topic, range(PARTITIONS))
    rng = random.Random(7)
    with reading(settings, topic, dict.fromkeys(ends, 0), in_batches=True) as (client, source):
        whole = {
            partition: [row[:4] for row in rows] for partition, rows in read_all(source, ends, lambda: 500).items()
        }
        for _ in range(30):
            partition = rng.randrange(PARTITIONS)
            row = rng.randrange(len(whole[partition]))
            start = whole[partition][row][1]
            client.seek(TopicPartition(topic, partition, start))
            seen: list[Row] = []
            while not seen:
                taken = source.take(rng.choice([1, 50]), 1.0)
                runs = [run for run in taken if isinstance(run, Run) and run.partition == partition]
                seen = [each for run in runs for each in rows_of(run)]
            assert [each[:4] for each in seen] == whole[partition][row : row + len(seen)]


def test_a_partition_that_goes_and_comes_back_begins_where_it_is_told(settings: ClientSettings, topic: str) -> None:
    with reading(settings, topic, {0: 0, 1: 0}, in_batches=True) as (client, source):
        for start in (40, 10, 30, 0):
            while not any(isinstance(each, Run) for each in source.take(20, 1.0)):
                pass
            client.incremental_unassign([TopicPartition(topic, 0)])
            source.forget([0])
            source.expect([0])
            client.incremental_assign([TopicPartition(topic, 0, start)])
            first = None
            while first is None:
                taken = source.take(20, 1.0)
                first = next((each for each in taken if isinstance(each, Run) and each.partition == 0), None)
            assert 0 <= first.offsets[0] - start < 150  # none of before; the next that was not aborted
            if start == 0:
                assert first.offsets[0] == read_first(settings, topic)


def read_first(settings: ClientSettings, topic: str) -> int:
    with reading(settings, topic, {0: 0}, in_batches=False) as (_, source):
        while True:
            for each in source.take(1, 1.0):
                if isinstance(each, Run):
                    return int(each.offsets[0])


def test_messages_of_a_batch_are_gone_with_the_next(settings: ClientSettings, topic: str) -> None:
    with reading(settings, topic, {0: 0}, in_batches=True) as (_, source):
        runs: list[Run] = []
        while not runs:
            runs = [each for each in source.take(5, 1.0) if isinstance(each, Run)]
        value = runs[0].values[0]
        assert runs[0].messages[0].value() == value
        source.take(5, 1.0)
        with pytest.raises(LookupError, match="given back"):
            runs[0].messages[0]
        assert runs[0].values[0] == value  # columns are its own


def test_what_is_not_there_is_logged(settings: ClientSettings, topic: str, caplog: pytest.LogCaptureFixture) -> None:
    """The client has a callback for it, which must not be called from where the records are taken."""
    with reading(settings, topic, {PARTITIONS + 4: 0}, in_batches=True) as (_, source):

        def is_told() -> bool:
            source.take(10, 0.1)
            return "partition is not available" in caplog.text

        wait_until(is_told, "the client's word")


@pytest.mark.parametrize("in_batches", [False, True])
def test_what_retention_took_is_told(settings: ClientSettings, topic: str, in_batches: bool) -> None:
    with reading(settings, topic, {0: 1_000_000}, in_batches=in_batches) as (_, source), pytest.raises(RecordsGone):
        wait_until(lambda: source.take(10, 0.1) is None, "what is not there")


def test_a_consumer_that_was_closed_or_is_none_is_read_message_by_message(settings: ClientSettings) -> None:
    client = clients.consumer(settings, group=None)
    assert librdkafka.address_of(client) is not None
    client.close()
    assert librdkafka.address_of(client) is None

    class Other(Consumer):
        pass

    assert librdkafka.address_of(Other({"bootstrap.servers": settings.bootstrap_servers, "group.id": "g"})) is None
    assert librdkafka.address_of(AdminClient({})) is None  # type: ignore[arg-type]


ENDS = """
import sys
from confluent_kafka import TopicPartition
from processor.kafka import clients
from processor.kafka.batched_runs import run_source
client = clients.consumer(clients.ClientSettings(sys.argv[1]), group=None)
source = run_source(client, sys.argv[2], lambda call: call(), in_batches=True)
source.expect([0, 1])
client.assign([TopicPartition(sys.argv[2], partition, 0) for partition in (0, 1)])
while not (runs := source.take(5, 1.0)):
    pass
if sys.argv[3] == "close":
    source.close()
    client.close()
elif sys.argv[3] == "raise":
    raise SystemExit(3)
print(len(runs), flush=True)
"""


@pytest.mark.parametrize(("how", "status"), [("close", 0), ("leave it to the end", 0), ("raise", 3)])
def test_a_process_ends_whatever_it_still_holds(settings: ClientSettings, topic: str, how: str, status: int) -> None:
    words = [sys.executable, "-c", ENDS, settings.bootstrap_servers, topic, how]
    assert subprocess.run(words, cwd=processes.ROOT, timeout=60, check=False).returncode == status


INTERRUPTED = """
import random, signal, sys
from confluent_kafka import TopicPartition
from processor.kafka import clients
from processor.kafka.batched_runs import run_source

class Interrupted(Exception):
    pass

def interrupt(*_):
    raise Interrupted

client = clients.consumer(clients.ClientSettings(sys.argv[1]), group=None)
source = run_source(client, sys.argv[2], lambda call: call(), in_batches=True)
source.expect([0])
client.assign([TopicPartition(sys.argv[2], 0, 0)])
while not source.take(3, 1.0):
    pass
signal.signal(signal.SIGALRM, interrupt)
rng, interrupted = random.Random(1), 0
while interrupted < 500:
    try:
        signal.setitimer(signal.ITIMER_REAL, rng.uniform(0.00002, 0.0008))
        while source.take(3, 0):
            pass
        client.seek(TopicPartition(sys.argv[2], 0, 0))
    except Interrupted:
        interrupted += 1
signal.setitimer(signal.ITIMER_REAL, 0)
source.close()
client.close()
"""


def test_what_a_signals_handler_raises_leaves_no_message_behind_and_gives_none_back_twice(
    settings: ClientSettings, topic: str
) -> None:
    words = [sys.executable, "-c", INTERRUPTED, settings.bootstrap_servers, topic]
    assert subprocess.run(words, cwd=processes.ROOT, timeout=60, check=False).returncode == 0
