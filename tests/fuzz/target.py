"""What a fuzz target is: something that reads bytes of others, and the law that it must keep for any of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Target:
    """`check` takes any bytes and gives the class of the outcome; whatever it raises is a finding.

    `seeds` are inputs to begin with, `words` pieces that mutations put in; `reshape` makes another input of one that is whole.
    A check may take `limit_s` of processor time, and may let the process grow by `memory_mb` in a whole campaign.
    """

    name: str
    law: str
    check: Callable[[bytes], str]
    seeds: Callable[[], Sequence[bytes]]
    words: Sequence[bytes] = ()
    longest: int = 4096
    limit_s: float = 2.0
    memory_mb: int = 400
    reshape: Callable[[bytes, Random], bytes] | None = None
    in_bulk: "Bulk | None" = None


Outcome = tuple[str, int]
Bulk = Callable[[int, int], Iterator[Outcome]]
"""Given a seed and a count it makes, checks and classifies payloads by the thousand; raises Found for one that breaks the law."""


class Found(AssertionError):
    """The law was broken by this input."""

    def __init__(self, content: bytes, why: str) -> None:
        super().__init__(why)
        self.content = content
