"""How a language writes numbers, times and the names of limits: the file `language.toml` of its folder of templates."""

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from string import Formatter
from typing import Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class BrokenLanguage(ValueError):
    """A `language.toml` that lacks something or cannot be read; the text says what."""


@dataclass(frozen=True, slots=True)
class LimitWords:
    """A limit's name for a table, and what was observed as a phrase with `{amount}` in it."""

    title: str
    observed: str


@dataclass(frozen=True, slots=True)
class Language:
    """A language's ways of writing. `percent`, `moment`, `day` and `clock` are patterns for `str.format`.

    `test_subject` and `test_notice` mark a mail that is only a test. `sender_name` None: the setting's.
    """

    code: str
    decimal: str
    thousands: str
    percent: str
    moment: str
    day: str
    clock: str
    weekdays: tuple[str, ...]
    months: tuple[str, ...]
    limits: Mapping[str, LimitWords]
    verdicts: Mapping[str, str]
    test_subject: str
    test_notice: str
    sender_name: str | None = None

    @classmethod
    def parse(cls, code: str, text: str, place: str | None = None) -> Self:
        """The language in the TOML file `text`; BrokenLanguage when it is no TOML or something is missing or cannot be used.

        `place` is what to call the file then.
        """
        place = place or f"{code}/language.toml"
        try:
            table: dict[str, Any] = tomllib.loads(text)
            language = cls(
                code=code,
                decimal=table["decimal"],
                thousands=table["thousands"],
                percent=table["percent"],
                moment=table["moment"],
                day=table["day"],
                clock=table["clock"],
                weekdays=tuple(table["weekdays"]),
                months=tuple(table["months"]),
                limits={name: LimitWords(**words) for name, words in table["limits"].items()},
                verdicts=dict(table["verdicts"]),
                test_subject=table["test"]["subject"],
                test_notice=table["test"]["notice"],
                sender_name=table.get("sender_name"),
            )
            language._check_patterns()
            _check_keys(table)
        except KeyError as missing:
            raise BrokenLanguage(f"{place}: the key {missing} is missing") from missing
        except (tomllib.TOMLDecodeError, TypeError, AttributeError, ValueError) as problem:
            raise BrokenLanguage(f"{place}: {problem}") from problem
        return language

    def _check_patterns(self) -> None:
        """ValueError for what would only be seen when a mail is written."""
        if len(self.weekdays) != 7 or len(self.months) != 12:
            raise ValueError("weekdays must be 7 names from Monday on, months 12")
        _check("percent", self.percent, {"number"})
        _check("clock", self.clock, {"hour", "minute"})
        _check("day", self.day, _OF_A_DAY)
        _check("moment", self.moment, _OF_A_DAY)
        _check("test.subject", self.test_subject, {"subject"})
        for name, words in self.limits.items():
            _check(f"limits.{name}.observed", words.observed, {"amount"})
        texts = (*self.weekdays, *self.months, *self.verdicts.values(), self.decimal, self.thousands, self.test_notice)
        if not all(isinstance(text, str) for text in (*texts, self.sender_name or "")):
            raise ValueError("names of days, months, verdicts and the sender, separators and notices must be texts")


_KEYS = (
    "decimal", "thousands", "percent", "moment", "day", "clock", "weekdays", "months", "limits", "verdicts", "test", "sender_name"
)  # fmt: skip


def _check_keys(table: Mapping[str, Any]) -> None:
    """ValueError for a key that nothing reads: a misspelt one, or one that landed in the table above it."""
    for where, given, known in (("", table, _KEYS), ("test.", table.get("test"), ("subject", "notice"))):
        for key in given if isinstance(given, Mapping) else ():
            if key not in known:
                raise ValueError(f"the key '{where}{key}' is not known here; there is {', '.join(known)}")


_OF_A_DAY = {"weekday", "day", "month", "year", "clock", "zone"}


def _check(name: str, pattern: str, known: Iterable[str]) -> None:
    """Whether a pattern asks for nothing but what it gets, by name and as it is: it comes from a file."""
    for _, asked, form, conversion in Formatter().parse(pattern):
        if asked is not None and (asked not in known or form or conversion):
            raise ValueError(f"{name}: {{{asked}}} is not known here; there is {', '.join(sorted(known))}")


@dataclass(frozen=True, slots=True)
class Words:
    """A language in a time zone: what templates call as `words`."""

    language: Language
    zone: tzinfo

    def number(self, value: float) -> str:
        """A number with the language's separators; at most two decimals, none when it is whole."""
        if not math.isfinite(value):
            return "∞" if value > 0 else "-∞" if value < 0 else "?"
        plain = f"{value:,.2f}" if abs(value) < 1e15 else f"{value:.3e}"
        whole, point, decimals = plain.partition(".")
        if "e" not in decimals:
            decimals = decimals.rstrip("0")
        whole = whole.replace(",", self.language.thousands)
        return f"{whole}{self.language.decimal}{decimals}" if point and decimals else whole

    def moment(self, time_ms: int) -> str:
        """A time to the minute, with weekday, date and zone."""
        return self._written(self.language.moment, self._local(time_ms))

    def period(self, start_ms: int, end_ms: int) -> str:
        """From `start_ms` to `end_ms`; the date once where both are on one day."""
        start, end = self._local(start_ms), self._local(end_ms)
        if start.date() == end.date():
            day = self._written(self.language.day, start)
            return f"{day}, {self._written('{clock}', start)} – {self._written('{clock} {zone}', end)}"
        return f"{self.moment(start_ms)} – {self.moment(end_ms)}"

    def limit_title(self, name: str) -> str:
        """The limit's name for people; its own name, without underscores, where the language has no words for it."""
        words = self.language.limits.get(name)
        return words.title if words else name.replace("_", " ")

    def limit_amount(self, name: str, amount: float) -> str:
        """A limit or what was observed, in the limit's unit: percent where its name says so."""
        return self.language.percent.format(number=self.number(amount)) if "percent" in name else self.number(amount)

    def limit_observed(self, name: str, observed: float) -> str:
        """What was observed, as a phrase: "11 messages marked as spam within an hour"."""
        amount = self.limit_amount(name, observed)
        words = self.language.limits.get(name)
        return words.observed.format(amount=amount) if words else f"{self.limit_title(name)}: {amount}"

    def verdict(self, name: str) -> str:
        """The filter's verdict for people; its own name where the language has none."""
        return self.language.verdicts.get(name, name)

    def _local(self, time_ms: int) -> datetime:
        moment = _EPOCH + timedelta(milliseconds=time_ms)
        try:
            return moment.astimezone(self.zone)
        except OverflowError:  # within hours of the year 1 or 9999
            return moment

    def _written(self, pattern: str, local: datetime) -> str:
        zone = local.tzname() or "UTC"
        clock = self.language.clock.format(hour=f"{local.hour:02}", minute=f"{local.minute:02}")
        return pattern.format(
            weekday=self.language.weekdays[local.weekday()],
            day=local.day,
            month=self.language.months[local.month - 1],
            year=local.year,
            clock=clock,
            # Zones without letters of their own are called "+03": say what that counts from.
            zone=f"UTC{zone}" if zone[0] in "+-" else zone,
        )


def zone_of(name: str) -> tzinfo:
    """The time zone of that IANA name; UTC when there is none (the policy file's check has said so before)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC
