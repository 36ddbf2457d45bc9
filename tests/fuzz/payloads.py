"""Payloads by the thousand: each is the start of one, a piece, and the rest of another, cut at fields or anywhere, then scratched.

All with numpy, so that the making costs less than the decoding.
"""

from functools import lru_cache
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from processor.verdicts.event import Verdict
from tests.decoding import NOW_MS, PREFIX, parts_of, zigzag

Indices = npt.NDArray[np.int64]

_BASES = 2_000
_FIELDS = 10
_NUMBERS = (0, 1, 2, 7, 8, -1, -2, 64, 255, 65_535, 65_536, 65_537, 2**31 - 1, 2**31, -(2**31) - 1, 2**32, 2**62, 2**63 - 1,
            -(2**63), 2**63, 2**70, NOW_MS, NOW_MS + 300_000, NOW_MS + 300_001, 253_402_300_800_000)  # fmt: skip
_BROKEN_TEXTS = (b"\x80", b"\xc0\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xff",
                 b"\xe2\x82", b"\xf0\x9f\x98")  # fmt: skip
_TEXTS = ("ann@a.example", "b", "é" * 9, "😀@x.example", "x" * 40, "abcdefgh", "a" * 200, "")
_SCRATCHED = 0.25
_INTACT = 0.15


@lru_cache
def words() -> tuple[bytes, ...]:
    """What fields hold or should not: numbers of any size, padded ones, texts that are none, whole fields."""
    numbers = [zigzag(number, padding) for number in _NUMBERS for padding in (0, 1, 5, 9, 10)]
    texts = [zigzag(len(text)) + text for text in (*_BROKEN_TEXTS, *(text.encode() for text in _TEXTS))]
    return (
        b"",
        *numbers,
        *texts,
        *(b"\x02" + text for text in texts),
        b"\x00",
        b"\x02",
        PREFIX,
        b"\x00\x00\x00\x00\x01",
    )


@lru_cache
def begin() -> tuple[bytes, ...]:
    """Some whole payloads to begin with."""
    random = Random(1)
    return tuple(PREFIX + b"".join(_parts(random)) for _ in range(20))


def _parts(random: Random) -> list[bytes]:
    text = random.choice
    record: dict[str, Any] = {
        "event_id": text(_TEXTS) or "e",
        "occurred_at": NOW_MS - random.randrange(10**8),
        "tenant_id": text(_TEXTS) or "t",
        "sender": text(_TEXTS) or "s",
        "message_id": random.choice([None, text(_TEXTS)]),
        "client_ip": random.choice([None, "203.0.113.7", "2001:db8::7"]),
        "internal_recipients": random.choice([0, 1, 70, 20_000]),
        "external_recipients": random.choice([0, 1, 70, 20_000]),
        "verdict": random.choice([verdict.name for verdict in Verdict]),
        "score": random.choice([None, 0.5, float("nan"), -3.25]),
    }
    return parts_of(record)


class Payloads:
    """Makes batches of payloads; the same ones for the same seed."""

    def __init__(self, seed: int) -> None:
        self._numbers = np.random.default_rng(seed)
        random = Random(seed)
        parts = [[PREFIX, *_parts(random)] for _ in range(_BASES)]
        bases = [b"".join(each) for each in parts]
        self._ends = np.array([list(accumulate(map(len, each))) for each in parts], np.int64)  # where each field ends
        self._base_starts, self._base_lengths = _placed(bases)
        self._word_starts, self._word_lengths = _placed(list(words()))
        self._word_starts += int(self._base_lengths.sum())
        self._bytes = np.frombuffer(b"".join([*bases, *words()]), np.uint8)
        self._scratches = np.frombuffer(bytes([0, 1, 2, 0x7F, 0x80, 0xC2, 0xED, 0xFE, 0xFF]), np.uint8)

    def next(self, rows: int) -> list[bytes]:
        """The next `rows` payloads."""
        pick = self._numbers
        first, second, word = (pick.integers(0, top, rows) for top in (_BASES, _BASES, len(self._word_starts)))
        second = np.where(pick.random(rows) < 0.7, first, second)  # mostly the rest of the same
        field = pick.integers(0, _FIELDS, rows)
        skipped = pick.choice([0, 0, 1, 1, 1, 2], rows)
        at, rest = self._ends[first, field], self._ends[second, np.minimum(field + skipped, _FIELDS)]
        anywhere = pick.random(rows) < 0.4
        at = np.where(anywhere, pick.integers(0, self._base_lengths[first] + 1), at)
        rest = np.where(anywhere, np.minimum(at + pick.integers(-3, 6, rows), self._base_lengths[second]), rest)
        rest = np.maximum(rest, 0)
        cut = pick.random(rows) < 0.08
        rest = np.where(cut, self._base_lengths[second], rest)
        intact = pick.random(rows) < _INTACT
        lengths = np.stack(
            [
                np.where(intact, self._base_lengths[first], at),
                np.where(intact, 0, np.where(pick.random(rows) < 0.25, 0, self._word_lengths[word])),
                np.where(intact, 0, self._base_lengths[second] - rest),
            ],
            axis=1,
        )
        sources = np.stack(
            [self._base_starts[first], self._word_starts[word], self._base_starts[second] + rest], axis=1
        )
        made = self._bytes[_gathered(sources.ravel(), lengths.ravel())]
        ends = np.cumsum(lengths.sum(axis=1))
        self._scratch(made, rows)
        joined = made.tobytes()
        return [joined[start:end] for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True)]

    def order(self, rows: int) -> Indices:
        """The rows in another order."""
        return self._numbers.permutation(rows)

    def _scratch(self, made: npt.NDArray[np.uint8], rows: int) -> None:
        pick = self._numbers
        places = pick.integers(0, len(made), int(rows * _SCRATCHED))
        flipped, set_ = np.array_split(places, 2)
        made[flipped] ^= np.left_shift(1, pick.integers(0, 8, len(flipped))).astype(np.uint8)
        made[set_] = pick.choice(self._scratches, len(set_))


def _placed(pieces: list[bytes]) -> tuple[Indices, Indices]:
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    return np.cumsum(lengths) - lengths, lengths


def _gathered(sources: Indices, lengths: Indices) -> Indices:
    """The places of all bytes of the pieces, one after the other."""
    starts = np.cumsum(lengths) - lengths
    return np.repeat(sources - starts, lengths) + np.arange(int(lengths.sum()))
