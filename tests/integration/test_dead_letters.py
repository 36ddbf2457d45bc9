"""`senderwatch dead-letters` on a real broker: what a detector refused is listed and shown, and put back once."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from processor import avro
from processor.cli.main import run
from processor.detection.senders import partition_of
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import RECORD as COMMAND
from processor.restrictions.commands import Command, CommandKind
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.detecting import Detect, put, spam, verdict
from tests.engines import payload_of
from tests.integration.test_detect import MALFORMED
from tests.oracle import published_decisions
from tests.small_registry import SmallRegistry
from tests.topics_io import make_topics, read_all, values, write_all
from tests.waiting import wait_until

MANY = 4_000
ANN = b"ann@a.test"
DeadLetters = Callable[..., int]


@pytest.fixture
def common(kafka: Broker, topic_prefix: str) -> list[str]:
    return ["--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix]


@pytest.fixture
def dead_letters(common: list[str]) -> DeadLetters:
    return lambda *arguments: run(["dead-letters", *arguments, *common])


@pytest.fixture
def registry() -> Iterator[SmallRegistry]:
    registry = SmallRegistry()
    yield registry
    registry.close()


def by_json(capsys: pytest.CaptureFixture[str], dead_letters: DeadLetters, *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert dead_letters(*arguments, "--json") == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_was_refused_is_listed_and_shown_and_what_cannot_be_read_stays(
    kafka: Broker,
    topics: TopicNames,
    detect: Detect,
    dead_letters: DeadLetters,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    put(kafka, topics, *(bad for _, bad in MALFORMED))
    write_all(kafka.bootstrap, topics.verdicts, [(b"\x1b[2J\xe2\x80\xae", b"\x1b]0;owned\x07")])
    assert detect("--once").wait(60) == 0
    *letters, summary = by_json(capsys, dead_letters, "list")
    expected = Counter([reason for reason, _ in MALFORMED] + ["wrong magic"])
    assert [each["reason"] for each in letters] == [*(reason for reason, _ in MALFORMED), "wrong magic"]
    assert {name: each["letters"] for name, each in summary["reasons"].items()} == expected
    assert [each["letter"] for each in letters] == [f"0:{offset}" for offset in _offsets(kafka, topics)]

    assert dead_letters("list", "--most", "3", "--reason", "truncated", "--reason", "bad length") == 0
    told = capsys.readouterr().out
    assert "the newest 3 of 5" in told
    assert "wrong magic" not in told
    assert dead_letters("list", "--oldest", "--most", "1") == 0
    assert "null value" in capsys.readouterr().out.splitlines()[1]
    assert dead_letters("list", "--until", "1h") == 0
    assert "there are no letters" in capsys.readouterr().out

    for letter, (reason, bad) in zip(letters, MALFORMED, strict=False):
        raw = tmp_path / "raw"
        shown = dead_letters("show", letter["letter"], *(["--raw", str(raw)] if bad is not None else []))
        told = capsys.readouterr().out
        assert shown == 0
        assert f"{reason}: " in told
        assert "it would be refused again" in told
        if bad is not None:
            assert raw.read_bytes() == bad
    assert dead_letters("show", letters[-1]["letter"]) == 0
    told = capsys.readouterr().out
    assert "1b 5d 30 3b 6f 77 6e 65 64 07" in told
    assert all(each == "\n" or each.isprintable() for each in told)

    before = high_watermarks(ClientSettings(kafka.bootstrap), topics.verdicts, [0])
    assert dead_letters("replay", "--all", "--yes") == 1
    told = capsys.readouterr().out
    assert "nothing to put back" in told
    assert "and 2 letters more that cannot go back now" in told
    assert high_watermarks(ClientSettings(kafka.bootstrap), topics.verdicts, [0]) == before
    assert dead_letters("replay", "0:999", "--yes") == 1
    assert "there is no letter 0:999" in capsys.readouterr().err
    assert dead_letters("show", "0:999") == 1
    assert dead_letters("replay") == 2
    assert dead_letters("replay", "--all", "--since", "1h") == 2
    assert dead_letters("show", "elsewhere") == 2


def _offsets(kafka: Broker, topics: TopicNames) -> list[int | None]:
    return [message.offset() for message in read_all(kafka.bootstrap, topics.dead_letters)]


def test_records_of_a_schema_that_is_known_by_now_count_once_and_so_do_commands(
    kafka: Broker,
    topics: TopicNames,
    detect: Detect,
    dead_letters: DeadLetters,
    registry: SmallRegistry,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    registered = b"\x00" + registry.number_of(avro.raw_schema("MessageVerdict")).to_bytes(4, "big")
    mails = [registered + value[10:] for value in spam(0, 11)]
    command = Command("c1", CommandKind.BLOCK, "bob@a.test", "a.test", issued_by="desk", reason="by hand")
    order = b"\x00" + registry.number_of(avro.raw_schema(COMMAND)).to_bytes(4, "big")
    order += avro.encode_body(COMMAND, command.to_record())
    put(kafka, topics, *mails)
    write_all(kafka.bootstrap, topics.commands, [(b"bob@a.test", order)])
    assert detect("--once").wait(60) == 0
    assert len(read_all(kafka.bootstrap, topics.dead_letters)) == 12
    assert dead_letters("replay", "--reason", "unknown schema", "--yes") == 1, "still unknown without the registry"
    assert "schema_registry.url is not set" in capsys.readouterr().out

    monkeypatch.setenv("SENDERWATCH_SCHEMA_REGISTRY__URL", registry.url)
    assert dead_letters("show", "0:3") == 0
    assert "it can be read: `replay` would put it into partition 0" in capsys.readouterr().out
    assert dead_letters("replay", "--all", "--dry-run") == 0
    assert dead_letters("replay", "--all") == 2, "there is no terminal to ask on"
    assert "give --yes" in capsys.readouterr().err
    assert dead_letters("replay", "0:3", "0:5", "0:3", "--yes", "--issued-by", "ann@desk") == 0
    assert "2 records put back" in capsys.readouterr().out
    assert dead_letters("replay", "--all", "--yes") == 0
    told = capsys.readouterr().out
    assert "2 letters put back before, and left out" in told
    assert "10 records put back" in told
    assert dead_letters("replay", "--all", "--yes") == 0
    assert "nothing to put back" in capsys.readouterr().out
    assert dead_letters("show", "0:3") == 0
    assert "by ann@desk" in capsys.readouterr().out
    assert by_json(capsys, dead_letters, "list")[-1]["reasons"] == {"unknown schema": {"letters": 12, "put_back": 12}}
    assert Counter(values(read_all(kafka.bootstrap, topics.verdicts))) == Counter(2 * mails)
    assert [message.key() for message in read_all(kafka.bootstrap, topics.verdicts)] == [b"ann@a.test"] * 22

    assert detect("--once").wait(60) == 0
    capsys.readouterr()
    assert run(["events", "--from-beginning", "--once", "--bootstrap-servers", kafka.bootstrap, "--topic-prefix",
                topics.prefix]) == 0  # fmt: skip
    events = [json.loads(line)["data"] for line in capsys.readouterr().out.splitlines()]
    assert sorted((each["sender"], each["cause"]) for each in events) == [
        ("ann@a.test", "LIMIT"),
        ("bob@a.test", "MANUAL"),
    ]
    assert {each["observed"] for each in events} == {None, 11.0}
    assert len(read_all(kafka.bootstrap, topics.dead_letters)) == 24, (
        "twelve letters and twelve notes, and no new letter"
    )


def wrong_partition(kafka: Broker, topic_prefix: str, detect: Detect, count: int) -> tuple[TopicNames, list[bytes]]:
    """Topics of two partitions, and `count` verdicts that a detector refused for standing in the wrong one."""
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=2)
    right = int(partition_of(np.frombuffer(ANN, np.uint8), 0, len(ANN), 2))
    mails = [payload_of(verdict(number, "ann@a.test", spam=number < 11)) for number in range(count)]
    put(kafka, topics, *mails, partition=1 - right)
    assert detect("--once").wait(120) == 0
    return topics, mails


def test_a_replay_that_is_killed_again_and_again_puts_each_record_back_once(
    kafka: Broker,
    topic_prefix: str,
    detect: Detect,
    senderwatch: Senderwatch,
    common: list[str],
    dead_letters: DeadLetters,
    capsys: pytest.CaptureFixture[str],
) -> None:
    topics, mails = wrong_partition(kafka, topic_prefix, detect, MANY)
    before = sum(high_watermarks(ClientSettings(kafka.bootstrap), topics.verdicts, [0, 1]).values())
    for written in (1, MANY // 3, MANY // 2):
        replay = senderwatch("dead-letters", "replay", "--all", "--yes", *common)

        def has_written(replay: "subprocess.Popen[str]" = replay, written: int = written) -> bool:
            ends = high_watermarks(ClientSettings(kafka.bootstrap), topics.verdicts, [0, 1])
            return sum(ends.values()) - before >= written or replay.poll() is not None

        wait_until(has_written, f"{written} records put back", timeout_s=60)
        replay.kill()
        replay.wait()
    assert dead_letters("replay", "--all", "--yes") == 0
    assert dead_letters("replay", "--all", "--yes") == 0
    back = Counter(values(read_all(kafka.bootstrap, topics.verdicts)))
    assert back == Counter(2 * mails), "each once where it was refused, and once put back"
    assert detect("--once").wait(120) == 0
    ((name, record),) = published_decisions(kafka.bootstrap, topics).values()
    assert (name, record["sender"], record["observed"]) == ("SenderBlocked", "ann@a.test", 11.0)
    assert record["hour"]["messages"] == 11


def test_two_who_replay_at_the_same_time_put_each_record_back_once(
    kafka: Broker,
    topic_prefix: str,
    detect: Detect,
    senderwatch: Senderwatch,
    common: list[str],
    dead_letters: DeadLetters,
) -> None:
    topics, mails = wrong_partition(kafka, topic_prefix, detect, MANY)
    replays = [senderwatch("dead-letters", "replay", "--all", "--yes", *common) for _ in range(3)]
    told = [replay.communicate(timeout=120)[1] for replay in replays]
    for replay, said in zip(replays, told, strict=True):
        assert replay.returncode == 0 or "another `dead-letters replay` of these topics has begun" in said, said
    assert any(replay.returncode == 0 for replay in replays), told
    assert dead_letters("replay", "--all", "--yes") == 0
    assert Counter(values(read_all(kafka.bootstrap, topics.verdicts))) == Counter(2 * mails)
