"""The values of a policy file, each read strictly: a reader takes a node and returns its value, or raises Unfit."""

import difflib
import math
import re
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar
from zoneinfo import available_timezones

from processor.policies.addresses import comparable, comparable_domain, is_address, is_domain
from processor.policies.nodes import Node, Scalar

Value = TypeVar("Value")
Choice = TypeVar("Choice", bound=StrEnum)
Reader = Callable[[Node], Value]

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
MOST = 1_000_000_000
"""Of whole numbers."""
_WHOLE = re.compile(r"[0-9]{1,15}")
DURATION_PATTERN = r"([0-9]{1,9}(?:\.[0-9]{1,3})?) ?([smh]?)"
_DURATION = re.compile(DURATION_PATTERN)
_UNIT_MS = {"": 1000, "s": 1000, "m": 60_000, "h": 3_600_000}
_DIGEST_DELAY_MAX_MS = 86_400_000
_UNSPEAKABLE = re.compile("[\\x00-\\x1f\\x7f-\\x9f\\u2028\\u2029\\ud800-\\udfff]")
"""Control characters, ends of lines and halves of surrogate pairs."""
NAME_MAX_CHARACTERS = 100
_GROUPS_TO_COMPARE = 10_000
NAME_EXPECTED = f"a name of at most {NAME_MAX_CHARACTERS} characters on one line"
LANGUAGE_PATTERN = r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*"
_LANGUAGE = re.compile(LANGUAGE_PATTERN)


class Unfit(Exception):
    """A node that does not hold what its field takes; the text says what that is.

    `meant` looks for what was probably meant, and is asked for a few nodes alone: among thousands of names it takes long.
    """

    def __init__(self, expected: str, meant: Callable[[], str | None] = lambda: None) -> None:
        super().__init__(expected)
        self.meant = meant


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


def whole_number(lowest: int, highest: int = MOST) -> Reader[int]:
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

    def meant() -> str | None:
        near = difflib.get_close_matches(text.casefold(), _zones(), 1)
        return f"a time zone such as {_zones()[near[0]]}" if near else None

    raise Unfit("a time zone such as Europe/Amsterdam", meant)


def address(node: Node) -> str:
    """A mail address."""
    text = _text(node, "a mail address, local@domain, or a list of them")
    if not is_address(text):
        raise Unfit("a mail address, local@domain")
    return text


def is_name(text: str) -> bool:
    """Whether a policy or a group can be called that: one short line without anything invisible in it."""
    return 0 < len(text) <= NAME_MAX_CHARACTERS and text.isprintable() and text.strip() == text


def unused_name(used: Collection[str], reserved: str) -> Reader[str]:
    """A name that is neither used nor reserved."""

    def read(node: Node) -> str:
        name = _text(node, NAME_EXPECTED)
        if not is_name(name):
            raise Unfit(NAME_EXPECTED)
        if name == reserved:
            raise Unfit(f"another name: {reserved} is the policy for those to whom no other applies")
        if name in used:
            raise Unfit("another name: a policy above has this one")
        return name

    return read


def known_group(groups: Collection[str]) -> Reader[str]:
    """The name of a group of the file."""

    def read(node: Node) -> str:
        name = _text(node, "the name of a group")
        if name in groups:
            return name

        def meant() -> str | None:
            if len(name) > NAME_MAX_CHARACTERS or len(groups) > _GROUPS_TO_COMPARE:
                return None
            near = difflib.get_close_matches(name, groups, 1)
            return f"the group {near[0]}" if near else None

        raise Unfit("the name of a group that stands under `groups`", meant)

    return read


def sender(node: Node) -> str:
    """A sender as verdicts name him, an address or a login name; in the form in which it is compared."""
    return _compared(node, "a sender as the verdicts name it")


def tenant(node: Node) -> str:
    """A tenant's id as verdicts give it; in the form in which it is compared."""
    return _compared(node, "a tenant's id as the verdicts give it")


def _compared(node: Node, what: str) -> str:
    expected = f"{what}: not empty, without spaces around it and control characters"
    text = _text(node, expected)
    if not is_spoken(text):
        raise Unfit(expected)
    return comparable(text)


def is_spoken(text: str) -> bool:
    """Whether a sender or a tenant can be called that."""
    return text.strip() == text != "" and not _UNSPEAKABLE.search(text)


def domain(node: Node) -> str:
    """A host name; in the form in which it is compared."""
    expected = "a domain such as school.example, without @ or *"
    text = _text(node, expected)
    if not is_domain(text):
        raise Unfit(expected)
    return comparable_domain(text)


def _text(node: Node, expected: str) -> str:
    if isinstance(node, Scalar) and not node.is_null:
        return node.text
    raise Unfit(expected)
