"""Records that were refused, as they are kept: *dead letters*, byte for byte; and the notes that some were put back.

A letter is the record as it came, with headers of ours after its own. What is larger than the topic takes comes in parts
(docs/adr/0010). A note says that the record of an origin was put back into its input (docs/adr/0018). Both are told apart by
their last headers, never by a name alone: what stands before is the feeder's, who may have used our names.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

REASON_HEADER = "senderwatch-reason"
TOPIC_HEADER = "senderwatch-topic"
PARTITION_HEADER = "senderwatch-partition"
OFFSET_HEADER = "senderwatch-offset"
TIMESTAMP_HEADER = "senderwatch-timestamp"
LEFT_OUT_HEADER = "senderwatch-left-out"
PART_HEADER = "senderwatch-part"
REPLAYED_HEADER = "senderwatch-replayed"

_ALWAYS = (REASON_HEADER, TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER, TIMESTAMP_HEADER)
_NOTE = (REPLAYED_HEADER, TOPIC_HEADER, PARTITION_HEADER, OFFSET_HEADER)

_WHOLE_BYTES = 1_000_000
"""What fits into the topic uncompressed, with our headers, at Kafka's default limit."""
_PIECE_BYTES = 512 * 1024
_AROUND_BYTES = 64 * 1024

_NUMBER = re.compile(rb"-?\d{1,18}", re.ASCII)
_PART = re.compile(rb"(\d{1,6})/(\d{1,6})", re.ASCII)

Headers = Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a refused record stood: it is refused once, however many letters there are of it."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Stored:
    """A record of the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int = 0
    offset: int = 0
    timestamp_ms: int = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """A refused record as it came, and why. `left_out`: how much of key and headers was too large to be kept."""

    origin: Origin
    timestamp_ms: int
    reason: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """A refused record and where it is kept; `partition` and `offset` are those of its first part.

    Of one with `missing` parts (retention took some) the value is what is left.
    """

    refused: Refused
    partition: int
    offset: int
    refused_at_ms: int
    parts: int = 1
    missing: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """The record of this origin was put back into its input, by whom in his own word, and when."""

    origin: Origin
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Unknown:
    """A record of the topic that is neither."""

    partition: int
    offset: int


def letters_of(refused: Refused) -> list[Stored]:
    """The records that keep a refused one: several where its value is too large, in order, each with its part's number.

    A key or headers of that size are left out.
    """
    value, key, headers = refused.value, refused.key, refused.headers
    ours = {
        REASON_HEADER: refused.reason,
        TOPIC_HEADER: refused.origin.topic,
        PARTITION_HEADER: refused.origin.partition,
        OFFSET_HEADER: refused.origin.offset,
        TIMESTAMP_HEADER: refused.timestamp_ms,
    }
    around = len(key or b"") + sum(len(name) + len(content or b"") for name, content in headers)
    if len(value or b"") + around > _WHOLE_BYTES and around > _AROUND_BYTES:
        key, headers = None, []
        ours[LEFT_OUT_HEADER] = f"key and headers, {around} bytes"
    pieces = [value]
    if value is not None and len(value) + around > _WHOLE_BYTES:
        pieces = [value[at : at + _PIECE_BYTES] for at in range(0, max(1, len(value)), _PIECE_BYTES)]
    letters = []
    for number, piece in enumerate(pieces, 1):
        part = {PART_HEADER: f"{number}/{len(pieces)}"} if len(pieces) > 1 else {}
        described = [(name, str(content).encode()) for name, content in {**ours, **part}.items()]
        letters.append(Stored(key, piece, [*headers, *described]))
    return letters


def note_of(origin: Origin, by: str) -> Stored:
    """The record that says that a refused one was put back."""
    contents = (by, origin.topic, str(origin.partition), str(origin.offset))
    return Stored(None, None, [(name, text.encode()) for name, text in zip(_NOTE, contents, strict=True)])


@dataclass(slots=True)
class Joining:
    """Makes letters and notes of the topic's records, each partition's in order; partitions may come mixed."""

    _begun: dict[Origin, dict[int, Letter]] = field(default_factory=dict)

    def take(self, record: Stored) -> Letter | Note | Unknown | None:
        """What a record is, or completes; None for a part of a letter that is not complete yet."""
        note = _note(record)
        if note is not None:
            return note
        found = _letter(record)
        if found is None:
            return Unknown(record.partition, record.offset)
        letter, number = found
        if letter.parts == 1:
            return letter
        pieces = self._begun.setdefault(letter.refused.origin, {})
        if next(iter(pieces.values()), letter).parts != letter.parts:
            pieces.clear()  # a letter of another record of this place, whose topic was made anew
        pieces[number] = letter
        if len(pieces) < letter.parts:
            return None
        del self._begun[letter.refused.origin]
        return _joined(pieces)

    def left(self) -> Iterator[Letter]:
        """At the end, the letters of which parts are missing."""
        for pieces in self._begun.values():
            yield _joined(pieces)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters are asked for; what is empty or None leaves its field open. Times are those of the refusal."""

    letters: Collection[tuple[int, int]] = ()
    reasons: Collection[str] = ()
    topic: str | None = None
    partition: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def includes(self, letter: Letter) -> bool:
        refused = letter.refused
        return (
            (not self.letters or (letter.partition, letter.offset) in self.letters)
            and (not self.reasons or refused.reason in self.reasons)
            and self.topic in (None, refused.origin.topic)
            and self.partition in (None, refused.origin.partition)
            and (self.since_ms is None or letter.refused_at_ms >= self.since_ms)
            and (self.until_ms is None or letter.refused_at_ms < self.until_ms)
        )


def _note(record: Stored) -> Note | None:
    if tuple(name for name, _ in record.headers[-len(_NOTE) :]) != _NOTE:
        return None
    ours = dict(record.headers[-len(_NOTE) :])
    origin = _origin(ours)
    return None if origin is None else Note(origin, _text(ours[REPLAYED_HEADER]), record.timestamp_ms)


def _letter(record: Stored) -> tuple[Letter, int] | None:
    """The letter that a record is, or is a part of, and which."""
    names = [name for name, _ in record.headers]
    first = len(names)
    for name in (PART_HEADER, LEFT_OUT_HEADER):
        if first > len(_ALWAYS) and names[first - 1] == name:
            first -= 1
    first -= len(_ALWAYS)
    if first < 0 or tuple(names[first : first + len(_ALWAYS)]) != _ALWAYS:
        return None
    ours = dict(record.headers[first:])
    origin, timestamp_ms = _origin(ours), _number(ours[TIMESTAMP_HEADER])
    part = _PART.fullmatch(ours.get(PART_HEADER) or b"1/1")
    if origin is None or timestamp_ms is None or part is None or not 1 <= int(part[1]) <= int(part[2]):
        return None
    left_out = ours.get(LEFT_OUT_HEADER)
    refused = Refused(
        origin=origin,
        timestamp_ms=timestamp_ms,
        reason=_text(ours[REASON_HEADER]),
        key=record.key,
        value=record.value,
        headers=list(record.headers[:first]),
        left_out=None if left_out is None else _text(left_out),
    )
    return Letter(refused, record.partition, record.offset, record.timestamp_ms, int(part[2])), int(part[1])


def _joined(pieces: Mapping[int, Letter]) -> Letter:
    in_order = [pieces[number] for number in sorted(pieces)]
    first = in_order[0]
    whole = first.refused
    return Letter(
        refused=Refused(
            whole.origin,
            whole.timestamp_ms,
            whole.reason,
            whole.key,
            b"".join(each.refused.value or b"" for each in in_order),
            whole.headers,
            whole.left_out,
        ),
        partition=first.partition,
        offset=first.offset,
        refused_at_ms=first.refused_at_ms,
        parts=first.parts,
        missing=first.parts - len(pieces),
    )


def _origin(ours: Mapping[str, bytes | None]) -> Origin | None:
    partition, offset = _number(ours[PARTITION_HEADER]), _number(ours[OFFSET_HEADER])
    if partition is None or offset is None:
        return None
    return Origin(_text(ours[TOPIC_HEADER]), partition, offset)


def _number(content: bytes | None) -> int | None:
    return int(content) if content is not None and _NUMBER.fullmatch(content) else None


def _text(content: bytes | None) -> str:
    return (content or b"").decode(errors="replace")
