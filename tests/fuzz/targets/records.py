"""Avro records that workers take from topics: commands, events, the notifier's ledger. Each is a value, or refused as the design says."""

import json

from processor import avro
from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.event_log import EventName, LoggedEvent
from processor.kafka.ledger import LedgerTopic, LedgerUnreadable
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import CommandRecord
from processor.notification.ledger import Ledger
from processor.notification.records import to_record
from processor.notification.results import PermanentlyRejected, Phase
from processor.notification.schedule import DAY_MS
from processor.policies.policy import PolicySet
from processor.restrictions.commands import NAME_MAX, RECORD, Command, CommandKind
from processor.restrictions.events import Position
from processor.restrictions.life import Role
from processor.workers.composing import event_of
from tests.engines import new_engine
from tests.fuzz.messages import command_in
from tests.fuzz.payloads import words
from tests.fuzz.reshaping import reshaped
from tests.fuzz.samples import EVENTS, RULES, ledger_entries
from tests.fuzz.target import Target
from tests.mail_samples import NOW_MS

_SERDE = Serde(None)
_PREFIXES = tuple(avro.single_object_prefix(name) for name in avro.names())


def _check_command(value: bytes) -> str:
    """A record of a command topic, through the follower's reading and, when it is one, through an engine."""
    taken = command_in(_SERDE, value, NOW_MS)
    if not isinstance(taken, CommandRecord):
        return str(taken.reason)
    command = taken.command
    assert all(0 < len(text.encode()) <= NAME_MAX for text in (command.command_id, command.sender, command.tenant_id))
    engine = new_engine(PolicySet())
    outcome = engine.obey(command, Role.ADMIN, taken.at_ms, Position("commands", 0, 5), 0)
    name = type(outcome).__name__
    assert avro.decode_body(name, avro.encode_body(name, outcome.to_record())) == outcome.to_record()
    return f"{command.kind} {name}"


def _check_event(value: bytes) -> str:
    """As the notifier takes it, and as the command line shows it."""
    try:
        name, record = _SERDE.decode(value)
    except UndecodableRecord as refused:
        return refused.reason.value
    if name not in set(EventName):
        return "another record"
    logged = LoggedEvent(0, 5, {}, name, record)
    assert json.loads(json.dumps(logged.as_cloudevent()))["data"].keys() == record.keys()
    try:
        event = event_of(_SERDE, value)
    except UndecodableRecord as refused:
        assert logged.event is None
        return refused.reason.value
    assert name == EventName.COMMAND_REFUSED or type(logged.event) is type(event)
    return name


def _check_ledger(value: bytes) -> str:
    """One record of the ledger is damaged, all others are as they were."""
    topic = LedgerTopic(ClientSettings("127.0.0.1:1"), "notifications", _SERDE)
    try:
        damaged = topic._entry(0, b"key", value)
    except LedgerUnreadable as refused:
        assert "partition 0, key key" in str(refused)
        return "refused"
    others = {entry.key: entry for entry in ledger_entries()}
    ledger = Ledger.restored(RULES, [*others.values(), damaged])
    ledger.close_due(NOW_MS + 120_000)
    for delivery in sorted(ledger.pending(), key=lambda each: each.next_attempt_ms or 0):
        refused_for_good = PermanentlyRejected(Phase.RCPT, "no such user", None)
        ledger.attempted(delivery.notification_id, delivery.recipient, refused_for_good, NOW_MS + 180_000)
    ledger.expire(NOW_MS + 400 * DAY_MS)
    return type(damaged).__name__


def _commands() -> list[bytes]:
    unblock = Command("c1", CommandKind.UNBLOCK, "ann@a.example", "a.example", "root", "b1", None, "why", "T-1")
    block = Command("c2", CommandKind.BLOCK, "ann@a.example", "a.example", "root", None, NOW_MS + 10**7, "spam", None)
    return [_SERDE.encode("", RECORD, command.to_record()) for command in (unblock, block)]


def _events() -> list[bytes]:
    return [_SERDE.encode("", type(event).__name__, event.to_record()) for event in EVENTS]


def _entries() -> list[bytes]:
    return [_SERDE.encode("", *to_record(entry)) for entry in ledger_entries()]


TARGETS = (
    Target(
        "commands",
        "any value of a command topic is a command that gets an outcome that can be published, or a dead letter",
        _check_command,
        _commands,
        words=(*_PREFIXES, *words()),
        reshape=reshaped,
    ),
    Target(
        "events",
        "any value of sender-restrictions is an event, or refused with a reason",
        _check_event,
        _events,
        words=(*_PREFIXES, *words()),
        reshape=reshaped,
    ),
    Target(
        "ledger",
        "any value of the ledger is an entry with which the notifier can go on, or LedgerUnreadable",
        _check_ledger,
        _entries,
        words=(*_PREFIXES, *words(), b"GATHERING", b"PENDING", b"BLOCKED"),
        reshape=reshaped,
    ),
)
