"""The detector's changelog: what each commit writes of a partition's state, and an engine built from it (design, section 4)."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from confluent_kafka import TopicPartition

from processor import avro
from processor.detection.changes import CellValues, Chunk, SenderValues, apply, rebuild
from processor.detection.engine import Engine
from processor.detection.soundness import Unsound
from processor.kafka.clients import ClientSettings
from processor.kafka.columns import brake_record, packed, senders_record, senders_values, unpacked
from processor.kafka.committed import Committed
from processor.kafka.reading import first_offsets, high_watermarks, place, read_to_end
from processor.kafka.serde import Serde
from processor.restrictions.life import Role

FORMAT = 1
_METADATA_TOLD = 200
RECORD = "ChangelogEntry"

_WAY_OUT = (
    "To start again from the first verdict that is left, without what was counted before, delete the committed offset of "
    "partition {partition} (kafka-consumer-groups.sh --delete-offsets) and the records of the changelog partition"
)


class RestoreFailed(Exception):
    """The state of a partition cannot be restored. The text says why, and the way out."""


@dataclass(frozen=True, slots=True)
class CommitMark:
    """What stands beside a committed verdict offset: where the changelog that counts begins, and the commit's number."""

    changelog_start: int
    commit: int

    def beside(self, topic: str, partition: int, next_offset: int) -> TopicPartition:
        """The offset to commit, with this mark as its metadata."""
        return TopicPartition(topic, partition, next_offset, self.to_metadata())

    def to_metadata(self) -> str:
        return json.dumps({"changelog_start": self.changelog_start, "commit": self.commit}, separators=(",", ":"))

    @classmethod
    def from_metadata(cls, metadata: str | None) -> Self | None:
        """None when nothing was committed with a mark. Raises RestoreFailed for anything that is not ours."""
        if not metadata:
            return None
        try:
            mark = json.loads(metadata)
            start, commit = mark["changelog_start"], mark["commit"]
            if type(start) is not int or type(commit) is not int or min(start, commit) < 0:
                raise ValueError("not two numbers of 0 or more")
            return cls(start, commit)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RestoreFailed(
                f"the committed offset carries {metadata[:_METADATA_TOLD]!r}, which no senderwatch wrote: is the group another program's? "
                "Set detector.group to one of its own"
            ) from error


@dataclass(frozen=True, slots=True)
class Head:
    """Where a partition stands after a commit."""

    commit: int
    next_verdict: int
    next_commands: Mapping[Role, int]
    stream_time_ms: int
    policy_version: str
    brake: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore found besides the engine's state. No head: the partition was never processed."""

    head: Head | None
    changelog_start: int
    log_bytes: int
    """How long the log that counts is."""


def entries(commit: int, chunks: Iterable[Chunk], head: Head) -> Iterable[dict[str, Any]]:
    """The entries of a commit, as records, the head last."""
    for chunk in chunks:
        yield {"format": FORMAT, "commit": commit, **_section(chunk)}
    yield {
        "format": FORMAT,
        "commit": commit,
        "head": {
            "next_verdict": head.next_verdict,
            "next_command": head.next_commands[Role.ADMIN],
            "next_support_command": head.next_commands[Role.SUPPORT],
            "stream_time": head.stream_time_ms,
            "policy_version": head.policy_version,
            "brake": brake_record(head.brake),
        },
    }


def _section(chunk: Chunk) -> dict[str, Any]:
    if isinstance(chunk, SenderValues):
        return {"senders": senders_record(chunk)}
    counts = chunk.counts
    return {
        "cells": {
            "slots": packed(np.diff(chunk.slots, prepend=np.int64(0))),
            "senders": packed(chunk.senders),
            "panes": packed(chunk.panes),
            "messages": packed(counts[:, 0]),
            "spam_messages": packed(counts[:, 1]),
            "internal_recipients": packed(counts[:, 2]),
            "external_recipients": packed(counts[:, 3]),
        }
    }


def chunks_of(record: dict[str, Any]) -> Iterable[Chunk]:
    """The values that an entry holds. Raises ValueError for columns that cannot be."""
    if record["senders"] is not None:
        yield senders_values(record["senders"])
    if (cells := record["cells"]) is not None:
        counts = ("messages", "spam_messages", "internal_recipients", "external_recipients")
        yield CellValues(
            slots=np.cumsum(unpacked(cells["slots"])),
            senders=unpacked(cells["senders"]),
            panes=unpacked(cells["panes"]),
            counts=np.column_stack([unpacked(cells[name]) for name in counts]),
        )


def restore(
    settings: ClientSettings,
    serde: Serde,
    topic: str,
    committed: Iterable[Committed],
    engines: Mapping[int, Engine],
    *,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> dict[int, Restored]:
    """Fill new engines, by partition, with the state that belongs to the committed verdict offsets, asked for before.

    `progress` is told for a partition how many offsets are left to read. Raises RestoreFailed, and what `read_to_end` raises.
    """
    logs = {each.partition: _Log(serde, topic, each, engines[each.partition]) for each in committed}
    firsts = first_offsets(settings, topic, logs)
    ends = high_watermarks(settings, topic, logs)
    starts = {partition: log.starts_at(firsts[partition]) for partition, log in logs.items()}
    for message in read_to_end(settings, topic, logs, starts, ends=ends, should_stop=should_stop):
        partition, offset = place(message)
        if logs[partition].take(offset, message.value()):
            progress(partition, ends[partition] - offset)
    return {partition: log.restored() for partition, log in logs.items()}


class _Log:
    """The changelog of one partition, while it is read."""

    def __init__(self, serde: Serde, topic: str, committed: Committed, engine: Engine) -> None:
        self._serde = serde
        self._where = f"{topic}, partition {committed.partition}"
        self._way_out = _WAY_OUT.format(partition=committed.partition)
        self._mark = CommitMark.from_metadata(committed.metadata) if committed.offset >= 0 else None
        self._engine = engine
        self._start = 0
        self._bytes = 0
        self._pending: list[dict[str, Any]] = []
        self._head: Head | None = None

    def starts_at(self, first: int) -> int:
        """Where to begin, when the log's first record is at `first`."""
        self._start = first if self._mark is None else self._mark.changelog_start
        if first > self._start:
            raise RestoreFailed(
                f"{self._where}, begins at offset {first}, but the state begins at {self._start}: somebody has deleted "
                f"records of it. {self._way_out}"
            )
        return self._start

    def take(self, offset: int, value: bytes | None) -> bool:
        """Take an entry up; whether it completed a commit. What came after the committed one is left alone."""
        record = self._entry(offset, value)
        if self._mark is not None and record["commit"] > self._mark.commit:
            return False
        self._bytes += len(value or b"")
        self._pending.append(record)
        if record["head"] is None:
            return False
        try:
            for each in self._pending:
                for chunk in chunks_of(each):
                    apply(self._engine, chunk)
            self._head = _head(record)
        except ValueError as error:
            raise self._damaged(f"the commit that ends at offset {offset} cannot be: {error}") from error
        self._pending.clear()
        return True

    def restored(self) -> Restored:
        """Make the engine whole, now that the log is read."""
        head = self._head
        if self._mark is not None and (head is None or head.commit != self._mark.commit):
            found = "no commit at all" if head is None else f"commit {head.commit} as the last"
            raise RestoreFailed(
                f"{self._where}, has {found}, but the committed offset belongs to commit {self._mark.commit}: the changelog "
                f"was lost or made anew. {self._way_out}"
            )
        if head is not None:
            try:
                rebuild(self._engine, head.stream_time_ms, head.brake)
            except Unsound as error:
                raise self._damaged(f"what it says up to commit {head.commit} cannot be: {error}") from error
        return Restored(head, self._start, self._bytes)

    def _damaged(self, what: str) -> RestoreFailed:
        return RestoreFailed(f"{self._where}, is damaged: {what}. {self._way_out}")

    def _entry(self, offset: int, value: bytes | None) -> dict[str, Any]:
        try:
            name, record = self._serde.decode(value)
        except avro.UndecodableRecord as error:
            raise RestoreFailed(
                f"{self._where}, offset {offset} cannot be read ({error}): was it written by a newer senderwatch? "
                "Run that version, or a newer one"
            ) from None
        if name != RECORD or record["format"] > FORMAT:
            raise RestoreFailed(
                f"{self._where}, offset {offset} is {name}, format {record.get('format')}; this senderwatch reads {RECORD} up "
                f"to format {FORMAT}: run the version that wrote it, or a newer one"
            )
        return record


def _head(record: dict[str, Any]) -> Head:
    """Where a partition stands after the commit that this record ends. Raises ValueError for a place that is none."""
    head = record["head"]
    if record["commit"] < 1 or min(head["next_verdict"], head["next_command"], head["next_support_command"]) < 0:
        raise ValueError("its head names a place before the beginning")
    return Head(
        commit=record["commit"],
        next_verdict=head["next_verdict"],
        next_commands={Role.ADMIN: head["next_command"], Role.SUPPORT: head["next_support_command"]},
        stream_time_ms=head["stream_time"],
        policy_version=head["policy_version"],
        brake={each["pane"]: each["count"] for each in head["brake"]},
    )
