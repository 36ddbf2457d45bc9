"""The detect worker on a real broker: what is refused, what is kept, who takes over, how it ends."""

import json
import os
import random
import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from urllib.request import urlopen

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from processor import avro
from processor.kafka import clients
from processor.kafka.clients import ClientSettings, admin
from processor.kafka.journal import COMMIT, SNAPSHOT
from processor.kafka.reading import first_offsets
from processor.kafka.serde import Serde
from processor.kafka.topic_creation import TopicState, create
from processor.kafka.topics import TopicNames, TopicShape
from processor.policies.policy import PolicySet
from processor.verdicts.generator import generate
from tests.brokers import Broker
from tests.detecting import NOW_MS, Detect, journal, put, spam, verdict
from tests.engines import payload_of
from tests.equivalence import fill, traffic_of
from tests.oracle import expected_decisions, published_decisions, restricted_by, restricted_now
from tests.topics_io import make_topics, read_all, write_all
from tests.waiting import wait_until


def _varint(number: int) -> bytes:
    unsigned = (number << 1) ^ (number >> 63)
    encoded = bytearray()
    while unsigned > 0x7F:
        encoded.append(unsigned & 0x7F | 0x80)
        unsigned >>= 7
    return bytes([*encoded, unsigned])


def _body(**changes: bytes) -> bytes:
    fields = {
        "event_id": _varint(1) + b"e",
        "occurred_at": _varint(NOW_MS),
        "tenant_id": _varint(1) + b"t",
        "sender": _varint(10) + b"ann@a.test",
        "message_id": b"\x00",
        "client_ip": b"\x00",
        "internal_recipients": _varint(0),
        "external_recipients": _varint(1),
        "verdict": _varint(3),
        "score": b"\x00",
        **changes,
    }
    return avro.single_object_prefix("MessageVerdict") + b"".join(fields.values())


MALFORMED: list[tuple[str, bytes | None]] = [
    ("null value", None),
    ("truncated", b""),
    ("wrong magic", b"\x7f" + _body()[1:]),
    ("unknown schema", b"\xc3\x01" + b"nothing!" + _body()[10:]),
    ("unknown schema", b"\x00" + struct.pack(">i", 4711) + _body()[10:]),
    ("truncated", _body()[:-1]),
    ("truncated", _body()[:7]),
    ("trailing bytes", _body() + b"\x00"),
    ("bad length", _body(sender=_varint(-3) + b"ann")),
    ("bad length", _body(sender=_varint(2**40) + b"ann")),
    ("bad enum index", _body(verdict=_varint(8))),
    ("bad enum index", _body(verdict=_varint(-1))),
    ("bad union index", _body(message_id=_varint(2))),
    ("bad union index", _body(score=_varint(-1))),
    ("varint out of range", _body(occurred_at=b"\xff" * 10 + b"\x01")),
    ("varint out of range", _body(external_recipients=_varint(2**31))),
    ("invalid UTF-8", _body(sender=_varint(3) + b"a\xff@")),
    ("empty required field", _body(sender=_varint(0))),
    ("negative count", _body(internal_recipients=_varint(-1))),
    ("time out of range", _body(occurred_at=_varint(-1))),
    ("time in the future", _body(occurred_at=_varint(NOW_MS + 3_600_000))),
]


def test_a_malformed_record_is_a_dead_letter_byte_for_byte_and_its_neighbours_all_count(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    values: list[bytes | None] = []
    for number, (_, bad) in enumerate(MALFORMED):
        values += [bad, payload_of(verdict(number, f"s{number % 2}@a.test"))]
    put(kafka, topics, *values)
    assert detect("--once").wait(60) == 0
    letters = read_all(kafka.bootstrap, topics.dead_letters)
    headers = [dict(message.headers() or []) for message in letters]
    assert [each["senderwatch-reason"] for each in headers] == [reason.encode() for reason, _ in MALFORMED]
    assert [message.value() for message in letters] == [bad for _, bad in MALFORMED]
    assert {message.key() for message in letters} == {b"ann@a.test"}
    assert [each["senderwatch-offset"] for each in headers] == [b"%d" % (2 * n) for n in range(len(MALFORMED))]
    assert {each["senderwatch-topic"] for each in headers} == {topics.verdicts.encode()}
    blocked = [record for name, record in published_decisions(kafka.bootstrap, topics).values()]
    assert [record["sender"] for record in blocked] == ["s0@a.test"]
    assert blocked[0]["trigger"]["event_id"] == "e20", "all eleven good records of the sender were counted"
    commits = journal(kafka, topics, COMMIT)
    assert [each["reason"] for commit in commits for each in commit["rejected"]] == [reason for reason, _ in MALFORMED]
    assert sum(commit["records"] for commit in commits) == 2 * len(MALFORMED)


def test_a_verdict_in_another_partition_than_its_senders_is_a_dead_letter(
    kafka: Broker, topic_prefix: str, detect: Detect
) -> None:
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=2)
    for partition in (0, 1):
        put(kafka, topics, *spam(100 * partition, 12), partition=partition)
    assert detect("--once").wait(60) == 0
    letters = read_all(kafka.bootstrap, topics.dead_letters)
    assert len(letters) == 12
    wrong = {dict(message.headers() or [])["senderwatch-partition"] for message in letters}
    assert len(wrong) == 1
    assert len(published_decisions(kafka.bootstrap, topics)) == 1


def test_counts_go_on_after_a_restart_where_they_stood(kafka: Broker, topics: TopicNames, detect: Detect) -> None:
    put(kafka, topics, *spam(0, 10))
    assert detect("--once").wait(60) == 0
    assert published_decisions(kafka.bootstrap, topics) == {}
    put(kafka, topics, *spam(10, 1))
    assert detect("--once").wait(60) == 0
    decisions = published_decisions(kafka.bootstrap, topics)
    assert [record["observed"] for _, record in decisions.values()] == [11.0]
    assert decisions == expected_decisions(kafka.bootstrap, topics, PolicySet())


def test_a_block_until_tomorrow_ends_before_the_first_verdict_of_the_next_day(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    yesterday_ms = NOW_MS - 86_400_000
    put(kafka, topics, *spam(0, 12, at_ms=yesterday_ms))
    assert detect("--once").wait(60) == 0
    assert list(restricted_now(kafka.bootstrap, topics)) == ["ann@a.test"]
    put(kafka, topics, payload_of(verdict(99, "bob@a.test", spam=False)))
    assert detect("--once").wait(60) == 0
    names = [name for name, _ in published_decisions(kafka.bootstrap, topics).values()]
    assert sorted(names) == ["SenderBlocked", "SenderUnblocked"]
    assert restricted_now(kafka.bootstrap, topics) == {}


def test_sweeps_let_the_changelog_be_trimmed_and_a_restart_finds_everything(
    kafka: Broker, topic_prefix: str, detect: Detect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENDERWATCH_DETECTOR__CHANGELOG_SWEEP_BYTES", "1000")
    traffic = replace(traffic_of(8_000, seed=5), senders=20, compromised=4, hours=1)
    topics = fill(kafka.bootstrap, topic_prefix, traffic)
    assert detect("--once", "--batch-size", "5", "--commit-interval-ms", "1").wait(120) == 0
    firsts = first_offsets(ClientSettings(kafka.bootstrap), topics.changelog, range(4))
    assert all(first > 0 for first in firsts.values()), f"nothing was trimmed: {firsts}"
    for batch in range(2):
        more = replace(traffic, records=300, seed=6 + batch, end_ms=traffic.end_ms + batch)
        for each in generate(more, avro.single_object_prefix("MessageVerdict")):
            write_all(kafka.bootstrap, topics.verdicts, zip(each.keys, each.values, strict=True))
        assert detect("--once", "--batch-size", "5", "--commit-interval-ms", "1").wait(120) == 0
    expected = expected_decisions(kafka.bootstrap, topics, PolicySet())
    assert published_decisions(kafka.bootstrap, topics) == expected
    assert restricted_now(kafka.bootstrap, topics) == restricted_by(expected)


def test_a_changelog_that_was_deleted_stops_the_worker_with_the_way_out(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    put(kafka, topics, *spam(0, 5))
    assert detect("--once").wait(60) == 0
    client = admin(ClientSettings(kafka.bootstrap))
    for answer in client.delete_records([TopicPartition(topics.changelog, 0, -1)]).values():
        answer.result(30)
    put(kafka, topics, *spam(5, 1))
    assert detect("--once").wait(60) == 1
    said = (tmp_path / "2.log").read_text()
    assert "somebody has deleted records of it" in said
    assert "Traceback" not in said


def test_without_the_groups_offsets_the_changelog_alone_tells_where_to_go_on(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    put(kafka, topics, *spam(0, 10))
    assert detect("--once").wait(60) == 0
    client = admin(ClientSettings(kafka.bootstrap))
    for answer in client.delete_consumer_groups([f"{topics.prefix}senderwatch-detector"], request_timeout=30).values():
        answer.result(30)
    put(kafka, topics, *spam(10, 1))
    assert detect("--once").wait(60) == 0
    assert published_decisions(kafka.bootstrap, topics) == expected_decisions(kafka.bootstrap, topics, PolicySet())
    assert sum(commit["records"] for commit in journal(kafka, topics, COMMIT)) == 11


def test_what_retention_took_is_journaled_as_a_gap(kafka: Broker, topics: TopicNames, detect: Detect) -> None:
    put(kafka, topics, *spam(0, 5))
    assert detect("--once").wait(60) == 0
    put(kafka, topics, *spam(5, 4))
    client = admin(ClientSettings(kafka.bootstrap))
    for answer in client.delete_records([TopicPartition(topics.verdicts, 0, 8)]).values():
        answer.result(30)
    assert detect("--once").wait(60) == 0
    inputs = [each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"]]
    gaps = [each for each in inputs if each["kind"] == "GAP"]
    assert [(each["from_offset"], each["before_offset"]) for each in gaps] == [(5, 8)]


def test_what_retention_takes_from_under_a_worker_is_journaled_as_a_gap(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    worker = detect()
    put(kafka, topics, *spam(0, 5))
    wait_until(lambda: journal(kafka, topics, COMMIT), "the first commit", 30)
    with _standing_still(worker):
        put(kafka, topics, *spam(5, 4))
        client = admin(ClientSettings(kafka.bootstrap))
        for answer in client.delete_records([TopicPartition(topics.verdicts, 0, 8)]).values():
            answer.result(30)
    put(kafka, topics, *spam(9, 2))

    def taken() -> list[tuple[int, int]]:
        return [(each["first_offset"], each["next_offset"]) for each in journal(kafka, topics, COMMIT)]

    wait_until(lambda: taken()[-1][1] == 11, "the verdicts that are left", 30)
    inputs = [each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"]]
    assert [(each["from_offset"], each["before_offset"]) for each in inputs if each["kind"] == "GAP"] == [(5, 8)]
    assert sum(commit["records"] for commit in journal(kafka, topics, COMMIT)) == 8


def test_what_retention_takes_from_two_partitions_at_once_is_journaled_for_both(
    kafka: Broker, topic_prefix: str, detect: Detect
) -> None:
    """The client tells of both in one batch, and of each once; a partition that it has given up cannot be set back."""
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=2)
    worker = detect("-X", "session.timeout.ms=45000")
    for partition in (0, 1):
        put(kafka, topics, *spam(0, 5), partition=partition)

    def taken() -> dict[int, int]:
        return {each["partition"]: each["next_offset"] for each in _commits(kafka, topics)}

    wait_until(lambda: taken() == {0: 5, 1: 5}, "the first commits", 30)
    with _standing_still(worker):
        for partition in (0, 1):
            put(kafka, topics, *spam(5, 4), partition=partition)
        client = admin(ClientSettings(kafka.bootstrap))
        gone = [TopicPartition(topics.verdicts, partition, 8) for partition in (0, 1)]
        for answer in client.delete_records(gone).values():
            answer.result(30)
    for partition in (0, 1):
        put(kafka, topics, *spam(9, 2), partition=partition)
    wait_until(lambda: taken() == {0: 11, 1: 11}, "the verdicts that are left of both", 30)
    gaps = [
        (commit["partition"], each["from_offset"], each["before_offset"])
        for commit in _commits(kafka, topics)
        for each in commit["inputs"]
        if each["kind"] == "GAP"
    ]
    assert sorted(gaps) == [(0, 5, 8), (1, 5, 8)]


@contextmanager
def _standing_still(worker: subprocess.Popen[str]) -> Iterator[None]:
    """The worker stopped, and no fetch of it waiting at the broker, which would still be answered with what comes next.

    The broker answers one that finds nothing after ``fetch.wait.max.ms``: 500 ms, as the client has it.
    """
    os.kill(worker.pid, signal.SIGSTOP)
    try:
        time.sleep(1)
        yield
    finally:
        os.kill(worker.pid, signal.SIGCONT)


def _commits(kafka: Broker, topics: TopicNames) -> list[dict[str, Any]]:
    """The journal's commits, each with its partition."""
    decoded = [
        (each.partition(), Serde(None).decode(each.value())) for each in read_all(kafka.bootstrap, topics.journal)
    ]
    return [{**record, "partition": partition} for partition, (name, record) in decoded if name == COMMIT]


def test_sigterm_finishes_the_transaction_and_the_next_worker_has_nothing_to_repeat(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    worker = detect("--commit-interval-ms", "60000")
    put(kafka, topics, *spam(0, 5))
    wait_until(lambda: "partition restored" in (tmp_path / "1.log").read_text(), "the worker")
    time.sleep(1.0)  # records are taken up, the commit is a minute away
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    assert [commit["records"] for commit in journal(kafka, topics, COMMIT)] == [5]


def test_a_frozen_worker_that_wakes_after_its_session_publishes_nothing(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    options = ("-X", "session.timeout.ms=1000", "-X", "heartbeat.interval.ms=200")
    frozen = detect(*options)
    wait_until(lambda: "partition restored" in (tmp_path / "1.log").read_text(), "the first worker", 30)
    put(kafka, topics, *spam(0, 10))
    wait_until(lambda: journal(kafka, topics, COMMIT), "the first commit")
    os.kill(frozen.pid, signal.SIGSTOP)
    try:
        second = detect(*options)
        wait_until(lambda: "partition restored" in (tmp_path / "2.log").read_text(), "the second worker", 30)
        put(kafka, topics, *spam(10, 1))
        wait_until(lambda: published_decisions(kafka.bootstrap, topics), "the block")
    finally:
        os.kill(frozen.pid, signal.SIGCONT)
    put(kafka, topics, *spam(11, 1), *spam(0, 11, "bob@a.test"))
    wait_until(lambda: len(published_decisions(kafka.bootstrap, topics)) == 2, "the second block")
    for process in (frozen, second):
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert published_decisions(kafka.bootstrap, topics) == expected_decisions(kafka.bootstrap, topics, PolicySet())
    ranges = [(commit["first_offset"], commit["next_offset"]) for commit in journal(kafka, topics, COMMIT)]
    assert [first for first, _ in ranges] == [0, *(after for _, after in ranges[:-1])], "each offset in one commit"


def test_a_slot_that_is_started_twice_fences_its_older_self(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    older = detect("--slot", "a")
    wait_until(lambda: "partition restored" in (tmp_path / "1.log").read_text(), "the older worker", 30)
    newer = detect("--slot", "a")
    put(kafka, topics, *spam(0, 11))
    assert older.wait(30) == 76
    last = (tmp_path / "1.log").read_text().splitlines()[-1]
    assert last.startswith("senderwatch: another process ")
    assert "this one gives way: each slot may run once" in last
    wait_until(lambda: published_decisions(kafka.bootstrap, topics), "the block")
    newer.send_signal(signal.SIGTERM)
    assert newer.wait(20) == 0


def test_each_midnight_of_stream_time_leaves_a_snapshot(kafka: Broker, topics: TopicNames, detect: Detect) -> None:
    for day in (3, 2, 1):
        put(kafka, topics, *spam(100 * day, 12, at_ms=NOW_MS - day * 86_400_000))
        assert detect("--once", "--commit-interval-ms", "60000").wait(60) == 0
    snapshots = [each for each in journal(kafka, topics, SNAPSHOT) if each["last"]]
    assert [each["stream_time"] for each in snapshots] == [NOW_MS - day * 86_400_000 for day in (3, 2, 1)]
    blocks = [
        each["senders"]["kept"][0]["blocks"] for each in journal(kafka, topics, SNAPSHOT) if each["senders"] is not None
    ]
    times = [NOW_MS - day * 86_400_000 for day in (3, 2, 1)]
    # The first commit of a day may be that of the expiry at its first verdict, before the day's own block.
    assert blocks[0] == times[:1]
    assert all(found in (times[:number], times[: number + 1]) for number, found in enumerate(blocks[1:], 1)), blocks


def test_metrics_and_health_are_served_and_readiness_means_restored(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    worker = detect("--metrics-port", "0")
    log = tmp_path / "1.log"
    port = wait_until(lambda: re.search(r'"port": (\d+)', log.read_text()), "the port", 30).group(1)
    put(kafka, topics, *spam(0, 11), b"nonsense")

    def metrics() -> str:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    wait_until(lambda: 'senderwatch_records_total{partition="0"} 12.0' in metrics(), "the count of records")
    wait_until(lambda: 'reason="wrong magic"' in metrics(), "the dead letter")
    assert 'senderwatch_decisions_total{limit="spam_messages_per_hour",type="SenderBlocked"} 1.0' in metrics()
    with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
        assert answer.status == 200
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0


def test_a_missing_topic_is_named_with_the_command_that_makes_it(kafka: Broker, detect: Detect, tmp_path: Path) -> None:
    assert detect("--once").wait(60) == 1
    said = (tmp_path / "1.log").read_text()
    assert "senderwatch topics create" in said
    assert "Traceback" not in said


def test_logs_are_json_lines_that_name_sender_tenant_and_limit(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    put(kafka, topics, *spam(0, 11))
    assert detect("--once").wait(60) == 0
    lines = [json.loads(line) for line in (tmp_path / "1.log").read_text().splitlines()]
    blocked = [line for line in lines if line["event"] == "SenderBlocked"]
    assert [(each["sender"], each["tenant"], each["limit"]) for each in blocked] == [
        ("ann@a.test", "a.test", "spam_messages_per_hour")
    ]


def test_a_dead_letter_too_large_for_one_record_comes_in_parts_and_stops_nobody(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    large = random.Random(1).choices(b"abcdefgh", k=1_900_000)
    compressible = {"compression.type": "zstd", "message.max.bytes": "30000000"}
    producer = clients.producer(ClientSettings(kafka.bootstrap, producer_properties=compressible))
    for value in (bytes(17_000_000), bytes(large)):
        producer.produce(topics.verdicts, value, b"ann@a.test", 0)
        assert producer.flush(30) == 0
    put(kafka, topics, *spam(0, 11))
    assert detect("--once").wait(60) == 0
    assert len(published_decisions(kafka.bootstrap, topics)) == 1
    letters = read_all(kafka.bootstrap, topics.dead_letters)
    parts: dict[bytes, list[bytes]] = {}
    for message in letters:
        headers = dict(message.headers() or [])
        parts.setdefault(cast("bytes", headers["senderwatch-offset"]), []).append(message.value() or b"")
    assert [b"".join(each) for each in parts.values()] == [bytes(17_000_000), bytes(large)]


def test_long_evidence_of_many_blocks_still_fits_the_changelog(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    chance = random.Random(1)

    def text() -> str:
        return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=60_000))

    for number in range(6):
        name = f"s{number}@a.test"
        long = replace(verdict(0, name), event_id=text(), message_id=text(), client_ip=text())
        put(kafka, topics, *spam(0, 10, name), payload_of(long))
    assert detect("--once").wait(60) == 0
    put(kafka, topics, *spam(0, 11))
    assert detect("--once").wait(60) == 0
    assert len(restricted_now(kafka.bootstrap, topics)) == 7


def test_offsets_that_somebody_reset_stop_the_worker_before_anything_counts_twice(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    put(kafka, topics, *spam(0, 6))
    assert detect("--once").wait(60) == 0
    client = admin(ClientSettings(kafka.bootstrap))
    reset = ConsumerGroupTopicPartitions(
        f"{topics.prefix}senderwatch-detector", [TopicPartition(topics.verdicts, 0, 0)]
    )
    for answer in client.alter_consumer_group_offsets([reset]).values():
        answer.result(30)
    assert detect("--once").wait(60) == 1
    said = (tmp_path / "2.log").read_text()
    assert "Set it back to 6" in said
    assert published_decisions(kafka.bootstrap, topics) == {}


def test_a_partition_that_retention_emptied_is_journaled_as_a_gap_without_a_verdict(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    put(kafka, topics, *spam(0, 5))
    assert detect("--once").wait(60) == 0
    put(kafka, topics, *spam(5, 4))
    client = admin(ClientSettings(kafka.bootstrap))
    for answer in client.delete_records([TopicPartition(topics.verdicts, 0, -1)]).values():
        answer.result(30)
    assert detect("--once").wait(60) == 0
    inputs = [each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"]]
    assert [(each["from_offset"], each["before_offset"]) for each in inputs if each["kind"] == "GAP"] == [(5, 9)]


def test_a_verdicts_topic_made_anew_stops_the_worker_with_the_way_out(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    put(kafka, topics, *spam(0, 5))
    assert detect("--once").wait(60) == 0
    client = admin(ClientSettings(kafka.bootstrap))
    client.delete_topics([topics.verdicts])[topics.verdicts].result(30)
    settings = ClientSettings(kafka.bootstrap)

    def made_again() -> bool:
        return any(
            report.design.name == topics.verdicts and report.state is TopicState.CREATED
            for report in create(settings, topics, TopicShape(partitions=1, out_partitions=2))
        )

    wait_until(made_again, "the topic, made anew")
    put(kafka, topics, *spam(5, 1))
    assert detect("--once").wait(60) == 1
    assert "made anew" in (tmp_path / "2.log").read_text()


def test_a_topic_that_believes_its_feeders_timestamps_is_told_of_once(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    client = admin(ClientSettings(kafka.bootstrap))
    believing = ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topics.verdicts, incremental_configs=[believing])
    for answer in client.incremental_alter_configs([resource]).values():
        answer.result(30)
    put(kafka, topics, *spam(0, 3))
    assert detect("--once").wait(60) == 0
    assert (tmp_path / "1.log").read_text().count("LogAppendTime") == 1
