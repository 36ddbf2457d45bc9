"""What the topics keep of one sender: the events about him, and the mails that told of these.

Both are read whole, to the ends as they are now, in no consumer group; a header tells whom an event is about, so that the
others need not be decoded.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import cast

import structlog
from confluent_kafka import Message

from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.event_log import LoggedEvent, decoded
from processor.kafka.reading import partitions_of, read_to_end
from processor.kafka.serde import Serde
from processor.notification.notices import Delivery, Entry, Notification
from processor.notification.records import from_record
from processor.restrictions.selection import alike

_log = structlog.get_logger(__name__)

_SUBJECT = "ce_subject"


@dataclass(frozen=True, slots=True)
class History:
    """The events about a sender in order of time, and the names in the log that differ from his in case alone."""

    events: list[LoggedEvent]
    alike: list[str]


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that told of a sender: what the ledger says of it, which of his events are in it, and each delivery so far."""

    notification: Notification
    event_ids: tuple[str, ...]
    deliveries: tuple[Delivery, ...]


def events_about(
    settings: ClientSettings, topic: str, serde: Serde, sender: str, *, should_stop: Callable[[], bool]
) -> History:
    """What `sender-restrictions` has of a sender. Raises as `processor.kafka.event_log.read_events`."""
    wanted, names = sender.encode(), set[bytes]()
    by_partition: dict[int, list[LoggedEvent]] = {}
    messages = read_to_end(settings, topic, partitions_of(settings, topic), {}, should_stop=should_stop)
    for event in decoded((each for each in messages if _is_about(each, wanted, names)), serde):
        if event.record["sender"] == sender:
            by_partition.setdefault(event.partition, []).append(event)
    # Within a partition the log's own order holds: a command's time is Kafka's, a block's is its verdicts'.
    events = merge(*by_partition.values(), key=_time_ms)
    return History(list(events), alike(sender, (name.decode(errors="replace") for name in names)))


def mails_of(
    settings: ClientSettings, topic: str, serde: Serde, event_ids: Collection[str], *, should_stop: Callable[[], bool]
) -> list[Mail]:
    """The mails of the notifier's ledger that tell of some events, in the order in which they were opened. Raises as above."""
    entries: dict[tuple[str, str, str], bytes | None] = {}
    for message in read_to_end(settings, topic, partitions_of(settings, topic), {}, should_stop=should_stop):
        key = message.key()
        if isinstance(key, bytes):
            entries[_parts(key)] = message.value()
    told: dict[str, list[str]] = {}
    for (mail, kind, name), value in entries.items():
        if kind == "event" and name in event_ids and value is not None:
            told.setdefault(mail, []).append(name)
    known = {
        key: entry
        for key, value in entries.items()
        if key[0] in told and key[1] != "event" and value is not None and (entry := _entry(value, serde)) is not None
    }
    mails = [
        Mail(notification, tuple(told[mail]), _deliveries(mail, known))
        for (mail, _, _), notification in known.items()
        if isinstance(notification, Notification)
    ]
    return sorted(mails, key=lambda mail: mail.notification.opened_at_ms)


def _is_about(message: Message, wanted: bytes, names: set[bytes]) -> bool:
    """Whether an event may be about the sender: by its header, or, without one, by what is in it. Keeps all other names."""
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    subject = next((value for name, value in headers if name == _SUBJECT), None)
    if subject is None or subject == wanted:
        return True
    names.add(subject)
    return False


def _time_ms(logged: LoggedEvent) -> int:
    event = logged.event
    return 0 if event is None else event.occurred_at_ms


def _parts(key: bytes) -> tuple[str, str, str]:
    """`ID`, `ID/event/EVENT_ID` or `ID/to/RECIPIENT`, taken apart; what is missing is empty."""
    mail, _, rest = key.decode(errors="replace").partition("/")
    kind, _, name = rest.partition("/")
    return mail, kind, name


def _entry(value: bytes, serde: Serde) -> Entry | None:
    """An entry of the ledger; one that cannot be read is said, and left out."""
    try:
        return from_record(*serde.decode(value))
    except (UndecodableRecord, ValueError) as problem:
        _log.warning("a mail that cannot be read", reason=str(problem))
        return None


def _deliveries(mail: str, known: Mapping[tuple[str, str, str], Entry]) -> tuple[Delivery, ...]:
    return tuple(entry for key, entry in known.items() if key[0] == mail and isinstance(entry, Delivery))
