"""What a run costs: processor time, wall time and memory of one process, and what the broker spent meanwhile.

The kernel counts: user and system time of the process with all its threads, and the most memory that it held. A process begins
with the peak of the one that started it, so this one stays small: what takes memory runs in processes of its own.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.broker import ROOT, Broker

_LONGEST_S = 900.0


@dataclass(frozen=True, slots=True)
class Mark:
    """What a process had used of time since its start when it had done so many records, by its own account."""

    records: int
    cpu_s: float
    wall_s: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process from its start to its end."""

    cpu_s: float
    wall_s: float
    peak_bytes: int
    broker_cpu_s: float
    marks: tuple[Mark, ...] = ()

    @property
    def between_marks(self) -> Mark | None:
        """What was done, and used, between its two marks; None where it has told of none."""
        if len(self.marks) != 2:
            return None
        first, last = self.marks
        return Mark(last.records - first.records, last.cpu_s - first.cpu_s, last.wall_s - first.wall_s)


class RunFailed(Exception):
    """A process that was to be measured did not do its work; the text has what it said last."""


def python(*words: str) -> tuple[str, ...]:
    """The command that runs a module of this checkout: `python("-m", "bench.bare", ...)`."""
    return (sys.executable, *words)


def started(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """A program with this checkout as its folder, in a session of its own, which ends when this process does."""
    with log.open("w") as sink:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "--", *command],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("SENDERWATCH_")},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def measured(command: Sequence[str], broker: Broker, log: Path) -> Cost:
    """Run a program to its end. Its output goes to `log`; see `_marks` for what is read of it. Raises RunFailed."""
    broker_before_s, began_s = broker.cpu_s(), time.monotonic()
    process = started(command, log)
    overdue = threading.Timer(_LONGEST_S, process.kill)
    overdue.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        overdue.cancel()
        if process.returncode is None:
            process.kill()
            process.wait()
    wall_s = time.monotonic() - began_s
    if process.returncode != 0:
        raise RunFailed(f"{' '.join(command)}: exit status {process.returncode}\n{log.read_text()[-2000:]}")
    return Cost(
        cpu_s=usage.ru_utime + usage.ru_stime,
        wall_s=wall_s,
        peak_bytes=usage.ru_maxrss * 1024,
        broker_cpu_s=broker.cpu_s() - broker_before_s,
        marks=_marks(log),
    )


def _marks(log: Path) -> tuple[Mark, ...]:
    """The lines `mark RECORDS CPU_S WALL_S` that a program has printed: where a part of its run is to be told from the rest."""
    lines = (line.split() for line in log.read_text(errors="replace").splitlines() if line.startswith("mark "))
    return tuple(Mark(int(records), float(cpu_s), float(wall_s)) for _, records, cpu_s, wall_s in lines)
