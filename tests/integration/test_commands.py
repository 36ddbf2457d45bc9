"""Commands, versions of the policies and the clock, carried out by the detect worker on a real broker."""

import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from processor.detection.windows import DAY_MS
from processor.kafka.clients import ClientSettings, admin, producer
from processor.kafka.journal import COMMIT
from processor.kafka.policy_log import publish
from processor.kafka.reading import high_watermarks
from processor.kafka.runs import End, Run
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.verdict_consumer import VerdictConsumer
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Conditions, Policy, PolicySet
from processor.restrictions.commands import RECORD, Command, CommandKind
from tests.brokers import Broker
from tests.detecting import NOW_MS, Detect, journal, put, spam, verdict, work_once
from tests.engines import payload_of
from tests.oracle import expected_decisions, published_decisions, restricted_by, restricted_now
from tests.topics_io import read_all, write_all
from tests.waiting import wait_until

UNBLOCK = Command("c1", CommandKind.UNBLOCK, "ann@a.test", "a.test", "tests")
NO_LIMITS: dict[str, float | None] = {limit.name: None for limit in LIMITS}
STRICT = PolicySet((Policy(limits={**NO_LIMITS, "spam_messages_per_hour": 2.0}, action=Action.BLOCK),))


def give(kafka: Broker, topic: str, *commands: Command | bytes) -> None:
    values = [
        each if isinstance(each, bytes) else Serde(None).encode(topic, RECORD, each.to_record()) for each in commands
    ]
    write_all(kafka.bootstrap, topic, [(b"ann@a.test", value) for value in values], partition=0)


def names(kafka: Broker, topics: TopicNames) -> list[str]:
    return [name for name, _ in published_decisions(kafka.bootstrap, topics).values()]


def publish_policies(kafka: Broker, topics: TopicNames, policies: PolicySet) -> str:
    return publish(
        ClientSettings(kafka.bootstrap),
        topics.policies,
        Serde(None),
        "default",
        policies,
        published_by="t",
        comment=None,
    )


def as_expected(kafka: Broker, topics: TopicNames, policies: PolicySet | None = None) -> None:
    """What was published is the reference model's, and `restricted-senders` is in step."""
    expected = expected_decisions(kafka.bootstrap, topics, policies or PolicySet())
    assert published_decisions(kafka.bootstrap, topics) == expected
    assert restricted_now(kafka.bootstrap, topics) == restricted_by(expected)


def started(log: Path) -> None:
    wait_until(lambda: log.exists() and "partition restored" in log.read_text(), "the worker", 30)


def test_a_command_is_carried_out_at_once_and_once_whoever_is_killed(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    put(kafka, topics, *spam(0, 11))
    worker = detect()
    wait_until(lambda: names(kafka, topics) == ["SenderBlocked"], "the block", 30)
    began_s = time.monotonic()
    give(kafka, topics.commands, UNBLOCK)
    wait_until(lambda: names(kafka, topics) == ["SenderBlocked", "SenderUnblocked"], "the unblock")
    assert time.monotonic() - began_s < 5, "an answer that takes seconds is none"
    assert restricted_now(kafka.bootstrap, topics) == {}
    worker.kill()
    worker.wait()
    put(kafka, topics, *spam(20, 11))  # sent before the unblock: these count no more
    put(kafka, topics, *spam(40, 11, at_ms=int(time.time() * 1000)))
    give(kafka, topics.commands, replace(UNBLOCK, command_id="c2", block_id="another"))
    assert detect("--once").wait(60) == 0
    assert sorted(names(kafka, topics)) == ["CommandRefused", "SenderBlocked", "SenderBlocked", "SenderUnblocked"]
    kinds = [each["kind"] for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"]]
    assert kinds.count("COMMAND") == 2, "each is in the journal once"
    as_expected(kafka, topics)


def test_past_what_the_policy_allows_only_support_lifts_and_names_a_ticket(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    block = replace(UNBLOCK, kind=CommandKind.BLOCK)
    several = [replace(each, command_id=f"{each.kind}{number}") for number in range(3) for each in (block, UNBLOCK)]
    last = replace(UNBLOCK, command_id="too many")
    give(kafka, topics.commands, *several, replace(block, command_id="b"), last)
    assert detect("--once").wait(60) == 0
    give(kafka, topics.support_commands, replace(last, command_id="s1"))
    assert detect("--once").wait(60) == 0
    give(kafka, topics.support_commands, replace(last, command_id="s2", ticket="T-7"))
    assert detect("--once").wait(60) == 0
    by_command = {record["command_id"]: record for _, record in published_decisions(kafka.bootstrap, topics).values()}
    assert by_command["too many"]["reason"] == "SUPPORT_REQUIRED"
    assert by_command["s1"]["reason"] == "TICKET_REQUIRED"
    assert by_command["s2"]["ticket"] == "T-7"
    assert by_command["b"]["previous_unblocks"] == 3
    as_expected(kafka, topics)


def test_a_command_that_cannot_be_read_is_a_dead_letter_and_the_next_one_is_carried_out(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    nameless = Serde(None).encode(topics.commands, RECORD, replace(UNBLOCK, sender="").to_record())
    give(kafka, topics.commands, b"rubbish", nameless, payload_of(verdict(1)), replace(UNBLOCK, kind=CommandKind.BLOCK))
    assert detect("--once").wait(60) == 0
    letters = read_all(kafka.bootstrap, topics.dead_letters)
    assert [message.value() for message in letters] == [b"rubbish", nameless, payload_of(verdict(1))]
    headers = [dict(message.headers() or []) for message in letters]
    assert [each["senderwatch-reason"] for each in headers] == [
        b"wrong magic",
        b"empty required field",
        b"unknown schema",
    ]
    assert {each["senderwatch-topic"] for each in headers} == {topics.commands.encode()}
    assert [each["senderwatch-offset"] for each in headers] == [b"0", b"1", b"2"]
    assert names(kafka, topics) == ["SenderBlocked"]
    inputs = [each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"]]
    rejected = [each["command_rejected"] for each in inputs if each["kind"] == "COMMAND"]
    assert rejected == ["wrong magic", "empty required field", "unknown schema", None], (
        "an audit need not read them again"
    )


def test_a_topic_that_believes_its_writers_cannot_stop_a_worker_nor_turn_commands_around(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    believing = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": str(2**63 - 1)}
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in believing.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topics.commands, incremental_configs=entries)
    asked = admin(ClientSettings(kafka.bootstrap))
    for answer in asked.incremental_alter_configs([resource]).values():
        answer.result(30)
    block = replace(UNBLOCK, kind=CommandKind.BLOCK)
    writer = producer(ClientSettings(kafka.bootstrap))
    for command, at_ms in ((block, 2**62), (block, NOW_MS), (UNBLOCK, NOW_MS - 1)):
        value = Serde(None).encode(topics.commands, RECORD, command.to_record())
        writer.produce(topics.commands, value, b"ann@a.test", 0, timestamp=at_ms)
    assert writer.flush(30) == 0
    assert detect("--once").wait(60) == 0
    (letter,) = read_all(kafka.bootstrap, topics.dead_letters)
    assert dict(letter.headers() or [])["senderwatch-reason"] == b"time out of range"
    assert names(kafka, topics) == ["SenderBlocked", "SenderUnblocked"], "a topic's own order holds"


@pytest.mark.timeout(300)  # 17 s of work, for a machine that is busy with other things
def test_a_worker_that_is_behind_carries_a_command_out_before_the_verdicts_that_are_left(
    kafka: Broker, topics: TopicNames, detect: Detect
) -> None:
    """The sender is compromised all along an hour of backlog; unblocked in its midst, he is not blocked for it again."""
    # Within one day, whatever the hour is: at midnight the block would end by itself.
    start_ms = max(NOW_MS - 3_600_000, NOW_MS // DAY_MS * DAY_MS)
    step_ms = (NOW_MS - start_ms) / 200_000
    for part in range(10):
        values = []
        for number in range(20_000):
            at_ms = start_ms + int((part * 20_000 + number) * step_ms)
            bad = number % 50 == 0
            values.append(
                payload_of(verdict(number, "ann@a.test" if bad else f"s{number % 400}@a.test", at_ms=at_ms, spam=bad))
            )
        put(kafka, topics, *values)
    worker = detect("--batch-size", "5")
    wait_until(lambda: names(kafka, topics) == ["SenderBlocked"], "the block", 30)
    give(kafka, topics.commands, UNBLOCK)
    began_s = time.monotonic()
    wait_until(lambda: len(names(kafka, topics)) == 2, "the unblock")
    assert time.monotonic() - began_s < 5
    end = high_watermarks(ClientSettings(kafka.bootstrap), topics.verdicts, [0])[0]
    wait_until(lambda: journal(kafka, topics, COMMIT)[-1]["next_offset"] == end, "the end of the backlog", 60)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    (taken,) = [
        each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"] if each["kind"] == "COMMAND"
    ]
    assert taken["before_offset"] < end, "the worker was still behind"
    assert names(kafka, topics) == ["SenderBlocked", "SenderUnblocked"]
    as_expected(kafka, topics)


def test_commands_come_before_the_first_verdict_also_where_one_call_brings_a_partition_and_its_verdicts(
    kafka: Broker, topics: TopicNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kafka, topics, *spam(0, 3))
    give(kafka, topics.commands, replace(UNBLOCK, kind=CommandKind.BLOCK))
    poll, calls = VerdictConsumer.poll, list[int]()

    def patient(self: VerdictConsumer, at_most: int, wait_s: float) -> list[Run | End]:
        found = poll(self, at_most, wait_s)
        while not calls and not found:
            found = poll(self, at_most, wait_s)
        calls.append(len(found))
        return found

    monkeypatch.setattr(VerdictConsumer, "poll", patient)
    work_once(kafka, topics)
    (taken,) = [
        each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"] if each["kind"] == "COMMAND"
    ]
    assert taken["before_offset"] == 0
    as_expected(kafka, topics)


def test_thousands_of_commands_that_gathered_are_not_one_transaction(kafka: Broker, topics: TopicNames) -> None:
    several = [replace(UNBLOCK, command_id=f"c{number}", kind=CommandKind.UNKNOWN) for number in range(12_000)]
    give(kafka, topics.commands, *several)
    work_once(kafka, topics)
    assert [len(commit["inputs"]) for commit in journal(kafka, topics, COMMIT)] == [5_001, 5_000, 2_000]
    assert names(kafka, topics) == ["CommandRefused"] * 12_000


def test_where_nothing_comes_a_restriction_ends_by_the_clock(kafka: Broker, topics: TopicNames, detect: Detect) -> None:
    put(kafka, topics, *spam(0, 3))
    assert detect("--once").wait(60) == 0
    until_ms = int(time.time() * 1000) + 3000
    give(kafka, topics.commands, replace(UNBLOCK, kind=CommandKind.BLOCK, until_ms=until_ms))
    assert detect("--once").wait(60) == 0
    wait_until(lambda: time.time() * 1000 > until_ms, "the end of the block")
    assert detect("--once").wait(60) == 0
    assert names(kafka, topics) == ["SenderBlocked"], "--once never goes by the clock"
    worker = detect()
    wait_until(lambda: names(kafka, topics) == ["SenderBlocked", "SenderUnblocked"], "the expiry", 20)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0
    (clock,) = [
        each for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"] if each["kind"] == "CLOCK"
    ]
    assert clock["clock"] >= until_ms
    assert clock["before_offset"] == 3
    put(kafka, topics, *spam(10, 3))
    assert detect("--once").wait(60) == 0
    as_expected(kafka, topics)


def test_a_version_of_the_policies_is_taken_up_without_a_restart_and_an_unusable_one_is_passed_over(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    first = publish_policies(kafka, topics, STRICT)
    write_all(kafka.bootstrap, topics.policies, [(b"default", b"rubbish"), (b"another", b"rubbish")])
    put(kafka, topics, *spam(0, 3))
    worker = detect()
    wait_until(lambda: names(kafka, topics) == ["SenderBlocked"], "the block", 30)
    assert (tmp_path / "1.log").read_text().count("cannot be used") == 1
    scope = Conditions(tenants=frozenset({"a.test"}), sender_domains=frozenset({"a.test"}))
    alerting = Policy("alerting", {**NO_LIMITS, "spam_messages_per_hour": 0.0}, action=Action.ALERT, conditions=scope)
    second = publish_policies(kafka, topics, replace(STRICT, policies=(alerting, *STRICT.policies)))
    wait_until(lambda: f'"version": "{second}"' in (tmp_path / "1.log").read_text(), "the second version")
    put(kafka, topics, *spam(10, 3, "bob@a.test"))
    wait_until(lambda: names(kafka, topics) == ["SenderBlocked", "SenderAlerted"], "the alert")
    worker.kill()
    worker.wait()
    put(kafka, topics, *spam(20, 3, "cy@a.test"))
    assert detect("--once").wait(60) == 0, "a worker that starts reads the policies first"
    versions = {
        name: record["policy_version"] for name, record in published_decisions(kafka.bootstrap, topics).values()
    }
    assert versions == {"SenderBlocked": first, "SenderAlerted": second}
    as_expected(kafka, topics)


def test_policies_that_were_in_force_never_go_back(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path
) -> None:
    version = publish_policies(kafka, topics, STRICT)
    put(kafka, topics, *spam(0, 1))
    assert detect("--once").wait(60) == 0
    (tmp_path / "trial.yaml").write_text("brake_blocks: 3\n")
    put(kafka, topics, *spam(1, 1))
    assert detect("--once", "--policies", str(tmp_path / "trial.yaml")).wait(60) == 0, "a file is somebody's wish"
    put(kafka, topics, *spam(2, 1))
    assert detect("--once").wait(60) == 0
    inputs = [each["policy_version"] for commit in journal(kafka, topics, COMMIT) for each in commit["inputs"]]
    assert [each.split(":")[0] for each in inputs] == [version, "sha256", version]
    client = admin(ClientSettings(kafka.bootstrap))
    for answer in client.delete_records([TopicPartition(topics.policies, 0, -1)]).values():
        answer.result(30)
    assert detect("--once").wait(60) == 1
    assert "was outbound-policies made anew, or" in (tmp_path / "4.log").read_text()
