"""Restriction events made up, and written by the detector's own means, a transaction at a time."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import Producer

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.publishing import event_records
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.events import (
    Cause,
    Evidence,
    Position,
    Published,
    SenderBlocked,
    SenderUnblocked,
    Trigger,
    UnblockReason,
    WindowCounters,
)

START_MS = 1_760_000_000_000  # 2025-10-09T08:53:20Z


def a_block(number: int, sender: str = "ann@acme.example", tenant: str = "acme.example") -> SenderBlocked:
    """The block that verdict `number` of partition 0 caused."""
    counters = WindowCounters(messages=14, spam_messages=11, internal_recipients=2, external_recipients=40)
    return SenderBlocked(
        tenant_id=tenant,
        sender=sender,
        cause=Cause.LIMIT,
        blocked_at_ms=START_MS + number,
        blocked_until_ms=START_MS + 3_600_000,
        action="block_until_tomorrow",
        previous_blocks=0,
        position=Position("message-verdicts", 0, number),
        evidence=Evidence(
            policy="default",
            policy_version="1",
            limit_name="spam_messages_per_hour",
            limit=10.0,
            observed=11.0,
            window_start_ms=START_MS - 3_600_000,
            window_end_ms=START_MS + 300_000,
            hour=counters,
            day=counters,
            trigger=Trigger(event_id=f"v{number}", message_id="<m@acme.example>", client_ip=None, verdict="SPAM"),
        ),
    )


def the_unblock(block: SenderBlocked, number: int) -> SenderUnblocked:
    """The expiry of `block` before verdict `number`."""
    return SenderUnblocked(
        block_id=block.block_id,
        tenant_id=block.tenant_id,
        sender=block.sender,
        reason=UnblockReason.EXPIRED,
        unblocked_at_ms=START_MS + 3_600_000,
        position=Position("message-verdicts", 0, number),
    )


class EventWriter:
    """Publishes to `sender-restrictions` and keeps `restricted-senders` in step, a transaction at a time."""

    def __init__(self, bootstrap: str, names: TopicNames, transactional_id: str, serde: Serde | None = None) -> None:
        self._names = names
        self._serde = serde or Serde(None)
        self._producer: Producer = clients.transactional_producer(
            ClientSettings(bootstrap), transactional_id=transactional_id
        )
        self._producer.init_transactions(30)

    @contextmanager
    def transaction(self, events: Iterable[Published], *, commits: bool = True) -> Iterator[None]:
        """The events are in the log, undecided, inside the `with`; at its end they are committed or aborted."""
        self._producer.begin_transaction()
        for event in events:
            self._produce(event)
        assert self._producer.flush(30) == 0
        yield
        if commits:
            self._producer.commit_transaction(30)
        else:
            self._producer.abort_transaction(30)

    def publish(self, *events: Published) -> None:
        with self.transaction(events):
            pass

    def abort(self, *events: Published) -> None:
        with self.transaction(events, commits=False):
            pass

    def _produce(self, event: Published) -> None:
        for record in event_records(self._serde, self._names, event):
            self._producer.produce(record.topic, record.value, record.key, headers=list(record.headers))
