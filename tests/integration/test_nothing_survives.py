"""However a suite ends, its brokers end with it."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.processes import ROOT, end, start
from tests.waiting import wait_until

SUITE = """
import time
from tests.brokers import Broker

def test_that_lasts(kafka: Broker) -> None:
    print("BROKER", kafka.pid, flush=True)
    time.sleep(100)

def test_that_fails(kafka: Broker) -> None:
    print("BROKER", kafka.pid, flush=True)
    assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Path]:
    """A suite of its own beside this one, with this one's fixtures."""
    path = tmp_path / "test_suite.py"
    path.write_text(SUITE)
    yield path
    (tmp_path / "output").unlink(missing_ok=True)


def _run(suite: Path, test: str) -> tuple[subprocess.Popen[str], psutil.Process]:
    """The suite's process, and its broker's when it is there."""
    output = suite.parent / "output"
    command = [
        sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.conftest", "-p", "no:cacheprovider",
        f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}", f"{suite}::{test}",
    ]  # fmt: skip
    running = start(command, output=output)
    try:
        told = wait_until(
            lambda: [line for line in output.read_text().splitlines() if line.startswith("BROKER")], "the broker", 60
        )
        return running, psutil.Process(int(told[0].split()[1]))
    except BaseException:
        end(running)
        raise


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_broker_survives_a_suite_that_is_stopped(suite: Path, ending: signal.Signals) -> None:
    running, broker = _run(suite, "test_that_lasts")
    try:
        running.send_signal(ending)
        wait_until(lambda: not broker.is_running(), f"the broker to end after {ending.name}")
    finally:
        end(running)


def test_no_broker_survives_a_failing_test(suite: Path) -> None:
    output = suite.parent / "output"
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "tests.conftest", f"{suite}::test_that_fails"]
    running = start(command, output=output)
    try:
        assert running.wait(timeout=60) == pytest.ExitCode.TESTS_FAILED, output.read_text()
        (told,) = [line for line in output.read_text().splitlines() if line.startswith("BROKER")]
        assert not psutil.pid_exists(int(told.split()[1]))
    finally:
        end(running)
