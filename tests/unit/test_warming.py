"""Warming compiles what a worker runs."""

import os
import subprocess
import sys
from pathlib import Path

from processor.restrictions.events import SenderBlocked, SenderUnblocked
from processor.workers.warming import warm
from tests.processes import ROOT


def test_warming_goes_through_a_block_its_end_and_a_block_by_hand() -> None:
    assert [type(event) for event in warm()] == [SenderBlocked, SenderUnblocked, SenderBlocked]


def test_the_cache_that_warming_leaves_is_taken_by_the_next_process(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), "NUMBA_CPU_NAME": "generic"}
    command = [sys.executable, "-m", "processor.workers.warming"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=100)
    compiled = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb[ic]")}
    assert compiled
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=100)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb[ic]")} == compiled
