"""Dead letters in words and tables. Everything in them is an attacker's: keys, headers, texts are all sanitised."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from processor.avro import Undecodable
from processor.cli.printing import columns
from processor.cli.restricted_table import count, said
from processor.cli.times import shown
from processor.notification.sanitise import readable
from processor.verdicts.letters import Letter, Unknown
from processor.workers.letter_reading import Piece

KEY_MAX = 60
_TOPIC_MAX = 60
_COLUMN_MAX = 60
_DUMPED_BYTES = 4096
_ROW_BYTES = 16
_HEAD = ("LETTER", "REFUSED AT", "REASON", "STOOD IN", "KEY", "BYTES", "PUT BACK")
_REASONS_HEAD = ("REASON", "LETTERS", "PUT BACK", "FIRST", "LAST")

REMEDIES: dict[Undecodable, tuple[str, str]] = {
    Undecodable.NULL_VALUE: (
        "the record has a key and no value",
        "a feeder deletes by tombstones: there is nothing to count in it, and nothing to put back",
    ),
    Undecodable.WRONG_MAGIC: (
        "the value begins neither with 00 (a schema registry's number) nor with C3 01 (Avro single-object encoding)",
        "the feeder writes JSON, or Avro without its frame: docs/feeding.md says how a value begins",
    ),
    Undecodable.UNKNOWN_SCHEMA: (
        "the schema that the value names is not known, or is none of a verdict (or command)",
        "register the schema, set schema_registry.url, or run a senderwatch that knows it; then put the letters back",
    ),
    Undecodable.TRUNCATED: (
        "the value ends before its last field does",
        "look at the feeder's serializer; what is not there cannot be put back",
    ),
    Undecodable.TRAILING_BYTES: (
        "bytes follow after the last field",
        "the feeder writes with another schema than the one that it names: name the right one",
    ),
    Undecodable.BAD_UNION_INDEX: (
        "a field that may be empty is neither empty nor there",
        "the feeder writes with another schema than the one that it names, or the bytes are damaged",
    ),
    Undecodable.BAD_ENUM_INDEX: (
        "the verdict is none of the eight",
        "the feeder writes with another schema than the one that it names, or the bytes are damaged",
    ),
    Undecodable.BAD_LENGTH: (
        "a text has a negative length, or is longer than 65,536 bytes",
        "the feeder has to shorten it, or the bytes are damaged",
    ),
    Undecodable.VARINT_OUT_OF_RANGE: (
        "a number is larger than its field takes",
        "the feeder writes with another schema than the one that it names, or the bytes are damaged",
    ),
    Undecodable.INVALID_UTF8: (
        "a text is not UTF-8",
        "the feeder has to write UTF-8, whatever the mail itself was in",
    ),
    Undecodable.EMPTY_REQUIRED_FIELD: (
        "event_id, tenant_id or sender is empty",
        "the feeder has to leave such mail out, or find out whose it is: nobody could be blocked for it",
    ),
    Undecodable.NEGATIVE_COUNT: (
        "a number of recipients is negative",
        "mend the feeder",
    ),
    Undecodable.TIME_OUT_OF_RANGE: (
        "a time is before 1970 or after the year 9999",
        "the feeder takes seconds or microseconds for milliseconds, or has no time",
    ),
    Undecodable.TIME_IN_THE_FUTURE: (
        "the mail claims to be sent more than five minutes after its record came in",
        "set the feeder's clock right; once that time has come the letters can be put back",
    ),
    Undecodable.WRONG_PARTITION: (
        "the record stood in a partition that is not its sender's",
        "set the feeder's partitioner to murmur2 (docs/feeding.md), then put the letters back: they go to the right partition",
    ),
    Undecodable.UNREADABLE: (
        "the value is no record of the schema that it names",
        "the feeder names another schema than the one it writes with, or the bytes are damaged",
    ),
}
"""What each reason means, and what to do about it."""


@dataclass(slots=True)
class Tally:
    """Of the letters of one reason: how many, how many of them were put back, and when the first and last were refused."""

    letters: int = 0
    put_back: int = 0
    first_ms: int = 0
    last_ms: int = 0

    def add(self, letter: Letter, *, put_back: bool) -> None:
        self.first_ms = letter.refused_at_ms if not self.letters else min(self.first_ms, letter.refused_at_ms)
        self.last_ms = max(self.last_ms, letter.refused_at_ms)
        self.letters += 1
        self.put_back += put_back


def name_of_letter(letter: Letter | Unknown) -> str:
    """How `show` and `replay` are told which letter is meant."""
    return f"{letter.partition}:{letter.offset}"


def stood_in(letter: Letter) -> str:
    """Where the record stood, on one line."""
    origin = letter.refused.origin
    return f"{readable(origin.topic, _TOPIC_MAX)}, partition {origin.partition}, offset {origin.offset}"


def key_of(letter: Letter, longest: int = KEY_MAX) -> str:
    """The key as text, harmless; what is no UTF-8 is written out."""
    refused = letter.refused
    if refused.left_out is not None:
        return "(left out)"
    return "-" if refused.key is None else text_of(refused.key, longest)


def text_of(content: bytes | None, longest: int) -> str:
    """Bytes as text on one line, harmless; what is no UTF-8 is written out as a backslash and its number."""
    if content is None:
        return "(none)"
    return readable(content[: 4 * longest + 4].decode(errors="backslashreplace"), longest)


def row(letter: Letter, *, put_back: bool) -> tuple[str, ...]:
    """A letter in the table of `list`."""
    origin, missing = letter.refused.origin, f", {letter.missing} parts gone" if letter.missing else ""
    return (
        name_of_letter(letter),
        shown(letter.refused_at_ms),
        reason_of(letter) + missing,
        f"{readable(origin.topic, _TOPIC_MAX)}/{origin.partition}@{origin.offset}",
        key_of(letter),
        f"{len(letter.refused.value or b''):,}",
        "yes" if put_back else "-",
    )


def lines(
    rows: Sequence[tuple[str, ...]], reasons: Sequence[tuple[str, Tally]], others: int, *, oldest: bool
) -> Iterator[str]:
    """The rows of `list`, and of all letters that were asked for how many were refused for which reason."""
    total = sum(each.letters for _, each in reasons)
    if rows:
        yield from columns([_HEAD, *rows], _COLUMN_MAX)
        if len(rows) < total:
            yield f"the {'oldest' if oldest else 'newest'} {len(rows):,} of {total:,}: --most N shows more"
        yield ""
    if reasons:
        yield from columns([_REASONS_HEAD, *(_of_reason(reason, each) for reason, each in reasons)], _COLUMN_MAX)
    yield count(total, "letter") if total else "there are no letters, or none of those that are asked for"
    if others:
        yield f"{count(others, 'record')} of the topic are no letters: another program wrote there"


def _of_reason(reason: str, tally: Tally) -> tuple[str, ...]:
    return (
        readable(reason, KEY_MAX),
        f"{tally.letters:,}",
        f"{tally.put_back:,}",
        shown(tally.first_ms),
        shown(tally.last_ms),
    )


def summary_json(reasons: Sequence[tuple[str, Tally]], others: int) -> dict[str, Any]:
    """The last line of `list --json`."""
    return {
        "kind": "summary",
        "letters": sum(each.letters for _, each in reasons),
        "reasons": {reason: {"letters": each.letters, "put_back": each.put_back} for reason, each in reasons},
        "not_letters": others,
    }


def reason_of(letter: Letter) -> str:
    """The reason as the letter's header gives it."""
    return readable(letter.refused.reason, KEY_MAX)


def story(letter: Letter, put_back: str, read: Iterable[Piece], now: str) -> Iterator[str]:
    """All there is to say of one letter."""
    refused = letter.refused
    meaning, remedy = _remedy(refused.reason)
    yield f"letter {name_of_letter(letter)}, refused {shown(letter.refused_at_ms)}; {put_back}"
    rows = [
        ("reason:", f"{reason_of(letter)}: {meaning}"),
        ("to do:", remedy),
        ("stood in:", f"{stood_in(letter)}, since {_moment(refused.timestamp_ms)}"),
        ("key:", "none" if refused.key is None else f"{len(refused.key):,} bytes: {key_of(letter, 254)}"),
        *(("left out:", said(each)) for each in [refused.left_out] if each is not None),
        *((f"header {text_of(name.encode(), 60)}:", text_of(content, 254)) for name, content in refused.headers),
        ("value:", _value(letter)),
        ("now:", now),
    ]
    yield from columns(rows, 24)
    yield "as it is read:"
    yield from (f"  {line}" for line in columns([_piece(each) for each in read], 24))
    value = refused.value or b""
    yield from dump(value[:_DUMPED_BYTES])
    if len(value) > _DUMPED_BYTES:
        yield f"and {len(value) - _DUMPED_BYTES:,} bytes more: --raw FILE writes all of them"


def _remedy(reason: str) -> tuple[str, str]:
    if reason in set(Undecodable):
        return REMEDIES[Undecodable(reason)]
    return "a reason that this version does not know", "ask the version of senderwatch that wrote it"


def _value(letter: Letter) -> str:
    value = letter.refused.value
    if value is None:
        return "none"
    parts = f", in {letter.parts} parts" if letter.parts > 1 else ""
    missing = f", of which {letter.missing} are gone: this is what is left" if letter.missing else ""
    return f"{count(len(value), 'byte')}{parts}{missing}"


def _piece(piece: Piece) -> tuple[str, str, str]:
    if piece.start is None:
        place = ""
    elif piece.end is None:
        place = f"from {piece.start:x}"
    else:
        place = f"{piece.start:x} to {piece.end:x}"
    says = readable(piece.says, 254)
    return (piece.name, place, f"CANNOT BE READ: {says}" if piece.is_broken else says)


def _moment(time_ms: int) -> str:
    return shown(time_ms) if 0 <= time_ms < 253_402_300_800_000 else f"{time_ms} ms"


def dump(content: bytes) -> Iterator[str]:
    """Bytes in hexadecimal and, where they are printable ASCII, as text."""
    for at in range(0, len(content), _ROW_BYTES):
        row = content[at : at + _ROW_BYTES]
        text = "".join(chr(each) if 0x20 <= each < 0x7F else "." for each in row)
        yield f"{at:08x}  {row.hex(' '):{3 * _ROW_BYTES - 1}}  |{text}|"


def letter_json(letter: Letter, *, put_back: bool, with_value: bool) -> dict[str, Any]:
    """A letter for programs: exact; bytes in base64."""
    refused = letter.refused
    described: dict[str, Any] = {
        "letter": name_of_letter(letter),
        "reason": refused.reason,
        "topic": refused.origin.topic,
        "partition": refused.origin.partition,
        "offset": refused.origin.offset,
        "timestamp_ms": refused.timestamp_ms,
        "refused_at_ms": letter.refused_at_ms,
        "key": _base64(refused.key),
        "headers": [[name, _base64(content)] for name, content in refused.headers],
        "left_out": refused.left_out,
        "bytes": None if refused.value is None else len(refused.value),
        "parts": letter.parts,
        "parts_missing": letter.missing,
        "put_back": put_back,
    }
    return {**described, "value": _base64(refused.value)} if with_value else described


def _base64(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()
