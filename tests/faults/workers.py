"""The workers under attack, real processes, and their supervisor, which starts one again that has ended by itself, as systemd would."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import processes

_AGAIN_S = 1.0
"""How long the supervisor waits before it starts a worker again."""


@dataclass(frozen=True, slots=True)
class End:
    """How a process of a worker has ended; `killed`: by SIGKILL, else `status` is its own and `said` its last words."""

    worker: str
    at_s: float
    killed: bool
    status: int
    said: str
    was_told: bool


class Worker:
    """One worker, process after process. Each process has a log of its own."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._command = command
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._starts = 0
        self._is_told = False
        self.ends: list[End] = []

    @property
    def log(self) -> Path:
        return self._folder / f"{self.name}.{self._starts}.log"

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        assert not self.runs, f"{self.name} runs already"
        self._starts += 1
        self._is_told = False
        environment = {"PYTHONPATH": str(processes.ROOT)}
        self._process = processes.start(self._command, environment=environment, output=self.log)

    def kill(self) -> None:
        """SIGKILL; nothing if it has ended already."""
        if self.runs:
            assert self._process is not None
            self._process.kill()
            self._process.wait()
        self.note_end()

    def freeze(self) -> None:
        if self.runs:
            os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        if self.runs:
            os.kill(self.pid, signal.SIGCONT)

    def tell_to_stop(self) -> None:
        """SIGTERM."""
        self._is_told = True
        if self.runs:
            os.kill(self.pid, signal.SIGTERM)

    def note_end(self) -> End | None:
        """How its process has ended, the first time that it is asked after it."""
        if self._process is None or self._process.poll() is None:
            return None
        status = self._process.returncode
        lines = self.log.read_text().splitlines()
        said = lines[-1] if lines else ""
        end = End(self.name, time.time(), status == -signal.SIGKILL, status, said, self._is_told)
        self._process = None
        self.ends.append(end)
        return end


class Fleet:
    """All workers of a campaign. `look` has to be called again and again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._workers: dict[str, Worker] = {}
        self._again_s: dict[str, float] = {}
        self.wanted: set[str] = set()
        """Those that the supervisor starts again when they end by themselves."""

    def __getitem__(self, name: str) -> Worker:
        return self._workers[name]

    def __iter__(self) -> Iterator[Worker]:
        return iter(self._workers.values())

    def add(self, name: str, command: list[str]) -> Worker:
        worker = Worker(name, command, self._folder)
        self._workers[name] = worker
        return worker

    def want(self, name: str) -> None:
        """Start it, and again whenever it ends by itself."""
        self.wanted.add(name)
        if not self[name].runs:
            self[name].start()

    def kill(self, name: str) -> None:
        """It stays dead until it is wanted again."""
        self.wanted.discard(name)
        self[name].kill()

    def tell_to_stop(self, name: str) -> None:
        """It stays away until it is wanted again."""
        self.wanted.discard(name)
        self[name].tell_to_stop()

    def look(self) -> None:
        for worker in self:
            if worker.note_end() is not None and worker.name in self.wanted:
                self._again_s[worker.name] = time.monotonic() + _AGAIN_S
        for name, at_s in list(self._again_s.items()):
            if name not in self.wanted:
                del self._again_s[name]
            elif time.monotonic() >= at_s:
                del self._again_s[name]
                if not self[name].runs:
                    self[name].start()

    def told_to_stop(self) -> bool:
        """Whether all have ended, once they were told to."""
        self.wanted.clear()
        self.look()
        return not any(worker.runs for worker in self)

    def end(self) -> None:
        """Kills what is left."""
        for worker in self:
            worker.kill()


def settings_file(path: Path, values: Mapping[str, object]) -> Path:
    """A settings file with these values; JSON's values are TOML's, and dots in names are tables."""
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    return path


def detect_command(settings: Path) -> list[str]:
    return [sys.executable, "-X", "faulthandler", "-m", "processor.cli.main", "detect", "--config", str(settings)]


def notify_command(settings: Path) -> list[str]:
    """The notifier as `senderwatch notify` runs it, but for its schedule: a campaign cannot wait minutes for a second try."""
    return [sys.executable, "-X", "faulthandler", "-m", "tests.notifier_process", str(settings)]
