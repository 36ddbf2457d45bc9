"""Putting verdicts into `message-verdicts`: files of them, or generated ones.

An import goes in in transactions of some thousand lines. What it has reported as imported is there exactly once, and wherever
it ends, by a signal or because the broker is gone, it says at which line a second run goes on.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from processor.kafka.feeder import BrokerLost, Feeder, Unclear
from processor.verdicts.event import MessageVerdict
from processor.verdicts.files import Numbered, VerdictFile
from processor.verdicts.reading import Arrived, Refused, Skipped
from processor.verdicts.spreading import Spread, survey
from processor.workers.admitting import admitted

if TYPE_CHECKING:
    from processor.verdicts.generator import Batch  # and with it Numba, which an import can do without

_SHOWN = 10
_LONGEST_WAIT_S = 1.0
"""Lines from a pipe go in after this even when they do not fill a transaction."""


class Line(NamedTuple):
    """A refused line: where it stands, why, and its text, empty where a file has no lines."""

    file: Path
    number: int
    refused: Refused
    text: bytes


@dataclass(slots=True)
class Tally:
    """What an import has done so far. Only what is committed is in it."""

    lines: int = 0
    imported: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_refused: list[Line] = field(default_factory=list)

    @property
    def refusals(self) -> int:
        """How many lines were refused."""
        return sum(self.refused.values())


@dataclass(frozen=True, slots=True)
class Doubt:
    """A transaction of an earlier run that may be in: it would hold the lines up to `through`."""

    through: int
    unclear: Unclear

    def __str__(self) -> str:
        return f"{self.through}/{self.unclear}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of `str`. Raises ValueError."""
        through, _, unclear = text.partition("/")
        return cls(int(through), Unclear.parse(unclear))


class Ending(StrEnum):
    """Why an import came to its end."""

    DONE = "done"
    INTERRUPTED = "interrupted"
    BROKER_LOST = "broker lost"


@dataclass(frozen=True, slots=True)
class Ended:
    """How an import ended. Unless it is done, file number `at` goes on at `next_line`, once `doubt`, if any, is settled."""

    why: Ending
    at: int = 0
    next_line: int = 1
    doubt: Doubt | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Import:
    """What to import and how.

    `prefix` stands before each Avro body (the framing that a serde gives). `stamp` gives the time of lines that have none,
    `now_ms` the time beyond which, with 5 minutes' grace, a verdict would be a dead letter. `spread_ms` stretches each
    file over so long, ending at `ending_ms`.
    """

    files: Sequence[VerdictFile]
    prefix: bytes
    stamp: Callable[[VerdictFile], int]
    now_ms: Callable[[], int]
    from_line: int = 1
    transaction_lines: int = 5_000
    spread_ms: int | None = None
    ending_ms: int = 0


class Watcher:
    """Is told how an import goes; does nothing with it. A screen or a log overrides what it wants to know."""

    def surveying(self, file: VerdictFile) -> None:
        """A first pass over the file has begun."""

    def opened(self, file: VerdictFile) -> None:
        """The import of the file has begun."""

    def committed(self, file: VerdictFile, tally: Tally) -> None:
        """More of the file is in; also called when nothing happens on a pipe."""

    def refused(self, line: Line) -> None:
        """A line was refused, and the import is past it."""


def import_files(
    plan: Import, feeder: Feeder, tally: Tally, watcher: Watcher, should_stop: Callable[[], bool]
) -> Ended:
    """Import all files, or as far as it goes. Raises OSError for a file that cannot be opened, FeedRefused."""
    for at, file in enumerate(plan.files):
        first = plan.from_line if at == 0 else 1
        ended = _FileImport(plan, file, feeder, tally, watcher).run(first, should_stop)
        if ended.why is not Ending.DONE:
            return replace(ended, at=at)
    return Ended(Ending.DONE)


class _FileImport:
    """One file on its way in, and the chunk of it that will be the next transaction."""

    def __init__(self, plan: Import, file: VerdictFile, feeder: Feeder, tally: Tally, watcher: Watcher) -> None:
        self._plan, self._file, self._feeder = plan, file, feeder
        self._tally, self._watcher = tally, watcher
        self._keys: list[bytes] = []
        self._values: list[bytes] = []
        self._skipped: Counter[str] = Counter()
        self._refused: list[Line] = []
        self._lines = 0
        self._begun_s = 0.0

    def run(self, first: int, should_stop: Callable[[], bool]) -> Ended:
        spread = self._placement(should_stop)
        if should_stop():
            return Ended(Ending.INTERRUPTED, next_line=first)
        self._watcher.opened(self._file)
        next_line = through = first
        try:
            with closing(self._file.entries(self._stamp, first)) as entries:
                for numbered in entries:
                    if numbered is not None:
                        self._take(numbered, spread)
                        through = numbered.number + 1
                    if self._is_due(waiting=numbered is None) or should_stop():
                        self._commit()
                        next_line = through
                        if should_stop():
                            return Ended(Ending.INTERRUPTED, next_line=next_line)
            self._commit()
        except BrokerLost as lost:
            doubt = Doubt(through - 1, lost.unclear) if lost.unclear else None
            return Ended(Ending.BROKER_LOST, next_line=next_line, doubt=doubt, reason=str(lost))
        return Ended(Ending.DONE)

    def _placement(self, should_stop: Callable[[], bool]) -> Spread | None:
        plan = self._plan
        if plan.spread_ms is None:
            return None
        self._watcher.surveying(self._file)
        with closing(self._file.entries(self._stamp)) as entries:
            seen = takewhile(lambda _: not should_stop(), entries)
            recording = survey((numbered.number, numbered.entry) for numbered in seen if numbered is not None)
        return Spread(recording, plan.spread_ms, plan.ending_ms)

    def _stamp(self) -> int:
        return self._plan.stamp(self._file)

    def _is_due(self, *, waiting: bool) -> bool:
        if self._lines == 0:
            return waiting
        is_full = self._lines >= self._plan.transaction_lines
        return waiting or is_full or time.monotonic() - self._begun_s > _LONGEST_WAIT_S

    def _take(self, numbered: Numbered, spread: Spread | None) -> None:
        if self._lines == 0:
            self._begun_s = time.monotonic()
        self._lines += 1
        entry = spread.place(numbered.number, numbered.entry) if spread else numbered.entry
        if isinstance(entry, Skipped):
            self._skipped[entry.reason] += 1
            return
        verdict = entry.verdict if isinstance(entry, Arrived) else entry
        problem = verdict if isinstance(verdict, Refused) else self._add(verdict)
        if problem is not None:
            self._refused.append(Line(self._file.path, numbered.number, problem, numbered.line))

    def _add(self, verdict: MessageVerdict) -> Refused | None:
        """Take a verdict into the chunk, unless the detector would only make a dead letter of it."""
        value = admitted(verdict, self._plan.prefix, self._plan.now_ms())
        if isinstance(value, Refused):
            return value
        self._keys.append(verdict.sender.encode())
        self._values.append(value)
        return None

    def _commit(self) -> None:
        self._feeder.send(self._keys, self._values)
        tally = self._tally
        tally.lines += self._lines
        tally.imported += len(self._values)
        tally.skipped.update(self._skipped)
        for line in self._refused:
            tally.refused[line.refused.field, line.refused.problem] += 1
            if len(tally.first_refused) < _SHOWN:
                tally.first_refused.append(line)
            self._watcher.refused(line)
        self._keys, self._values, self._refused, self._lines = [], [], [], 0
        self._skipped.clear()
        self._watcher.committed(self._file, tally)


def feed_generated(batches: "Iterable[Batch]", feeder: Feeder, wait_until_ms: Callable[[int], None]) -> Iterator[int]:
    """Generated batches into the topic, a transaction for each; yields how many records are in so far.

    `wait_until_ms` paces it: it is given the last event time of a batch before that is sent. Raises BrokerLost, FeedRefused.
    """
    sent = 0
    for batch in batches:
        wait_until_ms(int(batch.occurred_at_ms.max()))
        feeder.send(batch.keys, batch.values)
        sent += len(batch.values)
        yield sent
