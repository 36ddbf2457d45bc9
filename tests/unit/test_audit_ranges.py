"""Where an audit begins, and which pins it takes."""

from collections.abc import Sequence

import pytest

from processor.audit.pages import Page, Snapshot
from processor.audit.ranges import NothingToAudit, Start, choose_start
from processor.kafka.audit_source import PinsUnusable, check_ends

PAGES = [Page(commit, 10 * commit - 10, 10 * commit, 10, b"", b"", {}, ()) for commit in range(1, 6)]
SNAPSHOTS = [Snapshot(commit, 10 * commit, 1_000 * commit, "1", {}, ()) for commit in (2, 4)]


def begun(
    pages: Sequence[Page] = PAGES, first: int = 0, *, from_offset: int | None = None, is_whole: bool = True
) -> Start:
    warm_up = max(first, 5)
    return choose_start(
        pages,
        SNAPSHOTS,
        first,
        lambda _: None if warm_up == first else warm_up,
        from_offset=from_offset,
        is_whole=is_whole,
    )


@pytest.mark.parametrize(
    ("from_offset", "commit"), [(None, 0), (0, 0), (19, 0), (20, 2), (39, 2), (40, 4), (1 << 60, 4)]
)
def test_an_audit_begins_at_the_latest_snapshot_that_leaves_nothing_out(from_offset: int | None, commit: int) -> None:
    assert begun(from_offset=from_offset).commit == commit


def test_a_first_commit_that_somebody_took_away_is_no_work_of_retention() -> None:
    assert begun(PAGES[1:]) == Start(0, 0, 0, None)
    assert begun([]) == Start(0, 0, 0, None)
    assert begun(PAGES[1:], is_whole=False).commit == 2
    with pytest.raises(NothingToAudit, match="retention"):
        begun(PAGES[1:2], 30, is_whole=False)
    with pytest.raises(NothingToAudit, match="retention"):
        begun(PAGES, 30)


@pytest.mark.parametrize("pinned", [(0, 11), (-1, 5), (6, 5)])
def test_pins_of_what_is_not_there_are_refused(pinned: tuple[int, int]) -> None:
    check_ends({("t", 0): (0, 10)}, {("t", 0): (3, 10)})
    with pytest.raises(PinsUnusable, match="another cluster"):
        check_ends({("t", 0): pinned}, {("t", 0): (3, 10)})
