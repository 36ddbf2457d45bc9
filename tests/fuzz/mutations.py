"""Inputs made from others: bytes flipped, cut, repeated, spliced, numbers put to their bounds, words put in. Seeded."""

from collections.abc import Sequence
from random import Random

from tests.fuzz.target import Target

_BYTES = (0x00, 0x01, 0x02, 0x0A, 0x22, 0x5B, 0x7B, 0x7F, 0x80, 0xC3, 0xED, 0xFE, 0xFF)
_MOST_AT_ONCE = 4
_RESHAPED = 0.7


class Mutations:
    """Makes one input after the other; the same for the same seed."""

    def __init__(self, target: Target, seed: int, begin: Sequence[bytes]) -> None:
        self._random = Random(seed)
        self._whole = target.seeds()
        self._reshape = target.reshape
        self._longest = target.longest
        self._pool = [content[: self._longest] for content in begin] or [b""]
        self._words = tuple(target.words) or (b"\xff" * 9 + b"\x01",)

    def next(self) -> bytes:
        """The next input."""
        if self._reshape is not None and self._random.random() < _RESHAPED:
            return self._reshape(self._random.choice(self._whole), self._random)
        content = self._random.choice(self._pool)
        for _ in range(self._random.randint(1, _MOST_AT_ONCE)):
            content = self._changed(content)[: self._longest]
        return content

    def keep(self, content: bytes) -> None:
        """Go on from this input too: its outcome was a new one."""
        self._pool.append(content)

    def _changed(self, content: bytes) -> bytes:
        pick = self._random
        at = pick.randint(0, len(content))
        until = min(len(content), at + pick.choice((1, 1, 2, 4, 8, 40)))
        match pick.randrange(9):
            case 0 if content:
                at = min(at, len(content) - 1)
                return content[:at] + bytes([content[at] ^ 1 << pick.randrange(8)]) + content[at + 1 :]
            case 1:
                return content[:at] + bytes([pick.choice(_BYTES)]) + content[min(at + 1, len(content)) :]
            case 2:
                return content[:at]
            case 3:
                return content[:at] + content[until:]
            case 4:
                return content[:at] + pick.choice(self._words) + content[at:]
            case 5:
                word = pick.choice(self._words)
                return content[:at] + word + content[at + len(word) :]
            case 6:
                return content[:at] + content[at:until] * pick.choice((2, 3, 20, 300)) + content[until:]
            case 7:
                other = pick.choice(self._pool)
                return content[:at] + other[pick.randint(0, len(other)) :]
            case _:
                return content[:at] + pick.randbytes(pick.choice((1, 2, 4, 9))) + content[at:]
