"""The workers' own code over a simulated broker and clock, in short; `make simulate` is the long form (docs/simulation.md)."""

import os
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from tests.simulation.campaign import quietly
from tests.simulation.each_step import deaths
from tests.simulation.mutants import MUTANTS, broken, plan_for
from tests.simulation.plan import Plan
from tests.simulation.world import World, simulate

SEEDS = "1-40"


def _simulation(*arguments: str, hash_seed: str = "random") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_nothing_is_lost_and_nothing_twice_whatever_goes_wrong() -> None:
    ran = _simulation("--seeds", SEEDS)
    assert ran.returncode == 0, ran.stdout[-5000:] + ran.stderr[-2000:]
    assert re.fullmatch(r"HELD: 40 seeds in .*; nothing lost, nothing twice", ran.stdout.splitlines()[-1])


@pytest.mark.parametrize("seeds", ["1-", "5-1", "1-2-3", "x"])
def test_what_is_no_range_of_seeds_is_refused(seeds: str) -> None:
    ran = _simulation("--seeds", seeds)
    assert ran.returncode == 2
    assert f"--seeds {seeds}: " in ran.stderr


def test_a_seed_replays_exactly() -> None:
    once, again = (_simulation("--seeds", "9", "--log", hash_seed=each) for each in ("1", "2"))
    assert once.returncode == 0, once.stdout[-5000:]
    assert len(once.stdout.splitlines()) > 50
    assert once.stdout == again.stdout


def test_a_death_at_each_step_leaves_no_trace() -> None:
    quietly()
    outcomes = list(deaths(stride=4))
    assert [outcome.violation for outcome in outcomes if outcome.violation is not None] == []
    places = {name for outcome in outcomes for name in outcome.faults if name.startswith("died")}
    assert {"died: before commit_transaction", "died: after send_offsets_to_transaction"} <= places or len(places) > 5


@pytest.mark.parametrize("name", MUTANTS)
def test_a_worker_that_is_broken_on_purpose_is_seen(name: str) -> None:
    quietly()
    with broken(name):
        assert any(simulate(plan_for(name, number)).violation is not None for number in range(1, 31)), (
            "30 worlds did not see it"
        )


def test_a_mutation_can_be_asked_for_and_is_seen() -> None:
    ran = _simulation("--mutant", "doubled-event", "--seeds", "1-2")
    assert ran.returncode == 1
    assert "FAILED: 2 of 2 seeds" in ran.stdout.splitlines()[-1]
    listed = _simulation("--mutants")
    assert listed.returncode == 0
    assert [line.split()[0] for line in listed.stdout.splitlines()] == list(MUTANTS)
    assert _simulation("--mutant", "nothing").returncode == 2


@pytest.mark.parametrize("seed", [9, 11, 200])
def test_workers_whose_joining_is_lost_decide_nothing_beside_others(seed: int) -> None:
    """Found so: one asked what is committed under its new name, and committed before it heard that another has its partitions."""
    quietly()
    assert simulate(Plan.restless(seed)).violation is None


class Forgetful(World):
    """Retention takes what is there of all partitions at once, but for the last record at most."""

    def _retention(self) -> None:
        for log in self.broker.topics[self.topics.verdicts]:
            log.first = max(log.first, log.stable - self.schedule.chance.randint(0, 1))


def test_a_loss_that_the_client_tells_of_late_is_no_topic_that_was_made_anew() -> None:
    """The worker had gone back to what is committed and past the gap, and then heard of it."""
    quietly()
    plan = replace(
        Plan.of(38),
        partitions=3,
        detectors=1,
        notifiers=0,
        retention_every_s=0.7,
        freeze_every_s=2.0,
        stop_every_s=0.0,
        stray_error=0.0,
        outage_every_s=0.0,
        kill_every_s=0.0,
        trouble_s=20.0,
        pace=60.0,
        commit_interval_ms=100,
    )
    assert simulate(plan, Forgetful).violation is None
