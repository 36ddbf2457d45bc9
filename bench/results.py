"""Figures out of runs, and the tables and the file that hold them."""

import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.costs import Cost
from bench.decisions import Decisions

_TICK_S = 0.001


@dataclass(frozen=True, slots=True)
class Figure:
    """A quantity over all runs."""

    least: float
    median: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Figure":
        """Raises ValueError for no values."""
        ordered = sorted(values)
        return cls(ordered[0], statistics.median(ordered), ordered[-1])

    def shown(self, form: Callable[[float], str]) -> str:
        """Median and, where they differ, the bounds."""
        if self.least == self.most:
            return form(self.median)
        return f"{form(self.median)} ({form(self.least)}–{form(self.most)})"


@dataclass(frozen=True, slots=True)
class Measured:
    """All runs of one contender on one topic, and those on an empty topic, which cost no more than the start and the end."""

    spread: str
    contender: str
    records: int
    runs: tuple[Cost, ...]
    empty_runs: tuple[Cost, ...]
    decisions: Decisions | None

    @property
    def start_up_cpu_s(self) -> float:
        """Processor time of a run that has nothing to do."""
        return statistics.median(cost.cpu_s for cost in self.empty_runs)

    def rates(self) -> list[float]:
        """Records per CPU-second of each run, the start-up subtracted. Of runs that are too short for it: nonsense, no error."""
        return [self.records / max(cost.cpu_s - self.start_up_cpu_s, _TICK_S) for cost in self.runs]

    def whole_rates(self) -> list[float]:
        """Records per CPU-second of each run, start-up and all."""
        return [self.records / cost.cpu_s for cost in self.runs]


def ratios(measured: Measured, base: Measured, rates: Callable[[Measured], list[float]]) -> Figure:
    """How the rates of runs compare with those of the base's run before each: what disturbed both falls out."""
    return Figure.of(one / other for one, other in zip(rates(measured), rates(base), strict=True))


def tables(results: Sequence[Measured]) -> str:
    """The figures as two Markdown tables: of each contender, and of the others beside the first."""
    contenders = [_contender_row(each) for each in results]
    names = list(dict.fromkeys(each.contender for each in results))
    compared = [
        _compared_row(each, base)
        for each in results
        for base in results
        if base.spread == each.spread and names.index(base.contender) < min(2, names.index(each.contender))
    ]
    return "\n\n".join(
        [
            "Median (least–most) over the runs. CPU is that of the contender's process, in all its threads.",
            table(
                ("senders", "contender", "records per CPU-second", "start-up included", "start-up, CPU s", "records/s of wall time",
                 "peak memory, MB", "broker, CPU s"), contenders),
            "Records per CPU-second beside those of another, in pairs of runs of one round:",
            table(("senders", "contender", "beside", "ratio", "of the best run of each", "start-up included",
                 "decisions of every run"), compared),
        ]
    )  # fmt: skip


def steps_table(profiles: Mapping[str, Sequence[Mapping[str, int]]], records: int) -> str:
    """Nanoseconds of processor time that a record takes by step, the costliest first; a column for each spread."""
    per_record = {
        spread: {step: [each.get(step, 0) / records for each in profile] for step in set().union(*profile)}
        for spread, profile in profiles.items()
    }
    steps = {step for spread in per_record.values() for step in spread}
    order = sorted(steps, key=lambda step: -max(statistics.median(each.get(step, [0])) for each in per_record.values()))
    rows = [(step, *(_nanoseconds(each.get(step, [0])) for each in per_record.values())) for step in order]
    totals = (_nanoseconds([sum(run.values()) / records for run in profile]) for profile in profiles.values())
    return table(("detect, ns of CPU a record", *profiles), [*rows, ("all", *totals)])


def _nanoseconds(values: Iterable[float]) -> str:
    return Figure.of(values).shown(_thousands)


def _contender_row(measured: Measured) -> tuple[str, ...]:
    runs = measured.runs
    return (
        measured.spread,
        measured.contender,
        Figure.of(measured.rates()).shown(_thousands),
        Figure.of(measured.whole_rates()).shown(_thousands),
        f"{measured.start_up_cpu_s:.2f}",
        Figure.of(measured.records / cost.wall_s for cost in runs).shown(_thousands),
        Figure.of(cost.peak_bytes / 1e6 for cost in runs).shown(lambda value: f"{value:.0f}"),
        Figure.of(cost.broker_cpu_s for cost in runs).shown(lambda value: f"{value:.1f}"),
    )


def _compared_row(measured: Measured, base: Measured) -> tuple[str, ...]:
    decisions = measured.decisions
    return (
        measured.spread,
        measured.contender,
        base.contender,
        ratios(measured, base, Measured.rates).shown(_ratio),
        _ratio(max(measured.rates()) / max(base.rates())),
        ratios(measured, base, Measured.whole_rates).shown(_ratio),
        "" if decisions is None else ", ".join(f"{count:,} {_short(kind)}" for kind, count in decisions.types.items()),
    )


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _ratio(value: float) -> str:
    return f"{value:.2f}"


def _short(kind: str) -> str:
    return kind.rpartition(".")[2]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its columns aligned."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [head, ["-" * width for width in widths], *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    )


def write(
    path: Path,
    machine: Mapping[str, Any],
    results: Sequence[Measured],
    profiles: Mapping[str, Sequence[Mapping[str, int]]],
    sections: Mapping[str, Mapping[str, Any]],
) -> None:
    """Everything that was measured, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "machine": machine,
        "results": [asdict(each) for each in results],
        "nanoseconds_by_step": profiles,
        **sections,
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
