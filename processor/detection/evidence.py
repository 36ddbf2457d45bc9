"""Why a limit was held to be exceeded: the counters and the message that tipped it."""

from collections.abc import Mapping
from typing import cast

from processor.detection.counting import Limits, bring_up, observed
from processor.detection.layout import Table
from processor.detection.windows import DAY_PANES, HOUR_PANES, window_ms
from processor.policies.limits import LIMITS
from processor.policies.policy import Policy
from processor.restrictions.events import Evidence, Trigger, WindowCounters


def counters(table: Table, s: int) -> tuple[WindowCounters, WindowCounters]:
    """The hour's and the day's counters of sender `s`, as of the stream time."""
    bring_up(table, s)
    totals = [int(total) for total in table.totals[s]]
    return WindowCounters(*totals[:4]), WindowCounters(*totals[4:])


def evidence(
    table: Table, limits: Limits, s: int, k: int, policy: Policy, version: str, record: Mapping[str, object]
) -> Evidence:
    """What limit `k` of a policy, of which it is not None, says of sender `s` after `record`."""
    limit = LIMITS[k]
    hour, day = counters(table, s)
    count = float(observed(table, limits, s, k))
    if limit.percent:
        count = 100.0 * count / (hour if limit.window == "hour" else day).messages
    stream_time_ms = int(table.state[0].stream_time_ms)
    start_ms, end_ms = window_ms(stream_time_ms, HOUR_PANES if limit.window == "hour" else DAY_PANES)
    return Evidence(
        policy=policy.name,
        policy_version=version,
        limit_name=limit.name,
        limit=float(cast("float", policy.limits[limit.name])),
        observed=count,
        window_start_ms=start_ms,
        window_end_ms=end_ms,
        hour=hour,
        day=day,
        trigger=Trigger(
            event_id=str(record["event_id"]),
            message_id=None if record["message_id"] is None else str(record["message_id"]),
            client_ip=None if record["client_ip"] is None else str(record["client_ip"]),
            verdict=str(record["verdict"]),
        ),
    )
