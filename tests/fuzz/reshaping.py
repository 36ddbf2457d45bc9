"""Avro records that are whole, and say what they should not: a number, a text or a list of one is changed, and it is written again.

Bytes that are merely flipped seldom get past the layout; these do.
"""

from random import Random
from typing import Any

from processor.kafka.serde import Serde

_NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    7,
    255,
    65_535,
    65_536,
    2**31 - 1,
    -(2**31),
    2**31,
    2**40,
    2**62,
    -(2**62),
    2**63 - 1,
    -(2**63),
)
_TEXTS = ("", "x", "\x00", "é", "😀" * 30, "x" * 70_000, "BLOCKED", "POLICY", "SENDING", "LIMIT", "a" * 400)
_SERDE = Serde(None)
_TRIES = 20


def reshaped(value: bytes, random: Random) -> bytes:
    """Another record of the same schema; the value itself where none is found."""
    name, record = _SERDE.decode(value)
    for _ in range(_TRIES):
        for _ in range(random.choice((1, 1, 1, 2, 4))):
            record = _changed(record, random)
        try:
            return _SERDE.encode("", name, record)
        except (
            ValueError,
            TypeError,
            KeyError,
            AttributeError,
            OverflowError,
        ):  # null where none may be, beyond 64 bits
            _, record = _SERDE.decode(value)
    return value


def _changed(value: Any, random: Random) -> Any:
    if random.random() < 0.03:
        return None
    match value:
        case dict() if value:
            key = random.choice(sorted(value))
            return {**value, key: _changed(value[key], random)}
        case list() | tuple():
            return _changed_list(list(value), random)
        case bool():
            return not value
        case int():
            return random.choice((*_NUMBERS, value + 1, value - 1, -value, value * 2, value + random.randrange(10**6)))
        case float():
            return random.choice((0.0, -1.0, float("nan"), float("inf"), 1e308, value + 1))
        case str():
            return random.choice((*_TEXTS, value + "x", value[:-1], value.upper()))
        case bytes():
            return _changed_bytes(value, random)
        case _:
            return random.choice((0, "x", b"x", []))


def _changed_list(items: list[Any], random: Random) -> list[Any]:
    if not items:
        return random.choice(([0], ["x"], [b""]))
    at = random.randrange(len(items))
    match random.randrange(4):
        case 0:
            return items[:at] + items[at + 1 :]
        case 1:
            return items[:at] + [items[at]] * 2 + items[at + 1 :]
        case 2:
            return []
        case _:
            return [*items[:at], _changed(items[at], random), *items[at + 1 :]]


def _changed_bytes(content: bytes, random: Random) -> bytes:
    at = random.randint(0, len(content))
    match random.randrange(5):
        case 0:
            return content[:at]
        case 1:
            return content + random.randbytes(random.choice((1, 4, 8)))
        case 2 if at < len(content):
            return content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]
        case 3:
            return content[:at] + content[at + 1 :]
        case _:
            return random.randbytes(len(content))
