"""docs/subscribing.md does what it says."""

import runpy
import signal
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from processor.kafka.topics import TopicNames
from tests.brokers import Broker
from tests.documented_subscriber import PAGE, Subscriber, program
from tests.events_io import EventWriter, a_block, the_unblock
from tests.topics_io import make_topics
from tests.waiting import wait_until


@pytest.fixture
def names(kafka: Broker, topic_prefix: str) -> TopicNames:
    return make_topics(kafka.bootstrap, topic_prefix)


@pytest.fixture
def writer(kafka: Broker, names: TopicNames, unique: str) -> EventWriter:
    return EventWriter(kafka.bootstrap, names, unique)


@pytest.fixture
def subscriber(kafka: Broker, topic_prefix: str, unique: str, tmp_path: Path) -> Iterator[Subscriber]:
    options = ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix, "--group", unique)
    made = Subscriber(tmp_path, *options)
    try:
        yield made
    finally:
        made.kill()


def test_the_subscriber_begins_with_who_is_restricted_and_follows_through_a_crash(
    writer: EventWriter, subscriber: Subscriber
) -> None:
    ann, bob, cid, dan = (
        a_block(number, f"{who}@acme.example") for number, who in enumerate(("ann", "bob", "cid", "dan"))
    )
    writer.publish(ann, bob)
    writer.publish(the_unblock(ann, 10))
    subscriber.start()
    wait_until(lambda: set(subscriber.table()) == {"bob@acme.example"}, "the snapshot")
    assert subscriber.table() == {"bob@acme.example": (bob.block_id, "spam_messages_per_hour")}
    assert subscriber.seen() == set()  # the past was not read event by event

    writer.publish(cid)
    writer.abort(dan)
    writer.publish(the_unblock(bob, 11))
    wait_until(lambda: set(subscriber.table()) == {"cid@acme.example"}, "the events of a block and an unblock")
    subscriber.kill()

    ann_again = a_block(20, "ann@acme.example")
    writer.publish(ann_again, the_unblock(cid, 21))
    process = subscriber.start()
    wait_until(lambda: set(subscriber.table()) == {"ann@acme.example"}, "what happened while it was away", 60)
    events = (cid, the_unblock(bob, 11), ann_again, the_unblock(cid, 21))
    assert subscriber.seen() == {event.event_id for event in events}
    process.send_signal(signal.SIGTERM)
    printed, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    # What was taken up before the crash comes again, or not, as the offsets were committed; it is not taken up again.
    assert sorted(printed.splitlines()) == ["SenderBlocked ann@acme.example", "SenderUnblocked cid@acme.example"]


def test_an_event_that_comes_again_changes_nothing(subscriber: Subscriber, tmp_path: Path) -> None:
    block = a_block(1)
    unblock = the_unblock(block, 2)
    store = runpy.run_path(str(tmp_path / "subscriber.py"))["Store"](tmp_path / "restricted.sqlite")
    with closing(store.database):
        for event in (block, unblock, block):
            record = event.to_record() | {"blocked_at": datetime.fromtimestamp(event.occurred_at_ms / 1000, UTC)}
            store.apply(event.event_id, type(event).__name__, record)
    assert subscriber.table() == {}
    assert subscriber.seen() == {block.event_id, unblock.event_id}


def test_an_unblock_of_an_earlier_block_lifts_nothing(writer: EventWriter, subscriber: Subscriber) -> None:
    first, second = a_block(1), a_block(2)
    subscriber.start()
    wait_until(subscriber.is_following, "the subscriber to be ready")
    writer.publish(first, second, the_unblock(first, 3))
    wait_until(lambda: the_unblock(first, 3).event_id in subscriber.seen(), "the unblock")
    assert subscriber.table() == {first.sender: (second.block_id, "spam_messages_per_hour")}


def test_the_page_names_each_header_and_imports_nothing_of_ours() -> None:
    assert "processor" not in program().replace("processor/schemas", "")
    page = PAGE.read_text(encoding="utf-8")
    for header in ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_subject", "ce_time", "content-type"):
        assert f"| `{header}` |" in page
