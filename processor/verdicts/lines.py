"""Lines out of a byte stream, lazily: a file larger than memory, a gzip'd one, a pipe in which nothing comes for a while."""

import os
import select
import stat
import zlib
from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from processor.verdicts.reading import Refused

LINE_MAX = 4 << 20
"""A longer line is refused, so that a file without line ends cannot fill the memory (1,500 recipients take 64 KiB)."""
_CHUNK = 1 << 18
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Lines:
    """Iterates over the lines of `stream`, without their ends.

    Yields None when a pipe has been silent for `idle_s`, so that the reader can attend to other things; Refused for a line that
    is too long, and for the place from which a file cannot be read or decompressed, which is then the end. `consumed` is how
    many bytes of the stream were taken, compressed ones where it is. The stream must be unbuffered (`open(..., buffering=0)`)
    for waiting to work.
    """

    def __init__(self, stream: BinaryIO, idle_s: float = 0.2) -> None:
        self.consumed = 0
        self._stream = stream
        self._idle_s = idle_s
        self._can_wait = _is_pipe(stream)

    def __iter__(self) -> Iterator[bytes | Refused | None]:
        held, too_long = b"", False
        at_start = True
        for chunk in self._plain():
            if chunk is None:
                yield None
                continue
            if isinstance(chunk, Refused):
                yield chunk  # what is held is half a line, and this is said in its place
                return
            lines = (held + chunk).split(b"\n")
            if at_start:
                lines[0], at_start = lines[0].removeprefix(_BYTE_ORDER_MARK), not chunk
            held = lines.pop()
            for line in lines:
                if too_long or len(line) > LINE_MAX:
                    too_long = False
                    yield _too_long()
                else:
                    yield line.removesuffix(b"\r")
            if len(held) > LINE_MAX:
                held, too_long = b"", True
        if too_long:
            yield _too_long()
        elif held:
            yield held.removesuffix(b"\r")

    def _plain(self) -> Iterator[bytes | Refused | None]:
        """Chunks of plain bytes: as they are, or decompressed when the first two bytes are those of gzip (RFC 1952)."""
        raw = self._raw()
        start = b""
        while len(start) < 2 and (chunk := next(raw, b"")) != b"":
            if isinstance(chunk, bytes):
                start += chunk
            else:
                yield chunk
        if start[:2] != _GZIP:
            yield start
            yield from raw
            return
        yield from self._decompressed(start, raw)

    def _decompressed(self, start: bytes, raw: Iterator[bytes | Refused | None]) -> Iterator[bytes | Refused | None]:
        member = zlib.decompressobj(wbits=31)
        is_open = False
        try:
            for chunk in chain((start,), raw):
                if not isinstance(chunk, bytes):
                    yield chunk
                    continue
                rest = chunk
                while rest := rest if is_open else rest.lstrip(b"\0"):  # padding between or after
                    yield member.decompress(rest, 4 * _CHUNK)
                    rest, is_open = member.unconsumed_tail, True
                    if member.eof:  # files may be strung together
                        rest, is_open = member.unused_data, False
                        member = zlib.decompressobj(wbits=31)
            yield member.flush()
        except zlib.error as error:
            yield Refused("file", "is damaged from here on, and the rest was not read", str(error))
            return
        if is_open:
            yield Refused("file", "ends in the middle of its compressed data")

    def _raw(self) -> Iterator[bytes | Refused | None]:
        while True:
            if self._can_wait and not select.select([self._stream], [], [], self._idle_s)[0]:
                yield None
                continue
            try:
                chunk = self._stream.read(_CHUNK)
            except OSError as error:
                yield Refused("file", "cannot be read further", error.strerror or str(error))
                return
            if not chunk:
                return
            self.consumed += len(chunk)
            yield chunk


def _is_pipe(stream: BinaryIO) -> bool:
    """Whether reading may block for long: anything with a descriptor that is not a plain file."""
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:
        return False


def _too_long() -> Refused:
    return Refused("line", f"is longer than {LINE_MAX >> 20} MiB")
