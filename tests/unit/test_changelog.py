"""The changelog's entries as bytes, and the journal's pages."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.detection.changes import Chunk, apply, rebuild, touched
from processor.detection.engine import Engine
from processor.kafka import changelog
from processor.kafka.changelog import CommitMark, Head, RestoreFailed, chunks_of, entries
from processor.kafka.columns import packed, unpacked
from processor.kafka.journal import JournalPage
from processor.kafka.serde import Serde
from processor.policies.policy import PolicySet
from processor.restrictions.life import Role
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict
from tests.engine_state import state_of
from tests.engines import LATE_CLOCK_MS, SEED, NoOtherWriters, feed, new_engine, payload_of
from tests.verdict_strategies import cuts, logs, policy_sets

TOPIC = "detector-changelog"


@given(st.lists(st.integers(-(2**62), 2**62)))
def test_a_column_holds_any_integers(values: list[int]) -> None:
    assert unpacked(packed(np.array(values, np.int64))).tolist() == values


@given(st.integers(-(2**62), 2**62), st.lists(st.integers(0, 255), min_size=1))
def test_a_column_is_as_narrow_as_its_range(base: int, offsets: list[int]) -> None:
    column = packed(np.array(offsets, np.int64) + base)
    assert column["width"] == 1
    assert len(column["values"]) == len(offsets)


@given(policy_sets(), logs())
def test_entries_survive_the_way_through_bytes(policies: PolicySet, log: list[MessageVerdict]) -> None:
    engine = new_engine(policies)
    feed(engine, log, [len(log)])
    serde = Serde(None)
    head = Head(7, len(log), dict.fromkeys(Role, 3), engine.stream_time_ms, "v1", dict(engine.brake))
    payloads = [serde.encode(TOPIC, changelog.RECORD, record) for record in entries(7, touched(engine), head)]
    again: Engine = new_engine(policies)
    records = [serde.decode(payload)[1] for payload in payloads]
    chunks: list[Chunk] = [chunk for record in records for chunk in chunks_of(record)]
    for chunk in chunks:
        apply(again, chunk)
    rebuild(again, records[-1]["head"]["stream_time"], dict(engine.brake))
    assert state_of(again) == state_of(engine)
    assert [record["head"] is not None for record in records] == [False] * (len(records) - 1) + [True]
    assert {record["commit"] for record in records} == {7}


@given(st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_mark_survives_as_metadata(start: int, commit: int) -> None:
    assert CommitMark.from_metadata(CommitMark(start, commit).to_metadata()) == CommitMark(start, commit)


@pytest.mark.parametrize(
    "metadata",
    [
        "hello",
        "{}",
        '{"changelog_start": "x", "commit": 1}',
        '{"changelog_start": 1, "commit": Infinity}',
        '{"changelog_start": -1, "commit": 1}',
        '{"changelog_start": 1.5, "commit": true}',
        "[1, 2]",
        "[" * 4000,
    ],
)
def test_metadata_of_another_program_is_refused_with_the_setting_to_change(metadata: str) -> None:
    with pytest.raises(RestoreFailed, match=r"detector\.group"):
        CommitMark.from_metadata(metadata)


@given(logs(max_size=30), st.data())
def test_a_journal_page_does_not_depend_on_how_its_range_is_cut(log: list[MessageVerdict], data: st.DataObject) -> None:
    ends = data.draw(cuts(len(log)))
    assert _page(log, ends) == _page(log, [len(log)])


@given(logs(max_size=10), st.data())
def test_a_journal_page_changes_with_any_byte_offset_or_timestamp(
    log: list[MessageVerdict], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(log) - 1))
    whole = _page(log, [len(log)])
    assert _page(log, [len(log)], moved=row)["places_digest"] != whole["places_digest"]
    assert _page(log, [len(log)], changed=row)["values_digest"] != whole["values_digest"]
    assert _page(log, [len(log)], restamped=row)["places_digest"] != whole["places_digest"]


def _page(
    log: list[MessageVerdict],
    ends: list[int],
    *,
    moved: int | None = None,
    changed: int | None = None,
    restamped: int | None = None,
) -> dict[str, object]:
    decoder, page, start = Decoder(NoOtherWriters(), SEED), JournalPage(0), 0
    payloads = [payload_of(each) for each in log]
    offsets = np.arange(len(log), dtype=np.int64)
    timestamps = np.full(len(log), LATE_CLOCK_MS, np.int64)
    if moved is not None:
        offsets[moved] += 1
    if changed is not None:
        payloads[changed] = payloads[changed][:-1] + bytes([payloads[changed][-1] ^ 1])
    if restamped is not None:
        timestamps[restamped] += 1
    for end in ends:
        page.add(decoder.batch(payloads[start:end], offsets[start:end], timestamps[start:end]))
        start = end
    return page.to_record(1, len(log))
