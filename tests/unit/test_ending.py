"""Whoever is told to end does, also where a client of Kafka does not let go of him."""

import subprocess
import sys

import pytest

from processor.workers.ending import ending_in_time

_STUCK = """
import threading
from processor.workers.ending import ending_in_time

def leave_for_ever():
    with ending_in_time(0.2):
        threading.Event().wait()

{how}
"""
_AFTER_AN_ERROR = "try:\n    raise OSError\nfinally:\n    leave_for_ever()"


@pytest.mark.parametrize(("how", "status"), [("leave_for_ever()", 0), (_AFTER_AN_ERROR, 1)])
def test_what_does_not_end_is_ended_and_tells_where_it_was(how: str, status: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _STUCK.format(how=how)], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == status
    assert "ended by force" in ended.stdout
    assert "in leave_for_ever" in ended.stderr


def test_what_ends_in_time_goes_on() -> None:
    with ending_in_time(60):
        pass
