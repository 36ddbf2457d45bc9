"""An audit on a real broker: everything matches, beside workers too, and what was done to the logs is found."""

import json
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from processor.audit.findings import Outcome
from processor.audit.replay import Fault
from processor.audit.report import AuditReport
from processor.kafka.audit_source import Pins
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.settings import Settings, load_settings
from processor.workers.auditing import AuditOptions, audit, pinned
from tests.brokers import Broker
from tests.detecting import NOW_MS, Detect, put, spam
from tests.equivalence import Way, fill, interference, run, traffic_of
from tests.topics_io import make_topics, read_all, write_all

DAY_MS = 86_400_000


def settings_of(bootstrap: str, prefix: str) -> Settings:
    return load_settings(None, {"kafka.bootstrap_servers": bootstrap, "topics.prefix": prefix}, environment={})


def audited(settings: Settings, pins: Pins | None = None, **options: object) -> AuditReport:
    chosen = AuditOptions(**options)  # type: ignore[arg-type]
    return audit(settings, pins or pinned(settings), chosen, lambda: False)


@pytest.fixture(scope="module")
def worked(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, TopicNames, Pins]:
    """Topics with policy changes, commands, expiries, late and dead records, after three workers of whom some were killed."""
    prefix = f"a{uuid.uuid4().hex[:8]}-"
    topics = fill(kafka.bootstrap, prefix, traffic_of(20_000, seed=4))
    write_all(kafka.bootstrap, topics.verdicts, [(b"x", b"rubbish"), (b"y", None)])
    way = Way("audited", 3, ("--batch-size", "200"), 3.0, interferes=True)
    meddle = interference(way, kafka.bootstrap, topics, 4)
    run(kafka.bootstrap, prefix, way, 4, tmp_path_factory.mktemp("workers"), meddle)
    settings = settings_of(kafka.bootstrap, prefix)
    return settings, topics, pinned(settings)


def test_everything_matches_however_often_and_on_however_many_processes(
    worked: tuple[Settings, TopicNames, Pins], kafka: Broker
) -> None:
    settings, topics, pins = worked
    report = audited(settings, pins)
    assert report.findings == ()
    assert report.faults == ()
    assert report.is_clean
    assert report.is_complete
    assert report.matched == len(read_all(kafka.bootstrap, topics.restrictions)) > 20
    assert report.records == len(read_all(kafka.bootstrap, topics.verdicts))
    again = Pins.from_json(json.dumps(pins.to_json()))
    assert audited(settings, again, jobs=2) == report


def test_a_block_that_is_added_or_changed_is_found(worked: tuple[Settings, TopicNames, Pins], kafka: Broker) -> None:
    settings, topics, _ = worked
    blocks = [
        (message, *Serde(None).decode(message.value())) for message in read_all(kafka.bootstrap, topics.restrictions)
    ]
    message, name, record = next(each for each in blocks if each[1] == "SenderBlocked" and each[2]["cause"] == "LIMIT")
    forged = {**record, "block_id": "forged"}
    key = message.key()
    write_all(kafka.bootstrap, topics.restrictions, [(key, Serde(None).encode(topics.restrictions, name, forged))])
    (finding,) = audited(settings).findings
    assert finding.outcome is Outcome.UNEXPECTED
    assert finding.event.event_id == "forged"


def test_from_a_snapshot_on_everything_matches_too(
    kafka: Broker, topic_prefix: str, detect: Detect, tmp_path: Path
) -> None:
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=1)
    now_ms = NOW_MS
    for day in (3, 2, 1, 0):
        put(kafka, topics, *spam(100 * day, 12, at_ms=now_ms - day * DAY_MS))
        put(kafka, topics, *spam(100 * day + 50, 8, "bob@a.test", at_ms=now_ms - day * DAY_MS))
        worker: subprocess.Popen[str] = detect("--once")
        assert worker.wait(60) == 0
    settings = settings_of(kafka.bootstrap, topic_prefix)
    whole = audited(settings)
    late = audited(settings, from_ms=now_ms)
    assert whole.is_clean
    assert late.is_clean
    assert late.partitions[0].from_commit > whole.partitions[0].from_commit == 0


def test_a_journal_record_that_is_not_there_is_named(worked: tuple[Settings, TopicNames, Pins]) -> None:
    settings, _, pins = worked
    partition = next(iter(pins.committed))
    offset, commit = pins.committed[partition]
    further = replace(pins, committed={**pins.committed, partition: (offset, commit + 1)})
    report = audited(settings, further)
    assert {fault.fault for fault in report.faults} == {Fault.JOURNAL_RECORD_MISSING}
