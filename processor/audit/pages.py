"""The journal of one partition as an audit reads it: a page a commit, and the snapshots between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from processor.avro import Undecodable
from processor.detection.changes import SenderValues
from processor.detection.inputs import Input, input_of


@dataclass(frozen=True, slots=True)
class Page:
    """What a commit says: the verdicts from `first_offset` to `next_offset` (exclusive), and what else was decided on."""

    commit: int
    first_offset: int
    next_offset: int
    records: int
    values_digest: bytes
    places_digest: bytes
    rejected: Mapping[int, Undecodable]
    inputs: tuple[Input, ...]

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The page of a JournalCommit. Raises ValueError for what is newer than this version."""
        return cls(
            commit=record["commit"],
            first_offset=record["first_offset"],
            next_offset=record["next_offset"],
            records=record["records"],
            values_digest=record["values_digest"],
            places_digest=record["places_digest"],
            rejected={each["offset"]: Undecodable(each["reason"]) for each in record["rejected"]},
            inputs=tuple(input_of(each) for each in record["inputs"]),
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that was known after a commit but counts."""

    commit: int
    next_offset: int
    stream_time_ms: int
    policy_version: str
    brake: Mapping[int, int]
    senders: tuple[SenderValues, ...]
