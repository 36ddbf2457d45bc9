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
from pathlib import Path
from tests.brokers import Broker

def tell(kafka: Broker) -> None:
    Path(__file__).with_name("broker").write_text(str(kafka.pid))

def test_that_lasts(kafka: Broker) -> None:
    tell(kafka)
    time.sleep(100)

def test_that_fails(kafka: Broker) -> None:
    tell(kafka)
    assert False
"""


@pytest.fixture
def suite(tmp_path: Path) -> Iterator[Path]:
    """A suite of its own beside this one, with this one's fixtures."""
    path = tmp_path / "test_suite.py"
    path.write_text(SUITE)
    yield path
    (tmp_path / "output").unlink(missing_ok=True)


def _start(suite: Path, test: str, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", *options,
        f"--rootdir={ROOT}", f"--config-file={ROOT / 'pyproject.toml'}", f"{suite}::{test}",
    ]  # fmt: skip
    return start(command, output=suite.parent / "output")


def _broker(suite: Path) -> int:
    """The process of the suite's broker, 0 while there is none."""
    told = suite.parent / "broker"
    return int(told.read_text() or 0) if told.exists() else 0


ONE_PROCESS, A_PROCESS_OF_SEVERAL = ("-n", "0"), ("-n", "1")


@pytest.mark.parametrize("processes", [ONE_PROCESS, A_PROCESS_OF_SEVERAL], ids=["in one process", "in one of several"])
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_broker_survives_a_suite_that_is_stopped(
    suite: Path, ending: signal.Signals, processes: tuple[str, str]
) -> None:
    running = _start(suite, "test_that_lasts", *processes)
    try:
        broker = psutil.Process(wait_until(lambda: _broker(suite), "the broker", 60))
        running.send_signal(ending)
        wait_until(lambda: not broker.is_running(), f"the broker to end after {ending.name}", 60)
    finally:
        end(running)


def test_no_broker_survives_a_failing_test(suite: Path) -> None:
    running = _start(suite, "test_that_fails")
    try:
        assert running.wait(timeout=60) == pytest.ExitCode.TESTS_FAILED, (suite.parent / "output").read_text()
        assert not psutil.pid_exists(_broker(suite))
    finally:
        end(running)
