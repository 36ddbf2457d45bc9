"""The rules that all contenders share, on plain Python objects: what is known of one sender, and a verdict more.

The straightforward loop keeps these objects; Quix Streams keeps their bytes in its store. Only the standard library: the
contenders run in other environments too. `bench/streams/Contender.java` has the same in Java.
"""

import struct
from array import array

PANE_MS, DAY_MS = 300_000, 86_400_000
HOUR, DAY = 12, 288
SPAM = frozenset(("SPAM", "HIGH_CONFIDENCE_SPAM", "PHISH", "HIGH_CONFIDENCE_PHISH", "MALWARE"))
_HEAD = struct.Struct("<qqi6i")
_CELL = 5


class Sender:
    """Counts by pane, and the sums of both windows that have limits.

    A cell is five numbers: pane, messages, spam, recipients inside, recipients outside. `cells` holds the day's one behind the
    other, the oldest first; those of the hour begin at `hour_at`. `until_ms` is 0 while he is not blocked.
    """

    __slots__ = (
        "cells",
        "day_messages",
        "day_recipients",
        "day_spam",
        "from_ms",
        "hour_at",
        "hour_external",
        "hour_internal",
        "hour_spam",
        "until_ms",
    )  # fmt: skip

    def __init__(self, from_ms: int = 0) -> None:
        self.until_ms = 0
        self._restart(from_ms)

    def _restart(self, from_ms: int) -> None:
        self.until_ms, self.from_ms = 0, from_ms
        self.cells = array("i")
        self.hour_at = self.day_messages = self.day_spam = self.day_recipients = 0
        self.hour_spam = self.hour_internal = self.hour_external = 0

    def take(self, now_ms: int, at_ms: int, spam: int, internal: int, external: int) -> bool:
        """One verdict more, at a stream time that it has part in already. True: it is the one for which he is blocked."""
        if self.until_ms and self.until_ms <= now_ms:
            self._restart(self.until_ms)
        current, pane = now_ms // PANE_MS, at_ms // PANE_MS
        if pane <= current - DAY or at_ms < self.from_ms:
            return False
        self._leave(current)
        self._count(current, pane, spam, internal, external)
        if self.until_ms or not self._exceeds():
            return False
        self.until_ms = (now_ms // DAY_MS + 1) * DAY_MS
        return True

    def _exceeds(self) -> bool:
        return (
            self.hour_spam > 10
            or self.day_spam > 30
            or (self.day_messages >= 20 and 100 * self.day_spam > 50 * self.day_messages)
            or self.hour_external > 500
            or self.hour_internal > 1000
            or self.day_recipients > 1000
        )

    def _leave(self, current: int) -> None:
        """Takes out of the sums, and of the cells, what has left the windows."""
        cells, at = self.cells, self.hour_at
        end, hour, day = len(cells), current - HOUR, current - DAY
        while at < end and cells[at] <= hour:
            self.hour_spam -= cells[at + 2]
            self.hour_internal -= cells[at + 3]
            self.hour_external -= cells[at + 4]
            at += _CELL
        first = 0
        while first < at and cells[first] <= day:
            self.day_messages -= cells[first + 1]
            self.day_spam -= cells[first + 2]
            self.day_recipients -= cells[first + 3] + cells[first + 4]
            first += _CELL
        if first:
            del cells[:first]
        self.hour_at = at - first

    def _count(self, current: int, pane: int, spam: int, internal: int, external: int) -> None:
        cells = self.cells
        at = len(cells) - _CELL
        while at >= 0 and cells[at] > pane:
            at -= _CELL
        is_in_hour = pane > current - HOUR
        if at >= 0 and cells[at] == pane:
            cells[at + 1] += 1
            cells[at + 2] += spam
            cells[at + 3] += internal
            cells[at + 4] += external
        else:
            at += _CELL
            cells[at:at] = array("i", (pane, 1, spam, internal, external))
            if not is_in_hour:
                self.hour_at += _CELL
        self.day_messages += 1
        self.day_spam += spam
        self.day_recipients += internal + external
        if is_in_hour:
            self.hour_spam += spam
            self.hour_internal += internal
            self.hour_external += external

    def pack(self) -> bytes:
        """All of it, for a changelog or a store."""
        head = _HEAD.pack(
            self.until_ms, self.from_ms, self.hour_at, self.day_messages, self.day_spam, self.day_recipients, self.hour_spam,
            self.hour_internal, self.hour_external,
        )  # fmt: skip
        return head + self.cells.tobytes()

    @classmethod
    def unpack(cls, content: bytes) -> "Sender":
        """What `pack` gave."""
        sender = cls()
        (
            sender.until_ms, sender.from_ms, sender.hour_at, sender.day_messages, sender.day_spam, sender.day_recipients,
            sender.hour_spam, sender.hour_internal, sender.hour_external,
        ) = _HEAD.unpack_from(content)  # fmt: skip
        sender.cells.frombytes(content[_HEAD.size :])
        return sender
