"""The story of a block for programs: one object, exact, the same bytes for the same story. Times are epoch milliseconds."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from processor.audit.findings import Event
from processor.audit.rows import exact
from processor.audit.story import Relived, Standings, Story
from processor.audit.timeline import Timeline
from processor.detection.windows import DAY_PANES, HOUR_PANES, PANE_MS


def story_row(story: Story) -> dict[str, Any]:
    """Everything that is known of it; what could not be recomputed is null, and `not_recomputed` says why."""
    course, relived, aftermath = story.course, story.relived, story.aftermath
    return {
        "block_id": course.block.event_id,
        "sender": course.block.record["sender"],
        "tenant_id": course.block.record["tenant_id"],
        "outcome": None if story.outcome is None else story.outcome.value,
        "clean": story.is_clean,
        "not_recomputed": story.why_not,
        "published": [exact(copy.record) for copy in course.copies],
        "recomputed": None if relived is None else _record(relived.recomputed),
        "differences": [
            {"field": each.field, "published": exact(each.published), "recomputed": exact(each.recomputed)}
            for finding in story.findings
            for each in finding.differences
        ],
        "replay": None if relived is None else _replay(relived),
        "limits": None if story.standings is None else _limits(story.standings),
        "timeline": None if relived is None or relived.timeline is None else _timeline(relived.timeline),
        "tipping_verdict": None if relived is None or relived.tipping is None else exact(relived.tipping),
        "before": [_event(event) for event in course.before],
        "after": [_event(event) for event in course.after],
        "while_blocked": None if aftermath is None else {**asdict(aftermath), "verdicts": exact(aftermath.verdicts)},
    }


def _replay(relived: Relived) -> dict[str, Any]:
    return {
        "from_commit": relived.from_commit,
        "records": relived.records,
        "faults": [{**asdict(fault), "fault": fault.fault.value} for fault in relived.faults],
    }


def _limits(standings: Standings) -> dict[str, Any]:
    first = standings.first_exceeded
    return {
        "policy": standings.policy,
        "policy_version": standings.version,
        "limits": [
            {
                "limit_name": each.limit.name,
                "window": each.limit.window,
                "observed": exact(each.observed),
                "limit": exact(each.bound),
                "applies": each.applies,
                "exceeded": each.exceeded,
                "exceeded_first": each is first,
            }
            for each in standings.each
        ],
    }


def _timeline(timeline: Timeline) -> dict[str, Any]:
    """Panes in which nothing was counted are left out."""
    return {
        "window_start": timeline.start_ms(),
        "window_end": timeline.end_ms,
        "pane_ms": PANE_MS,
        "hour": asdict(timeline.window(HOUR_PANES)),
        "day": asdict(timeline.window(DAY_PANES)),
        "panes": [{"start": pane * PANE_MS, **asdict(counters)} for pane, counters in timeline.panes.items()],
    }


def _event(event: Event) -> dict[str, Any]:
    return {"event": event.name, "event_id": event.event_id, "at_ms": event.at_ms, "record": exact(event.record)}


def _record(event: Event | None) -> Mapping[str, Any] | None:
    return None if event is None else exact(event.record)
