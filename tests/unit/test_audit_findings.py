"""An audit of what a worker did has no findings; of what somebody did to it, it has."""

from collections.abc import Mapping
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from processor.audit.findings import Comparison, Event, Outcome, Scope, all_unexpected, compare
from processor.audit.pages import Page
from processor.audit.ranges import command_range
from processor.detection.inputs import CommandInput
from processor.policies.policy import PolicySet
from processor.restrictions.events import Published
from processor.restrictions.life import Role
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


def test_an_event_that_comes_from_nowhere_is_unexpected_whatever_the_range() -> None:
    def at(topic: str, offset: int) -> Event:
        position = {"topic": topic, "partition": 0, "offset": offset}
        return Event(f"{topic}{offset}", "SenderBlocked", {"position": position})

    scope = Scope("v", 0, 5, 10, {"c": (3, 4)}, ends={"v": 20, "c": 8})
    there = [at("v", 4), at("v", 19), at("v", 20), at("c", 2), at("c", 7)]
    assert compare(by_id(there), [], scope) == Comparison(0, 3, ()), "at 20 a block may have ended by the clock"
    nowhere = [at("other", 1), at("v", -1), at("v", 21), at("c", -1), at("c", 8)]
    found = compare(by_id(nowhere), [], scope)
    assert {each.event.event_id for each in found.findings} == {each.event_id for each in nowhere}
    assert {each.outcome for each in (*found.findings, *all_unexpected(by_id(nowhere)).findings)} == {
        Outcome.UNEXPECTED
    }
    assert len(all_unexpected(by_id(nowhere)).findings) == len(nowhere)


def test_commands_are_told_apart_by_when_they_were_taken_up() -> None:
    def page(commit: int, *offsets: int) -> Page:
        inputs = tuple(CommandInput(0, Role.ADMIN, offset) for offset in offsets)
        return Page(commit, 0, 0, 0, b"", b"", {}, inputs)

    def ranged(before: list[Page], pages: list[Page], *, from_the_beginning: bool = False) -> tuple[int, int]:
        return command_range(before, pages, Role.ADMIN, from_the_beginning=from_the_beginning)

    none, some, later = page(1), page(2, 3, 4), page(3, 6)
    assert ranged([], [none], from_the_beginning=True) == (0, 0), "the first command was not yet taken up"
    assert ranged([], [some, later], from_the_beginning=True) == (0, 7)
    assert ranged([some], [none]) == (5, 5)
    assert ranged([some], [later]) == (5, 7), "somebody who adds an event may name 5"
    assert ranged([none], [later]) == (6, 7), "retention may have taken what named those before"
    first, following = ranged([none], [none])
    assert first == following > 1 << 60, "nothing tells"
    assert command_range([some], [later], Role.SUPPORT, from_the_beginning=True) == (0, 0)
