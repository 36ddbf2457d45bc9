"""Section `vast`: up to five million senders who all send as much, beside the skewed 14,500; records per CPU-second of the detector."""

import statistics
from dataclasses import asdict

from bench.contenders import DETECT
from bench.costs import Cost, measured
from bench.ground import Ground, Report, heading, say
from bench.results import Figure, Measured, ratios, table
from processor.kafka.topics import TopicNames

_SKEWED, _VAST = "skewed", "vast"
_SPREADS = (_SKEWED, "even", "million", _VAST)


def section(ground: Ground) -> Report:
    """All in turn."""
    records, runs = (1_000_000, 2) if ground.quick else (10_000_000, 5)
    empty = ground.topics("vast-empty-")
    topics = {spread: ground.topics(f"vast-{spread}-") for spread in _SPREADS}
    for spread, names in topics.items():
        say(f"vast: writing {records:,} verdicts, {spread}")
        ground.run("bench.traffic", ground.broker.bootstrap, names.prefix, spread, str(records))
    start_ups = tuple(_run(ground, empty) for _ in range(4))[1:]  # the first one may have to compile
    costs: dict[str, list[Cost]] = {spread: [] for spread in topics}
    for number in range(1, runs + 1):
        for spread, names in topics.items():
            costs[spread].append(cost := _run(ground, names))
            say(f"vast: run {number} of {runs}, {spread}: {cost.cpu_s:.2f} s of CPU, {cost.wall_s:.2f} s")
    results = {
        spread: Measured(spread, DETECT.name, records, tuple(costs[spread]), start_ups, None) for spread in _SPREADS
    }
    ratio = ratios(results[_VAST], results[_SKEWED], Measured.rates)
    head = ("senders", "records per CPU-second", "records/s of wall time", "peak memory, MB")
    return Report(
        heading(
            "Five million senders",
            f"{records:,} verdicts; median (least–most).",
            table(head, [_row(each) for each in results.values()]),
            f"Vast beside skewed, in pairs of runs: {ratio.shown(lambda value: f'{value:.2f}')}.",
        ),
        {"results": [asdict(each) for each in results.values()], "ratio": asdict(ratio)},
    )


def _run(ground: Ground, topics: TopicNames) -> Cost:
    DETECT.prepare(ground.broker.bootstrap, topics)
    return measured(DETECT.command(ground.broker.bootstrap, topics), ground.broker, ground.log("detect"))


def _row(measured_runs: Measured) -> tuple[str, ...]:
    records, runs = measured_runs.records, measured_runs.runs
    return (
        measured_runs.spread,
        Figure.of(measured_runs.rates()).shown(lambda value: f"{value:,.0f}"),
        f"{statistics.median(records / cost.wall_s for cost in runs):,.0f}",
        f"{max(cost.peak_bytes for cost in runs) / 1e6:,.0f}",
    )
