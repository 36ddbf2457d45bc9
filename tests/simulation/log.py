"""Partitions: records and the markers of transactions, which take offsets too; and what of them a reader may see."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

Headers = list[tuple[str, bytes | None]]
Place = tuple[str, int]
"""A topic's partition."""


class Stage(Enum):
    """Where a transaction stands: from the decision on it cannot change, but its markers may still be under way."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction of a producer, as its coordinator knows it. `about` is what the process knew that asked for the commit."""

    producer: str
    epoch: int
    began_s: float
    stage: Stage = Stage.OPEN
    partitions: dict[Place, None] = field(default_factory=dict)
    records: list["Entry"] = field(default_factory=list)
    groups: dict[str, dict[Place, tuple[int, str]]] = field(default_factory=dict)
    markers_left: int = 0
    about: Any = None


@dataclass(eq=False, slots=True)
class Entry:
    """What stands at an offset: a record, or a marker."""

    place: Place
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    transaction: Transaction | None = None
    is_marker: bool = False


@dataclass(slots=True)
class Partition:
    """A log that only grows at its end and shrinks at its beginning."""

    place: Place
    entries: list[Entry] = field(default_factory=list)
    first: int = 0
    open: dict[Transaction, int] = field(default_factory=dict)
    """By transaction that has no marker here yet: its first offset."""

    @property
    def end(self) -> int:
        """The high watermark."""
        return len(self.entries)

    @property
    def stable(self) -> int:
        """Up to where a reader with read_committed may read."""
        return min(self.open.values(), default=self.end)

    def append(
        self,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        transaction: Transaction | None = None,
    ) -> Entry:
        entry = Entry(self.place, self.end, key, value, headers, timestamp_ms, transaction)
        self.entries.append(entry)
        if transaction is not None:
            self.open.setdefault(transaction, entry.offset)
            transaction.records.append(entry)
        return entry

    def mark(self, transaction: Transaction, timestamp_ms: int) -> None:
        """The transaction's marker: what it wrote here is decided for readers from now on."""
        self.entries.append(Entry(self.place, self.end, None, None, [], timestamp_ms, transaction, is_marker=True))
        self.open.pop(transaction, None)

    def readable(self, start: int, end: int, *, committed: bool) -> Iterator[Entry]:
        """The records from `start` up to `end`, without markers and, for read_committed, without what was aborted."""
        for entry in self.entries[start:end]:
            if entry.is_marker:
                continue
            if committed and entry.transaction is not None and entry.transaction.stage is not Stage.COMMITTED:
                continue
            yield entry
