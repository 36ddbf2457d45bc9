"""Payloads to a batch: the compiled decoder for our own schema, a slow path for any other that resolves to it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np

from processor import avro
from processor.types import Bytes, Int64s
from processor.verdicts import columns as status
from processor.verdicts.columns import Columns, new_columns
from processor.verdicts.decoding import decode
from processor.verdicts.payloads import Payloads

RECORD = "MessageVerdict"

REASONS = {
    status.NULL_VALUE: avro.Undecodable.NULL_VALUE,
    status.WRONG_MAGIC: avro.Undecodable.WRONG_MAGIC,
    status.UNKNOWN_SCHEMA: avro.Undecodable.UNKNOWN_SCHEMA,
    status.UNREADABLE: avro.Undecodable.UNREADABLE,
    status.TRUNCATED: avro.Undecodable.TRUNCATED,
    status.TRAILING_BYTES: avro.Undecodable.TRAILING_BYTES,
    status.BAD_UNION_INDEX: avro.Undecodable.BAD_UNION_INDEX,
    status.BAD_ENUM_INDEX: avro.Undecodable.BAD_ENUM_INDEX,
    status.BAD_LENGTH: avro.Undecodable.BAD_LENGTH,
    status.VARINT_OUT_OF_RANGE: avro.Undecodable.VARINT_OUT_OF_RANGE,
    status.INVALID_UTF8: avro.Undecodable.INVALID_UTF8,
    status.EMPTY_FIELD: avro.Undecodable.EMPTY_REQUIRED_FIELD,
    status.NEGATIVE_COUNT: avro.Undecodable.NEGATIVE_COUNT,
    status.TIME_OUT_OF_RANGE: avro.Undecodable.TIME_OUT_OF_RANGE,
    status.TIME_IN_THE_FUTURE: avro.Undecodable.TIME_IN_THE_FUTURE,
    status.WRONG_PARTITION: avro.Undecodable.WRONG_PARTITION,
}
"""What a rejected row's status is called outside."""
_STATUS_OF = {reason: code for code, reason in REASONS.items()}
_REJECTED = np.zeros(256, np.bool_)
_REJECTED[list(REASONS)] = True


class Writers(Protocol):
    """Knows the schemas that others write with."""

    def current_id(self, payload: bytes) -> int | None:
        """The registry id that the payload names, if that schema is our very own; else None."""

    def body(self, payload: bytes) -> bytes:
        """The payload's record written anew with our schema, unframed; raises UndecodableRecord."""


@dataclass(slots=True)
class Batch:
    """Consecutive records of one partition, decoded. `columns` belong to the decoder and hold until its next batch."""

    values: Payloads
    offsets: Int64s
    timestamps_ms: Int64s
    buffer: Bytes  # the values as they were decoded: the same, but for rows of another schema, written anew in ours
    starts: Int64s  # (rows + 1,) row i is buffer[starts[i]:starts[i + 1]]
    columns: Columns

    def __len__(self) -> int:
        return len(self.offsets)

    def record(self, row: int) -> dict[str, Any]:
        """The whole record of a row whose status is OK."""
        frame = 5 if self.buffer[self.starts[row]] == 0 else 10
        return avro.decode_body(RECORD, self.buffer[self.starts[row] + frame : self.starts[row + 1]].tobytes())

    def rejected(self) -> list[tuple[int, avro.Undecodable]]:
        """Rows that are dead letters, with the reason. Complete once detection has taken the batch up."""
        statuses = self.columns.status[: len(self)]
        if not statuses.any():  # the usual case
            return []
        return [(int(row), REASONS[int(statuses[row])]) for row in np.flatnonzero(_REJECTED[statuses])]


class Decoder:
    """Decodes batches into columns that it uses again and again. `seed` must be that of the tables the rows go to."""

    def __init__(self, writers: Writers, seed: int) -> None:
        self._writers = writers
        self._seed = seed
        self._prefix = avro.single_object_prefix(RECORD)
        self._fingerprint = np.frombuffer(avro.fingerprint(RECORD), np.uint8)
        self._known_ids = np.zeros(0, np.int64)
        self._columns = new_columns(0)

    def batch(self, values: Sequence[bytes | None], offsets: Int64s, timestamps_ms: Int64s) -> Batch:
        """Decode consecutive records of a partition; `values`, `offsets` and `timestamps_ms` have one entry a record."""
        rows = len(offsets)
        if len(self._columns.status) < rows:
            self._columns = new_columns(max(rows, 2 * len(self._columns.status)))
        payloads = values if isinstance(values, Payloads) else Payloads.of(values)
        self._decode(payloads, timestamps_ms)
        batch = Batch(payloads, offsets, timestamps_ms, payloads.buffer, payloads.starts, self._columns)
        others = np.flatnonzero(self._columns.status[:rows] == status.OTHER_SCHEMA)
        if len(others):
            batch = self._with_others(batch, others)
        return batch

    def _decode(self, payloads: Payloads, timestamps_ms: Int64s) -> None:
        statuses = self._columns.status[: len(payloads)]
        statuses[:] = status.OK
        if payloads.nulls is not None:
            statuses[payloads.nulls] = status.NULL_VALUE
        decode(
            payloads.buffer,
            payloads.starts,
            timestamps_ms,
            self._known_ids,
            self._fingerprint,
            self._seed,
            self._columns,
        )

    def _with_others(self, batch: Batch, others: Int64s) -> Batch:
        """The batch with the rows of other schemas written anew in ours, so that one decoder judges them all."""
        values = list(batch.values)
        refused: dict[int, int] = {}
        for row in others.tolist():
            payload = cast("bytes", values[row])
            try:
                current = self._writers.current_id(payload)
                if current is None:
                    values[row] = self._prefix + self._writers.body(payload)
                elif current not in self._known_ids:
                    self._known_ids = np.append(self._known_ids, current)
            except avro.UndecodableRecord as error:
                refused[row] = _STATUS_OF[error.reason]
        again = Payloads.of(values)
        self._decode(again, batch.timestamps_ms)
        for row, code in refused.items():
            self._columns.status[row] = code
        return replace(batch, buffer=again.buffer, starts=again.starts)
