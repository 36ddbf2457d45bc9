"""A standard output that takes no more: one line, a status of its own, no traceback."""

import subprocess
import sys

import pytest

from tests.processes import ROOT

COMMANDS = {"what is shown at once": "--version", "what rich writes": "--help", "a page of lines": "policy schema"}
OUTPUTS = {
    ">/dev/full": "No space left on device",
    ">&-": "Bad file descriptor",
    "| head -c 0": "Broken pipe",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize("output", OUTPUTS)
def test_an_output_that_takes_no_more_is_said_in_one_line(command: str, output: str) -> None:
    line = f"{sys.executable} -m processor.cli.main {command} {output}; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.stderr == f"senderwatch: cannot write to standard output: {OUTPUTS[output]}\n"
    assert ended.returncode == 74


@pytest.mark.parametrize("errors", [">/dev/full 2>/dev/full", "2>&- >/dev/full"])
def test_where_nobody_can_be_told_the_status_says_it_all_the_same(errors: str) -> None:
    line = f"{sys.executable} -m processor.cli.main --version {errors}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ended.returncode, ended.stdout, ended.stderr) == (74, "", "")


def test_a_command_that_prints_nothing_does_not_need_an_output() -> None:
    line = f"{sys.executable} -m processor.cli.main topics list --bootstrap-servers nowhere >&-"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 2
    assert "expected HOST:PORT" in ended.stderr
