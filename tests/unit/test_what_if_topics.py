"""What-if on the topics says by its exit status whether the log can be believed."""

import pytest

from processor.audit.replay import Fault, LogFault
from processor.audit.what_if import totals_together
from processor.cli.what_if_topics import status_of
from processor.workers.retrying import Tried


@pytest.mark.parametrize(
    ("faults", "unread", "status"),
    [
        ([], {}, 0),
        ([Fault.RETENTION_GAP], {}, 0),
        ([Fault.RETENTION_GAP, Fault.VERDICTS_DIFFER], {}, 1),
        ([Fault.VERDICTS_DIFFER], {3: "retention"}, 2),
    ],
)
def test_a_gap_that_the_worker_told_of_is_no_fault(faults: list[Fault], unread: dict[int, str], status: int) -> None:
    told = tuple(LogFault(fault, 0, 0, 1, "so") for fault in faults)
    assert status_of(Tried(totals_together([]), (), told, unread)) == status
