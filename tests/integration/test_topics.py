"""`senderwatch topics` on a real broker: makes what is missing, tells what differs, changes nothing unasked."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from processor.cli.main import run
from processor.kafka.topics import (
    DEAD_LETTER_ROOM_BYTES,
    MESSAGE_MAX_BYTES,
    TopicNames,
    TopicShape,
    designed_topics,
)
from tests.brokers import Broker, Cluster
from tests.waiting import wait_until

SMALL = ("--partitions", "3", "--out-partitions", "2")


@pytest.fixture
def admin(kafka: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": kafka.bootstrap})


@pytest.fixture
def common(kafka: Broker, topic_prefix: str) -> tuple[str, ...]:
    return ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix)


def _config(admin: AdminClient, topic: str) -> Mapping[str, str]:
    (answer,) = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in answer.result().items()}


def _set(admin: AdminClient, topic: str, name: str, value: str) -> None:
    entry = ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    for answer in admin.incremental_alter_configs([resource]).values():
        answer.result()
    wait_until(lambda: _config(admin, topic)[name] == value, f"{name} of {topic} to be {value}")


def test_every_topic_gets_the_shape_of_the_design(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str
) -> None:
    assert run(["topics", "create", *common, *SMALL]) == 0
    existing = admin.list_topics(timeout=10).topics
    designs = designed_topics(TopicNames(topic_prefix), TopicShape(partitions=3, out_partitions=2))
    assert len(designs) == 10
    for design in designs:
        assert len(existing[design.name].partitions) == design.partitions
        config = _config(admin, design.name)
        assert {name: config[name] for name in design.config} == design.config


def test_the_configs_that_the_design_names_are_set(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str
) -> None:
    run(["topics", "create", *common, *SMALL])
    names = TopicNames(topic_prefix)
    for stamped in (names.verdicts, names.commands, names.support_commands, names.policies):
        assert _config(admin, stamped)["message.timestamp.type"] == "LogAppendTime"
    for compacted in (names.restricted, names.notifications):
        assert _config(admin, compacted)["cleanup.policy"] == "compact"
    for kept in (names.changelog, names.policies):
        config = _config(admin, kept)
        assert (config["cleanup.policy"], config["retention.ms"], config["retention.bytes"]) == ("delete", "-1", "-1")
    for timed in (names.verdicts, names.journal, names.dead_letters):
        assert _config(admin, timed)["retention.ms"] == str(168 * 3_600_000)
    assert _config(admin, names.dead_letters)["max.message.bytes"] == str(MESSAGE_MAX_BYTES + DEAD_LETTER_ROOM_BYTES)
    assert _config(admin, names.policies)["max.message.bytes"] == str(16 * 1024 * 1024)


def test_creating_again_finds_everything_as_designed(
    common: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    run(["topics", "create", *common, *SMALL])
    capsys.readouterr()
    assert run(["topics", "create", *common, *SMALL]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert all(line.endswith("as designed") for line in lines)


def test_only_what_is_missing_is_made(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["topics", "create", *common, *SMALL])
    deleted = TopicNames(topic_prefix).notifications
    (answer,) = admin.delete_topics([deleted], operation_timeout=10).values()
    answer.result()
    wait_until(lambda: deleted not in admin.list_topics(timeout=10).topics, f"{deleted} to be gone")
    capsys.readouterr()
    assert run(["topics", "create", *common, *SMALL]) == 0
    states = [line.rsplit("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert sorted(states) == ["as designed"] * 9 + ["created"]


def test_a_dry_run_makes_nothing(admin: AdminClient, common: tuple[str, ...], topic_prefix: str) -> None:
    assert run(["topics", "create", "--dry-run", *common]) == 1
    assert not [name for name in admin.list_topics(timeout=10).topics if name.startswith(topic_prefix)]


def test_a_difference_is_told_with_is_and_should_be_and_left_alone(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["topics", "create", *common, *SMALL])
    restrictions = TopicNames(topic_prefix).restrictions
    _set(admin, restrictions, "retention.ms", "1000")
    capsys.readouterr()
    assert run(["topics", "create", *common, *SMALL]) == 1
    told = capsys.readouterr().out
    assert f"    retention.ms is 1000, should be {365 * 24 * 3_600_000}\n" in told
    assert "--fix" in told
    assert _config(admin, restrictions)["retention.ms"] == "1000"
    assert run(["topics", "list", *common]) == 1


def test_fix_sets_configs_and_never_partitions(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["topics", "create", *common, *SMALL])
    names = TopicNames(topic_prefix)
    _set(admin, names.verdicts, "message.timestamp.type", "CreateTime")
    capsys.readouterr()
    assert run(["topics", "create", "--fix", *common, "--partitions", "4", "--out-partitions", "2"]) == 1
    told = capsys.readouterr().out
    assert "partitions is 3, should be 4" in told
    assert "topics.partitions" in told
    assert len(admin.list_topics(timeout=10).topics[names.verdicts].partitions) == 3
    assert _config(admin, names.verdicts)["message.timestamp.type"] == "LogAppendTime"
    assert run(["topics", "create", *common, *SMALL]) == 0


def test_dead_letters_may_be_larger_than_the_input_as_it_is(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["topics", "create", *common, *SMALL])
    names = TopicNames(topic_prefix)
    _set(admin, names.verdicts, "max.message.bytes", "5000000")
    capsys.readouterr()
    assert run(["topics", "create", "--fix", *common, *SMALL]) == 0
    assert _config(admin, names.dead_letters)["max.message.bytes"] == str(5_000_000 + DEAD_LETTER_ROOM_BYTES)


def test_too_few_brokers_for_the_copies_is_told_by_topic(
    common: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["topics", "create", *common, *SMALL, "--replication", "3"]) == 1
    told = capsys.readouterr().out
    assert told.count("failed") == 10
    assert "INVALID_REPLICATION_FACTOR" in told


def test_three_copies_need_a_majority_for_a_write(cluster: Cluster) -> None:
    common = ("--bootstrap-servers", cluster.bootstrap)
    assert run(["topics", "create", *common, *SMALL, "--replication", "3"]) == 0
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    # The broker that is asked need not have heard of it yet.
    topic = wait_until(lambda: admin.list_topics(timeout=10).topics.get("message-verdicts"), "the topic")
    assert all(len(partition.replicas) == 3 for partition in topic.partitions.values())
    assert _config(admin, "message-verdicts")["min.insync.replicas"] == "2"


def test_a_cluster_without_a_controller_is_told_from_one_that_is_away(capsys: pytest.CaptureFixture[str]) -> None:
    embedded = AdminClient({"bootstrap.servers": "127.0.0.1:1", "test.mock.num.brokers": 1, "log_level": 0})
    (broker,) = embedded.list_topics(timeout=10).brokers.values()
    assert run(["topics", "create", "--bootstrap-servers", f"{broker.host}:{broker.port}"]) == 69
    assert "cannot create or describe topics" in capsys.readouterr().err


@contextmanager
def _closed_port() -> Iterator[int]:
    """A port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_closed_port_is_said_in_one_line_within_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    with _closed_port() as port:
        assert run(["topics", "list", "--bootstrap-servers", f"127.0.0.1:{port}"]) == 69
    assert time.monotonic() - started < 10
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"no broker answers at 127.0.0.1:{port} (setting kafka.bootstrap_servers)" in told
    assert "Connection refused" in told


def test_beside_a_topic_with_another_number_of_partitions_none_is_made(
    admin: AdminClient, common: tuple[str, ...], topic_prefix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names = TopicNames(topic_prefix)
    admin.create_topics([NewTopic(names.verdicts, 5, 1)])[names.verdicts].result(10)
    wait_until(lambda: names.verdicts in admin.list_topics(timeout=10).topics, "the topic")
    assert run(["topics", "create", *common, "--partitions", "3", "--out-partitions", "2"]) == 1
    assert "partitions is 5, should be 3" in capsys.readouterr().out
    assert [name for name in admin.list_topics(timeout=10).topics if name.startswith(topic_prefix)] == [names.verdicts]
    assert run(["topics", "create", *common, "--partitions", "5", "--out-partitions", "2", "--fix"]) == 0
