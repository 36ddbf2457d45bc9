"""The detector's journal: what an auditor needs beside the verdicts (design, section 8)."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from processor.avro import Undecodable
from processor.detection.changes import remembered
from processor.detection.engine import Engine
from processor.detection.inputs import Input
from processor.kafka.columns import brake_record, senders_record
from processor.verdicts.batches import Batch
from processor.verdicts.digest import RangeDigest

COMMIT = "JournalCommit"
SNAPSHOT = "JournalSnapshot"


@dataclass(slots=True)
class JournalPage:
    """Collects what the next commit's journal record has to say."""

    first_offset: int
    records: int = 0
    rejected: list[tuple[int, Undecodable]] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    digest: RangeDigest = field(default_factory=RangeDigest)

    def add(self, batch: Batch) -> None:
        """Note a batch."""
        self.records += len(batch)
        self.digest.add(batch)

    def to_record(self, commit: int, next_offset: int) -> dict[str, Any]:
        """The record of this commit."""
        return {
            "commit": commit,
            "first_offset": self.first_offset,
            "next_offset": next_offset,
            "records": self.records,
            "values_digest": self.digest.values(),
            "places_digest": self.digest.places(),
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
