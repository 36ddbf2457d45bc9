"""An audit on a real broker: everything matches, beside workers too, and what was done to the logs is found."""

import json
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from processor.audit.findings import Outcome
from processor.audit.replay import Fault
from processor.audit.report import AuditReport
from processor.cli.main import run as run_command
from processor.kafka.audit_source import Pins
from processor.kafka.clients import ClientSettings, admin
from processor.kafka.journal import COMMIT
from processor.kafka.serde import Serde
from processor.kafka.topic_deletion import delete
from processor.kafka.topics import TopicNames
from processor.policies.limits import LIMITS
from processor.settings import Settings, load_settings
from processor.workers.auditing import AuditOptions, audit, pinned
from processor.workers.retrying import RetrialOptions, retry
from tests.brokers import Broker, Cluster
from tests.detecting import NOW_MS, Detect, put, spam, verdict
from tests.engines import payload_of
from tests.equivalence import Way, fill, interference, run, traffic_of
from tests.log_copies import Change, Copied, copy
from tests.topics_io import make_topics, read_all, write_all
from tests.waiting import wait_until

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


def test_what_if_with_the_policies_in_force_is_exactly_the_history(
    worked: tuple[Settings, TopicNames, Pins], kafka: Broker
) -> None:
    settings, topics, pins = worked
    found = retry(settings, pins, RetrialOptions(with_history=True), lambda: False)
    published = [Serde(None).decode(message.value())[1] for message in read_all(kafka.bootstrap, topics.restrictions)]
    (outcome,) = found.outcomes
    decided = [event.to_record() for event in outcome.events]
    assert sorted(decided, key=repr) == sorted(published, key=repr)
    assert len(decided) > 20
    assert found.faults == ()
    assert found.totals.records == audited(settings, pins).records - sum(found.totals.rejected.values())
    again = retry(settings, pins, RetrialOptions(with_history=True, jobs=2), lambda: False)
    assert again == found


def test_what_if_on_a_range_begins_where_it_is_asked_to(worked: tuple[Settings, TopicNames, Pins]) -> None:
    settings, _, pins = worked
    whole = retry(settings, pins, RetrialOptions(with_history=True), lambda: False).outcomes[0]
    halves = {partition: end // 2 for partition, (end, _) in pins.committed.items()}
    upper = {partition: (half, None) for partition, half in halves.items()}
    lower = {partition: (None, half) for partition, half in halves.items()}
    late = retry(settings, pins, RetrialOptions(with_history=True, offsets=upper), lambda: False)
    early = retry(settings, pins, RetrialOptions(with_history=True, offsets=lower), lambda: False)
    of_both = [*early.outcomes[0].events, *late.outcomes[0].events]
    assert sorted(map(repr, of_both)) == sorted(map(repr, whole.events))
    assert 0 < len(late.outcomes[0].events) < len(whole.events)


def test_the_command_compares_a_file_with_what_was_in_force(
    worked: tuple[Settings, TopicNames, Pins], kafka: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, topics, pins = worked
    (tmp_path / "pins.json").write_text(json.dumps(pins.to_json()))
    (tmp_path / "none.yaml").write_text(
        "default: {limits: {" + ", ".join(f"{limit.name}: null" for limit in LIMITS) + "}}\n"
    )
    place = [
        "--bootstrap-servers",
        kafka.bootstrap,
        "--topic-prefix",
        topics.prefix,
        "--pins",
        str(tmp_path / "pins.json"),
    ]
    outputs = []
    for jobs in ("1", "2"):
        page = tmp_path / f"{jobs}.html"
        files = ["--html", str(page), "--parquet", str(tmp_path / jobs)]
        arguments = ["what-if", *place, "--policies", str(tmp_path / "none.yaml"), "--json", "--jobs", jobs, *files]
        assert run_command(arguments) == 0
        outputs.append((capsys.readouterr().out, page.read_bytes()))
    assert outputs[0] == outputs[1]
    rows = [json.loads(line) for line in outputs[0][0].splitlines()]
    log, mine, history = rows[:3]
    assert (log["type"], log["pins"], log["faults"]) == ("log", pins.to_json(), [])
    # Those whom people block by hand are blocked under any policies.
    blocked = [row for row in rows if row["type"] == "compared" and row["found"] == "only_against"]
    assert 0 < len(blocked) <= history["senders"]
    assert mine["alerts"] == 0
    assert run_command(["what-if", *place, "--sweep", "spam_messages_per_hour=5..50:5", "--json"]) == 0
    swept = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    values = {row["limit"]: row["senders"] for row in swept if row["type"] == "sweep"}
    assert values[5] >= values[50] > 0
    assert run_command(["what-if", *place, "--against", str(tmp_path / "none.yaml")]) == 2
    assert run_command(["what-if", *place, "--input", "x.jsonl"]) == 2
    assert run_command(["what-if", *place, "--spread", "24h"]) == 2
    assert run_command(["what-if", "x.jsonl"]) == 2


def test_policies_can_be_tried_before_the_first_worker_runs(kafka: Broker, topic_prefix: str) -> None:
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=1)
    put(kafka, topics, *spam(0, 12), *spam(20, 12, "bob@a.test"))
    settings = settings_of(kafka.bootstrap, topic_prefix)
    found = retry(settings, pinned(settings), RetrialOptions(with_history=True), lambda: False)
    assert sorted(found.outcomes[0].blocked_senders) == sorted({"ann@a.test", "bob@a.test"})


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
    late = audited(settings, offsets={0: (60, None)})
    assert whole.is_clean
    assert late.is_clean
    assert late.is_complete
    assert 0 < late.matched < whole.matched
    assert late.partitions[0].from_commit > whole.partitions[0].from_commit == 0
    # All of it came in after this time, though its own times are of days before.
    stamped = audited(settings, from_ms=now_ms)
    assert (stamped.is_complete, stamped.matched) == (True, whole.matched)


def test_a_journal_record_that_is_not_there_is_named(worked: tuple[Settings, TopicNames, Pins]) -> None:
    settings, _, pins = worked
    partition = next(iter(pins.committed))
    offset, commit = pins.committed[partition]
    further = replace(pins, committed={**pins.committed, partition: (offset, commit + 1)})
    report = audited(settings, further)
    assert {fault.fault for fault in report.faults} == {Fault.JOURNAL_RECORD_MISSING}


@pytest.fixture(scope="module")
def other_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A second broker, for copies."""
    cluster = Cluster(tmp_path_factory.mktemp("copies"), brokers=1)
    try:
        cluster.start()
        yield cluster.brokers[0]
    finally:
        cluster.sigkill()


def first_of(records: list[Copied], topic: str, name: str) -> int:
    """The place of the first record of that kind."""
    return next(
        place for place, each in enumerate(records) if each.topic == topic and Serde(None).decode(each.value)[0] == name
    )


def with_another_value(records: list[Copied], place: int, value: bytes) -> list[Copied]:
    return [*records[:place], replace(records[place], value=value), *records[place + 1 :]]


def test_what_was_done_to_a_copy_of_the_logs_is_named_for_what_it_is(
    kafka: Broker, other_kafka: Broker, topic_prefix: str, detect: Detect
) -> None:
    topics, serde = make_topics(kafka.bootstrap, topic_prefix, partitions=1), Serde(None)
    group = f"{topic_prefix}senderwatch-detector"
    for sender in ("ann@a.test", "bob@a.test", "cy@a.test"):
        put(kafka, topics, *spam(0, 13, sender))
        assert detect("--once").wait(60) == 0
    block_at = partial(first_of, topic=topics.restrictions, name="SenderBlocked")

    def changed_counter(records: list[Copied]) -> list[Copied]:
        place = block_at(records)
        name, record = serde.decode(records[place].value)
        forged = {**record, "hour": {**record["hour"], "spam_messages": 12}}
        return with_another_value(records, place, serde.encode(topics.restrictions, name, forged))

    def changed_verdict(records: list[Copied]) -> list[Copied]:
        place = first_of(records, topics.verdicts, "MessageVerdict")
        return with_another_value(records, place, payload_of(verdict(0, spam=False)))

    def without(place_of: Callable[[list[Copied]], int]) -> Change:
        return lambda records: [each for place, each in enumerate(records) if place != place_of(records)]

    first_verdict = partial(first_of, topic=topics.verdicts, name="MessageVerdict")
    first_page = partial(first_of, topic=topics.journal, name=COMMIT)
    tampered: list[tuple[Change, set[str]]] = [
        (lambda records: records, set()),
        (without(block_at), {"MISSING"}),
        (changed_counter, {"DIFFERENT"}),
        (changed_verdict, {"VERDICTS_DIFFER"}),
        (without(first_verdict), {"VERDICTS_DIFFER", "VERDICTS_MISSING"}),
        (without(first_page), {"JOURNAL_RECORD_MISSING"}),
    ]
    for change, expected in tampered:
        copy(kafka.bootstrap, other_kafka.bootstrap, topics, group, change)
        report = audited(settings_of(other_kafka.bootstrap, topic_prefix))
        found = {finding.outcome.value for finding in report.findings} | {each.fault.value for each in report.faults}
        assert expected <= found, report
        assert bool(found) == bool(expected), report
        delete_topics(other_kafka, topics, group)


def delete_topics(kafka: Broker, topics: TopicNames, group: str) -> None:
    """All topics of the copy and its group, for the next one."""
    settings = ClientSettings(kafka.bootstrap)
    client = admin(settings)
    names = [name for name in client.list_topics(timeout=30).topics if name.startswith(topics.prefix)]
    assert delete(settings, names, [group]) == []
    wait_until(
        lambda: not [name for name in client.list_topics(timeout=30).topics if name.startswith(topics.prefix)],
        "their end",
    )


def test_the_command_says_by_its_exit_status_what_it_found_and_leaves_the_same_bytes(
    worked: tuple[Settings, TopicNames, Pins], kafka: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, topics, pins = worked
    (tmp_path / "pins.json").write_text(json.dumps(pins.to_json()))
    place = [
        "--bootstrap-servers",
        kafka.bootstrap,
        "--topic-prefix",
        topics.prefix,
        "--pins",
        str(tmp_path / "pins.json"),
    ]
    outputs = []
    for jobs in ("1", "3"):
        files = ["--html", str(tmp_path / f"{jobs}.html"), "--parquet", str(tmp_path / jobs)]
        assert run_command(["audit", *place, "--jobs", jobs, "--json", *files]) == 0
        tables = [path.read_bytes() for path in sorted((tmp_path / jobs).iterdir())]
        outputs.append((capsys.readouterr().out, (tmp_path / f"{jobs}.html").read_bytes(), tables))
    assert outputs[0] == outputs[1]
    assert json.loads(outputs[0][0].splitlines()[-1])["pins"] == pins.to_json()
    assert run_command(["audit", *place, "--offsets", "99=0..1"]) == 2
    assert run_command(["audit", *place, "--offsets", "nonsense"]) == 2
    assert run_command(["audit", *place, "--topic-prefix", f"{topics.prefix}other-"]) == 2
    assert "another topics.prefix" in capsys.readouterr().err
    (journal, partition), (first, end) = next(each for each in pins.bounds.items() if each[0][0] == topics.journal)
    beyond = replace(pins, bounds={**pins.bounds, (journal, partition): (first, end + 1000)})
    (tmp_path / "pins.json").write_text(json.dumps(beyond.to_json()))
    assert run_command(["audit", *place]) == 2, "what is not there is not waited for"
    assert "made anew" in capsys.readouterr().err
    (tmp_path / "pins.json").write_text("{}")
    assert run_command(["audit", *place]) == 2
    assert "no file of pins" in capsys.readouterr().err


def test_an_audit_beside_a_worker_that_goes_on_speaks_of_what_was_there_when_it_began(
    kafka: Broker, topic_prefix: str, detect: Detect
) -> None:
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=1)
    worker = detect()
    settings = settings_of(kafka.bootstrap, topic_prefix)
    for number in range(5):
        put(kafka, topics, *spam(0, 11, f"s{number}@a.test"))
        wait_until(lambda: len(read_all(kafka.bootstrap, topics.restrictions)) > number, "the block")  # noqa: B023
        pins = pinned(settings)
        put(kafka, topics, *spam(20, 11, f"t{number}@a.test"))
        report = audited(settings, pins)
        assert report.is_clean, report
        assert report.matched > number
    worker.kill()
