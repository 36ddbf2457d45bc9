"""Pictures of what was measured: `python -m bench.plots bench/out/TIME.json FOLDER` draws those for which there are figures."""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.ground import quantile
from bench.svg import Axis, Line, bars, lines

_SENDERS = {"skewed": 14_500, "even": 100_000, "million": 1_000_000, "vast": 5_000_000}
"""Of each spread, as bench.traffic has it."""


def rate(figures: Mapping[str, Any]) -> str:
    """Records per CPU-second against the number of senders."""
    points = sorted(
        (_SENDERS[each["spread"]], each["records"] / (statistics.median(_cpu_s(each, "runs")) - _start_up_s(each)))
        for each in figures["vast"]["results"]
    )
    return lines(
        "Records per CPU-second against senders",
        Axis("senders; the first 14,500 skewed, the others even", _count, is_log=True),
        Axis("records per CPU-second", _count, least=0.0),
        [Line("detect", points)],
    )


def memory(figures: Mapping[str, Any]) -> str:
    """Resident memory against the number of senders."""
    held = [figures["memory"]["base"], *figures["memory"]["held"]]
    one = sorted((each["senders"], each["resident_bytes"] / 1e6) for each in held if each["cells_each"] == 1)
    return lines(
        "Memory against senders",
        Axis("senders, each with one five-minute count", _count),
        Axis("resident memory of the worker, MB", _count, least=0.0),
        [Line("detect", one)],
    )


def latency(figures: Mapping[str, Any]) -> str:
    """Which share of blocks was readable within which time."""
    parts = [number / 200 for number in range(200)] + [0.999]
    return lines(
        f"From verdict to block, at {figures['latency']['rate']:,} records a second",
        Axis("milliseconds from the verdict being produced to the block being readable", _count, is_log=True),
        Axis("blocks readable by then, %", _count, least=0.0),
        [
            Line(each["situation"], [(quantile(each["latencies_ms"], part), 100 * part) for part in parts])
            for each in figures["latency"]["situations"]
            if each["latencies_ms"]
        ],
    )


def restore(figures: Mapping[str, Any]) -> str:
    """How long contenders take to be ready again."""
    found = figures["restore"]
    values = [(name, statistics.median(seconds)) for name, seconds in found["seconds"].items()]
    title = f"Restore: {found['senders']:,} senders with {found['cells_each']} counts each, seconds from the start of the process"
    return bars(title, values, lambda value: f"{value:.1f} s")


def contenders(figures: Mapping[str, Any]) -> str:
    """Records per CPU-second of all who took turns with the detector; of itself on the larger topic, which comes last."""
    rates = {
        f"{each['topic'].partition(',')[0]}: {each['contender']}": statistics.median(each["records_per_cpu_second"])
        for each in figures["contenders"]["runs"]
        if each["in_turn"]
    }
    return bars("Records per CPU-second of a whole detector", list(rates.items()), _count)


PICTURES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "rate": ("vast", rate),
    "memory": ("memory", memory),
    "latency": ("latency", latency),
    "restore": ("restore", restore),
    "contenders": ("contenders", contenders),
}
"""By name: the section whose figures it needs, and how it is drawn."""


def draw(figures: Mapping[str, Any], folder: Path, prefix: str = "") -> list[Path]:
    """Writes every picture for which there are figures."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = []
    for name, (section, picture) in PICTURES.items():
        if section in figures:
            path = folder / f"{prefix}{name}.svg"
            path.write_text(picture(figures))
            drawn.append(path)
    return drawn


def _cpu_s(measured: Mapping[str, Any], runs: str) -> list[float]:
    return [cost["cpu_s"] for cost in measured[runs]]


def _start_up_s(measured: Mapping[str, Any]) -> float:
    return statistics.median(_cpu_s(measured, "empty_runs"))


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 or value == 0 else f"{value:.1f}"


def main(words: Sequence[str] | None = None) -> int:
    """Draw pictures from the file of a benchmark."""
    parser = argparse.ArgumentParser(prog="python -m bench.plots", description=main.__doc__)
    parser.add_argument("figures", type=Path, help="what `python -m bench` wrote: bench/out/TIME.json")
    parser.add_argument("folder", type=Path, help="where the pictures go (SVG)")
    parser.add_argument("--prefix", default="", help="of the pictures' names")
    chosen = parser.parse_args(words)
    try:
        figures = json.loads(chosen.figures.read_text())
        if not isinstance(figures, dict):
            raise TypeError("no object")
        drawn = draw(figures, chosen.folder, chosen.prefix)
    except OSError as error:
        print(f"bench.plots: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        what = f"{type(error).__name__}: {error}"
        print(f"bench.plots: {chosen.figures} is damaged, or of another version of the bench ({what})", file=sys.stderr)
        return 1
    if not drawn:
        known = ", ".join(section for section, _ in PICTURES.values())
        print(f"bench.plots: {chosen.figures} has none of the sections with pictures: {known}", file=sys.stderr)
        return 1
    for path in drawn:
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
