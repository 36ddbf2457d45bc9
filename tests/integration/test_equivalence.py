"""The same records, one worker or several, whatever batches, killed or not: the same decisions, each once."""

from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.equivalence import WAYS, Way, check, fill, interference, run, traffic_of

RECORDS = 20_000


@pytest.mark.parametrize("way", [*WAYS, Way("batches of one", options=("--batch-size", "1"))], ids=lambda way: way.name)
def test_every_way_to_run_detect_gives_the_reference_models_decisions_once(
    way: Way, kafka: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    topics = fill(kafka.bootstrap, topic_prefix, traffic_of(RECORDS, seed=3))
    killed = run(kafka.bootstrap, topic_prefix, way, 3, tmp_path, interference(way, kafka.bootstrap, topics, 3))
    assert (killed > 0) == (way.kill_after_s is not None), "nobody was killed, so nothing was shown"
    decisions = check(kafka.bootstrap, topics)
    assert decisions.total() > 10
    assert not way.interferes or min(decisions[name] for name in ("SenderUnblocked", "CommandRefused")) > 0
