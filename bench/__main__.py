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

from bench import broker as brokers
from bench.broker import ROOT, Broker, NoBroker
from bench.contenders import CONTENDERS, DETECT, Contender
from bench.costs import Cost, RunFailed, measured, python
from bench.decisions import Decisions, WrongDecisions, published
from bench.ground import Ground, Report, say
from bench.plots import draw
from bench.results import Measured, steps_table, tables, write
from bench.sections import COSTS, SECTIONS
from bench.topics import make_topics
from processor.kafka.topics import TopicNames

RECORDS, RUNS = 3_000_000, 5
QUICK_RECORDS, QUICK_RUNS = 1_000_000, 3
EMPTY_RUNS = PROFILE_RUNS = 3
SPREADS = ("skewed", "even")
"""The names in bench.traffic, which is not imported here: see bench.costs."""


class Bench:
    """One broker, one folder for logs, and the runs on it."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._broker = broker
        self._folder = folder
        self._logs = 0

    def fill(self, spread: str, records: int) -> TopicNames:
        """New topics with the verdicts of one spread."""
        topics = TopicNames(f"{spread}-")
        say(f"{spread}: writing {records:,} verdicts")
        make_topics(self._broker.bootstrap, topics)
        self._cost(python("-m", "bench.traffic", self._broker.bootstrap, topics.prefix, spread, str(records)))
        return topics

    def empty_runs(self, runs: int) -> dict[str, tuple[Cost, ...]]:
        """What each contender spends when there is nothing to read; by contender."""
        topics = TopicNames("empty-")
        make_topics(self._broker.bootstrap, topics)
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


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="What a record costs the detector, beside a consumer that does nothing."
    )
    parser.add_argument("--records", type=int, metavar="N", help=f"of each topic (default {RECORDS:,})")
    parser.add_argument("--runs", type=int, metavar="R", help=f"of each contender on each topic (default {RUNS})")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_RECORDS:,} records and {QUICK_RUNS} runs, where not given otherwise",
    )
    parser.add_argument(
        "--section",
        action="append",
        choices=(COSTS, *SECTIONS),
        help="this part alone, or these, where given more than once (default: all)",
    )
    parser.add_argument("--only", choices=SPREADS, help=f"{COSTS}: one spread of mail over senders instead of both")
    parser.add_argument("--profile", action="store_true", help="also where the detector's time goes, step by step")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where the JSON goes (default bench/out/TIME.json)")
    chosen = parser.parse_args(words)
    if chosen.records is None:
        chosen.records = QUICK_RECORDS if chosen.quick else RECORDS
    if chosen.runs is None:
        chosen.runs = QUICK_RUNS if chosen.quick else RUNS
    if chosen.records < 1 or chosen.runs < 1:
        parser.error("--records and --runs must be 1 or more")
    chosen.section = chosen.section or [COSTS, *SECTIONS]
    chosen.out = chosen.out or ROOT / "bench" / "out" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    return chosen


def _measure_costs(
    bench: Bench, chosen: argparse.Namespace, results: list[Measured], profiles: dict[str, list[dict[str, int]]]
) -> None:
    empty_runs = bench.empty_runs(min(EMPTY_RUNS, chosen.runs))
    for spread in SPREADS if chosen.only is None else (chosen.only,):
        topics = bench.fill(spread, chosen.records)
        results += bench.compare(spread, topics, chosen.records, chosen.runs, empty_runs)
        if chosen.profile:
            profiles[spread] = bench.profile(spread, topics, min(PROFILE_RUNS, chosen.runs))


def main(words: Sequence[str] | None = None) -> int:
    """Measure, print the tables, write the file; returns the exit status."""
    chosen = _arguments(words)
    machine = _machine()
    folder = Path(tempfile.mkdtemp(prefix="senderwatch-bench-"))
    results: list[Measured] = []
    profiles: dict[str, list[dict[str, int]]] = {}
    reports: dict[str, Report] = {}
    try:
        with brokers.running(folder / "kafka") as broker:
            if COSTS in chosen.section:
                _measure_costs(Bench(broker, folder), chosen, results, profiles)
            for name in SECTIONS:
                if name in chosen.section:
                    reports[name] = SECTIONS[name](Ground(broker, folder, chosen.quick))
    except (NoBroker, RunFailed, WrongDecisions) as error:
        print(f"bench: {error} (logs are in {folder})", file=sys.stderr)
        status = 1
    else:
        status = 0
    finally:
        shutil.rmtree(folder / "kafka", ignore_errors=True)
    if status == 0:
        shutil.rmtree(folder)
    figures = {name: report.figures for name, report in reports.items()}
    write(chosen.out, machine, results, profiles, figures)
    texts = [tables(results)] if results else []
    texts += [steps_table(profiles, chosen.records)] if profiles else []
    print("\n\n".join([*texts, *(report.text for report in reports.values())]))
    draw(figures, chosen.out.parent, f"{chosen.out.stem}-")
    say(f"all figures are in {chosen.out}, pictures beside it")
    return status


if __name__ == "__main__":
    sys.exit(main())
