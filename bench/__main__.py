"""`python -m bench`: runs the contenders in turn on the same topics, and says what a record costs each of them."""

import argparse
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import confluent_kafka
import psutil
from confluent_kafka import KafkaException

from bench import broker as brokers
from bench import options
from bench.broker import ROOT, Broker, NoBroker
from bench.contenders import CONTENDERS, DETECT, Contender
from bench.costs import Cost, RunFailed, measured, python
from bench.decisions import Decisions, WrongDecisions, published
from bench.ground import Ground, Report, say
from bench.once import NotAlone, Stopped, alone, stopped_by_signals
from bench.peers import require_made
from bench.plots import draw
from bench.results import Measured, steps_table, tables, write
from bench.sections import COSTS, SECTIONS
from bench.topics import make_topics
from processor.kafka.topics import TopicNames

EMPTY_RUNS = PROFILE_RUNS = 3


class Bench:
    """One broker, one folder for logs, and the runs on it."""

    def __init__(self, broker: Broker, folder: Path, traffic: tuple[str, ...], policies: Path | None) -> None:
        self._broker = broker
        self._folder = folder
        self._traffic = traffic
        self._policies = policies
        self._logs = 0

    def fill(self, spread: str, records: int) -> TopicNames:
        """New topics with the verdicts of one spread."""
        topics = TopicNames(f"{spread}-")
        say(f"{spread}: writing {records:,} verdicts")
        self._make(topics)
        where = (self._broker.bootstrap, topics.prefix)
        self._cost(python("-m", "bench.traffic", *where, spread, str(records), *self._traffic))
        return topics

    def empty_runs(self, runs: int) -> dict[str, tuple[Cost, ...]]:
        """What each contender spends when there is nothing to read; by contender."""
        topics = TopicNames("empty-")
        self._make(topics)
        say("start-up: runs on an empty topic")
        self._run(DETECT, topics)  # compiles the kernels, if need be
        costs: dict[str, list[Cost]] = {contender.name: [] for contender in CONTENDERS}
        for _ in range(runs):
            for contender in CONTENDERS:
                costs[contender.name].append(self._run(contender, topics))
        return {name: tuple(each) for name, each in costs.items()}

    def compare(
        self, spread: str, topics: TopicNames, records: int, runs: int, empty_runs: dict[str, tuple[Cost, ...]]
    ) -> list[Measured]:
        """All contenders in turn, `runs` times. Raises WrongDecisions."""
        say(f"{spread}: warming up")
        for contender in CONTENDERS:
            self._run(contender, topics)
        decisions = published(self._broker.bootstrap, topics)
        costs: dict[str, list[Cost]] = {contender.name: [] for contender in CONTENDERS}
        for run in range(1, runs + 1):
            for contender in CONTENDERS:
                cost = self._run(contender, topics)
                costs[contender.name].append(cost)
                say(f"{spread}: run {run} of {runs}, {contender.name}: {cost.cpu_s:.2f} s of CPU, {cost.wall_s:.2f} s")
                if contender.decides:
                    _require_same(published(self._broker.bootstrap, topics), decisions)
        return [
            Measured(
                spread=spread,
                contender=contender.name,
                records=records,
                runs=tuple(costs[contender.name]),
                empty_runs=empty_runs[contender.name],
                decisions=decisions if contender.decides else None,
            )
            for contender in CONTENDERS
        ]

    def profile(self, spread: str, topics: TopicNames, runs: int) -> list[dict[str, int]]:
        """Nanoseconds by step of so many runs of the detector."""
        profiles = []
        out = self._folder / "steps.json"
        for run in range(1, runs + 1):
            say(f"{spread}: profile {run} of {runs}")
            DETECT.prepare(self._broker.bootstrap, topics)
            self._cost(python("-m", "bench.steps", self._broker.bootstrap, topics.prefix, str(out)))
            profiles.append(json.loads(out.read_text()))
        return profiles

    def _make(self, topics: TopicNames) -> None:
        make_topics(self._broker.bootstrap, topics)
        if self._policies is not None:
            where = ("--bootstrap-servers", self._broker.bootstrap, "--topic-prefix", topics.prefix)
            self._cost(python("-m", "processor.cli.main", "policy", "apply", str(self._policies.resolve()), *where))

    def _run(self, contender: Contender, topics: TopicNames) -> Cost:
        contender.prepare(self._broker.bootstrap, topics)
        return self._cost(contender.command(self._broker.bootstrap, topics))

    def _cost(self, command: Sequence[str]) -> Cost:
        self._logs += 1
        return measured(command, self._broker, self._folder / f"run-{self._logs}.log")


def _require_same(found: Decisions, expected: Decisions) -> None:
    if found != expected:
        raise WrongDecisions(f"a run decided {found}, the run before it {expected}")


def _machine() -> dict[str, Any]:
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return {
        "cores": psutil.cpu_count(),
        "processor": _processor(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_before": psutil.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "confluent_kafka": version("confluent-kafka"),
        "librdkafka": confluent_kafka.libversion()[0],
        "numba": version("numba"),
        "commit": described.stdout.strip() or None,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _measure_costs(
    bench: Bench, chosen: argparse.Namespace, results: list[Measured], profiles: dict[str, list[dict[str, int]]]
) -> None:
    empty_runs = bench.empty_runs(min(EMPTY_RUNS, chosen.runs))
    for spread in chosen.spreads:
        topics = bench.fill(spread, chosen.records)
        results += bench.compare(spread, topics, chosen.records, chosen.runs, empty_runs)
        if chosen.profile:
            profiles[spread] = bench.profile(spread, topics, min(PROFILE_RUNS, chosen.runs))


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the file; returns the exit status."""
    chosen = options.chosen(words)
    try:
        require_made(chosen.section)
        with stopped_by_signals(), alone():
            return _measure(chosen)
    except Stopped as stopped:
        return 128 + stopped.number
    except (RunFailed, NotAlone) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1


def _measure(chosen: argparse.Namespace) -> int:
    machine = _machine()
    folder = Path(tempfile.mkdtemp(prefix="senderwatch-bench-"))
    results: list[Measured] = []
    profiles: dict[str, list[dict[str, int]]] = {}
    reports: dict[str, Report] = {}
    status = 0
    try:
        with brokers.running(folder / "kafka") as broker:
            if COSTS in chosen.section:
                _measure_costs(Bench(broker, folder, chosen.traffic, chosen.policies), chosen, results, profiles)
            for name in SECTIONS:
                if name in chosen.section:
                    reports[name] = SECTIONS[name](Ground(broker, folder, chosen.quick, chosen.traffic))
    except (NoBroker, RunFailed, WrongDecisions, KafkaException, TimeoutError) as error:
        print(f"bench: {error} (logs are in {folder})", file=sys.stderr)
        status = 1
    except Stopped as stopped:
        say(f"stopped by {stopped.name}")
        status = 128 + stopped.number
    finally:
        shutil.rmtree(folder / "kafka", ignore_errors=True)
    if status != 1:
        shutil.rmtree(folder)
    if not (results or profiles or reports):
        say("nothing had been measured to its end: no file was written")
        return status
    figures = {name: report.figures for name, report in reports.items()}
    write(chosen.out, machine, results, profiles, figures)
    texts = [tables(results)] if results else []
    texts += [steps_table(profiles, chosen.records)] if profiles else []
    print("\n\n".join([*texts, *(report.text for report in reports.values())]))
    is_drawn = draw(figures, chosen.out.parent, f"{chosen.out.stem}-")
    say(f"{'all' if status == 0 else 'the'} figures are in {chosen.out}" + (", pictures beside it" if is_drawn else ""))
    return status


if __name__ == "__main__":
    sys.exit(main())
