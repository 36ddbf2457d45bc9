"""A batch of verdicts as columns, and the status of each row."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processor.types import Bytes, Int64s, Uint32s

(
    OK,
    NULL_VALUE,
    WRONG_MAGIC,
    OTHER_SCHEMA,
    UNKNOWN_SCHEMA,
    UNREADABLE,
    TRUNCATED,
    TRAILING_BYTES,
    BAD_UNION_INDEX,
    BAD_ENUM_INDEX,
    BAD_LENGTH,
    VARINT_OUT_OF_RANGE,
    INVALID_UTF8,
    EMPTY_FIELD,
    NEGATIVE_COUNT,
    TIME_OUT_OF_RANGE,
    TIME_IN_THE_FUTURE,
    WRONG_PARTITION,
    LATE,
    UNCOUNTED,
) = range(20)
"""OK until something else is found. OTHER_SCHEMA is for the slow path to resolve; LATE and UNCOUNTED are valid records."""


class Columns(NamedTuple):
    """What detection needs of each row of a batch; rows whose status is not OK hold nothing of meaning."""

    status: Bytes
    occurred_at_ms: Int64s
    verdict: npt.NDArray[np.int8]
    internal_recipients: Int64s
    external_recipients: Int64s
    sender_start: Int64s  # where the sender's bytes begin in the batch's buffer
    sender_length: Uint32s
    sender_hash: Uint32s
    tenant_start: Int64s
    tenant_length: Uint32s
    policy: Uint32s  # what was looked up for the row (processor.detection.resolving); 0: nothing yet


def new_columns(rows: int) -> Columns:
    """Columns with room for `rows` rows."""
    return Columns(
        status=np.zeros(rows, np.uint8),
        occurred_at_ms=np.zeros(rows, np.int64),
        verdict=np.zeros(rows, np.int8),
        internal_recipients=np.zeros(rows, np.int64),
        external_recipients=np.zeros(rows, np.int64),
        sender_start=np.zeros(rows, np.int64),
        sender_length=np.zeros(rows, np.uint32),
        sender_hash=np.zeros(rows, np.uint32),
        tenant_start=np.zeros(rows, np.int64),
        tenant_length=np.zeros(rows, np.uint32),
        policy=np.zeros(rows, np.uint32),
    )
