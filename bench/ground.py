"""What a section of the benchmark stands on, what it hands back, and how it starts the workers that it watches.

A section is a function that measures one thing on the benchmark's own broker; `bench.sections` has them by name.
"""

import itertools
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.broker import Broker
from bench.costs import Cost, RunFailed, measured, python, started
from bench.topics import make_topics
from processor.kafka.topics import TopicNames

_STOP_S = 60.0
_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class Report:
    """What a section found: text in Markdown to be printed, and every figure behind it for the file."""

    text: str
    figures: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """The broker, a folder for logs, whether the short form is wanted, and the caller's own mail as words for `bench.traffic`."""

    broker: Broker
    folder: Path
    quick: bool
    traffic: tuple[str, ...] = ()
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def topics(self, prefix: str) -> TopicNames:
        """All topics under a prefix, made where they are not there yet."""
        topics = TopicNames(prefix)
        make_topics(self.broker.bootstrap, topics)
        return topics

    def log(self, name: str) -> Path:
        """A new file for what a process says."""
        return self.folder / f"{name}-{next(self._numbers)}.log"

    def run(self, *words: str) -> Cost:
        """Runs a module of this checkout to its end: `run("bench.traffic", ...)`. Raises RunFailed."""
        return self.measure(python("-m", *words), words[0])

    def measure(self, command: Sequence[str], name: str) -> Cost:
        """Runs any program to its end; `name` is that of its log. Raises RunFailed."""
        return measured(command, self.broker, self.log(name))

    @contextmanager
    def process(self, *words: str, says: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """A module of this checkout that works until the block ends and gets a SIGTERM then, if it has not ended by itself.

        Where `says` is given, the block begins when the process has said that. Raises RunFailed.
        """
        log = self.log(words[0])
        process = started(python("-m", *words), log)
        try:
            while says not in log.read_text():
                if process.poll() is not None:
                    break
                time.sleep(_PAUSE_S)
            yield process
            if process.poll() is None:
                process.terminate()
                process.wait(_STOP_S)
            if process.returncode != 0:
                raise RunFailed(f"{' '.join(words)}: exit status {process.returncode}\n{log.read_text()[-2000:]}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()

    def detect(self, topics: TopicNames, *options: str) -> tuple[str, ...]:
        """The words that start a detector on these topics, with default settings but for `options`."""
        where = ("--bootstrap-servers", self.broker.bootstrap, "--topic-prefix", topics.prefix)
        return ("processor.cli.main", "detect", *where, *options)


def say(text: str) -> None:
    """Progress, which is no result."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def heading(title: str, *parts: str) -> str:
    """The text of a section."""
    return "\n\n".join([f"## {title}", *parts])


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which that part of the ordered values lies (the nearest rank)."""
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
