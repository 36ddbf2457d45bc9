"""What an audit says of a partition of which it knows no commit."""

from processor.workers.auditing import not_told


def test_an_offset_that_somebody_else_has_set_is_no_match() -> None:
    assert "names no commit" in (not_told("g", 40, has_events=False) or "")
    assert "names no commit" in (not_told("g", 40, has_events=True) or "")


def test_a_partition_that_nobody_has_processed_is_audited_whole_unless_events_came_from_it() -> None:
    assert not_told("g", 0, has_events=False) is None
    assert "workers' group" in (not_told("g", 0, has_events=True) or "")
