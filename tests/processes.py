"""Processes that tests start: they end with the test, with the suite, and with a suite that is killed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def start(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    output: Path | None = None,
) -> subprocess.Popen[str]:
    """Start `command` in a session of its own; the kernel kills it when the thread that called this is gone.

    Its own session: a Ctrl-C is for the suite, which then stops things in order. `output` gets what the process
    prints; without it, stdout and stderr are pipes.
    """
    sink = output.open("a") if output is not None else None
    try:
        return subprocess.Popen(
            # A suite that runs in the background may ignore SIGINT, and its children would inherit that.
            ["env", "--default-signal=INT,TERM", "setpriv", "--pdeathsig", "KILL", "--", *map(str, command)],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=sink or subprocess.PIPE,
            stderr=subprocess.STDOUT if sink else subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
    finally:
        if sink is not None:
            sink.close()


def start_senderwatch(
    *arguments: str, environment: Mapping[str, str] | None = None, folder: Path = ROOT, output: Path | None = None
) -> subprocess.Popen[str]:
    """The `senderwatch` command of this checkout."""
    command = [sys.executable, "-m", "processor.cli.main", *arguments]
    return start(command, environment={"PYTHONPATH": str(ROOT), **(environment or {})}, folder=folder, output=output)


def end(process: subprocess.Popen[str]) -> None:
    """Kill it if it still runs, and close its pipes."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
