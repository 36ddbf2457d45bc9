"""What-if for people: what the log holds, who would have been blocked, and how two sets of policies or many values compare."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from processor.audit.policy_comparison import Comparison, SenderCompared, stopped
from processor.audit.sweep import Sweep
from processor.audit.sweep_words import about, value_of
from processor.audit.what_if import Outcome, Stopped, Totals, TriedBlock
from processor.audit.words import later
from processor.cli.printing import columns
from processor.cli.restricted_table import cause, count, exceeded, name_of
from processor.cli.times import shown
from processor.restrictions.events import Cause, Position, SenderAlerted

NOTE = "mail that was refused while a sender was really blocked left no verdict, and is not counted here"
_COLUMN_MAX = 60
_BAR = 16
_EIGHTHS = " ▏▎▍▌▋▊▉"

Place = Callable[[Position], str]
"""Where the record at a position stands, in words."""


def totals_lines(totals: Totals, *, why_late: str = "") -> Iterator[str]:
    """What was taken up; `why_late` is added where records were."""
    if totals.first_ms is None or totals.last_ms is None:
        yield "no records"
        return
    yield (
        f"{count(totals.records, 'record')} of {count(totals.senders, 'sender')}, {shown(totals.first_ms)} to "
        f"{shown(totals.last_ms)}: {totals.spam_messages:,} spam, {totals.bulk_messages:,} bulk"
    )
    if totals.late:
        yield (
            f"{count(totals.late, 'record')} came more than a day after newer ones, and {'is' if totals.late == 1 else 'are'} "
            f"not counted{why_late}"
        )


def outcome_lines(name: str, outcome: Outcome) -> Iterator[str]:
    """What came of one set of policies, in a few words."""
    yield (
        f"{name} ({outcome.policies.version}): {count(len(outcome.blocks), 'block')} of "
        f"{count(len(outcome.blocked_senders), 'sender')}; {_stopped(outcome.stopped)}"
    )
    if outcome.alerts:
        yield f"{count(outcome.alerts, 'alert')}: a limit was passed of a policy that only alerts"
    if outcome.holds:
        yield f"{count(outcome.holds, 'block')} held back by the brake (brake_blocks {outcome.policies.brake_blocks:,})"


def block_table(blocks: Sequence[TriedBlock], place: Place) -> Iterator[str]:
    """The blocks, a line each."""
    if blocks:
        head = ("SENDER", "TENANT", "FROM", "UNTIL", "WHY", "POLICY", "STOPPED", "SPAM", "TIPPED BY")
        yield from columns([head, *(_block_row(each, place) for each in blocks)], _COLUMN_MAX)


def alert_table(outcome: Outcome, place: Place) -> Iterator[str]:
    """Limits that were passed and nobody was blocked, a line each."""
    alerts = [event for event in outcome.events if isinstance(event, SenderAlerted)]
    if alerts:
        head = ("SENDER", "TENANT", "AT", "WHY", "POLICY", "NOT BLOCKED, FOR", "TIPPED BY")
        yield from columns([head, *(_alert_row(alert, place) for alert in alerts)], _COLUMN_MAX)


def comparison_parts(names: tuple[str, str], comparison: Comparison, place: Place) -> Iterator[list[str]]:
    """Whom only the one would block, whom only the other, and whom both, but differently."""
    for name, only in zip(names, (comparison.only_ours, comparison.only_others), strict=True):
        blocks = [block for each in only for block in (*each.ours, *each.others)]
        yield [_headed(f"only {name} blocks {count(len(only), 'sender')}", only), *block_table(blocks, place)]
    different = comparison.different
    yield [
        _headed(f"both block {count(len(different), 'sender')}, but differently", different),
        *_different_table(different),
    ]
    yield [f"both block {count(comparison.alike, 'sender')} at the same record, by the same limit and for as long"]


def _headed(line: str, below: Sequence[object]) -> str:
    return f"{line}:" if below else line


def _different_table(different: Sequence[SenderCompared]) -> Iterator[str]:
    if different:
        head = (
            "SENDER",
            "FIRST BY ONE",
            "WHY",
            "FIRST BY THE OTHER",
            "WHY",
            "THE OTHER IS",
            "BLOCKS",
            "STOPPED",
            "SPAM",
        )
        yield from columns([head, *map(_different_row, different)], _COLUMN_MAX)


def sweep_lines(sweep: Sweep, outcomes: Sequence[Outcome], own: float | None, *, is_plain: bool) -> Iterator[str]:
    """A line for each value, with bars; `is_plain`: in ASCII. `own` is marked: the value that the policies have."""
    yield from about(sweep, outcomes[0].policies, own)
    senders = [len(outcome.blocked_senders) for outcome in outcomes]
    spam = [outcome.stopped.spam_messages for outcome in outcomes]
    other = [outcome.stopped.messages - outcome.stopped.spam_messages for outcome in outcomes]
    cells: list[list[str]] = [_right(["LIMIT", *map(value_of, sweep.values)])]
    cells.append([" ", *("*" if value == own else " " for value in sweep.values)])
    for head, numbers in (("SENDERS BLOCKED", senders), ("SPAM STOPPED", spam), ("OTHER MAIL STOPPED", other)):
        most = max(numbers, default=0)
        cells.append(_right([head, *(f"{number:,}" for number in numbers)]))
        cells.append(["", *(bar(number, most, is_plain=is_plain) for number in numbers)])
    for head, numbers in (
        ("ALERTS", [outcome.alerts for outcome in outcomes]),
        ("HELD BY THE BRAKE", [outcome.holds for outcome in outcomes]),
    ):
        if any(numbers):
            cells.append(_right([head, *(f"{number:,}" for number in numbers)]))
    yield from columns(list(zip(*cells, strict=True)), _COLUMN_MAX)


def bar(number: int, most: int, *, is_plain: bool = False) -> str:
    """`number` as a bar, where `most` is a whole one. What is more than nothing shows."""
    eighths = 0 if most == 0 else max(round(8 * _BAR * number / most), 1 if number else 0)
    if is_plain:
        return "#" * -(-eighths // 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _right(cells: Iterable[str]) -> list[str]:
    several = list(cells)
    width = max(map(len, several))
    return [cell.rjust(width) for cell in several]


def _stopped(mail: Stopped) -> str:
    return f"{count(mail.messages, 'message')} would have been stopped, {mail.spam_messages:,} of them spam"


def _block_row(each: TriedBlock, place: Place) -> tuple[str, ...]:
    block = each.block
    until_ms = block.blocked_until_ms if each.end is None else each.end.unblocked_at_ms
    return (
        name_of(block.sender),
        name_of(block.tenant_id),
        shown(block.blocked_at_ms),
        "until lifted" if until_ms is None else shown(until_ms),
        cause(block),
        name_of(block.evidence.policy) if block.evidence else "-",
        f"{each.stopped.messages:,}",
        f"{each.stopped.spam_messages:,}",
        place(block.position),
    )


def _alert_row(alert: SenderAlerted, place: Place) -> tuple[str, ...]:
    return (
        name_of(alert.sender),
        name_of(alert.tenant_id),
        shown(alert.alerted_at_ms),
        exceeded(alert.evidence),
        name_of(alert.evidence.policy),
        "the brake holds" if alert.cause is Cause.BRAKE else "the policy only alerts",
        place(alert.position),
    )


def _different_row(compared: SenderCompared) -> tuple[str, ...]:
    one, other = compared.ours[0].block, compared.others[0].block
    ours, others = stopped(compared.ours), stopped(compared.others)
    return (
        name_of(compared.sender),
        shown(one.blocked_at_ms),
        cause(one),
        shown(other.blocked_at_ms),
        cause(other),
        later(compared.later_ms or 0),
        f"{len(compared.ours):,} / {len(compared.others):,}",
        f"{ours.messages:,} / {others.messages:,}",
        f"{ours.spam_messages:,} / {others.spam_messages:,}",
    )
