"""Where an audit of a partition begins and ends: at the first commit, or at a snapshot whose day before it is still there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processor.audit.pages import Page, Snapshot
from processor.audit.replay import Fault, LogFault
from processor.detection.inputs import ClockInput, CommandInput
from processor.restrictions.life import Role

WARM_UP_MS = 86_400_000 + 600_000
"""A day, and the ten minutes by which a record's own time and Kafka's may differ (design, section 8)."""


@dataclass(frozen=True, slots=True)
class Start:
    """After which commit the audit begins. `snapshot` None: at the beginning. `warm_up_offset`: from where verdicts are counted."""

    commit: int
    offset: int
    warm_up_offset: int
    snapshot: Snapshot | None


class NothingToAudit(Exception):
    """Nothing of a partition can be audited; the text says why."""


def choose_start(
    pages: Sequence[Page],
    snapshots: Sequence[Snapshot],
    first_verdict: int,
    warm_up_offset: Callable[[int], int | None],
    *,
    from_offset: int | None = None,
    is_whole: bool = False,
) -> Start:
    """The latest usable start at or before `from_offset`; else the earliest there is.

    `first_verdict` is what retention has left; `warm_up_offset(time_ms)` gives the first verdict that Kafka stamped at or after a
    time, None where retention may have taken some of these. `is_whole`: retention has taken nothing of the journal, so that a first
    commit that is not there was taken by somebody else. Raises NothingToAudit.
    """
    starts: list[Start] = []
    if pages and pages[0].commit == 1:
        if first_verdict <= pages[0].first_offset:
            starts.append(Start(0, pages[0].first_offset, pages[0].first_offset, None))
    elif is_whole and (not pages or first_verdict < pages[0].first_offset):
        starts.append(Start(0, first_verdict, first_verdict, None))
    known = {page.commit for page in pages}
    for snapshot in snapshots:
        if snapshot.commit + 1 not in known and snapshot.commit not in known:
            continue
        if starts and (from_offset is None or snapshot.next_offset > from_offset):
            break
        offset = warm_up_offset(snapshot.stream_time_ms - WARM_UP_MS)
        if offset is not None and first_verdict <= snapshot.next_offset:
            following = snapshot.next_offset
            starts.append(Start(snapshot.commit, following, min(offset, following), snapshot))
    if not starts:
        raise NothingToAudit(
            "retention has left neither the first verdict nor a snapshot with the verdicts of the day before it"
        )
    return starts[-1]


def missing_before(pages: Sequence[Page], partition: int, start: Start, *, is_whole: bool) -> list[LogFault]:
    """Commits that the journal lacks before an audit's start; `is_whole`: retention has taken nothing of it yet."""
    faults, expected, following = [], 1 if is_whole else None, 0
    for page in pages:
        if page.commit > start.commit + 1:
            break
        if expected is not None and page.commit > expected:
            message = f"commit {expected} to {page.commit - 1} of the journal: not there; what was decided then is not audited"
            faults.append(LogFault(Fault.JOURNAL_RECORD_MISSING, partition, following, page.first_offset, message))
        expected, following = page.commit + 1, page.next_offset
    return faults


def command_range(
    before: Sequence[Page], pages: Sequence[Page], role: Role, *, from_the_beginning: bool
) -> tuple[int, int]:
    """The first offset of a command topic that these pages may name, and the one after the last that they do.

    What the pages before them name was taken up before; where nothing tells how far that was, all of it was.
    """
    offsets, earlier = _commands(pages, role), _commands(before, role)
    if from_the_beginning:
        first = 0
    elif earlier:
        first = max(earlier) + 1
    else:
        first = min(offsets, default=1 << 62)
    return first, max(offsets, default=first - 1) + 1


def _commands(pages: Sequence[Page], role: Role) -> list[int]:
    """The offsets of one command topic that the pages name."""
    return [
        each.offset for page in pages for each in page.inputs if isinstance(each, CommandInput) and each.role is role
    ]


def lifted_by_the_clock_at(pages: Sequence[Page], offset: int) -> bool:
    """Whether these pages lifted restrictions by the clock before the verdict at `offset`."""
    return any(isinstance(each, ClockInput) and each.before_offset == offset for page in pages for each in page.inputs)
