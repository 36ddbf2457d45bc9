"""The story of a block as one HTML page that needs nothing but itself."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from processor.audit.findings import Event, Outcome
from processor.audit.rendering import rendered
from processor.audit.story import Story
from processor.audit.story_picture import messages, recipients
from processor.audit.story_words import (
    afterwards,
    began,
    event_words,
    hand_facts,
    headline,
    limit_panes,
    place,
    proof,
    standing_row,
    tipping_facts,
)
from processor.audit.words import FAULTS, count, facts, moment, name_of, offsets, said, sides

MOST = 500
"""So many events before and after stand on a page."""


def page(story: Story, templates: Mapping[str, str], most: int = MOST) -> str:
    """The page; `templates` are the files of processor/audit/html by name. The same story gives the same bytes."""
    return rendered("story.html", _content(story, most), templates)


def _content(story: Story, most: int) -> Iterator[tuple[str, Any]]:
    course, relived, standings = story.course, story.relived, story.standings
    yield "block_id", said(course.block.event_id)
    yield "headline", headline(story)
    yield "proof", proof(story)
    yield "colour", "bad" if not story.is_clean else "good" if story.outcome is Outcome.MATCHED else "part"
    yield "place", place(story)
    yield "began", "" if relived is None else began(relived)
    yield (
        "differences",
        [(said(each.field), *sides(each)) for finding in story.findings for each in finding.differences],
    )
    yield (
        "faults",
        [
            (f"verdicts {offsets(each.from_offset, each.to_offset)}", f"{FAULTS[each.fault]}: {said(each.message)}")
            for each in story.faults
        ],
    )
    yield from _picture(story)
    first = None if standings is None else standings.first_exceeded
    each_limit = () if standings is None else standings.each
    yield "limits", [(each.exceeded, standing_row(each, is_first=each is first)) for each in each_limit]
    yield "policy", "" if standings is None else name_of(standings.policy)
    yield "version", "" if standings is None else said(standings.version)
    yield from _cause(story)
    yield "before", _events(course.before, most)
    yield "more_before", _more(course.before, most)
    yield "afterwards", "" if story.aftermath is None else afterwards(story.aftermath)
    yield "after", _events(course.after, most)
    yield "more_after", _more(course.after, most)


def _picture(story: Story) -> Iterator[tuple[str, Any]]:
    timeline = None if story.relived is None else story.relived.timeline
    panes = limit_panes(story)
    tipping = None if story.relived is None else story.relived.tipping
    at_ms = None if tipping is None else tipping["occurred_at"]
    shaded = "" if panes is None else "; shaded: the window of the limit"
    yield "shaded", shaded + ("; marked: the verdict that tipped it" if at_ms is not None else "")
    yield (
        "panels",
        timeline and {"messages": messages(timeline, panes, at_ms), "recipients": recipients(timeline, panes, at_ms)},
    )


def _cause(story: Story) -> Iterator[tuple[str, Any]]:
    record = story.course.block.record
    tipping = None if story.relived is None else story.relived.tipping
    if record["limit_name"] is None:
        yield "cause_head", "Blocked by hand"
        yield "cause", list(hand_facts(record))
    elif tipping is not None:
        yield "cause_head", "The verdict that tipped it"
        yield "cause", list(tipping_facts(tipping))
    else:
        yield "cause_head", "Its own evidence"
        yield "cause", list(facts(story.course.block))


def _events(events: Sequence[Event], most: int) -> list[tuple[str, str]]:
    return [(moment(event.at_ms), event_words(event)) for event in events[:most]]


def _more(events: Sequence[Event], most: int) -> str:
    return f"And {count(len(events) - most, 'event')} more: --json has all." if len(events) > most else ""
