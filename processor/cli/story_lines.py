"""The story of a block as people read it on a terminal."""

from collections.abc import Iterable, Iterator, Sequence

from processor.audit.findings import Event
from processor.audit.spark import BLOCKS, spark
from processor.audit.story import Story
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
from processor.audit.timeline import Timeline
from processor.audit.words import FAULTS, count, facts, moment, name_of, offsets, said, sides
from processor.cli.printing import columns
from processor.detection.windows import DAY_PANES, HOUR_PANES
from processor.restrictions.events import WindowCounters

MOST = 50
"""So many events before and after are told; --json has all."""
_COLUMN_MAX = 60
_WINDOW = "window of the limit"


def lines(story: Story, ramp: str = BLOCKS, most: int = MOST) -> Iterator[str]:
    """What happened, whether it follows from the log, the picture, the limits, and what came before and after."""
    block = story.course.block
    yield headline(story)
    yield f"block {said(block.event_id)}, caused by {place(story)}"
    yield proof(story)
    if story.relived is not None:
        yield began(story.relived)
    yield from _differences(story)
    if story.relived is not None and story.relived.timeline is not None:
        yield from _section("his day up to then:", timeline_lines(story.relived.timeline, limit_panes(story), ramp))
    yield from _limits(story)
    yield from _cause(story)
    course = story.course
    yield from _section("in the 30 days before:", _events(course.before, most) if course.before else ["nothing"])
    after = [*([afterwards(story.aftermath)] if story.aftermath else []), *_events(course.after, most)]
    yield from _section("after it:", after or ["nothing"])


def timeline_lines(timeline: Timeline, panes: int | None, ramp: str) -> Iterator[str]:
    """The day by the hour, with the limit's window marked, and that hour by the pane where the limit's window is the hour."""
    yield from _picture(timeline, DAY_PANES, HOUR_PANES, "hour", panes, ramp)
    if panes == HOUR_PANES:
        yield ""
        yield from _picture(timeline, HOUR_PANES, 1, "5 minutes", panes, ramp)


def _picture(timeline: Timeline, whole: int, each: int, told: str, panes: int | None, ramp: str) -> Iterator[str]:
    pieces = timeline.series(whole, each)
    width = len(pieces)
    start, end = moment(timeline.start_ms(whole))[5:16], moment(timeline.end_ms)[11:16]
    rows = [
        (f"messages, per {told}", [piece.messages for piece in pieces]),
        ("spam among them", [piece.spam_messages for piece in pieces]),
        ("recipients", [_recipients(piece) for piece in pieces]),
    ]
    margin = max(len(label) for label in (_WINDOW, *(label for label, _ in rows)))
    for label, values in rows:
        yield f"{label:{margin}}  |{spark(values, ramp)}|  {sum(values):,}, at most {max(values):,}"
    marked = width if panes is None else min(width, panes // each)
    mark = "" if panes is None else " " * (width - marked) + "^" * marked
    yield f"{_WINDOW if mark else '':{margin}}   {mark}".rstrip()
    yield f"{'':{margin}}   {start.replace('T', ' ')} to {end} UTC"


def _recipients(counters: WindowCounters) -> int:
    return counters.internal_recipients + counters.external_recipients


def _differences(story: Story) -> Iterator[str]:
    told = [(said(each.field), *sides(each)) for finding in story.findings for each in finding.differences]
    if told:
        yield from columns(
            [("    FIELD", "PUBLISHED", "FROM THE LOG"), *((f"    {a}", b, c) for a, b, c in told)], _COLUMN_MAX
        )
    for fault in story.faults:
        where = f"verdicts {offsets(fault.from_offset, fault.to_offset)}"
        yield f"    {where}: {FAULTS[fault.fault]}: {said(fault.message)}"


def _limits(story: Story) -> Iterator[str]:
    standings = story.standings
    if standings is None:
        return
    first = standings.first_exceeded
    rows = [standing_row(each, is_first=each is first) for each in standings.each]
    head = f"the limits of policy {name_of(standings.policy)}, version {said(standings.version)}, then:"
    yield from _section(head, columns([("LIMIT", "WINDOW", "OBSERVED", "ALLOWED", ""), *rows], _COLUMN_MAX))


def _cause(story: Story) -> Iterator[str]:
    record = story.course.block.record
    if record["limit_name"] is None:
        yield from _section("blocked by hand:", _pairs(hand_facts(record)))
    elif story.relived is not None and story.relived.tipping is not None:
        yield from _section("the verdict that tipped it:", _pairs(tipping_facts(story.relived.tipping)))
    else:
        yield from _section("its own evidence:", _pairs(facts(story.course.block)))


def _events(events: Sequence[Event], most: int) -> Iterator[str]:
    shown = events[:most]
    yield from (f"{moment(event.at_ms)}  {event_words(event)}" for event in shown)
    if len(events) > most:
        yield f"and {count(len(events) - most, 'event')} more: --json has all"


def _pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield from columns([(f"{label}:", text) for label, text in pairs], _COLUMN_MAX)


def _section(head: str, body: Iterable[str]) -> Iterator[str]:
    yield ""
    yield head
    yield from (f"    {line}".rstrip() for line in body)
