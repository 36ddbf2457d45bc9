"""The values of consecutive records, end to end in one buffer: what the decoder reads, and what a client can be asked for at once."""

from collections.abc import Sequence
from typing import Self, cast, overload

import numpy as np

from processor.types import Bytes, Flags, Int64s


class Payloads(Sequence[bytes | None]):
    """A sequence of values of which none is an object of its own until somebody asks for it.

    `buffer[starts[i]:starts[i + 1]]` is value `i`; `nulls` says of each whether there is none, or is None where there always is one.
    """

    __slots__ = ("buffer", "nulls", "starts")

    def __init__(self, buffer: Bytes, starts: Int64s, nulls: Flags | None = None) -> None:
        self.buffer = buffer
        self.starts = starts
        self.nulls = nulls

    @classmethod
    def of(cls, values: Sequence[bytes | None]) -> Self:
        """The same values, joined."""
        nulls = None
        present = cast("Sequence[bytes]", values)
        try:
            joined = b"".join(present)
        except TypeError:  # a null value is rare: not looked for before
            nulls = np.fromiter((value is None for value in values), np.bool_, len(values))
            present = [value or b"" for value in values]
            joined = b"".join(present)
        starts = np.zeros(len(values) + 1, np.int64)
        np.cumsum(np.fromiter(map(len, present), np.int64, len(present)), out=starts[1:])
        return cls(np.frombuffer(joined, np.uint8), starts, nulls)

    @property
    def joined(self) -> memoryview:
        """The bytes of all values, one after the other."""
        return self.buffer[self.starts[0] : self.starts[-1]].data

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, index: int) -> bytes | None: ...
    @overload
    def __getitem__(self, index: slice) -> "Payloads": ...

    def __getitem__(self, index: int | slice) -> "bytes | Payloads | None":
        """One value, or some that follow each other; the latter without copying."""
        if isinstance(index, slice):
            first, after, step = index.indices(len(self))
            if step != 1:
                raise ValueError("values of consecutive records have step 1")
            after = max(first, after)
            nulls = None if self.nulls is None else self.nulls[first:after]
            return Payloads(self.buffer, self.starts[first : after + 1], nulls)
        row = range(len(self))[index]  # raises IndexError, and counts from the end
        if self.nulls is not None and self.nulls[row]:
            return None
        return self.buffer[self.starts[row] : self.starts[row + 1]].tobytes()
