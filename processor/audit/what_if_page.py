"""What-if as one HTML page that needs nothing but itself: what policies decide, two sets of them, or a limit at many values.

It is made from outcomes alone, wherever the log came from. Names are an attacker's: all that is shown is harmless.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from processor.audit.pictures import BY_HAND
from processor.audit.policy_comparison import Comparison, SenderCompared, stopped
from processor.audit.rendering import rendered
from processor.audit.sweep import Sweep
from processor.audit.sweep_picture import other, picture, senders, spam
from processor.audit.sweep_words import about, value_of
from processor.audit.what_if import Outcome, TriedBlock
from processor.audit.what_if_pictures import Measure, by_limit, measures, over_time
from processor.audit.words import count, later, moment, name_of, number_of, said
from processor.policies.limits import LIMITS
from processor.restrictions.events import Cause, Evidence, Position, SenderAlerted, SenderBlocked

MOST = 500
"""So many rows of a table stand on a page; a browser must still open it."""
Templates = Mapping[str, str]
Content = Iterator[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be said of the log, a line each; `place` says where the record of an event stands."""

    lines: Sequence[str]
    place: Callable[[Position], str]


@dataclass(frozen=True, slots=True)
class Named:
    """What a set of policies decides, and what people call the set."""

    name: str
    outcome: Outcome

    @property
    def title(self) -> str:
        """The name with the version."""
        return f"{said(self.name)} ({said(self.outcome.policies.version)})"


def tried_page(told: Told, ours: Named, templates: Templates, most: int = MOST) -> str:
    """One set of policies; `templates` are the files of processor/audit/html by name. The same outcome gives the same bytes."""
    return rendered("tried.html", _tried(told, ours, most), templates)


def compared_page(
    told: Told, ours: Named, others: Named, comparison: Comparison, templates: Templates, most: int = MOST
) -> str:
    """Two sets of policies."""
    return rendered("compared.html", _compared(told, ours, others, comparison, most), templates)


def swept_page(
    told: Told, sweep: Sweep, own: float | None, outcomes: Sequence[Outcome], name: str, templates: Templates
) -> str:
    """One limit at many values, each with its outcome; `own` is its value in the policies themselves, which people call `name`."""
    return rendered("swept.html", _swept(told, sweep, own, outcomes, name), templates)


def _tried(told: Told, ours: Named, most: int) -> Content:
    outcome = ours.outcome
    yield "told", list(map(said, told.lines))
    yield "title", ours.title
    yield "sentence", _sentence(outcome)
    yield "figures", list(_figures(outcome))
    yield "over_time", over_time(outcome.blocks)
    yield "limits", by_limit(outcome.blocks)
    yield "blocks", _block_rows(outcome.blocks, told, most)
    yield "more_blocks", _more(len(outcome.blocks) - most, "block")
    alerts = [event for event in outcome.events if isinstance(event, SenderAlerted)]
    yield "alerts", [_alert_row(alert, told) for alert in alerts[:most]]
    yield "more_alerts", _more(len(alerts) - most, "alert")


def _compared(told: Told, ours: Named, others: Named, comparison: Comparison, most: int) -> Content:
    yield "told", list(map(said, told.lines))
    yield "titles", (ours.title, others.title)
    yield "sentence", _compared_sentence(comparison)
    yield "measures", list(map(_measure, measures(ours.outcome, others.outcome)))
    only = []
    for place, some in enumerate((comparison.only_ours, comparison.only_others)):
        blocks = [block for each in some for block in (*each.ours, *each.others)]
        only.append(
            {
                "id": ("only-first", "only-second")[place],
                "head": f"Only the {('first', 'second')[place]} blocks {count(len(some), 'sender')}",
                "blocks": _block_rows(blocks, told, most),
                "more": _more(len(blocks) - most, "block"),
            }
        )
    yield "only", only
    yield "different_head", f"Both block {count(len(comparison.different), 'sender')}, but differently"
    yield "different", list(map(_different_row, comparison.different[:most]))
    yield "more_different", _more(len(comparison.different) - most, "sender")
    yield "alike", count(comparison.alike, "sender")


def _swept(told: Told, sweep: Sweep, own: float | None, outcomes: Sequence[Outcome], name: str) -> Content:
    sentence, *remarks = about(sweep, outcomes[0].policies, own)
    yield "told", list(map(said, told.lines))
    yield "title", said(name)
    yield "sentence", sentence
    yield "remarks", remarks
    yield "unit", next(limit.unit for limit in LIMITS if limit.name == sweep.limit)
    yield "limit", sweep.limit
    yield "own", "" if own is None else f"now {value_of(own)}"
    yield "picture", picture(sweep, outcomes, own)
    yield "alerting", any(outcome.alerts for outcome in outcomes)
    yield "holding", any(outcome.holds for outcome in outcomes)
    yield (
        "rows",
        [
            {
                "value": value_of(value),
                "is_own": value == own,
                "senders": f"{senders(outcome):,}",
                "blocks": f"{len(outcome.blocks):,}",
                "spam": f"{spam(outcome):,}",
                "other": f"{other(outcome):,}",
                "alerts": f"{outcome.alerts:,}",
                "holds": f"{outcome.holds:,}",
            }
            for value, outcome in zip(sweep.values, outcomes, strict=True)
        ],
    )


def _sentence(outcome: Outcome) -> str:
    if not outcome.blocks:
        return "nobody would have been blocked"
    return (
        f"{count(len(outcome.blocked_senders), 'sender')} would have been blocked, and {count(outcome.stopped.messages, 'message')} "
        f"stopped, {outcome.stopped.spam_messages:,} of them spam"
    )


def _compared_sentence(comparison: Comparison) -> str:
    return (
        f"{count(len(comparison.only_ours), 'sender')} only by the first, {len(comparison.only_others):,} only by the second, "
        f"{len(comparison.different):,} by both, but differently, {comparison.alike:,} alike"
    )


def _figures(outcome: Outcome) -> Iterator[tuple[str, str]]:
    yield "senders blocked", f"{senders(outcome):,}"
    yield "blocks", f"{len(outcome.blocks):,}"
    yield "spam stopped", f"{spam(outcome):,}"
    yield "other mail stopped", f"{other(outcome):,}"
    if outcome.alerts:
        yield "alerts without a block", f"{outcome.alerts:,}"
    if outcome.holds:
        yield "held back by the brake", f"{outcome.holds:,}"


def _block_rows(blocks: Sequence[TriedBlock], told: Told, most: int) -> list[dict[str, Any]]:
    return [_block_row(each, told) for each in blocks[:most]]


def _block_row(each: TriedBlock, told: Told) -> dict[str, Any]:
    block = each.block
    until_ms = block.blocked_until_ms if each.end is None else each.end.unblocked_at_ms
    return {
        "sender": name_of(block.sender),
        "tenant": name_of(block.tenant_id),
        "from": moment(block.blocked_at_ms),
        "until": "until lifted" if until_ms is None else moment(until_ms),
        **_why(block),
        "spam": f"{each.stopped.spam_messages:,}",
        "other": f"{each.stopped.messages - each.stopped.spam_messages:,}",
        "place": said(told.place(block.position)),
    }


def _alert_row(alert: SenderAlerted, told: Told) -> dict[str, Any]:
    return {
        "sender": name_of(alert.sender),
        "tenant": name_of(alert.tenant_id),
        "at": moment(alert.alerted_at_ms),
        **_evidence(alert.evidence),
        "why_not": "the brake holds" if alert.cause is Cause.BRAKE else "the policy only alerts",
        "place": said(told.place(alert.position)),
    }


def _why(block: SenderBlocked) -> dict[str, str]:
    if block.evidence is not None:
        return _evidence(block.evidence)
    return {"limit": BY_HAND, "observed": "", "policy": "" if block.issued_by is None else name_of(block.issued_by)}


def _evidence(evidence: Evidence) -> dict[str, str]:
    return {
        "limit": name_of(evidence.limit_name),
        "observed": f"{number_of(evidence.observed)} > {number_of(evidence.limit)}",
        "policy": name_of(evidence.policy),
    }


def _different_row(compared: SenderCompared) -> dict[str, Any]:
    firsts = [blocks[0].block for blocks in (compared.ours, compared.others)]
    both = [stopped(blocks) for blocks in (compared.ours, compared.others)]
    return {
        "sender": name_of(compared.sender),
        "tenant": name_of(firsts[0].tenant_id),
        "firsts": [{"at": moment(block.blocked_at_ms), **_why(block)} for block in firsts],
        "later": later(compared.later_ms or 0),
        "blocks": [f"{len(blocks):,}" for blocks in (compared.ours, compared.others)],
        "spam": [f"{each.spam_messages:,}" for each in both],
        "other": [f"{each.messages - each.spam_messages:,}" for each in both],
    }


def _measure(measure: Measure) -> dict[str, Any]:
    return {
        "name": measure.name,
        "sides": [
            {"told": f"{number:,}", "part": part} for number, part in zip(measure.numbers, measure.parts, strict=True)
        ],
    }


def _more(number: int, what_of: str) -> str:
    return f"And {count(number, what_of)} more: --json has all." if number > 0 else ""
