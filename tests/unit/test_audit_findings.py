"""An audit of what a worker did has no findings; of what somebody did to it, it has."""

from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from processor.audit.findings import Comparison, Event, Outcome, Scope, compare
from processor.policies.policy import PolicySet
from processor.restrictions.events import Published
from tests.auditing import NAMES, Written, replayed, work_through
from tests.engines import PARTITION
from tests.histories import Step, histories
from tests.verdict_strategies import policy_sets

sizes = st.integers(1, 40)


def event_of(event: Published) -> Event:
    return Event(event.event_id, type(event).__name__, event.to_record())


def by_id(events: list[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.event_id, []).append(event)
    return found


def audited(written: Written, published: list[Event], size: int) -> Comparison:
    commands = {NAMES.commands: (0, 1 << 30), NAMES.support_commands: (0, 1 << 30)}
    scope = Scope(NAMES.verdicts, PARTITION, 0, len(written.values) + 1, commands)
    return compare(by_id(published), [event_of(each) for each in replayed(written, size).events], scope)


@given(policy_sets(), histories(), sizes, st.integers(1, 6), sizes)
def test_an_audit_of_what_the_worker_did_has_no_findings(
    policies: PolicySet, history: list[Step], size: int, commit_every: int, other_size: int
) -> None:
    written = work_through(policies, history, size, commit_every)
    found = audited(written, [event_of(each) for each in written.events], other_size)
    assert found == Comparison(len(written.events), 0, ())


@given(policy_sets(), histories(), sizes, st.data())
def test_any_single_tampering_of_what_was_published_is_found_and_named(
    policies: PolicySet, history: list[Step], size: int, data: st.DataObject
) -> None:
    written = work_through(policies, history, size, 1)
    assume(written.events)
    published = [event_of(each) for each in written.events]
    place = data.draw(st.integers(0, len(published) - 1))
    victim, changed = published[place], ""
    match data.draw(st.sampled_from(["removed", "added", "changed"])):
        case "removed":
            del published[place]
            expected = Outcome.MISSING
        case "added":
            published.append(Event("another", victim.name, victim.record))
            expected = Outcome.UNEXPECTED
        case _:
            changed = data.draw(st.sampled_from(fields(victim.record, words="message")))
            published[place] = Event(victim.event_id, victim.name, with_another(victim.record, changed))
            expected = Outcome.DIFFERENT
    (finding,) = audited(written, published, size).findings
    assert finding.outcome is expected
    if expected is Outcome.DIFFERENT:
        (difference,) = finding.differences
        assert difference.field == changed


def fields(record: Mapping[str, Any], words: str, path: str = "") -> list[str]:
    """The paths of all fields but the position and the words for people."""
    found: list[str] = []
    for name, value in record.items():
        if isinstance(value, Mapping) and name != "position":
            found += fields(value, words, f"{path}{name}.")
        elif name not in {"position", words}:
            found.append(f"{path}{name}")
    return found


def with_another(record: Mapping[str, Any], path: str) -> dict[str, Any]:
    name, _, rest = path.partition(".")
    if rest:
        return {**record, name: with_another(record[name], rest)}
    value = record[name]
    return {**record, name: value + 1 if isinstance(value, int | float) else f"{value}x"}


def test_what_lies_before_the_range_is_none_of_this_audit_and_what_lies_beyond_is_not_yet_processed() -> None:
    def at(offset: int) -> Event:
        position = {"topic": "v", "partition": 0, "offset": offset}
        return Event(f"e{offset}", "SenderBlocked", {"position": position})

    published = by_id([at(4), at(5), at(9), at(10)])
    found = compare(published, [at(5)], Scope("v", 0, 5, 10, {}))
    assert (found.matched, found.not_yet_processed) == (1, 1)
    assert [(each.outcome, each.event.event_id) for each in found.findings] == [(Outcome.UNEXPECTED, "e9")]
