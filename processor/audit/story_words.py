"""The story of a block in plain words, for a terminal and a page alike. Names are an attacker's: all that is given is harmless."""

from collections.abc import Iterator, Mapping
from typing import Any

from processor.audit.findings import Event, Outcome
from processor.audit.story import Aftermath, Relived, Standing, Story
from processor.audit.words import MEANINGS, count, exactly, moment, name_of, number_of, said, what


def headline(story: Story) -> str:
    """Who was blocked, when, and why."""
    record = story.course.block.record
    until = record["blocked_until"]
    lasting = "until it is lifted" if until is None else f"until {moment(until)}"
    who = f"{name_of(record['sender'])} of tenant {name_of(record['tenant_id'])}"
    return f"{who}, blocked at {moment(record['blocked_at'])} {lasting}: {cause(record)}"


def cause(record: Mapping[str, Any]) -> str:
    """Why, in a few words."""
    if record["limit_name"] is not None:
        observed, limit = number_of(record["observed"]), number_of(record["limit"])
        return f"{name_of(record['limit_name'])} {observed}, allowed {limit}"
    by = f" by {name_of(record['issued_by'])}" if record["issued_by"] else ""
    return f"by hand{by}"


def proof(story: Story) -> str:
    """Whether the block follows from the log."""
    if story.why_not is not None:
        return f"it could not be recomputed: {said(story.why_not)}"
    if story.outcome is not Outcome.MATCHED:
        copies = len(story.course.copies)
        if story.outcome is Outcome.UNEXPECTED and story.relived is not None and story.relived.recomputed is not None:
            return f"it follows from the log once, and was published {copies} times"
        assert story.outcome is not None  # noqa: S101 - where there is a reason there is no outcome, and that has been told
        return f"it {MEANINGS[story.outcome]}"
    if not story.is_clean:
        return "it follows from the log, field by field; but the log itself is not as it was when it was decided on"
    return "it follows from the log, field by field"


def began(relived: Relived) -> str:
    """From where on the log was lived through again."""
    start = f"the snapshot of commit {relived.from_commit}" if relived.from_commit else "the beginning"
    return f"{count(relived.records, 'verdict')} of its partition decided on again, from {start}"


def standing_row(standing: Standing, *, is_first: bool) -> tuple[str, str, str, str, str]:
    """A limit, its window, what was observed, what is allowed, and what came of it."""
    limit = standing.limit
    return (
        limit.name,
        limit.window,
        f"{number_of(standing.observed)}{' %' if limit.percent else ''}",
        f"{number_of(standing.bound)}{' %' if limit.percent else ''}",
        _share(standing, is_first=is_first),
    )


def _share(standing: Standing, *, is_first: bool) -> str:
    if not standing.applies:
        return "too few messages for a percentage"
    share = f"{100 * standing.observed / standing.bound:,.0f} % of it" if standing.bound else ""
    told = "exceeded first" if is_first else "exceeded, too" if standing.exceeded else ""
    return ", ".join(each for each in (share, told) if each)


def tipping_facts(tipping: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The verdict that tipped it, field by field."""
    yield "judged", f"{name_of(tipping['verdict'])}{_score(tipping)}"
    yield "at", exactly(tipping["occurred_at"])
    yield "recipients", f"{tipping['internal_recipients']:,} internal, {tipping['external_recipients']:,} external"
    yield "message", said(tipping["message_id"]) if tipping["message_id"] else "without Message-ID"
    yield "client", said(tipping["client_ip"]) if tipping["client_ip"] else "not known"
    yield "event", said(tipping["event_id"])


def _score(tipping: Mapping[str, Any]) -> str:
    return "" if tipping["score"] is None else f", score {number_of(tipping['score'])}"


def hand_facts(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Who blocked by hand, and why."""
    yield "by", name_of(record["issued_by"] or "nobody named")
    yield "reason", said(record["reason"]) if record["reason"] else "none given"
    yield "command", said(record["command_id"])


def place(story: Story) -> str:
    """The record that caused the block."""
    position = story.course.block.position
    return f"{said(position.topic)}, partition {position.partition}, offset {position.offset}"


def event_words(event: Event) -> str:
    """An event before or after, on one line."""
    record, more = event.record, ""
    if event.name == "SenderBlocked" or (event.name == "SenderAlerted" and record["limit_name"] is not None):
        until = record.get("blocked_until")
        more = f": {cause(record)}" + (f", until {moment(until)}" if until is not None else "")
    elif event.name == "SenderUnblocked":
        parts = (
            f"by {name_of(record['released_by'])}" if record["released_by"] else "",
            f"ticket {said(record['ticket'])}" if record["ticket"] else "",
            said(record["comment"]) if record["comment"] else "",
        )
        told = ", ".join(part for part in parts if part)
        more = f": {told}" if told else ""
    elif event.name == "CommandRefused":
        more = f" ({name_of(record['reason'])}): {said(record['message'])}"
    return what(event) + more


def limit_panes(story: Story) -> int | None:
    """The length of the window of the limit that was passed; None for a block by hand, or where it is not known."""
    first = None if story.standings is None else story.standings.first_exceeded
    return None if first is None or story.course.block.record["limit_name"] is None else first.panes


def afterwards(aftermath: Aftermath) -> str:
    """What came of the sender while the block lasted."""
    told = "so far, for it still lasts" if aftermath.lasts else "until it ended"
    total = sum(aftermath.verdicts.values())
    kinds = ", ".join(f"{number:,} {name_of(name)}" for name, number in _by_number(aftermath))
    found = f"{count(total, 'verdict')} on his mail {told}" + (f": {kinds}" if kinds else "")
    return found if aftermath.is_whole else f"{found} (retention has taken the first of that time)"


def _by_number(aftermath: Aftermath) -> list[tuple[str, int]]:
    return sorted(aftermath.verdicts.items(), key=lambda each: (-each[1], each[0]))
