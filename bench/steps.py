"""Where the detector's time goes: the real worker, once over a topic, with a stopwatch around its steps.

The steps are the table below. They are measured from outside, by putting the stopwatch around the worker's own functions in
a process of its own: the product has no instrumentation. A step's time is without that of the steps within it.
"""

import argparse
import gc
import json
import time
from collections import defaultdict
from collections.abc import Callable, Generator
from functools import wraps
from pathlib import Path
from typing import Any

from processor import avro
from processor.detection import engine
from processor.detection.engine import Engine
from processor.kafka import batched_runs, changelog
from processor.kafka.journal import JournalPage
from processor.kafka.transactions import Transactions
from processor.kafka.verdict_consumer import VerdictConsumer
from processor.settings import load_settings
from processor.telemetry import configure_logging
from processor.verdicts import batches
from processor.verdicts.batches import Decoder
from processor.workers import partition
from processor.workers.detect import DetectWorker
from processor.workers.detecting import detect_until
from processor.workers.partition import PartitionWork

OUTSIDE = "start and end"
CLIENT = "client's own threads"
STEPS: tuple[tuple[Any, str, str], ...] = (
    (DetectWorker, "_turn", "loop"),
    (DetectWorker, "assigned", OUTSIDE),
    (VerdictConsumer, "poll", "consume"),
    (batched_runs, "look", "messages: offsets, times"),
    (batched_runs, "gather", "messages: values"),
    (batched_runs, "let_go", "letting messages go"),
    (Decoder, "batch", "columns"),
    (batches, "decode", "decode"),
    (Engine, "take", "decisions"),
    (engine, "decide", "decide: intern, count, compare"),
    (JournalPage, "add", "journal digest"),
    (PartitionWork, "records", "records of decisions"),
    (partition, "touched", "changelog: what changed"),
    (changelog, "packed", "changelog: columns"),
    (avro, "encode_body", "Avro of what is written"),
    (Transactions, "run", "transaction"),
    (Transactions, "_produce", "produce"),
    (DetectWorker, "_committed", "logs and metrics"),
)
"""Whose function, its name, and what the step is called."""
GARBAGE = "garbage collection"


class Stopwatch:
    """Processor time of this thread by step; the innermost step that is under way gets it."""

    def __init__(self) -> None:
        self.spent_ns: defaultdict[str, int] = defaultdict(int)
        self._under_way: list[str] = []
        self.start()

    def start(self) -> None:
        """Begin anew: what was before was preparation."""
        self.spent_ns.clear()
        self._began_ns = time.process_time_ns()
        self._since_ns = time.thread_time_ns()

    def stop(self) -> None:
        """The end: what other threads of this process have used meanwhile is the client's."""
        self._account()
        self.spent_ns[CLIENT] = time.process_time_ns() - self._began_ns - sum(self.spent_ns.values())

    def begin(self, step: str) -> None:
        """From here on time is this step's, until its `end`."""
        self._account()
        self._under_way.append(step)

    def end(self) -> None:
        """Back to the step around this one."""
        self._account()
        self._under_way.pop()

    def _account(self) -> None:
        now_ns = time.thread_time_ns()
        self.spent_ns[self._under_way[-1] if self._under_way else OUTSIDE] += now_ns - self._since_ns
        self._since_ns = now_ns

    def around(self, step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function with its time on the watch. What a generator yields is made at once, to be made on the watch."""

        @wraps(function)
        def timed(*arguments: Any, **options: Any) -> Any:
            self.begin(step)
            try:
                result = function(*arguments, **options)
                return list(result) if isinstance(result, Generator) else result
            finally:
                self.end()

        return timed

    def collecting(self, phase: str, _: dict[str, int]) -> None:
        """For `gc.callbacks`."""
        if phase == "start":
            self.begin(GARBAGE)
        else:
            self.end()


def profile(bootstrap: str, prefix: str) -> dict[str, int]:
    """Nanoseconds by step of `detect --once` over the topics of `prefix`. Once in a process: the stopwatch stays on."""
    watch = Stopwatch()
    for owner, name, step in STEPS:
        setattr(owner, name, watch.around(step, getattr(owner, name)))
    work = DetectWorker.run

    def run(self: DetectWorker) -> None:
        watch.start()
        work(self)
        watch.stop()

    DetectWorker.run = run  # type: ignore[method-assign] # that is the point here
    gc.callbacks.append(watch.collecting)
    settings = load_settings(None, {"kafka.bootstrap_servers": bootstrap, "topics.prefix": prefix})
    configure_logging(settings.log.level, settings.log.format)
    detect_until(settings, lambda: False, once=True)
    return dict(watch.spent_ns)


def main() -> None:
    """Profile the detector on one topic."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("bootstrap")
    parser.add_argument("prefix")
    parser.add_argument("out", type=Path, metavar="FILE", help="gets the nanoseconds by step, as JSON")
    chosen = parser.parse_args()
    chosen.out.write_text(json.dumps(profile(chosen.bootstrap, chosen.prefix)))


if __name__ == "__main__":
    main()
