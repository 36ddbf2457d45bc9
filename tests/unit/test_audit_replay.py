"""What a worker did is found again from its log, and what was done to the log is found, too."""

from dataclasses import replace

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from processor.audit.replay import Fault, WarmUp
from processor.avro import Undecodable
from processor.detection.inputs import PolicyInput
from processor.policies.policy import PolicySet
from processor.verdicts.batches import Decoder
from tests.auditing import replayed, work_through
from tests.engine_state import state_of
from tests.engines import SEED, NoOtherWriters, new_engine
from tests.histories import Step, histories
from tests.verdict_strategies import policy_sets

sizes = st.integers(1, 40)


@given(policy_sets(), histories(), sizes, st.integers(1, 6), sizes)
def test_a_replay_finds_what_the_worker_published_whatever_the_batches(
    policies: PolicySet, history: list[Step], size: int, commit_every: int, other_size: int
) -> None:
    written = work_through(policies, history, size, commit_every)
    replay = replayed(written, other_size)
    assert replay.events == written.events
    assert replay.faults == []
    assert replay.records == len(written.values)


@given(policy_sets(), histories(), sizes, sizes, st.data())
def test_a_replay_from_a_snapshot_goes_on_as_the_worker_did(
    policies: PolicySet, history: list[Step], size: int, other_size: int, data: st.DataObject
) -> None:
    written = work_through(policies, history, size, 1)
    assume(written.snapshots)
    snapshot = data.draw(st.sampled_from(written.snapshots))
    engine, decoder = new_engine(written.versions[snapshot.policy_version]), Decoder(NoOtherWriters(), SEED)
    warm_up, end = WarmUp(engine, decoder, snapshot), snapshot.next_offset
    before = [page for page in written.pages if page.commit <= snapshot.commit]
    changes = [each for page in before for each in page.inputs if isinstance(each, PolicyInput)]
    for start in range(end):
        # Whether bulk mail is spam is for the version to say that was in force then.
        version = [each.version for each in changes if each.before_offset <= start][-1]
        if engine.policies is not written.versions[version]:
            engine.adopt(written.versions[version])
        offsets, times = np.arange(start, start + 1), np.array(written.timestamps_ms[start : start + 1], np.int64)
        warm_up.take(written.values[start : start + 1], offsets, times, np.zeros(0, np.int64))
    engine.adopt(written.versions[snapshot.policy_version])
    warm_up.finish(end)
    replay = replayed(written, other_size, engine=engine, first=end, after_commit=snapshot.commit)
    whole = replayed(written, other_size)
    assert replay.events == whole.events[len(whole.events) - len(replay.events) :]
    assert replay.faults == []
    assert state_of(replay.engine) == state_of(whole.engine)


@given(policy_sets(), histories(), sizes, st.integers(1, 6), st.data())
def test_a_changed_verdict_and_a_missing_page_are_found_and_named(
    policies: PolicySet, history: list[Step], size: int, commit_every: int, data: st.DataObject
) -> None:
    written = work_through(policies, history, size, commit_every)
    assume(written.pages)
    if data.draw(st.booleans()):
        row = data.draw(st.integers(0, len(written.values) - 1))
        value = written.values[row] or b""
        written.values[row] = value[:-1] + bytes([value[-1] ^ 1])
        (fault,) = replayed(written, size).faults
        assert fault.fault is Fault.VERDICTS_DIFFER
        assert fault.from_offset <= row < fault.to_offset
    else:
        gone = data.draw(st.sampled_from(written.pages))
        cut = replace(written, pages=[page for page in written.pages if page is not gone])
        faults = replayed(cut, size).faults
        assert Fault.JOURNAL_RECORD_MISSING in {fault.fault for fault in faults}
        assert f"commit {gone.commit} of the journal" in " ".join(fault.message for fault in faults)


@given(policy_sets(), histories(), sizes, st.integers(1, 6))
def test_verdicts_that_are_missing_at_the_end_are_found(
    policies: PolicySet, history: list[Step], size: int, commit_every: int
) -> None:
    written = work_through(policies, history, size, commit_every)
    written.values.pop()
    assert Fault.VERDICTS_MISSING in {fault.fault for fault in replayed(written, size).faults}


@given(policy_sets(), histories(), sizes, st.integers(1, 6), st.data())
def test_a_page_that_is_there_twice_or_says_something_else_is_found_and_named(
    policies: PolicySet, history: list[Step], size: int, commit_every: int, data: st.DataObject
) -> None:
    written = work_through(policies, history, size, commit_every)
    place = data.draw(st.integers(0, len(written.pages) - 1))
    page, pages = written.pages[place], list(written.pages)
    match data.draw(st.sampled_from(["twice", "later", "fewer", "rejected"])):
        case "twice":
            pages.insert(place, page)
            expected = Fault.JOURNAL_RECORD_UNEXPECTED
        case "later":
            pages.append(page)
            expected = Fault.JOURNAL_RECORD_UNEXPECTED
        case "fewer":
            assume(page.records)
            pages[place] = replace(page, records=page.records - 1)
            expected = Fault.VERDICTS_DIFFER
        case _:
            assume(page.records)
            pages[place] = replace(page, rejected={**page.rejected, page.first_offset: Undecodable.TRUNCATED})
            assume(page.first_offset not in page.rejected)
            expected = Fault.REJECTED_DIFFER
    faults = [each.fault for each in replayed(replace(written, pages=pages), size).faults]
    assert expected in faults
    if expected is Fault.JOURNAL_RECORD_UNEXPECTED:
        assert faults == [expected], "what it says does not apply twice"
