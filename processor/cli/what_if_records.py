"""What-if for programs: one JSON object a line, each with its `type`; times are epoch milliseconds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from processor.audit.policy_comparison import Comparison
from processor.audit.replay import LogFault
from processor.audit.rows import fault_row
from processor.audit.sweep import Sweep
from processor.audit.what_if import Outcome, Stopped, Totals, TriedBlock
from processor.cli.feeding_view import LeftOut
from processor.cli.what_if_words import NOTE
from processor.restrictions.events import CommandRefused, Position, SenderBlocked

Place = Callable[[Position], dict[str, Any]]
"""Where the record at a position stands, as fields."""


def input_record(totals: Totals, left_out: LeftOut) -> dict[str, Any]:
    """What was taken up, and what was not."""
    return {
        "type": "input",
        **_totals(totals),
        "skipped": dict(left_out.skipped),
        "refused": [
            {"field": field, "problem": problem, "lines": lines} for (field, problem), lines in left_out.refused.items()
        ],
        "first_refused": [
            {"file": str(line.file), "line": line.number, "field": line.refused.field, "problem": line.refused.problem}
            for line in left_out.first_refused
        ],
        "note": NOTE,
    }


def log_record(
    totals: Totals, faults: Sequence[LogFault], unread: Mapping[int, str], pins: Mapping[str, Any]
) -> dict[str, Any]:
    """What was taken up of the topics, what is wrong with them, and the pins by which the same can be run again."""
    return {
        "type": "log",
        **_totals(totals),
        "rejected": {reason.value: number for reason, number in sorted(totals.rejected.items())},
        "faults": list(map(fault_row, faults)),
        "unread": {str(partition): why for partition, why in unread.items()},
        "pins": pins,
        "note": NOTE,
    }


def _totals(totals: Totals) -> dict[str, Any]:
    return {
        "records": totals.records,
        "spam_messages": totals.spam_messages,
        "bulk_messages": totals.bulk_messages,
        "senders": totals.senders,
        "first": totals.first_ms,
        "last": totals.last_ms,
        "late": totals.late,
    }


def event_records(name: str, outcome: Outcome, place: Place) -> Iterator[dict[str, Any]]:
    """Each event as its Avro schema names its fields, and with a block what it would have stopped."""
    blocks = {each.block.block_id: each for each in outcome.blocks}
    for event in outcome.events:
        if isinstance(event, CommandRefused):
            continue
        record = {"type": type(event).__name__, "policies": name}
        if isinstance(event, SenderBlocked):
            yield record | block_record(blocks[event.block_id], place)
        else:
            yield record | event.to_record() | place(event.position)


def block_record(each: TriedBlock, place: Place) -> dict[str, Any]:
    """A block, when it ended within the log, and what it would have stopped."""
    return {
        **each.block.to_record(),
        **place(each.block.position),
        "unblocked_at": None if each.end is None else each.end.unblocked_at_ms,
        **_stopped(each.stopped),
    }


def outcome_record(name: str, outcome: Outcome) -> dict[str, Any]:
    """What came of one set of policies."""
    return {"type": "outcome", "policies": name, "policy_version": outcome.policies.version, **_sums(outcome)}


def comparison_records(names: tuple[str, str], comparison: Comparison, place: Place) -> Iterator[dict[str, Any]]:
    """Each sender who fares differently, with his blocks under both."""
    parts = (
        ("only_policies", comparison.only_ours),
        ("only_against", comparison.only_others),
        ("different", comparison.different),
    )
    for found, senders in parts:
        for each in senders:
            yield {
                "type": "compared",
                "found": found,
                "sender": each.sender,
                "policies": names[0],
                "against": names[1],
                "later_ms": each.later_ms,
                "blocks": [block_record(block, place) for block in each.ours],
                "blocks_against": [block_record(block, place) for block in each.others],
            }
    yield {
        "type": "comparison",
        "policies": names[0],
        "against": names[1],
        **{found: len(senders) for found, senders in parts},
        "alike": comparison.alike,
    }


def sweep_record(sweep: Sweep, value: float, own: float | None, outcome: Outcome) -> dict[str, Any]:
    """One value of a sweep."""
    return {
        "type": "sweep",
        "policy": sweep.policy,
        "limit_name": sweep.limit,
        "limit": value,
        "is_own": value == own,
        **_sums(outcome),
    }


def _sums(outcome: Outcome) -> dict[str, int]:
    return {
        "senders": len(outcome.blocked_senders),
        "blocks": len(outcome.blocks),
        "alerts": outcome.alerts,
        "holds": outcome.holds,
        **_stopped(outcome.stopped),
    }


def _stopped(mail: Stopped) -> dict[str, int]:
    return {"stopped_messages": mail.messages, "stopped_spam_messages": mail.spam_messages}
