"""One detector, one partition, and a death at a chosen call: at the next one in the next world, until there is none left."""

from collections.abc import Iterator
from dataclasses import replace

from tests.simulation.plan import Plan
from tests.simulation.world import Outcome, Worker, World, simulate

CALM = replace(
    Plan.of(1),
    partitions=1,
    detectors=1,
    notifiers=0,
    have_slots=True,
    batch_size=100,
    commit_interval_ms=100,
    sweep_bytes=500,
    pace=60.0,
    trouble_s=4.0,
    unlucky=0.0,
    slow_marker=0.3,
    stray_error=0.0,
    kill_every_s=0.0,
    freeze_every_s=0.0,
    outage_every_s=0.0,
    retention_every_s=0.0,
    stop_every_s=0.0,
    mail_trouble=0.0,
    lost_join=0.0,
)


def deaths(first: int = 1, stride: int = 1) -> Iterator[Outcome]:
    """The outcomes of worlds whose first detector dies at its call number `first`, and so on, up to the last it makes."""
    number = first
    while True:
        outcome = simulate(CALM, _dying_at(number))
        yield outcome
        if outcome.violation is not None or not any(name.startswith("died") for name in outcome.faults):
            return
        number += stride


def _dying_at(number: int) -> type[World]:
    class Dying(World):
        has_died = False

        def _start_detector(self, name: str, slot: str | None) -> Worker:
            worker = super()._start_detector(name, slot)
            if not self.has_died:
                self.has_died = True
                worker.process.is_spared_idle, worker.process.lives = True, number
            return worker

    return Dying
