"""Why a record cannot be read: a closed list, the same in code, dead-letter headers, metrics and logs."""

from enum import StrEnum


class Undecodable(StrEnum):
    """The reasons for which a record is refused; the value is what a dead letter's header says."""

    NULL_VALUE = "null value"
    WRONG_MAGIC = "wrong magic"
    UNKNOWN_SCHEMA = "unknown schema"
    TRUNCATED = "truncated"
    TRAILING_BYTES = "trailing bytes"
    BAD_UNION_INDEX = "bad union index"
    BAD_ENUM_INDEX = "bad enum index"
    BAD_LENGTH = "bad length"
    VARINT_OUT_OF_RANGE = "varint out of range"
    INVALID_UTF8 = "invalid UTF-8"
    EMPTY_REQUIRED_FIELD = "empty required field"
    NEGATIVE_COUNT = "negative count"
    TIME_OUT_OF_RANGE = "time out of range"
    TIME_IN_THE_FUTURE = "time in the future"
    WRONG_PARTITION = "wrong partition"
    UNREADABLE = "unreadable"


class UndecodableRecord(ValueError):
    """A record that nobody will ever be able to read as it is. `detail` says more, for people; it may be empty."""

    def __init__(self, reason: Undecodable, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail
