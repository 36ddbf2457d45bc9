"""Section `memory`: what a tracked sender and a five-minute count take of a worker's memory.

A worker takes up verdicts of many senders who all send as much, and its resident memory is read once it has settled. It is the
whole process: interpreter, kernels, client, queues of the client, counters. What the few senders of the base take is part of it.
"""

import time
from dataclasses import asdict, dataclass

from bench.ground import Ground, Report, heading, say
from bench.results import table
from bench.times import MIDNIGHT_MS, PANE_MS
from bench.watching import Progress, resident_bytes

_SETTLED_S = 3.0
_CELLS = 8
"""So many that what two processes differ by besides, some 20 MB, is a few bytes of a cell."""
_QUICK_MEANS = "**Quick: no figures to quote.** What two processes differ by besides is more than so few senders take."
_BASE_SENDERS = 20_000
"""Each of them sends fifty mails, a million together: none reaches a limit, since a decision takes memory of its own."""


@dataclass(frozen=True, slots=True)
class Held:
    """A worker that tracks so many senders, each with so many cells."""

    senders: int
    cells_each: int
    resident_bytes: int


def section(ground: Ground) -> Report:
    """Few senders, then many with a cell each, then with several."""
    few, many = (100_000, 500_000) if ground.quick else (1_000_000, 5_000_000)
    say("memory: the base")
    base = _held(ground, "memory-base-", senders=_BASE_SENDERS, rounds=50, cells_each=1)
    held = []
    for senders, cells_each in ((few, 1), (few, _CELLS), (many, 1)):
        say(f"memory: {senders:,} senders with {cells_each} cells each")
        held.append(_held(ground, f"memory-{senders}-{cells_each}-", senders, cells_each, cells_each))
    cell_bytes = (held[1].resident_bytes - held[0].resident_bytes) / ((_CELLS - 1) * few)
    slope_bytes = (held[2].resident_bytes - held[0].resident_bytes) / (many - few)
    rows = [_row(each, base, cell_bytes) for each in (base, *held)]
    return Report(
        heading(
            "Memory",
            *([_QUICK_MEANS] if ground.quick else []),
            table(
                ("senders", "cells each", "resident, MB", "bytes a sender beyond the base", "without its cells"), rows
            ),
            f"A cell takes {cell_bytes:.0f} bytes (between one and {_CELLS} cells a sender); a sender with its first cell "
            f"{slope_bytes:.0f} bytes (between {few:,} and {many:,} senders), {slope_bytes - cell_bytes:.0f} without it. "
            f"The base is a worker with {_BASE_SENDERS:,} senders that has read a million verdicts.",
        ),
        {
            "base": asdict(base),
            "held": [asdict(each) for each in held],
            "cell_bytes": cell_bytes,
            "sender_with_cell_bytes": slope_bytes,
        },
    )


def _held(ground: Ground, prefix: str, senders: int, rounds: int, cells_each: int) -> Held:
    topics = ground.topics(prefix)
    interval_ms = PANE_MS if cells_each > 1 else 0
    where = (ground.broker.bootstrap, topics.prefix)
    ground.run("bench.rounds", *where, str(senders), str(rounds), str(MIDNIGHT_MS), str(PANE_MS - 1), str(interval_ms))
    with Progress(ground.broker.bootstrap, topics) as progress, ground.process(*ground.detect(topics)) as worker:
        progress.wait_for(progress.written(), worker)
        time.sleep(_SETTLED_S)
        return Held(senders, cells_each, resident_bytes(worker))


def _row(held: Held, base: Held, cell_bytes: float) -> tuple[str, ...]:
    resident_mb = f"{held.resident_bytes / 1e6:,.0f}"
    if held is base:
        return (f"{held.senders:,}", "1", resident_mb, "", "")
    each = (held.resident_bytes - base.resident_bytes) / (held.senders - base.senders)
    bare = each - held.cells_each * cell_bytes
    return (f"{held.senders:,}", str(held.cells_each), resident_mb, f"{each:.0f}", f"{bare:.0f}")
