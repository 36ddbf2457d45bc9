"""Times as people give them on a command line, and as commands show them; within, all are epoch milliseconds."""

import re
import time
from datetime import UTC, datetime, timedelta

from processor.cli.common import EXIT_USAGE, CommandFailed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 7 * 86_400_000}
_DAY_MS = _UNITS_MS["d"]
_MOMENT = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[Tt ](?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?) ?(?P<zone>[Zz]|UTC|[+-]\d\d:\d\d)?)?",
    re.ASCII,
)
"""RFC 3339, and what people leave out of it: the seconds, the zone, the time of day."""


def now_ms() -> int:
    """The machine's clock, in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def shown(time_ms: int) -> str:
    """A time for people: RFC 3339 in UTC, to the second."""
    return f"{_EPOCH + timedelta(milliseconds=time_ms):%Y-%m-%dT%H:%M:%SZ}"


def duration_ms(word: str, option: str) -> int:
    """Milliseconds of a duration such as 30s, 90m, 24h, 7d or 2w; raises CommandFailed, which names the option."""
    duration = _duration_ms(word)
    if duration is None:
        raise CommandFailed(f"{option} {word}: expected a time such as 30s, 90m, 24h or 7d", EXIT_USAGE)
    return duration


def coming_ms(word: str, option: str, now_ms: int) -> int:
    """The moment, still to come, that a word means: a time of the calendar, `tomorrow` (0:00 UTC), or how long from now.

    Raises CommandFailed, which names the option.
    """
    if word == "tomorrow":
        return (now_ms // _DAY_MS + 1) * _DAY_MS
    duration = _duration_ms(word)
    if duration is not None:
        return _in_range(word, option, now_ms + duration)
    moment = _moment_ms(word, option, "tomorrow, or how long")
    if moment <= now_ms:
        raise CommandFailed(f"{option} {word}: that is past; it is {shown(now_ms)} now", EXIT_USAGE)
    return moment


def past_ms(word: str, option: str, now_ms: int) -> int:
    """The moment that a word means: a time of the calendar, or how long ago. Raises CommandFailed, which names the option."""
    duration = _duration_ms(word)
    return _in_range(word, option, _moment_ms(word, option, "how long ago") if duration is None else now_ms - duration)


def _duration_ms(word: str) -> int | None:
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)([smhdw])", word, re.ASCII)
    return None if match is None or float(match[1]) == 0 else round(float(match[1]) * _UNITS_MS[match[2]])


def _moment_ms(word: str, option: str, else_expected: str) -> int:
    match = _MOMENT.fullmatch(word)
    if match is None:
        raise CommandFailed(
            f"{option} {word}: expected a time such as 2026-11-27T18:00:00Z, '2026-11-27 18:00' (UTC, unless an offset such as "
            f"+01:00 follows), or {else_expected}: 8h, 3d",
            EXIT_USAGE,
        )
    zone = match["zone"] or "Z"
    try:
        moment = datetime.fromisoformat(f"{match['day']}T{match['clock'] or '00:00'}{zone.replace('UTC', 'Z').upper()}")
    except ValueError as error:
        raise CommandFailed(f"{option} {word}: {error}", EXIT_USAGE) from None
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _in_range(word: str, option: str, time_ms: int) -> int:
    try:
        shown(time_ms)
    except OverflowError:
        raise CommandFailed(f"{option} {word}: that is after the year 9999", EXIT_USAGE) from None
    return time_ms
