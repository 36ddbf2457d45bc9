"""`senderwatch events` on a real broker: what it shows, when it ends, and how."""

import json
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from processor.kafka.clients import ClientSettings
from processor.kafka.event_log import follow_events
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.events_io import EventWriter, a_block, the_unblock
from tests.topics_io import make_topics, write_all

Events = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def names(kafka: Broker, topic_prefix: str) -> TopicNames:
    return make_topics(kafka.bootstrap, topic_prefix)


@pytest.fixture
def writer(kafka: Broker, names: TopicNames, unique: str) -> EventWriter:
    return EventWriter(kafka.bootstrap, names, unique)


@pytest.fixture
def events(kafka: Broker, topic_prefix: str, senderwatch: Senderwatch) -> Events:
    def start(*options: str) -> subprocess.Popen[str]:
        return senderwatch("events", "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix, *options)

    return start


def printed(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def next_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def test_a_line_is_a_cloudevent_with_the_whole_event(writer: EventWriter, events: Events) -> None:
    block = a_block(7)
    writer.publish(block)
    (line,) = printed(events("--once"))
    assert {key: line[key] for key in ("specversion", "id", "type", "source", "subject", "time")} == {
        "specversion": "1.0",
        "id": block.block_id,
        "type": "senderwatch.SenderBlocked",
        "source": "/senderwatch/message-verdicts/0",
        "subject": "ann@acme.example",
        "time": "2025-10-09T08:53:20.007Z",
    }
    assert line["offset"] == 0
    assert line["partition"] in (0, 1)
    times = {"blocked_at", "blocked_until", "window_start", "window_end"}
    record = block.to_record()
    assert {key: value for key, value in line["data"].items() if key not in times} == {
        key: value for key, value in record.items() if key not in times
    }
    assert line["data"]["blocked_at"] == "2025-10-09T08:53:20.007Z"
    assert line["data"]["window_end"] == "2025-10-09T08:58:20.000Z"


def test_once_shows_what_is_committed_and_ends_after_trailing_control_records(
    writer: EventWriter, events: Events
) -> None:
    first, second = a_block(1), a_block(2)
    writer.publish(first, second)
    writer.abort(a_block(3))
    assert [line["id"] for line in printed(events("--once"))] == [first.block_id, second.block_id]


def test_once_on_an_empty_log_ends_at_once(names: TopicNames, events: Events) -> None:
    assert printed(events("--once")) == []


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--tenant", "acme.example"], [0, 1]),
        (["--sender", "bob@other.example"], [2]),
        (["--sender", "bob@other.example", "--sender", "ann@acme.example"], [0, 1, 2]),
        (["--type", "senderunblocked"], [1]),
        (["--type", "SenderBlocked", "--tenant", "other.example"], [2]),
        (["--type", "SenderUnblocked", "--tenant", "other.example"], []),
    ],
)
def test_filters_leave_what_is_asked_for(
    writer: EventWriter, events: Events, options: list[str], shown: list[int]
) -> None:
    block, other = a_block(1), a_block(2, "bob@other.example", "other.example")
    unblock = the_unblock(block, 3)
    published = [block.event_id, unblock.event_id, other.event_id]
    writer.publish(block, unblock, other)
    assert {line["id"] for line in printed(events("--once", *options))} == {published[each] for each in shown}


def test_a_record_that_cannot_be_read_is_said_and_passed_over(
    kafka: Broker, names: TopicNames, writer: EventWriter, events: Events
) -> None:
    write_all(kafka.bootstrap, names.restrictions, [(b"k", b"nonsense")])
    writer.publish(a_block(1))
    process = events("--once")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(out.splitlines()) == 1
    assert "wrong magic" in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_following_shows_events_as_they_are_committed_and_a_signal_ends_it(
    writer: EventWriter, events: Events, number: signal.Signals, status: int
) -> None:
    old, new = a_block(1), a_block(2)
    writer.publish(old)
    process = events("--from-beginning")
    assert next_line(process)["id"] == old.block_id
    writer.publish(new)
    assert next_line(process)["id"] == new.block_id
    process.send_signal(number)
    assert process.communicate(timeout=60) == ("", "")
    assert process.returncode == status


def test_following_from_now_on_includes_what_was_open_then(
    kafka: Broker, names: TopicNames, writer: EventWriter
) -> None:
    writer.publish(a_block(1))
    block = a_block(2)
    settings, serde = ClientSettings(kafka.bootstrap), Serde(None)
    with writer.transaction([block]):
        following = follow_events(settings, names.restrictions, serde, from_beginning=False, should_stop=lambda: False)
    assert next(following).record == block.to_record()


def test_a_reader_that_closes_the_pipe_ends_it_also_while_nothing_happens(writer: EventWriter, events: Events) -> None:
    writer.publish(a_block(1))
    process = events("--from-beginning")
    next_line(process)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(30) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_no_broker_is_status_69_and_one_line(senderwatch: Senderwatch) -> None:
    process = senderwatch("events", "--bootstrap-servers", "127.0.0.1:1", "--once")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (69, "")
    assert err.count("\n") == 1
    assert "no broker answers at 127.0.0.1:1" in err


def test_no_topic_says_how_to_make_it(kafka: Broker, events: Events) -> None:
    process = events("--once")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "senderwatch topics create" in err
