"""What becomes of one entry of an import: a verdict, a refusal that names field and problem, or a reason to pass it over.

A bad entry is a value like any other here, so that one broken line never ends an import of millions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from processor.verdicts.event import InvalidVerdict, MessageVerdict, Verdict


@dataclass(frozen=True, slots=True)
class Refused:
    """An entry that is no verdict. `problem` is one of a small set, so that it can be counted; `detail` is of this entry."""

    field: str
    problem: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class Skipped:
    """An entry that is in order but says nothing about a sender's account."""

    reason: str


@dataclass(frozen=True, slots=True)
class Arrived:
    """A verdict whose entry bears no time of its own: `verdict.occurred_at_ms` is the time that the reader was given."""

    verdict: MessageVerdict


Entry = MessageVerdict | Arrived | Refused | Skipped


class BadField(ValueError):
    """Raised while an entry is read; the reader of the entry turns it into Refused."""

    def __init__(self, field: str, problem: str, detail: str = "") -> None:
        super().__init__(f"{field}: {problem}" + (f" ({detail})" if detail else ""))
        self.refused = Refused(field, problem, detail)


def found(value: object) -> str:
    """What stood in a field, as the detail of a refusal: short, and safe to print."""
    try:
        return "found " + _short(repr(value))
    except RecursionError:  # it was read a few calls nearer to the end of the stack
        return "found what is nested too deeply"


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."


_SYMBOLS = {verdict.name: verdict for verdict in Verdict}
FIELDS = frozenset(MessageVerdict.__dataclass_fields__) - {"occurred_at_ms"} | {"occurred_at"}
"""The fields of a verdict as the Avro schema names them."""
_REQUIRED = FIELDS - {"message_id", "client_ip", "score"}

_FLOAT_MAX = float.fromhex("0x1.fffffep+127")
"""The largest number that a four-byte float holds."""
_SECONDS_UNTIL_MS = 100_000_000_000
"""Below this an integer time is taken for seconds, a common slip: as milliseconds it would lie before March 1973."""


def verdict_of(record: Mapping[str, object]) -> MessageVerdict | Refused:
    """A verdict from fields named as in the Avro schema.

    `occurred_at` is epoch milliseconds, an RFC 3339 string, or a datetime with a time zone. The sender is lower-cased: it is
    counted byte for byte, and feeders write it so (design, "MessageVerdict").
    """
    try:
        if not record.keys() <= FIELDS:
            raise BadField(_short(min(record.keys() - FIELDS)) or '""', "is not a field of a message verdict")
        if not record.keys() >= _REQUIRED:
            raise BadField(min(_REQUIRED - record.keys()), "is missing")
        symbol = text(record, "verdict")
        if symbol not in _SYMBOLS:
            raise BadField("verdict", "must be one of " + ", ".join(_SYMBOLS), found(symbol))
        return MessageVerdict(
            event_id=text(record, "event_id"),
            occurred_at_ms=epoch_ms(record["occurred_at"]),
            tenant_id=text(record, "tenant_id"),
            sender=text(record, "sender").lower(),
            internal_recipients=_integer(record, "internal_recipients"),
            external_recipients=_integer(record, "external_recipients"),
            verdict=_SYMBOLS[symbol],
            message_id=optional_text(record, "message_id"),
            client_ip=optional_text(record, "client_ip"),
            score=_score(record.get("score")),
        )
    except BadField as error:
        return error.refused
    except InvalidVerdict as error:
        return Refused(error.field, error.problem)


def text(record: Mapping[str, object], field: str) -> str:
    """A string that can be written as UTF-8; raises BadField."""
    value = record[field]
    if type(value) is not str:
        raise BadField(field, "must be a string", found(value))
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadField(field, "is not valid UTF-8", found(value)) from None
    return value


def optional_text(record: Mapping[str, object], field: str) -> str | None:
    """As `text`; None when the field is null or absent."""
    return None if record.get(field) is None else text(record, field)


def _integer(record: Mapping[str, object], field: str) -> int:
    value = record[field]
    if type(value) is not int:
        raise BadField(field, "must be an integer", found(value))
    return value


def _score(value: object) -> float | None:
    if value is None:
        return None
    if type(value) is not int and type(value) is not float:
        raise BadField("score", "must be a number", found(value))
    return finite_score(float(value))


def finite_score(score: float) -> float:
    """The score, if a four-byte float can hold it; raises BadField."""
    if not -_FLOAT_MAX <= score <= _FLOAT_MAX:
        raise BadField("score", "must be a finite number that a four-byte float can hold", found(score))
    return score


def epoch_ms(value: object, field: str = "occurred_at") -> int:
    """Epoch milliseconds of an integer, an RFC 3339 string or an aware datetime; raises BadField."""
    if type(value) is int:
        if 0 < value < _SECONDS_UNTIL_MS:
            raise BadField(field, "looks like seconds: write milliseconds since 1970 or an RFC 3339 time", found(value))
        return value
    if type(value) is str:
        try:
            # RFC 3339 needs a full date and time; what else ISO 8601 allows ("2026W481") is a slip more often than a time.
            value = datetime.fromisoformat(value.upper() if value[10:11] in ("T", "t", " ") else "")
        except ValueError:
            raise BadField(field, "is not an RFC 3339 time such as 2026-11-24T02:00:00Z", found(value)) from None
    if not isinstance(value, datetime):
        raise BadField(field, "must be milliseconds since 1970 or an RFC 3339 time", found(value))
    if value.tzinfo is None:
        raise BadField(field, "has no time zone: end it with Z or an offset such as +01:00", found(value.isoformat()))
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
