"""Lines out of streams: any chunking, gzip or not, broken in any place."""

import gzip
import io
import os
import threading
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.verdicts import lines as module
from processor.verdicts.lines import Lines
from processor.verdicts.reading import Refused

_LINES = st.lists(st.binary(max_size=30).map(lambda line: line.translate(None, b"\r\n")), max_size=12)


class Dribble(io.BytesIO):
    """Gives a few bytes at a time, as a pipe would."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1) -> bytes:
        return super().read(self._step)


def _read(content: bytes, step: int = 7) -> list[bytes | Refused | None]:
    return list(Lines(Dribble(content, step)))


def _wanted(lines: Sequence[bytes]) -> list[bytes]:
    """An empty last line is no line, as everywhere."""
    return list(lines[:-1]) if lines and not lines[-1] else list(lines)


@given(_LINES, st.integers(1, 40), st.booleans(), st.sampled_from([b"\n", b"\r\n"]))
def test_lines_come_back_however_the_stream_is_cut(lines: list[bytes], step: int, compressed: bool, end: bytes) -> None:
    plain = end.join(lines)
    if plain.startswith((b"\x1f\x8b", b"\xef\xbb\xbf")):
        return
    assert _read(gzip.compress(plain) if compressed else plain, step) == _wanted(lines)


@given(_LINES, _LINES, st.integers(1, 40), st.integers(0, 5))
def test_gzip_files_strung_together_and_padded_are_one(
    first: list[bytes], second: list[bytes], step: int, padding: int
) -> None:
    plain = b"x" + b"\n".join(first), b"\n".join(second)
    content = b"".join(map(gzip.compress, plain)) + b"\0" * padding
    assert _read(content, step) == _wanted(b"".join(plain).split(b"\n"))


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert _read(b"\xef\xbb\xbf{}\n{}", step=100) == [b"{}", b"{}"]


@given(st.integers(3, 60), st.integers(1, 20))
def test_a_gzip_file_cut_short_says_so_after_what_could_be_read(cut: int, step: int) -> None:
    whole = gzip.compress(b"first\nsecond\n" + bytes(range(11, 200)))
    *found, refused = _read(whole[:cut], step)
    assert found in ([], [b"first"], [b"first", b"second"])
    assert refused == Refused("file", "ends in the middle of its compressed data")


def test_a_damaged_gzip_file_is_refused_from_there_on() -> None:
    content = bytearray(gzip.compress(b"first\n" * 10))
    content[-5] ^= 0xFF  # the checksum
    assert isinstance(_read(bytes(content))[-1], Refused)


def test_much_out_of_little_compressed_data_stays_lazy() -> None:
    compressor = zlib.compressobj(9, wbits=31)
    content = b"".join(compressor.compress(b"0123456789\n" * 100_000) for _ in range(20)) + compressor.flush()
    found = iter(Lines(io.BytesIO(content)))
    assert next(found) == b"0123456789"
    assert sum(1 for _ in found) == 2_000_000 - 1


@pytest.mark.parametrize("end", [b"\nnext\n", b""])
def test_a_line_without_end_is_refused_and_not_kept(end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_MAX", 100)
    found = _read(b"short\n" + b"x" * 1000 + end, step=30)
    assert found[0] == b"short"
    assert isinstance(found[1], Refused)
    assert found[2:] == ([b"next"] if end else [])


def test_a_silent_pipe_is_told_of_and_then_goes_on() -> None:
    reading, writing = os.pipe()
    told = threading.Event()

    def write() -> None:
        os.write(writing, b"one\n")
        told.wait(20)
        os.write(writing, b"two\n")
        os.close(writing)

    writer = threading.Thread(target=write)
    writer.start()
    found: list[bytes | Refused | None] = []
    with os.fdopen(reading, "rb", buffering=0) as stream:
        for line in Lines(stream, idle_s=0.01):
            found.append(line)
            if line is None:
                told.set()
    writer.join()
    assert [line for line in found if line is not None] == [b"one", b"two"]
    assert found.count(None) >= 1


def test_a_read_error_is_a_refusal_and_the_end() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    assert list(Lines(Broken())) == [Refused("file", "cannot be read further", "Input/output error")]


@given(st.binary(max_size=300), st.integers(1, 50))
def test_everything_that_is_read_is_counted(content: bytes, step: int) -> None:
    lines = Lines(Dribble(content, step))
    damaged = any(isinstance(line, Refused) for line in lines)
    assert lines.consumed == len(content) or damaged
