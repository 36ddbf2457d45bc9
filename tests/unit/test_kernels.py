"""The kernels are the Python that they read as: compiled, checked for their bounds and uncompiled they do the same."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import kernel_run
from tests.processes import ROOT

pytestmark = pytest.mark.timeout(300)


def _in_a_process_with(**environment: str) -> object:
    command = [sys.executable, "-m", "tests.kernel_run"]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def compiled() -> dict[str, object]:
    found = kernel_run.run()
    assert min(len(found["blocking"][part]) for part in ("events", "rejected")) > 20, "the log has something to decide"
    assert len(found["alerting"]["events"]) > 20
    return found


def test_plain_python_decides_as_the_compiled_kernels_do(compiled: dict[str, object]) -> None:
    assert _in_a_process_with(NUMBA_DISABLE_JIT="1") == compiled


def test_the_kernels_stay_within_their_arrays(compiled: dict[str, object], tmp_path: Path) -> None:
    assert _in_a_process_with(NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path)) == compiled
