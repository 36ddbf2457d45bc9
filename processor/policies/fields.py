"""The values of a policy file, each read strictly: a reader takes a node and returns its value, or raises Unfit."""

import difflib
import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from processor.policies.addresses import is_address
from processor.policies.document import Node, Scalar

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)
Reader = Callable[[Node], Value]

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_WHOLE = re.compile(r"[0-9]{1,15}")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?([smh]?)")
_UNIT_MS = {"": 1000, "s": 1000, "m": 60_000, "h": 3_600_000}
_DIGEST_DELAY_MAX_MS = 86_400_000
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


class Unfit(Exception):
    """A node that does not hold what its field takes; the text says what that is."""


def limit_bound(highest: float | None = None) -> Reader[float | None]:
    """A limit: a finite number of 0 or more, or null where it does not apply."""
    numbers = "a number of 0 or more" if highest is None else f"a number from 0 to {highest:g}"
    expected = f"{numbers}, or null for no limit"

    def read(node: Node) -> float | None:
        if isinstance(node, Scalar) and node.is_null:
            return None
        if not isinstance(node, Scalar) or node.quoted or not _NUMBER.fullmatch(node.text):
            raise Unfit(expected)
        bound = float(node.text)
        if not 0 <= bound < math.inf or (highest is not None and bound > highest):
            raise Unfit(expected)
        return abs(bound)  # -0 is 0

    return read


def whole_number(lowest: int, highest: int = 1_000_000_000) -> Reader[int]:
    """A whole number between these bounds, both included."""

    def read(node: Node) -> int:
        if isinstance(node, Scalar) and not node.quoted and _WHOLE.fullmatch(node.text):
            number = int(node.text)
            if lowest <= number <= highest:
                return number
        raise Unfit(f"a whole number from {lowest} to {highest}")

    return read


def flag(node: Node) -> bool:
    """`true` or `false`, as YAML 1.2 spells them; not yes and no, which are words like any other."""
    if isinstance(node, Scalar) and not node.quoted and node.text.lower() in {"true", "false"}:
        return node.text.lower() == "true"
    raise Unfit("true or false")


def one_of(choices: type[Choice]) -> Reader[Choice]:
    """One of an enumeration's values."""
    expected = f"one of {', '.join(choices)}"

    def read(node: Node) -> Choice:
        try:
            return choices(_text(node, expected))
        except ValueError:
            raise Unfit(expected) from None

    return read


def duration_ms(node: Node) -> int:
    """A time span in milliseconds: a number of seconds, or with a unit such as `60s`, `5m` or `1h`; a day at most."""
    expected = "a time of at most 24 hours, such as 60s, 5m, 1h or a number of seconds"
    match = _DURATION.fullmatch(_text(node, expected))
    if match is None:
        raise Unfit(expected)
    span_ms = round(float(match[1]) * _UNIT_MS[match[2]])
    if span_ms > _DIGEST_DELAY_MAX_MS:
        raise Unfit(expected)
    return span_ms


def language(node: Node) -> str:
    """A language tag (RFC 5646, its common form); whether there are templates in it is for the notifier to say."""
    expected = "a language tag such as en or nl"
    text = _text(node, expected)
    if not _LANGUAGE.fullmatch(text):
        raise Unfit(expected)
    return text


@lru_cache
def _zones() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}


def time_zone(node: Node) -> str:
    """The name of a time zone of the IANA database."""
    text = _text(node, "the name of a time zone, such as Europe/Amsterdam")
    if _zones().get(text.casefold()) == text:
        return text
    near = difflib.get_close_matches(text.casefold(), _zones(), 1)
    raise Unfit(f"a time zone such as {_zones()[near[0]] if near else 'Europe/Amsterdam'}")


def address(node: Node) -> str:
    """A mail address."""
    text = _text(node, "a mail address, local@domain, or a list of them")
    if not is_address(text):
        raise Unfit("a mail address, local@domain")
    return text


def _text(node: Node, expected: str) -> str:
    if isinstance(node, Scalar) and not node.is_null:
        return node.text
    raise Unfit(expected)
