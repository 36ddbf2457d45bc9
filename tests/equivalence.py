"""The same records through detect in different ways: always the reference model's decisions, none lost, none twice.

`python -m tests.equivalence --records 500000` is the long form of tests/integration/test_equivalence.py.
"""

import argparse
import random
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from processor import avro
from processor.kafka.clients import ClientSettings
from processor.kafka.policy_log import publish
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, Conditions, Policy, PolicySet
from processor.restrictions.commands import RECORD, Command, CommandKind
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
    interferes: bool = False
    """Meanwhile versions of the policies come, and people lift and block."""


WAYS = (
    Way("one worker"),
    Way("three workers", workers=3),
    Way("batches of 20,000", options=("--batch-size", "20000")),
    Way("batches of 7", options=("--batch-size", "7")),
    Way("one of two killed half way", workers=2, kill_after_s=4.0),
    Way("killed again and again, with a slot", options=("--slot", "a"), kill_after_s=4.0),
    Way("commands and policies in between, one of two killed", 2, ("--batch-size", "200"), 4.0, interferes=True),
)


def fill(bootstrap: str, prefix: str, traffic: Traffic) -> TopicNames:
    """New topics with the generated traffic in them."""
    topics = make_topics(bootstrap, prefix, partitions=PARTITIONS)
    for batch in generate(traffic, avro.single_object_prefix("MessageVerdict")):
        write_all(bootstrap, topics.verdicts, zip(batch.keys, batch.values, strict=True))
    return topics


class Interference:
    """Somebody who publishes policies and gives commands while the workers work: both depend on what was decided so far."""

    def __init__(self, bootstrap: str, topics: TopicNames, seed: int) -> None:
        self._settings = ClientSettings(bootstrap)
        self._bootstrap = bootstrap
        self._topics = topics
        self._chance = random.Random(seed)
        self._serde = Serde(None)
        self._given = 0
        self._next_s = 0.0

    def meddle(self) -> None:
        """Now and then: a version, or a few commands to some who are restricted now and some who are not."""
        if time.monotonic() < self._next_s or self._given >= 40:
            return
        self._next_s = time.monotonic() + self._chance.uniform(0.0, 0.3)
        if self._chance.random() < 0.3:
            self._publish()
        restricted = sorted(restricted_now(self._bootstrap, self._topics))
        for sender in self._chance.sample([*restricted, "nobody@example.org"], min(3, 1 + len(restricted))):
            self._command(sender)

    def _publish(self) -> None:
        chance = self._chance
        limits = {limit.name: chance.choice([None, limit.default / 2.0, float(limit.default)]) for limit in LIMITS}
        domains = frozenset({f"school-{chance.randrange(6)}.example", "example"})
        scoped = Policy(
            "scoped", limits, action=chance.choice(list(Action)), conditions=Conditions(sender_domains=domains)
        )
        default = Policy(unblocks_without_support=chance.randrange(3))
        policies = PolicySet((scoped, default), brake_blocks=chance.choice([5, 100]))
        publish(self._settings, self._topics.policies, self._serde, "default", policies, published_by="t", comment=None)

    def _command(self, sender: str) -> None:
        chance = self._chance
        self._given += 1
        topic = chance.choice([self._topics.commands, self._topics.support_commands])
        kind = chance.choice([CommandKind.UNBLOCK] * 3 + [CommandKind.BLOCK])
        tenant = sender.rpartition("@")[2] if chance.random() < 0.8 else "another"
        command = Command(f"c{self._given}", kind, sender, tenant, "somebody", ticket=chance.choice([None, "T-1"]))
        write_all(self._bootstrap, topic, [(sender.encode(), self._serde.encode(topic, RECORD, command.to_record()))])


def run(
    bootstrap: str,
    prefix: str,
    way: Way,
    seed: int,
    folder: Path,
    meddle: Callable[[], None] = lambda: None,
    timeout_s: float = 300.0,
) -> int:
    """Run detect in one way until everything is processed; returns how many processes were killed.

    `meddle` is called again and again meanwhile.
    """
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
            meddle()
            time.sleep(0.02)
    finally:
        for process in running:
            processes.end(process)
    if way.interferes:
        run(bootstrap, prefix, Way("what came last"), seed, folder)
    return killed


def interference(way: Way, bootstrap: str, topics: TopicNames, seed: int) -> Callable[[], None]:
    """What happens beside a way."""
    return Interference(bootstrap, topics, seed).meddle if way.interferes else lambda: None


def check(bootstrap: str, topics: TopicNames) -> Counter[str]:
    """Compare what was published with the reference; returns how many decisions of each kind there are."""
    expected = expected_decisions(bootstrap, topics, PolicySet())
    published = published_decisions(bootstrap, topics)
    missing, unexpected = expected.keys() - published.keys(), published.keys() - expected.keys()
    assert not missing, f"{len(missing)} of {len(expected)} decisions are missing"
    assert not unexpected, f"{len(unexpected)} decisions are not the reference's"
    assert published == expected
    assert restricted_now(bootstrap, topics) == restricted_by(expected)
    return Counter(name for name, _ in expected.values())


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
                killed = run(
                    bootstrap, prefix, way, chosen.seed, logs, interference(way, bootstrap, topics, chosen.seed)
                )
                took_s = time.monotonic() - began_s
                decisions = check(bootstrap, topics)
                print(f"{way.name}: {dict(decisions)} as the reference's, {killed} killed, {took_s:.1f} s")  # noqa: T201
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
