"""A detect worker under test: verdicts for it, and what it writes into its journal."""

import subprocess
import time
from collections.abc import Callable
from typing import Any

from processor.kafka.clients import ClientSettings
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.telemetry import Health, Metrics
from processor.verdicts.event import MessageVerdict, Verdict
from processor.workers.detect import DetectOptions, DetectWorker
from tests.brokers import Broker
from tests.engines import payload_of
from tests.topics_io import read_all, write_all

NOW_MS = int(time.time() * 1000) - 60_000
Detect = Callable[..., subprocess.Popen[str]]
"""Starts `senderwatch detect` with these options on the test's topics."""


def verdict(number: int, sender: str = "ann@a.test", *, at_ms: int = NOW_MS, spam: bool = True) -> MessageVerdict:
    return MessageVerdict(
        event_id=f"e{number}",
        occurred_at_ms=at_ms,
        tenant_id="a.test",
        sender=sender,
        internal_recipients=0,
        external_recipients=1,
        verdict=Verdict.SPAM if spam else Verdict.CLEAN,
    )


def put(kafka: Broker, topics: TopicNames, *values: bytes | None, partition: int = 0) -> None:
    write_all(kafka.bootstrap, topics.verdicts, [(b"ann@a.test", value) for value in values], partition=partition)


def spam(start: int, count: int, sender: str = "ann@a.test", at_ms: int = NOW_MS) -> list[bytes]:
    return [payload_of(verdict(number, sender, at_ms=at_ms)) for number in range(start, start + count)]


def journal(kafka: Broker, topics: TopicNames, wanted: str) -> list[dict[str, Any]]:
    found = [Serde(None).decode(message.value()) for message in read_all(kafka.bootstrap, topics.journal)]
    return [record for name, record in found if name == wanted]


def work_once(kafka: Broker, topics: TopicNames) -> None:
    """What `detect --once` does, in this process: where a test has to bring about what the client seldom does."""
    metrics = Metrics()
    options = DetectOptions(
        group=topics.verdicts,
        slot=None,
        commit_interval_ms=500,
        batch_size=5_000,
        sweep_bytes=1 << 20,
        once=True,
        policy_set="default",
    )
    DetectWorker(
        ClientSettings(kafka.bootstrap), topics, Serde(None), None, options, metrics, Health(metrics), lambda: False
    ).run()
