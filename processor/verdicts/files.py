"""A file (or standard input) of verdicts in one of the formats, as numbered entries."""

import gzip
import io
import os
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple, cast

from processor.verdicts import avro_file, jsonl, rspamd
from processor.verdicts.lines import Lines
from processor.verdicts.reading import Entry, Refused

STANDARD_INPUT = Path("-")
_GZIP, _AVRO = b"\x1f\x8b", b"Obj\x01"
_SKIPPED_AT_ONCE = 10_000
"""On the way to a later first line the reader hears this often that there is nothing yet, so that it can be stopped."""


class Form(StrEnum):
    """What a file holds: verdicts as JSON Lines or in an Avro container, or rspamd's own words."""

    JSONL = "jsonl"
    AVRO = "avro"
    RSPAMD = "rspamd"


class Numbered(NamedTuple):
    """An entry, its line (or record) counted from 1, and the line as it stands, where there are lines."""

    number: int
    entry: Entry
    line: bytes


@dataclass(slots=True)
class VerdictFile:
    """One file of an import. Iterating opens it anew; raises OSError when that fails."""

    path: Path
    form: Form
    reading: rspamd.Reading = field(default_factory=rspamd.Reading)
    _consumed: Callable[[], int] = field(default=lambda: 0, init=False)

    @property
    def consumed(self) -> int:
        """How many bytes of the file the current pass has read."""
        return self._consumed()

    @property
    def size(self) -> int | None:
        """Its bytes, when it has a definite number."""
        return self.path.stat().st_size if self.path.is_file() else None

    def entries(self, arrived_ms: Callable[[], int], first: int = 1) -> Generator[Numbered | None]:
        """From entry `first` to the end; None when a pipe is silent. `arrived_ms` gives the time of those without one."""
        with self._opened() as stream:
            if self.form is Form.AVRO:
                counted = _Counted(stream)
                self._consumed = counted.position
                for number, entry in avro_file.records(counted.plain(), first):
                    yield Numbered(number, entry, b"")
                return
            lines = Lines(stream)
            self._consumed = lambda: lines.consumed
            yield from self._parsed(lines, arrived_ms, first)

    def _parsed(self, lines: Lines, arrived_ms: Callable[[], int], first: int) -> Iterator[Numbered | None]:
        number = 0
        for line in lines:
            if line is None:
                yield None
                continue
            number += 1
            if isinstance(line, Refused):
                yield Numbered(max(number, first), line, b"")
            elif number >= first and not line.isspace() and line:
                yield Numbered(number, self._entry(line, arrived_ms), line)
            elif number % _SKIPPED_AT_ONCE == 0:
                yield None

    def _entry(self, line: bytes, arrived_ms: Callable[[], int]) -> Entry:
        if self.form is Form.JSONL:
            return jsonl.parse(line)
        return rspamd.parse(line, self.reading, arrived_ms())

    def _opened(self) -> BinaryIO:
        if self.path == STANDARD_INPUT:
            return os.fdopen(os.dup(sys.stdin.fileno()), "rb", buffering=0)
        return self.path.open("rb", buffering=0)


def guessed_form(path: Path) -> Form:
    """AVRO for a container file, gzip'd or not, else JSONL; standard input is not looked into. Raises OSError."""
    if path == STANDARD_INPUT or not path.is_file():
        return Form.JSONL
    with path.open("rb") as stream:
        start = stream.read(4)
    if start[:2] == _GZIP:
        try:
            with gzip.open(path) as stream:
                start = stream.read(4)
        except (OSError, EOFError, zlib.error):
            return Form.JSONL  # whose reader says what is wrong with it
    return Form.AVRO if start == _AVRO else Form.JSONL


class _Counted(io.RawIOBase):
    """A stream that knows its position, also a pipe, which cannot be asked."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        content = self._stream.read(len(view))
        view[: len(content)] = content
        self._position += len(content)
        return len(content)

    def position(self) -> int:
        return self._position

    def plain(self) -> IO[bytes]:
        """Buffered, and decompressed when it is gzip'd."""
        buffered = _Telling(self)
        return cast("IO[bytes]", gzip.GzipFile(fileobj=buffered)) if buffered.peek(2)[:2] == _GZIP else buffered


class _Telling(io.BufferedReader):
    """A buffered reader over a stream that cannot seek; Avro's reader asks where it is, though it needs no answer."""

    def tell(self) -> int:
        return 0
