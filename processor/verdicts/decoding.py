"""Kernel: payloads of MessageVerdict to columns, strictly, each row within its own bytes.

The fields stand in the order of `schemas/MessageVerdict.avsc`; a test holds the two together, with fastavro as the oracle.
"""

import numpy as np

from processor.compiled import compiled
from processor.detection.senders import name_hash, word_at
from processor.detection.windows import FUTURE_MS
from processor.types import Bytes, Int64s
from processor.verdicts.columns import (
    BAD_ENUM_INDEX,
    BAD_LENGTH,
    BAD_UNION_INDEX,
    EMPTY_FIELD,
    INVALID_UTF8,
    NEGATIVE_COUNT,
    OK,
    OTHER_SCHEMA,
    TIME_IN_THE_FUTURE,
    TIME_OUT_OF_RANGE,
    TRAILING_BYTES,
    TRUNCATED,
    VARINT_OUT_OF_RANGE,
    WRONG_MAGIC,
    Columns,
)
from processor.verdicts.event import INT_MAX, OCCURRED_AT_MAX_MS, Verdict

STRING_MAX = 1 << 16
"""No string of a verdict is longer, in bytes. So every event that quotes it fits into a Kafka message at its default limit."""
_INT_MIN = -INT_MAX - 1
_VERDICTS = len(Verdict)
_0 = np.uint64(0)
_1 = np.uint64(1)
_8 = np.uint64(8)
_7F = np.uint64(0x7F)
_HIGH_BITS = np.uint64(0x8080808080808080)


@compiled
def _varint(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """A zig-zag number and where the next field begins; a negative place is minus the status of what is wrong."""
    value = np.uint64(0)
    for i in range(10):
        if at >= end:
            return 0, -TRUNCATED
        byte = buffer[at]
        at += 1
        if i == 9 and byte > 1:
            return 0, -VARINT_OUT_OF_RANGE
        value |= (np.uint64(byte) & _7F) << np.uint64(7 * i)
        if byte < 0x80:
            return np.int64(value >> _1) ^ -np.int64(value & _1), at
    return 0, -VARINT_OUT_OF_RANGE


@compiled
def _is_ascii(buffer: Bytes, at: int, end: int) -> bool:
    here = np.uint64(at)
    stop = np.uint64(end)
    while here + _8 <= stop:
        if word_at(buffer, here) & _HIGH_BITS != _0:
            return False
        here += _8
    while here < stop:
        if buffer[here] >= 0x80:
            return False
        here += _1
    return True


@compiled
def _is_utf8(buffer: Bytes, at: int, end: int) -> bool:
    """Whether the bytes are UTF-8 as RFC 3629 has it: no surrogates, nothing over-long, nothing past U+10FFFF."""
    while at < end:
        byte = buffer[at]
        at += 1
        if byte < 0x80:
            continue
        low, high = 0x80, 0xBF
        if 0xC2 <= byte <= 0xDF:
            more = 1
        elif 0xE0 <= byte <= 0xEF:
            more = 2
            if byte == 0xE0:
                low = 0xA0
            elif byte == 0xED:
                high = 0x9F
        elif 0xF0 <= byte <= 0xF4:
            more = 3
            if byte == 0xF0:
                low = 0x90
            elif byte == 0xF4:
                high = 0x8F
        else:
            return False
        if at + more > end or buffer[at] < low or buffer[at] > high:
            return False
        for i in range(1, more):
            if buffer[at + i] < 0x80 or buffer[at + i] > 0xBF:
                return False
        at += more
    return True


@compiled
def _string(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    """The length of a string and where its bytes begin; a negative place is minus the status."""
    length, at = _varint(buffer, at, end)
    if at < 0:
        return 0, at
    if length < 0 or length > STRING_MAX:
        return 0, -BAD_LENGTH
    if at + length > end:
        return 0, -TRUNCATED
    if not _is_ascii(buffer, at, at + length) and not _is_utf8(buffer, at, at + length):
        return 0, -INVALID_UTF8
    return length, at


@compiled
def _required(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    length, at = _string(buffer, at, end)
    if at >= 0 and length == 0:
        return 0, -EMPTY_FIELD
    return length, at


@compiled
def _past_optional_string(buffer: Bytes, at: int, end: int) -> int:
    index, at = _varint(buffer, at, end)
    if at < 0:
        return at
    if index == 0:
        return at
    if index != 1:
        return -BAD_UNION_INDEX
    length, at = _string(buffer, at, end)
    return at + length if at >= 0 else at


@compiled
def _recipients(buffer: Bytes, at: int, end: int) -> tuple[int, int]:
    count, at = _varint(buffer, at, end)
    if at >= 0 and (count < _INT_MIN or count > INT_MAX):
        return 0, -VARINT_OUT_OF_RANGE
    if at >= 0 and count < 0:
        return 0, -NEGATIVE_COUNT
    return count, at


@compiled
def _body(buffer: Bytes, at: int, end: int, columns: Columns, row: int, seed: int) -> int:
    """Read one record; returns where it ended, or minus the status of the first thing that is wrong."""
    length, at = _required(buffer, at, end)  # event_id
    if at < 0:
        return at
    occurred_at_ms, at = _varint(buffer, at + length, end)
    if at < 0:
        return at
    if occurred_at_ms < 0 or occurred_at_ms > OCCURRED_AT_MAX_MS:
        return -TIME_OUT_OF_RANGE
    tenant_length, tenant_start = _required(buffer, at, end)
    if tenant_start < 0:
        return tenant_start
    sender_length, sender_start = _required(buffer, tenant_start + tenant_length, end)
    if sender_start < 0:
        return sender_start
    at = _past_optional_string(buffer, sender_start + sender_length, end)  # message_id
    if at < 0:
        return at
    at = _past_optional_string(buffer, at, end)  # client_ip
    if at < 0:
        return at
    internal, at = _recipients(buffer, at, end)
    if at < 0:
        return at
    external, at = _recipients(buffer, at, end)
    if at < 0:
        return at
    verdict, at = _varint(buffer, at, end)
    if at < 0:
        return at
    if verdict < 0 or verdict >= _VERDICTS:
        return -BAD_ENUM_INDEX
    index, at = _varint(buffer, at, end)  # score
    if at < 0:
        return at
    if index < 0 or index > 1:
        return -BAD_UNION_INDEX
    at += 4 * index
    if at > end:
        return -TRUNCATED
    columns.occurred_at_ms[row] = occurred_at_ms
    columns.verdict[row] = verdict
    columns.internal_recipients[row] = internal
    columns.external_recipients[row] = external
    columns.sender_start[row] = sender_start
    columns.sender_length[row] = sender_length
    columns.tenant_start[row] = tenant_start
    columns.tenant_length[row] = tenant_length
    columns.sender_hash[row] = name_hash(buffer, sender_start, sender_length, seed)
    return at


@compiled
def _frame(buffer: Bytes, at: int, end: int, known_ids: Int64s, fingerprint: Bytes) -> int:
    """Where the body begins, or minus the status: the Confluent wire format or Avro single-object encoding, by the first byte."""
    if at >= end:
        return -TRUNCATED
    if buffer[at] == 0x00:
        if at + 5 > end:
            return -TRUNCATED
        schema_id = 0
        for i in range(1, 5):
            schema_id = (schema_id << 8) | np.int64(buffer[at + i])
        for known in known_ids:
            if known == schema_id:
                return at + 5
        return -OTHER_SCHEMA
    if buffer[at] != 0xC3:
        return -WRONG_MAGIC
    if at + 2 <= end and buffer[at + 1] != 0x01:
        return -WRONG_MAGIC
    if at + 10 > end:
        return -TRUNCATED
    for i in range(8):
        if buffer[at + 2 + i] != fingerprint[i]:
            return -OTHER_SCHEMA
    return at + 10


@compiled
def decode(
    buffer: Bytes,
    starts: Int64s,
    timestamps_ms: Int64s,
    known_ids: Int64s,
    fingerprint: Bytes,
    seed: int,
    columns: Columns,
) -> int:
    """Fill `columns` from rows `buffer[starts[i]:starts[i + 1]]` whose status is OK; returns how many are OK.

    `timestamps_ms`: each record's own Kafka timestamp. `known_ids`: registry ids of our very schema, `fingerprint`: its eight
    bytes. A row of another schema gets OTHER_SCHEMA. A bad row leaves its neighbours alone: nothing outside its bytes is read.
    """
    good = 0
    for row in range(len(timestamps_ms)):
        if columns.status[row] != OK:
            continue
        end = starts[row + 1]
        at = _frame(buffer, starts[row], end, known_ids, fingerprint)
        if at >= 0:
            at = _body(buffer, at, end, columns, row, seed)
        if at < 0:
            columns.status[row] = -at
        elif at != end:
            columns.status[row] = TRAILING_BYTES
        elif columns.occurred_at_ms[row] > timestamps_ms[row] + FUTURE_MS:
            columns.status[row] = TIME_IN_THE_FUTURE
        else:
            good += 1
    return good
