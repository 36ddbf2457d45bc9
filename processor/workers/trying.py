"""Policies tried on files of verdicts: the same readers and refusals as an import, but no Kafka at all.

All files together are one log in one partition. A record's offset is the number of its line, counted from 0 and on through all files,
and the log is called by the name of the first: so events have the same ids whenever the same files are read, and say where they come from.
"""

import secrets
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

import numpy as np

from processor import avro
from processor.audit.what_if import WhatIf
from processor.policies.policy import PolicySet
from processor.verdicts.batches import RECORD, Decoder
from processor.verdicts.event import MessageVerdict
from processor.verdicts.files import STANDARD_INPUT, Numbered, VerdictFile
from processor.verdicts.reading import Arrived, Refused, Skipped
from processor.verdicts.spreading import Spread, survey
from processor.workers.admitting import admitted

_BATCH = 2_500
_SHOWN = 10
_LOOKED_UP_EVERY = 5_000
"""Lines between two looks at whether to stop."""


@dataclass(frozen=True, slots=True)
class Trying:
    """What to read and how. `stamp` gives the time of lines that have none; `now_ms` is beyond which there is only future.

    `spread_ms` stretches each file over so long, ending at `ending_ms`, or (None) where the file itself ends.
    """

    files: Sequence[VerdictFile]
    stamp: Callable[[VerdictFile], int]
    now_ms: int
    spread_ms: int | None = None
    ending_ms: int | None = None


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that is no verdict, and where it stands."""

    file: Path
    number: int
    refused: Refused


@dataclass(slots=True)
class Taken:
    """What has become of the lines so far."""

    lines: int = 0
    records: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    first_refused: list[RefusedLine] = field(default_factory=list)

    @property
    def refusals(self) -> int:
        """How many lines were refused."""
        return sum(self.refused.values())


class _OurOwn:
    """Every record here has just been written, in our own schema."""

    def current_id(self, payload: bytes) -> int | None:  # noqa: ARG002 - the protocol's parameter
        return None

    def body(self, payload: bytes) -> bytes:  # noqa: ARG002 - the protocol's parameter
        raise avro.UndecodableRecord(avro.Undecodable.UNKNOWN_SCHEMA)


class FileLog:
    """The files on their way through the engines. `watch` is called now and then with the file at hand and what was taken."""

    def __init__(
        self,
        trying: Trying,
        policy_sets: Sequence[PolicySet],
        watch: Callable[[VerdictFile, Taken], None],
        should_stop: Callable[[], bool],
    ) -> None:
        seed = secrets.randbits(62)
        self.taken = Taken()
        self.what_if = WhatIf.from_the_beginning(policy_sets, topic=log_name(trying.files), seed=seed)
        self._trying = trying
        self._watch = watch
        self._should_stop = should_stop
        self._decoder = Decoder(_OurOwn(), seed)
        self._prefix = avro.single_object_prefix(RECORD)
        self._starts: list[int] = []
        self._next_start = 0
        self._values: list[bytes] = []
        self._offsets: list[int] = []
        self._times: list[int] = []

    def read(self) -> bool:
        """All files, in order; False when it was stopped before the end. Raises OSError for a file that cannot be opened, TableFull."""
        for file in self._trying.files:
            self._starts.append(self._next_start)
            if not self._read(file):
                return False
            self._flush()
            self._watch(file, self.taken)
        return True

    def place_of(self, offset: int) -> tuple[Path, int]:
        """The file and the line (or, in Avro, the record), counted from 1, that an offset stands for."""
        number = bisect_right(self._starts, offset) - 1
        return self._trying.files[number].path, offset - self._starts[number] + 1

    def _read(self, file: VerdictFile) -> bool:
        spread = self._placement(file)
        start, since = self._next_start, 0
        with closing(file.entries(lambda: self._trying.stamp(file))) as entries:
            for numbered in entries:
                since += 1
                if (numbered is None or since >= _LOOKED_UP_EVERY) and self._should_stop():
                    return False
                if numbered is None:
                    continue
                if since >= _LOOKED_UP_EVERY:
                    since = 0
                    self._watch(file, self.taken)
                self._take(file, numbered, start, spread)
                self._next_start = start + numbered.number
        return not self._should_stop()

    def _placement(self, file: VerdictFile) -> Spread | None:
        trying = self._trying
        if trying.spread_ms is None:
            return None
        with closing(file.entries(lambda: trying.stamp(file))) as entries:
            seen = takewhile(lambda _: not self._should_stop(), entries)
            recording = survey((numbered.number, numbered.entry) for numbered in seen if numbered is not None)
        ending_ms = trying.ending_ms if trying.ending_ms is not None else recording.last_ms
        return Spread(recording, trying.spread_ms, trying.stamp(file) if ending_ms is None else ending_ms)

    def _take(self, file: VerdictFile, numbered: Numbered, start: int, spread: Spread | None) -> None:
        self.taken.lines += 1
        entry = spread.place(numbered.number, numbered.entry) if spread else numbered.entry
        if isinstance(entry, Skipped):
            self.taken.skipped[entry.reason] += 1
            return
        verdict = entry.verdict if isinstance(entry, Arrived) else entry
        if isinstance(verdict, MessageVerdict):
            value = admitted(verdict, self._prefix, self._trying.now_ms)
            if isinstance(value, bytes):
                self._add(value, start + numbered.number - 1, verdict.occurred_at_ms)
                return
            verdict = value
        self.taken.refused[verdict.field, verdict.problem] += 1
        if len(self.taken.first_refused) < _SHOWN:
            self.taken.first_refused.append(RefusedLine(file.path, numbered.number, verdict))

    def _add(self, value: bytes, offset: int, occurred_at_ms: int) -> None:
        """There is no Kafka that stamps the record: it has its own time, which is not ahead of itself."""
        self._values.append(value)
        self._offsets.append(offset)
        self._times.append(occurred_at_ms)
        if len(self._values) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._values:
            return
        offsets, times = np.array(self._offsets, np.int64), np.array(self._times, np.int64)
        self.what_if.take(self._decoder.batch(self._values, offsets, times))
        self.taken.records += len(self._values)
        self._values, self._offsets, self._times = [], [], []


def log_name(files: Sequence[VerdictFile]) -> str:
    """What positions call the log: the first file's own name, wherever it lies."""
    path = files[0].path
    return "stdin" if path == STANDARD_INPUT else path.name
