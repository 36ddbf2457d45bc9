"""A story of a block with everything in it, and a name of choice wherever one can stand."""

from dataclasses import replace
from typing import Any

from processor.audit.story import Aftermath, Course, Relived, Story, course_of, standings_of
from processor.audit.timeline import Timeline
from processor.detection.windows import DAY_PANES, HOUR_PANES, pane_of
from processor.policies.policy import Policy
from processor.restrictions.events import CommandRefused, Published, RefusalReason, UnblockReason, WindowCounters
from tests.audit_samples import block, event_of
from tests.mail_samples import HOUR_MS, NOW_MS, alerted, position_of, unblocked

LAST = pane_of(NOW_MS)
DAY = Timeline(
    LAST,
    {
        LAST - 100: WindowCounters(40, 0, 3, 97),
        LAST - 2: WindowCounters(30, 3, 2, 300),
        LAST: WindowCounters(10, 8, 1, 100),
    },
)
TIPPING = {
    "event_id": "evt-1", "occurred_at": NOW_MS, "tenant_id": "school", "sender": "anna@school.example", "message_id": "<m1@x>",
    "client_ip": "203.0.113.77", "internal_recipients": 0, "external_recipients": 4, "verdict": "PHISH", "score": 17.5,
}  # fmt: skip


def course(name: str = "anna@school.example", **changes: Any) -> Course:
    told = block(0, name, **changes)
    earlier = replace(block(1, name), blocked_at_ms=NOW_MS - 48 * HOUR_MS)
    refused = CommandRefused(
        "c-3", "school", name, RefusalReason.SUPPORT_REQUIRED, f"ask for {name}", NOW_MS + 1, position_of(name)
    )
    lifted = unblocked(told, reason=UnblockReason.RELEASED, released_by=name, ticket="T-77", comment=f"for {name}")
    again = replace(block(2, name), blocked_at_ms=NOW_MS + 20 * HOUR_MS)
    events: list[Published] = [earlier, told, refused, lifted, replace(alerted(name), tenant_id="school"), again]
    return course_of([{event.event_id: [event_of(event)] for event in events}], told.block_id)


def story(name: str = "anna@school.example", **changes: Any) -> Story:
    told = course(name)
    standings = standings_of(Policy(), "7", DAY.window(HOUR_PANES), DAY.window(DAY_PANES))
    relived = Relived(0, 1234, told.block, DAY, {**TIPPING, "message_id": name, "client_ip": name}, ())
    aftermath = Aftermath(1, 500, {"SPAM": 12, "CLEAN": 1}, True, False)
    return replace(Story(told, (), standings, relived, aftermath), **changes)
