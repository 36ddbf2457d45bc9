"""Section `sustained`: two days of event time, of which the second must cost no more than the first.

Once the day window is full as much leaves it as comes. From then on memory and rate should stay what they are: the slopes say.
"""

import time
from dataclasses import asdict, dataclass

from bench.ground import Ground, Report, heading, say
from bench.logs import changelog_followed, changelog_share
from bench.results import table
from bench.watching import Progress, cpu_s, resident_bytes

_HOURS = 54
_FULL = 0.5
"""That part of the records holds more than a day: the window is full."""
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """How a worker stood at a time."""

    at_s: float
    done: int
    resident_bytes: int
    cpu_s: float


def section(ground: Ground) -> Report:
    """Skewed and even."""
    records = 3_000_000 if ground.quick else 20_000_000
    rows, figures = [], {}
    for spread in ("skewed", "even"):
        samples, share = _run(ground, spread, records)
        full = [sample for sample in samples if sample.done >= _FULL * records]
        middle = min(full, key=lambda sample: abs(sample.done - (full[0].done + full[-1].done) / 2))
        rate, later = _rate(full[0], middle), _rate(middle, full[-1])
        growth_bytes = full[-1].resident_bytes - full[0].resident_bytes
        days = (full[-1].done - full[0].done) / records * _HOURS / 24
        peak_bytes = max(sample.resident_bytes for sample in full)
        figures[spread] = {"samples": [asdict(sample) for sample in samples], "changelog_share": share}
        rows.append(
            (
                *(spread, f"{full[0].resident_bytes / 1e6:.0f}", f"{full[-1].resident_bytes / 1e6:.0f}"),
                *(f"{peak_bytes / 1e6:.0f}", f"{growth_bytes / 1e6 / days:+.1f}"),
                *(f"{rate:,.0f}", f"{later:,.0f}", f"{100 * (later / rate - 1):+.1f} %", f"{share:.3f}"),
            )
        )
    return Report(
        heading(
            "Sustained",
            f"{records:,} verdicts over {_HOURS} hours of event time, as fast as they go; from when the day window is full.",
            table(
                ("senders", "resident, MB", "at the end", "most", "MB a day", "records per CPU-second", "later half", "change",
                 "bytes of changelog a byte of verdicts"),
                rows,
            ),
        ),
        {"records": records, "hours": _HOURS, "spreads": figures},
    )  # fmt: skip


def _run(ground: Ground, spread: str, records: int) -> tuple[list[Sample], float]:
    topics = ground.topics(f"sustained-{spread}-")
    say(f"sustained: {records:,} verdicts, {spread}")
    ground.run("bench.traffic", ground.broker.bootstrap, topics.prefix, spread, str(records), "--hours", str(_HOURS))
    samples: list[Sample] = []
    with Progress(ground.broker.bootstrap, topics) as progress, changelog_followed(ground, topics) as followed:
        ends = progress.ends()
        with ground.process(*ground.detect(topics)) as worker:
            while not samples or samples[-1].done < sum(ends.values()):
                time.sleep(_PAUSE_S)
                done = progress.done()
                samples.append(Sample(time.monotonic(), done, resident_bytes(worker), cpu_s(worker)))
    starts = {partition: round(_FULL * end) for partition, end in ends.items()}
    return samples, changelog_share(ground, topics, followed, starts)


def _rate(first: Sample, last: Sample) -> float:
    return (last.done - first.done) / (last.cpu_s - first.cpu_s)
