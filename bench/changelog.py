"""Section `changelog`: how many bytes of changelog a byte of verdicts costs, in a steady state at 50,000 records a second.

What a commit writes of a count is its value then. So a worker that catches up, with more verdicts between two commits, writes less:
section `sustained` has that.
"""

from bench.ground import Ground, Report, heading, say
from bench.latency import RATE
from bench.logs import changelog_followed, changelog_share
from bench.results import table
from bench.times import HOUR_MS, MIDNIGHT_MS
from bench.watching import Progress

_HOURS = 20


def section(ground: Ground) -> Report:
    """Skewed and even, each after a day that filled the windows."""
    shares = {spread: _share(ground, spread) for spread in ("skewed", "even")}
    rows = [(spread, f"{share:.3f}") for spread, share in shares.items()]
    return Report(
        heading(
            "Changelog",
            f"At {RATE:,} records/s, after a day of event time. Values of records, uncompressed by Kafka, on both sides; sweeps included.",
            table(("senders", "bytes of changelog a byte of verdicts"), rows),
        ),
        {"rate": RATE, "shares": shares},
    )


def _share(ground: Ground, spread: str) -> float:
    seconds, before = (10, 500_000) if ground.quick else (60, 3_000_000)
    topics = ground.topics(f"changelog-{spread}-")
    where = (ground.broker.bootstrap, topics.prefix, spread)
    say(f"changelog: {spread}, a day before, then {RATE:,} records/s for {seconds} s")
    ground.run("bench.traffic", *where, str(before), "--hours", "24", "--end-ms", str(MIDNIGHT_MS + HOUR_MS))
    traffic = (RATE, seconds, 0, _HOURS, MIDNIGHT_MS + (1 + _HOURS) * HOUR_MS)
    with (
        Progress(ground.broker.bootstrap, topics) as progress,
        changelog_followed(ground, topics) as followed,
        ground.process(*ground.detect(topics)) as worker,
    ):
        progress.wait_for(progress.written(), worker)
        starts = progress.by_partition()
        ground.run("bench.pacing", *where, *map(str, traffic), str(ground.folder / "unused.json"))
        progress.wait_for(progress.written(), worker)
    return changelog_share(ground, topics, followed, starts)
