"""The detector's journal: what an auditor needs beside the verdicts (design, section 8)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import blake3
import numpy as np

from processor.avro import Undecodable
from processor.detection.changes import remembered
from processor.detection.engine import Engine
from processor.kafka.columns import brake_record, senders_record
from processor.restrictions.life import Role
from processor.verdicts.batches import Batch

COMMIT = "JournalCommit"
SNAPSHOT = "JournalSnapshot"


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """A version of the policies came into force before the verdict of this offset."""

    before_offset: int
    version: str

    def to_record(self) -> dict[str, Any]:
        return {"kind": "POLICY", "before_offset": self.before_offset, "policy_version": self.version}


@dataclass(frozen=True, slots=True)
class GapInput:
    """Retention had removed the verdicts from `from_offset` to `before_offset` (exclusive) before they were read."""

    from_offset: int
    before_offset: int

    def to_record(self) -> dict[str, Any]:
        return {"kind": "GAP", "before_offset": self.before_offset, "from_offset": self.from_offset}


@dataclass(frozen=True, slots=True)
class CommandInput:
    """The record of a command topic at `offset` was taken up before the verdict of `before_offset`.

    `rejected`: it could not be read, and so changed nothing; whoever reads it later may know a schema that the worker did not.
    """

    before_offset: int
    role: Role
    offset: int
    rejected: Undecodable | None = None

    def to_record(self) -> dict[str, Any]:
        kind = "COMMAND" if self.role is Role.ADMIN else "SUPPORT_COMMAND"
        reason = None if self.rejected is None else self.rejected.value
        return {
            "kind": kind,
            "before_offset": self.before_offset,
            "command_offset": self.offset,
            "command_rejected": reason,
        }


@dataclass(frozen=True, slots=True)
class ClockInput:
    """The partition stood still: what was over at `clock_ms` was lifted before the verdict of `before_offset`."""

    before_offset: int
    clock_ms: int

    def to_record(self) -> dict[str, Any]:
        return {"kind": "CLOCK", "before_offset": self.before_offset, "clock": self.clock_ms}


Input = PolicyInput | GapInput | CommandInput | ClockInput


@dataclass(slots=True)
class JournalPage:
    """Collects what the next commit's journal record has to say."""

    first_offset: int
    records: int = 0
    rejected: list[tuple[int, Undecodable]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    _values: blake3.blake3 = field(default_factory=blake3.blake3)
    _places: blake3.blake3 = field(default_factory=blake3.blake3)

    def add(self, batch: Batch) -> None:
        """Note a batch. The digests do not depend on how the range is cut into batches."""
        self.records += len(batch)
        lengths = np.diff(batch.given_starts)
        self._values.update(batch.given_bytes)
        self._places.update(np.column_stack([batch.offsets, batch.timestamps_ms, lengths]).astype("<i8").tobytes())

    def to_record(self, commit: int, next_offset: int) -> dict[str, Any]:
        """The record of this commit."""
        return {
            "commit": commit,
            "first_offset": self.first_offset,
            "next_offset": next_offset,
            "records": self.records,
            "values_digest": self._values.digest(),
            "places_digest": self._places.digest(),
            "rejected": [{"offset": offset, "reason": reason.value} for offset, reason in self.rejected],
            "inputs": [each.to_record() for each in self.inputs],
        }


def snapshot_records(engine: Engine, commit: int, next_offset: int) -> Iterable[dict[str, Any]]:
    """All that the engine knows but counts, as one record or more."""
    common = {
        "commit": commit,
        "next_offset": next_offset,
        "stream_time": engine.stream_time_ms,
        "policy_version": engine.policies.version,
        "brake": brake_record(engine.brake),
    }
    for chunk in remembered(engine):
        yield {**common, "senders": senders_record(chunk), "last": False}
    yield {**common, "senders": None, "last": True}
