"""A worker's partition without a broker: what it would have written, for an audit to read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from confluent_kafka import Message

from processor.audit.pages import Page, Snapshot
from processor.audit.replay import GivenCommand, Replay, Sources
from processor.detection.changes import SenderValues
from processor.detection.engine import Engine
from processor.kafka.changelog import Restored
from processor.kafka.columns import senders_values
from processor.kafka.journal import COMMIT, SNAPSHOT
from processor.kafka.runs import Run
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import CommandRecord
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from processor.restrictions.events import Published
from processor.restrictions.life import Role
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict
from processor.verdicts.payloads import Payloads
from processor.workers.partition import PartitionWork
from tests.engines import LATE_CLOCK_MS, PARTITION, SEED, NoOtherWriters, new_engine, payload_of
from tests.histories import Clock, Given, Step, cut, stretches

NAMES = TopicNames()


@dataclass
class Written:
    """What stands in the topics after a history."""

    values: list[bytes | None] = field(default_factory=list)
    timestamps_ms: list[int] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    events: list[Published] = field(default_factory=list)
    commands: dict[tuple[Role, int], GivenCommand] = field(default_factory=dict)
    versions: dict[str, PolicySet] = field(default_factory=dict)
    commit: int = 0

    @property
    def sources(self) -> Sources:
        topics = {Role.ADMIN: NAMES.commands, Role.SUPPORT: NAMES.support_commands}
        return Sources(self.versions.get, self.commands, topics)


def work_through(policies: PolicySet, history: Sequence[Step], size: int, commit_every: int) -> Written:
    """A worker lives through the history in batches of `size` verdicts, and commits after so many pieces."""
    written, serde, decoder = Written(), Serde(None), Decoder(NoOtherWriters(), SEED)
    work = PartitionWork.from_restored(new_engine(policies), Restored(None, 0, 0), 0, sweep_bytes=1 << 30)
    written.versions[policies.version] = policies
    work.adopt(policies)
    for number, piece in enumerate(cut(stretches(history), size)):
        _live(work, piece, decoder, written)
        if number % commit_every == 0:
            _commit(work, serde, written)
    _commit(work, serde, written)
    return written


def _live(work: PartitionWork, piece: Sequence[Step], decoder: Decoder, written: Written) -> None:
    (first, *_) = piece
    if isinstance(first, Given):
        block = next((each for each in work.engine.restrictions.values() if each.sender == first.command.sender), None)
        command = first.aimed_at(block)
        written.commands[first.role, first.offset] = GivenCommand(command, first.at_ms)
        work.obey([CommandRecord(first.role, first.at_ms, first.position, command)], NAMES)
    elif isinstance(first, PolicySet):
        written.versions[first.version] = first
        work.adopt(first)
    elif isinstance(first, Clock):
        work.expire(first.now_ms, NAMES)
    else:
        start = len(written.values)
        values = [payload_of(each) for each in piece if isinstance(each, MessageVerdict)]
        offsets = np.arange(start, start + len(values), dtype=np.int64)
        messages = [
            Message(NAMES.verdicts, PARTITION, int(offset), None, value)
            for offset, value in zip(offsets, values, strict=True)
        ]
        work.take(
            Run(PARTITION, messages, Payloads.of(values), offsets, np.full(len(values), LATE_CLOCK_MS)), decoder, NAMES
        )
        written.values += values
        written.timestamps_ms += [LATE_CLOCK_MS] * len(values)


def _commit(work: PartitionWork, serde: Serde, written: Written) -> None:
    if not work.has_progress:
        return
    written.events += work.events
    chunks: list[SenderValues] = []
    for record in work.records(serde, NAMES):
        if record.topic == NAMES.journal:
            name, content = serde.decode(record.value)
            if name == COMMIT:
                written.pages.append(Page.from_record(content))
            elif name == SNAPSHOT:
                _add_snapshot(content, chunks, written)
    work.committed()
    written.commit = work.commit


def _add_snapshot(content: dict[str, Any], chunks: list[SenderValues], written: Written) -> None:
    if content["senders"] is not None:
        chunks.append(senders_values(content["senders"]))
    if content["last"]:
        written.snapshots.append(
            Snapshot(
                content["commit"],
                content["next_offset"],
                content["stream_time"],
                content["policy_version"],
                {each["pane"]: each["count"] for each in content["brake"]},
                tuple(chunks),
            )
        )
        chunks.clear()


def replayed(
    written: Written, size: int, *, engine: Engine | None = None, first: int = 0, after_commit: int = 0
) -> Replay:
    """The replay of what was written, in batches of `size`, from the verdict at `first` on."""
    pages = [page for page in written.pages if page.commit > after_commit]
    replay = Replay(
        engine or new_engine(PolicySet()),
        Decoder(NoOtherWriters(), SEED),
        pages,
        written.sources,
        after_commit=after_commit,
    )
    for start in range(first, len(written.values), size):
        end = min(start + size, len(written.values))
        offsets, times = np.arange(start, end, dtype=np.int64), np.array(written.timestamps_ms[start:end], np.int64)
        replay.take(written.values[start:end], offsets, times)
    replay.finish(written.commit, len(written.values))
    return replay
