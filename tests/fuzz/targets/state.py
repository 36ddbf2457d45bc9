"""What workers and auditors wrote for themselves: the changelog and the journal. One record among good ones is damaged.

The first byte of an input says which record of a fixed log it stands for; the rest is the record.
"""

from functools import lru_cache
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from processor import avro
from processor.audit.pages import Page, Snapshot
from processor.audit.replay import Replay, Sources, WarmUp
from processor.detection.changes import touched
from processor.detection.engine import Engine
from processor.detection.layout import CELLS_MAX, SENDERS_MAX
from processor.kafka import changelog, journal
from processor.kafka.audit_source import AuditSource, Pins
from processor.kafka.changelog import CommitMark, Head, RestoreFailed, _Log
from processor.kafka.columns import unpacked
from processor.kafka.committed import Committed
from processor.kafka.reading import ReadingFailed
from processor.kafka.serde import Serde
from processor.policies.limits import LIMITS
from processor.policies.policy import Policy, PolicySet
from processor.restrictions.life import Role
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict, Verdict
from tests.engine_state import state_of, totals_are_sums
from tests.engines import LATE_CLOCK_MS, SEED, NoOtherWriters, feed_payloads, new_engine, payload_of
from tests.fuzz.payloads import words
from tests.fuzz.reshaping import reshaped
from tests.fuzz.target import Target

_SERDE = Serde(None)
_COMMITS, _A_COMMIT = 4, 12
_MARK = CommitMark(0, _COMMITS)
_START_MS = 1_760_000_000_000
_POLICIES = PolicySet(
    policies=(
        Policy(limits={limit.name: 30.0 if limit.percent else 4.0 for limit in LIMITS}, spam_percent_min_messages=5),
    )
)
_VAST = 1 << 20
"""A place that an engine of this log would never have reached: sound, but restoring up to it takes gigabytes."""


@lru_cache
def _payloads() -> tuple[bytes, ...]:
    """Five senders over a day and more, some of them blocked, some again after a night."""
    log = []
    for number in range(_COMMITS * _A_COMMIT + _A_COMMIT):
        at_ms = _START_MS + number * 1_900_000
        verdict = Verdict.SPAM if number % 3 else Verdict.CLEAN
        log.append(MessageVerdict(f"e{number}", at_ms, "a.test", f"sender-{number % 5}@a.test", 1, 2, verdict))
    return tuple(payload_of(each) for each in log)


@lru_cache
def _records() -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The changelog and the journal of that log."""
    engine, decoder = new_engine(_POLICIES), Decoder(NoOtherWriters(), SEED)
    changes, pages = [], []
    for commit in range(1, _COMMITS + 1):
        start, end = (commit - 1) * _A_COMMIT, commit * _A_COMMIT
        rows = _payloads()[start:end]
        offsets = np.arange(start, end, dtype=np.int64)
        batch = decoder.batch(rows, offsets, np.full(len(rows), LATE_CLOCK_MS, np.int64))
        page = journal.JournalPage(start)
        engine.take(batch)
        page.add(batch)
        head = Head(commit, end, dict.fromkeys(Role, 0), engine.stream_time_ms, "built-in", dict(engine.brake))
        entries = changelog.entries(commit, touched(engine), head)
        changes += [_SERDE.encode("", changelog.RECORD, record) for record in entries]
        pages.append(_SERDE.encode("", journal.COMMIT, page.to_record(commit, end)))
        if commit == 2:
            snapshot = journal.snapshot_records(engine, commit, end)
            pages += [_SERDE.encode("", journal.SNAPSHOT, record) for record in snapshot]
    return tuple(changes), tuple(pages)


def _check_changelog(given: bytes) -> str:
    """Restored or refused; and what is restored is an engine that can go on."""
    values = list(_records()[0])
    place = (given[:1] or b"\0")[0] % len(values)
    values[place] = given[1:]
    if _reaches_far(given[1:]):
        return "vast"
    try:
        engine = _restored(values)
    except RestoreFailed as failed:
        assert "a-changelog, partition 0" in str(failed)
        return "refused"
    totals_are_sums(engine)
    same = state_of(engine) == _state()
    feed_payloads(engine, Decoder(NoOtherWriters(), SEED), _payloads()[-_A_COMMIT:], [_A_COMMIT], _COMMITS * _A_COMMIT)
    totals_are_sums(engine)
    for _ in touched(engine):
        pass
    return "restored" if same else "restored to what could have been"


def _restored(values: list[bytes]) -> Engine:
    engine = new_engine(_POLICIES)
    log = _Log(_SERDE, "a-changelog", Committed(0, _COMMITS * _A_COMMIT, _MARK.to_metadata()), engine)
    log.starts_at(0)
    for offset, value in enumerate(values):
        log.take(offset, value)
    log.restored()
    return engine


@lru_cache
def _state() -> dict[str, Any]:
    return state_of(_restored(list(_records()[0])))


def _reaches_far(value: bytes) -> bool:
    try:
        name, record = _SERDE.decode(value)
        if name != changelog.RECORD:
            return False
        numbers = (record["senders"] or {}).get("numbers")
        slots = (record["cells"] or {}).get("slots")
        last_number = 0 if numbers is None else int(unpacked(numbers).max(initial=0))
        last_slot = 0 if slots is None else int(np.cumsum(unpacked(slots)).max(initial=0))
    except ValueError:
        return False
    return _VAST < last_number < SENDERS_MAX or _VAST < last_slot < CELLS_MAX


def _check_journal(given: bytes) -> str:
    """Read or said to be damaged; and what is read can be lived through, with findings and no more."""
    values = list(_records()[1])
    place = (given[:1] or b"\0")[0] % len(values)
    values[place] = given[1:]
    try:
        pages, snapshots = _journal(values)
    except ReadingFailed as failed:
        assert "a-journal, partition 0, offset" in str(failed)
        return "refused"
    for snapshot in snapshots:
        if any(int(senders.numbers.max(initial=0)) > _VAST for senders in snapshot.senders):
            return "vast"
        WarmUp(new_engine(_POLICIES), Decoder(NoOtherWriters(), SEED), snapshot)
    faults = _lived(pages)
    return "read, faults " + " ".join(sorted({fault.fault for fault in faults}))


def _journal(values: list[bytes]) -> tuple[list[Page], list[Snapshot]]:
    pins = Pins("a-group", {0: (_COMMITS * _A_COMMIT, _COMMITS)}, {})
    source = AuditSource(
        cast("Any", None), cast("Any", SimpleNamespace(journal="a-journal")), _SERDE, pins, lambda: False
    )
    messages = [SimpleNamespace(value=lambda v=v: v, at=at) for at, v in enumerate(values)]

    def given(topic: str, _partition: int) -> Any:
        for message in messages:
            yield from _one(source, topic, message)

    source._records = given  # type: ignore[method-assign, assignment]
    return source.journal(0)


def _one(source: AuditSource, topic: str, message: Any) -> Any:
    try:
        name, record = _SERDE.decode(message.value())
    except avro.UndecodableRecord as error:
        raise ReadingFailed(f"{topic}, partition 0, offset {message.at} cannot be read: {error}") from None
    yield message.at, name, record


def _lived(pages: list[Page]) -> list[Any]:
    sources = Sources(lambda _: None, {}, dict.fromkeys(Role, "commands"))
    replay = Replay(new_engine(_POLICIES), Decoder(NoOtherWriters(), SEED), pages, sources)
    rows = _payloads()[: _COMMITS * _A_COMMIT]
    replay.take(rows, np.arange(len(rows), dtype=np.int64), np.full(len(rows), LATE_CLOCK_MS, np.int64))
    replay.finish(_COMMITS, len(rows))
    return replay.faults


def _begin(which: int) -> list[bytes]:
    return [bytes([place]) + value for place, value in enumerate(_records()[which])]


def _reshape(given: bytes, random: Random) -> bytes:
    return given[:1] + reshaped(given[1:], random)


TARGETS = (
    Target(
        "changelog",
        "a damaged record is RestoreFailed, or leads to a state that is whole and can go on",
        _check_changelog,
        lambda: _begin(0),
        words=words(),
        reshape=_reshape,
        memory_mb=3000,
        limit_s=10,
    ),
    Target(
        "journal",
        "a damaged record is said with its offset, or shows as faults of the logs",
        _check_journal,
        lambda: _begin(1),
        words=(*words(), b"POLICY", b"GAP", b"CLOCK", b"COMMAND"),
        reshape=_reshape,
        memory_mb=3000,
        limit_s=10,
    ),
)
