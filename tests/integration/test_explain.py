"""The story of a block on a real broker: by a limit and by hand, forged, unknown, and without the verdicts."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from processor.cli.main import run
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import Command, CommandKind
from tests.brokers import Broker
from tests.detecting import NOW_MS, Detect, put, spam
from tests.mail_pages import flat
from tests.topics_io import read_all, write_all

Explain = Callable[..., int]
ANN, BOB = "ann@a.test", "bob@a.test"


def command(kafka: Broker, topics: TopicNames, kind: CommandKind, sender: str, number: int) -> None:
    given = Command(f"c{number}", kind, sender, "a.test", "admin", reason="phished")
    value = Serde(None).encode(topics.commands, "RestrictionCommand", given.to_record())
    write_all(kafka.bootstrap, topics.commands, [(sender.encode(), value)], partition=0)


def blocks(kafka: Broker, topics: TopicNames) -> list[dict[str, Any]]:
    found = [Serde(None).decode(message.value()) for message in read_all(kafka.bootstrap, topics.restrictions)]
    return [record for name, record in found if name == "SenderBlocked"]


@pytest.fixture
def explain(kafka: Broker, topic_prefix: str) -> Explain:
    def told(block_id: str, *options: str) -> int:
        return run(
            ["explain", block_id, "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix, *options]
        )

    return told


def once(detect: Detect) -> None:
    worker: subprocess.Popen[str] = detect("--once")
    assert worker.wait(60) == 0


def test_the_story_of_a_block(
    kafka: Broker,
    topics: TopicNames,
    detect: Detect,
    explain: Explain,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put(kafka, topics, *spam(0, 3, BOB), *spam(100, 14), *spam(200, 2, BOB))
    once(detect)
    command(kafka, topics, CommandKind.UNBLOCK, ANN, 1)
    command(kafka, topics, CommandKind.BLOCK, BOB, 2)
    put(kafka, topics, *spam(300, 1, BOB))
    once(detect)
    by_limit, by_hand = blocks(kafka, topics)

    page = tmp_path / "story.html"
    assert explain(by_limit["block_id"], "--json", "--html", str(page)) == 0
    story = json.loads(capsys.readouterr().out)
    assert story["outcome"] == "MATCHED"
    assert story["recomputed"] == story["published"][0] == by_limit
    assert story["tipping_verdict"]["event_id"] == "e110"
    assert story["timeline"]["hour"] == by_limit["hour"]
    assert [pane["spam_messages"] for pane in story["timeline"]["panes"]] == [11]
    assert story["while_blocked"]["verdicts"] == {"SPAM": 3}
    assert [each["event"] for each in story["after"]] == ["SenderUnblocked"]
    assert 'class="tipping"' in page.read_text()

    assert explain(by_hand["block_id"].upper()) == 0
    text = capsys.readouterr().out
    assert "blocked by hand:" in text
    assert "phished" in text
    assert "1 verdict on his mail so far, for it still lasts: 1 SPAM" in text

    forged = {**by_limit, "observed": 99.0, "block_id": "00000000-0000-5000-8000-000000000000"}
    elsewhere = {**by_hand, "block_id": forged["block_id"][:-1] + "1"}
    elsewhere["position"] = {**by_hand["position"], "topic": "elsewhere"}
    for record in (forged, elsewhere):
        value = Serde(None).encode(topics.restrictions, "SenderBlocked", record)
        write_all(kafka.bootstrap, topics.restrictions, [(b"a.test", value)])
        assert explain(record["block_id"]) == 1
        assert "it was published, and does not follow from the log" in capsys.readouterr().out

    assert explain("00000000-0000-5000-8000-00000000000f") == 2
    assert "there is no block" in capsys.readouterr().err
    assert explain("e110") == 2
    assert "this is no block id" in capsys.readouterr().err

    take_away(kafka, topics, 5)
    assert explain(by_limit["block_id"]) == 2
    text = flat(capsys.readouterr().out)
    assert "it could not be recomputed: retention has left" in text
    assert "spam_messages_per_hour hour 11 10 110 % of it, exceeded first" in text
    assert "3 verdicts on his mail until it ended: 3 SPAM" in text


def test_a_day_that_lies_before_a_snapshot_is_in_the_picture_too(
    kafka: Broker, topics: TopicNames, detect: Detect, explain: Explain, capsys: pytest.CaptureFixture[str]
) -> None:
    day_ms, midnight_ms = 86_400_000, NOW_MS // 86_400_000 * 86_400_000
    put(kafka, topics, *spam(0, 1, BOB, at_ms=midnight_ms - 3 * day_ms))
    once(detect)
    put(kafka, topics, *spam(10, 4, at_ms=midnight_ms - 3_600_000), *spam(20, 1, BOB, at_ms=midnight_ms))
    once(detect)
    put(kafka, topics, *spam(30, 11, at_ms=midnight_ms + 1))
    once(detect)
    (block,) = blocks(kafka, topics)
    assert explain(block["block_id"], "--json") == 0
    story = json.loads(capsys.readouterr().out)
    assert story["replay"]["from_commit"] > 0
    assert story["timeline"]["day"] == block["day"]
    assert len(story["timeline"]["panes"]) == 2


def take_away(kafka: Broker, topics: TopicNames, before: int) -> None:
    """As retention does: the first verdicts are gone."""
    client = clients.admin(ClientSettings(kafka.bootstrap))  # kept: answers never come from one that is gone
    for future in client.delete_records([TopicPartition(topics.verdicts, 0, before)]).values():
        future.result(30)
