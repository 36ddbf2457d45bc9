"""What the benchmark feeds, and what it draws."""

from collections import Counter
from xml.etree import ElementTree as ET

import numpy as np

from bench.pacing import SPAM_TO_BLOCK, planned
from bench.rounds import rounds
from bench.rows import event_id, verdicts
from bench.svg import Axis, Line, bars, lines
from processor.verdicts.event import Verdict

_END_MS = 1_767_225_600_000


def test_a_feeder_knows_which_of_its_verdicts_trigger_a_block() -> None:
    """Each culprit's eleventh, at its place among the others; none of these is lost or moved."""
    plan = planned("skewed", rate=2_000, seconds=2, culprits_a_second=5, hours=2.0, end_ms=_END_MS)
    assert len(plan.keys) == len(plan.values) == 4_000
    assert len(plan.triggers) == 10
    honest = planned(
        "skewed", rate=2_000 - 5 * SPAM_TO_BLOCK, seconds=2, culprits_a_second=0, hours=2.0, end_ms=_END_MS
    )
    culprits = {plan.keys[place] for place in plan.triggers}
    assert [value for key, value in zip(plan.keys, plan.values, strict=True) if key not in culprits] == honest.values
    for place, event in plan.triggers.items():
        assert event_id(plan.values[place]) == event
        assert plan.keys[:place].count(plan.keys[place]) == SPAM_TO_BLOCK - 1
        assert plan.keys[place:].count(plan.keys[place]) == 1


def test_rounds_have_each_sender_once_and_keep_to_their_time() -> None:
    parts = list(rounds(senders=70_000, count=2, start_ms=1_000_000, span_ms=300, interval_ms=5_000))
    keys = [key for part in parts for key in part.keys]
    assert set(Counter(keys).values()) == {2}
    assert len(set(keys)) == 70_000
    times = np.concatenate([part.occurred_at_ms for part in parts])
    assert ((times[:70_000] >= 1_000_000) & (times[:70_000] < 1_000_300)).all()
    assert ((times[70_000:] >= 1_005_000) & (times[70_000:] < 1_005_300)).all()


def test_verdicts_of_the_benchmark_have_the_generators_spelling() -> None:
    batch = verdicts(np.array([3, 4]), np.array([10, 20]), Verdict.SPAM, 7)
    assert [value.count(key) for key, value in zip(batch.keys, batch.values, strict=True)] == [1, 1]
    assert event_id(batch.values[0]) != event_id(batch.values[1])


def test_pictures_are_drawn_whatever_the_figures() -> None:
    """One point, no height, names that would break the page."""
    across, up = Axis("x < y", str, is_log=True), Axis("up", str, least=0.0)
    for picture in (
        lines("a & b", across, up, [Line("<one>", [(14_500, 1e6)])]),
        lines("a", across, up, [Line("level", [(1, 5), (1e7, 5)]), Line("other", [(3, 1e-3)])]),
        bars("a", [("<none>", 1.0), ("more", 2.5)], str),
    ):
        root = ET.fromstring(picture)  # noqa: S314 - our own
        assert root.tag.endswith("svg")
        assert "nan" not in picture
