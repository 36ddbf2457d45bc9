"""The dead-letter topic as people and programs read it: letters and notes, record by record.

Reads by `assign()`, in no consumer group: nothing is committed, and any number may read at once.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import cast

from confluent_kafka import Message

from processor.kafka.clients import ClientSettings, admin
from processor.kafka.reading import ReadingFailed, high_watermarks, partitions_of, place, read_to_end
from processor.kafka.rights import lacks, unreadable
from processor.verdicts.letters import Joining, Letter, Note, Origin, Stored, Unknown


def ends_of(settings: ClientSettings, topic: str) -> dict[int, int]:
    """Where the topic's partitions end now. Raises as `high_watermarks`."""
    return high_watermarks(settings, topic, partitions_of(settings, topic))


def check_readable(settings: ClientSettings, topic: str) -> None:
    """Raises ReadingFailed for a login that sees the topic and may not read it: of an empty one it would be told no more than that."""
    if unreadable(admin(settings), [topic]):
        raise ReadingFailed(lacks("Read", f"topic {topic}"))


def read_letters(
    settings: ClientSettings,
    topic: str,
    *,
    starts: Mapping[int, int] | None = None,
    ends: Mapping[int, int] | None = None,
    should_stop: Callable[[], bool],
) -> Iterator[Letter | Note | Unknown]:
    """What the topic holds from `starts` (else from the first record) up to `ends` (else up to now).

    A letter in parts comes with its last part; those of which parts are missing come at the end. Raises as `read_to_end`.
    """
    pinned = ends_of(settings, topic) if ends is None else ends
    messages = read_to_end(settings, topic, pinned, starts or {}, ends=pinned, should_stop=should_stop)
    return _joined(messages)


def _joined(messages: Iterable[Message]) -> Iterator[Letter | Note | Unknown]:
    joining = Joining()
    for message in messages:
        found = joining.take(_stored(message))
        if found is not None:
            yield found
    yield from joining.left()


def _stored(message: Message) -> Stored:
    headers = cast("list[tuple[str, bytes | None]]", message.headers() or [])
    return Stored(message.key(), message.value(), headers, *place(message), message.timestamp()[1])


class Replayed:
    """Which refused records were put back already."""

    def __init__(self) -> None:
        self._offsets: dict[tuple[str, int], set[int]] = defaultdict(set)

    def note(self, origin: Origin) -> None:
        self._offsets[origin.topic, origin.partition].add(origin.offset)

    def __contains__(self, origin: Origin) -> bool:
        return origin.offset in self._offsets.get((origin.topic, origin.partition), ())


def read_notes(
    settings: ClientSettings,
    topic: str,
    replayed: Replayed,
    *,
    starts: Mapping[int, int] | None = None,
    ends: Mapping[int, int],
    should_stop: Callable[[], bool],
) -> None:
    """Enters in `replayed` what was put back by the records from `starts` to `ends`. Raises as `read_letters`."""
    for found in read_letters(settings, topic, starts=starts, ends=ends, should_stop=should_stop):
        if isinstance(found, Note):
            replayed.note(found.origin)
