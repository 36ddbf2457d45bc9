"""The same records through detect in different ways: always the reference model's decisions, none lost, none twice.

`python -m tests.equivalence --records 500000` is the long form of tests/integration/test_equivalence.py.
"""

import argparse
import random
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from processor import avro
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from processor.verdicts.generator import Traffic, generate
from tests import processes
from tests.brokers import Cluster
from tests.oracle import expected_decisions, published_decisions, restricted_by, restricted_now
from tests.topics_io import make_topics, write_all

PARTITIONS = 4
FAST = ("--commit-interval-ms", "50")


@dataclass(frozen=True, slots=True)
class Way:
    """A way to run detect over a topic."""

    name: str
    workers: int = 1
    options: tuple[str, ...] = ()
    kill_after_s: float | None = None
    """SIGKILL a worker when it has decided something, start it again, and kill twice more, each after a random part of so long."""


WAYS = (
    Way("one worker"),
    Way("three workers", workers=3),
    Way("batches of 20,000", options=("--batch-size", "20000")),
    Way("batches of 7", options=("--batch-size", "7")),
    Way("one of two killed half way", workers=2, kill_after_s=4.0),
    Way("killed again and again, with a slot", options=("--slot", "a"), kill_after_s=4.0),
)


def fill(bootstrap: str, prefix: str, traffic: Traffic) -> TopicNames:
    """New topics with the generated traffic in them."""
    topics = make_topics(bootstrap, prefix, partitions=PARTITIONS)
    for batch in generate(traffic, avro.single_object_prefix("MessageVerdict")):
        write_all(bootstrap, topics.verdicts, zip(batch.keys, batch.values, strict=True))
    return topics


def run(bootstrap: str, prefix: str, way: Way, seed: int, folder: Path, timeout_s: float = 300.0) -> int:
    """Run detect in one way until everything is processed; returns how many processes were killed."""
    chance = random.Random(seed)
    command = ("detect", "--once", "--bootstrap-servers", bootstrap, "--topic-prefix", prefix, *FAST, *way.options)
    killed, started = 0, 0
    logs: dict[subprocess.Popen[str], Path] = {}

    def launch() -> subprocess.Popen[str]:
        nonlocal started
        started += 1
        output = folder / f"worker-{started}.log"
        process = processes.start_senderwatch(*command, environment={"SENDERWATCH_LOG__FORMAT": "json"}, output=output)
        logs[process] = output
        return process

    def due() -> subprocess.Popen[str] | None:
        if way.kill_after_s is None or killed == 3:
            return None
        if killed:
            return running[0] if time.monotonic() > kill_at_s else None
        return next((each for each in running if '"SenderBlocked"' in logs[each].read_text()), None)

    running = [launch() for _ in range(way.workers)]
    deadline_s = time.monotonic() + timeout_s
    kill_at_s = 0.0
    try:
        while running:
            assert time.monotonic() < deadline_s, f"{way.name}: not done after {timeout_s:g} s, see {folder}"
            if (victim := due()) is not None:
                victim.kill()
                victim.wait()
                running[running.index(victim)] = launch()
                killed += 1
                kill_at_s = time.monotonic() + (way.kill_after_s or 0) * chance.uniform(0.3, 1.0)
            for process in [each for each in running if each.poll() is not None]:
                running.remove(process)
                assert process.returncode == 0, f"{way.name}: exit status {process.returncode}, see {folder}"
            time.sleep(0.02)
    finally:
        for process in running:
            processes.end(process)
    return killed


def check(bootstrap: str, topics: TopicNames) -> int:
    """Compare what was published with the reference; returns how many decisions there are."""
    expected = expected_decisions(bootstrap, topics, PolicySet())
    published = published_decisions(bootstrap, topics)
    missing, unexpected = expected.keys() - published.keys(), published.keys() - expected.keys()
    assert not missing, f"{len(missing)} of {len(expected)} decisions are missing"
    assert not unexpected, f"{len(unexpected)} decisions are not the reference's"
    assert published == expected
    assert restricted_now(bootstrap, topics) == restricted_by(expected)
    return len(expected)


def main(arguments: list[str] | None = None) -> None:
    """All ways, on a broker of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=500_000)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "kafka", brokers=1)
        try:
            cluster.start()
            bootstrap = cluster.brokers[0].bootstrap
            for way in WAYS:
                prefix = f"w{uuid.uuid4().hex[:6]}-"
                traffic = traffic_of(chosen.records, chosen.seed)
                topics = fill(bootstrap, prefix, traffic)
                logs = Path(folder) / prefix
                logs.mkdir()
                began_s = time.monotonic()
                killed = run(bootstrap, prefix, way, chosen.seed, logs)
                took_s = time.monotonic() - began_s
                decisions = check(bootstrap, topics)
                print(f"{way.name}: {decisions} decisions as the reference's, {killed} killed, {took_s:.1f} s")  # noqa: T201
        finally:
            cluster.sigkill()


def traffic_of(records: int, seed: int) -> Traffic:
    """A day and more of many senders, of whom twenty turn bad."""
    return Traffic(
        records=records,
        end_ms=int(time.time() * 1000),
        seed=seed,
        senders=max(20, records // 40),
        compromised=20,
        hours=30,
    )


if __name__ == "__main__":
    main()
