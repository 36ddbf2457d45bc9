"""`senderwatch verdicts` on a real broker: files go in exactly once, also when the import or the broker is stopped."""

import gzip
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confluent_kafka import TopicPartition

from processor import avro
from processor.cli.main import run
from processor.detection.senders import partition_of
from processor.kafka.clients import ClientSettings, consumer
from processor.kafka.reading import high_watermarks, last_stable_offsets
from processor.verdicts import jsonl
from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.generator import Traffic, generate
from processor.verdicts.writing import write_jsonl
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.processes import ROOT
from tests.topics_io import make_topics, read_all
from tests.waiting import wait_until

RECORDINGS = ROOT / "tests" / "recordings"
DAY_MS = 86_400_000
NOW_MS = time.time_ns() // 1_000_000
PARTITIONS = 3
LINES = 30_000
PREFIX = avro.single_object_prefix("MessageVerdict")


class Installation:
    """A broker with topics of its own, and the options that lead there."""

    def __init__(self, kafka: Broker, prefix: str) -> None:
        self.topic = make_topics(kafka.bootstrap, prefix, partitions=PARTITIONS).verdicts
        self.bootstrap = kafka.bootstrap
        self.options = ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", prefix)

    def run(self, *arguments: str | Path) -> int:
        return run(["verdicts", *map(str, arguments), *self.options])

    def records(self) -> list[dict[str, Any]]:
        found = []
        for message in read_all(self.bootstrap, self.topic):
            value, key = message.value() or b"", message.key() or b""
            assert value.startswith(PREFIX)
            record = avro.decode_body("MessageVerdict", value[len(PREFIX) :])
            assert key.decode() == record["sender"]
            whole = np.frombuffer(key, np.uint8)
            assert message.partition() == partition_of(whole, 0, whole.size, PARTITIONS), "Java's place for the key"
            found.append(record)
        return found

    def event_ids(self) -> list[str]:
        return sorted(record["event_id"] for record in self.records())

    def has_records(self) -> bool:
        """Whether a reader with read_committed would find anything."""
        reader = consumer(ClientSettings(self.bootstrap), group=None, partition_eof=True)
        try:
            reader.assign([TopicPartition(self.topic, partition, 0) for partition in range(PARTITIONS)])
            return any(message.error() is None for message in reader.consume(PARTITIONS, 1.0))
        finally:
            reader.close()

    def is_at_rest(self) -> bool:
        """Whether the topic's ends, of the decided records and of all, stay where they are for a while."""
        settings, partitions = ClientSettings(self.bootstrap), range(PARTITIONS)
        seen = [
            (last_stable_offsets(settings, self.topic, partitions), high_watermarks(settings, self.topic, partitions))
            for _ in range(3)
        ]
        return seen[0] == seen[1] == seen[2]


@pytest.fixture
def here(kafka: Broker, topic_prefix: str) -> Installation:
    return Installation(kafka, topic_prefix)


@pytest.fixture
def elsewhere(own_kafka: Broker, topic_prefix: str) -> Installation:
    return Installation(own_kafka, topic_prefix)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines enough that an import of them takes a few seconds."""
    path = tmp_path_factory.mktemp("many") / "many.jsonl"
    with path.open("wb") as stream:
        write_jsonl(generate(Traffic(LINES, NOW_MS, senders=500)), stream)
    return path


def _event_ids(path: Path) -> list[str]:
    return sorted(json.loads(line)["event_id"] for line in path.read_text().splitlines())


def _verdict(number: int) -> MessageVerdict:
    return MessageVerdict(f"e{number}", NOW_MS, "org", f"s{number % 7}@org.test", 0, 1, Verdict.CLEAN)


def _write(path: Path, count: int) -> Path:
    path.write_bytes(b"".join(jsonl.line_of(_verdict(number)) for number in range(count)))
    return path


def test_recorded_mail_is_there_once_and_stretched_over_the_day(
    here: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    before_ms = time.time_ns() // 1_000_000
    day = RECORDINGS / "rspamd-day-timed.jsonl"
    assert here.run("import", day, "--format", "rspamd", "--spread", "24h", "--transaction-lines", "300") == 0
    assert "imported 2,000 of 2,000 lines" in capsys.readouterr().out
    records = here.records()
    assert sorted(record["event_id"] for record in records) == _event_ids(day)
    times = [record["occurred_at"] for record in records]
    assert before_ms <= max(times) <= before_ms + 60_000
    assert max(times) - min(times) == DAY_MS


def test_unauthenticated_mail_is_skipped_unless_its_network_is_trusted(
    here: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = RECORDINGS / "rspamd-cases-stock.jsonl"
    assert here.run("import", cases, "--format", "rspamd") == 0
    assert "imported 31 of 33 lines" in (said := capsys.readouterr().out)
    assert "skipped 2: no authenticated user" in said
    trusting = ("--trust-envelope-from", "192.0.2.0/24,203.0.113.8/32")
    assert here.run("import", cases, "--format", "rspamd", *trusting) == 0
    assert "imported 33 of 33 lines" in capsys.readouterr().out
    assert len(here.records()) == 64
    assert {record["tenant_id"] for record in here.records()} == {"e2e.test"}


def test_tenants_come_from_the_file(here: Installation, tmp_path: Path) -> None:
    tenants = tmp_path / "tenants.yaml"
    tenants.write_text("e2e.test: customer-7\nexternal.test: customer-7\n")
    cases = RECORDINGS / "rspamd-cases-timed.jsonl"
    assert here.run("import", cases, "--format", "rspamd", "--tenants", tenants, "--spread", "1h") == 0
    records = here.records()
    assert {record["tenant_id"] for record in records} == {"customer-7"}
    assert sum(record["internal_recipients"] for record in records) > 30


def test_refused_lines_are_named_kept_and_the_rest_is_in(
    here: Installation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, kept = _write(tmp_path / "v.jsonl", 20), tmp_path / "refused.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3], lines[7], lines[11] = b"\n", b'{"sender": 5}\n', b"nonsense\xff\n"
    path.write_bytes(b"".join(lines))
    assert here.run("import", path, "--refused-to", kept) == 1
    said = capsys.readouterr().out
    assert "imported 17 of 19 lines" in said
    assert f"{path}:8: event_id: is missing" in said
    assert f"{path}:12: line: is not JSON" in said
    assert len(here.records()) == 17
    refusals = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(refusal["line"], refusal["field"], refusal["problem"]) for refusal in refusals] == [
        (8, "event_id", "is missing"),
        (12, "line", "is not JSON"),
    ]
    assert refusals[1]["text"].encode(errors="surrogateescape") == b"nonsense\xff"


def test_files_of_several_forms_go_in_together(here: Installation, tmp_path: Path) -> None:
    plain = _write(tmp_path / "plain.jsonl", 10)
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    container = tmp_path / "made.avro"
    assert run(["verdicts", "generate", "--records", "50", "--to-file", str(container)]) == 0
    packed_container = tmp_path / "made.avro.gz"
    packed_container.write_bytes(gzip.compress(container.read_bytes()))
    assert here.run("import", plain, packed, container, packed_container) == 0
    counts = Counter(here.event_ids())
    assert len(counts) == 60
    assert set(counts.values()) == {2}


def test_lines_of_a_pipe_go_in_while_it_stays_open(here: Installation) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "processor.cli.main", "verdicts", "import", "-", *here.options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(jsonl.line_of(_verdict(1)))
        process.stdin.flush()
        wait_until(here.has_records, "the first line of the pipe", timeout_s=30)
        out, _ = process.communicate(jsonl.line_of(_verdict(2)), timeout=30)
        assert process.returncode == 0
        assert b"imported 2 of 2 lines" in out
    finally:
        process.kill()
        process.communicate()
    assert here.event_ids() == ["e1", "e2"]


def _started(senderwatch: Senderwatch, here: Installation, *arguments: str | Path) -> subprocess.Popen[str]:
    return senderwatch("verdicts", "import", *map(str, arguments), *here.options)


def _command_to_go_on(process: subprocess.Popen[str]) -> tuple[str, list[str]]:
    """What the import printed, and the arguments after `senderwatch` that it says to go on with."""
    out, err = process.communicate(timeout=60)
    match = re.search(r"by: senderwatch (.*)", err)
    assert match is not None, err
    return out, shlex.split(match[1])


def _imported(said: str) -> int:
    match = re.search(r"imported ([\d,]+) of", said)
    assert match is not None, said
    return int(match[1].replace(",", ""))


@pytest.mark.parametrize("asked", [signal.SIGINT, signal.SIGTERM], ids=lambda asked: asked.name)
def test_an_interrupted_import_goes_on_and_everything_is_there_once(
    here: Installation, senderwatch: Senderwatch, many: Path, asked: signal.Signals
) -> None:
    process = _started(senderwatch, here, many, "--transaction-lines", "100")
    wait_until(here.has_records, "the first transaction", timeout_s=60)
    process.send_signal(asked)
    out, command = _command_to_go_on(process)
    assert process.returncode == 130
    assert 0 < _imported(out) < LINES
    assert len(here.records()) == _imported(out), "what it reported is there, and nothing else"
    assert run([*command, *here.options]) == 0
    assert here.event_ids() == _event_ids(many)


def test_an_import_outlives_its_broker_and_everything_is_there_once(
    own_kafka: Broker, elsewhere: Installation, senderwatch: Senderwatch, many: Path
) -> None:
    process = _started(senderwatch, elsewhere, many, "--transaction-lines", "100")
    wait_until(elsewhere.has_records, "the first transaction", timeout_s=60)
    # Stopped first: a broker without replicas that is killed while a decided transaction's markers are under way can drop
    # them when it starts ("Couldn't find leader endpoint ... can be skipped": its coordinator is up before it knows the
    # newest topics, seen with Kafka 4.3.1 in 3 of 60 kills), and then readers with read_committed wait for ever.
    process.send_signal(signal.SIGSTOP)
    wait_until(elsewhere.is_at_rest, "a moment in which nothing is written", timeout_s=30)
    own_kafka.sigkill()
    process.send_signal(signal.SIGCONT)
    own_kafka.start()
    out, _ = process.communicate(timeout=90)
    assert process.returncode == 0
    assert _imported(out) == LINES
    assert elsewhere.event_ids() == _event_ids(many)


def test_an_import_that_loses_its_broker_goes_on_and_everything_is_there_once(
    own_kafka: Broker, elsewhere: Installation, senderwatch: Senderwatch, many: Path
) -> None:
    process = _started(senderwatch, elsewhere, many, "--transaction-lines", "100", "--patience", "5")
    wait_until(elsewhere.has_records, "the first transaction", timeout_s=60)
    own_kafka.pause()
    out, command = _command_to_go_on(process)
    assert process.returncode == 69
    assert _imported(out) < LINES
    own_kafka.resume()
    assert run([*command, *elsewhere.options]) == 0
    assert elsewhere.event_ids() == _event_ids(many)


def test_generated_traffic_is_in_the_topic_and_the_truth_is_told(
    here: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    assert here.run("generate", "--records", "5000", "--senders", "300", "--compromised", "2", "--seed", "9") == 0
    said = capsys.readouterr().out
    assert "generated 5,000 records" in said
    bad = re.findall(r"^compromised (\S+) of (\S+) from (\S+)$", said, re.MULTILINE)
    assert len(bad) == 2
    records = here.records()
    assert len({record["event_id"] for record in records}) == 5000
    assert max(record["occurred_at"] for record in records) <= time.time_ns() // 1_000_000
    worst = Counter(record["sender"] for record in records if "SPAM" in record["verdict"]).most_common(2)
    assert {sender for sender, _ in worst} == {sender for sender, _, _ in bad}


def test_live_traffic_comes_at_its_rate_and_at_its_time(here: Installation) -> None:
    begun_s = time.monotonic()
    assert here.run("generate", "--records", "200", "--rate", "100", "--compromised", "0") == 0
    assert time.monotonic() - begun_s > 1.8
    for message in read_all(here.bootstrap, here.topic):
        _, appended_ms = message.timestamp()
        occurred_ms = avro.decode_body("MessageVerdict", (message.value() or b"")[len(PREFIX) :])["occurred_at"]
        assert occurred_ms <= appended_ms + 50


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("import", "absent.jsonl"), "cannot read absent.jsonl: No such file"),
        (("import", "."), "cannot read .: Is a directory"),
        (("import", "-", "--spread", "24h"), "--spread reads a file twice"),
        (("import", "-", "--spread", "soon"), "expected a time such as 30s, 90m, 24h or 7d"),
        (("import", "-", "--occurred-at", "yesterday"), "--occurred-at: is not an RFC 3339 time"),
        (("import", "-", "--ending", "1795485590"), "--ending: looks like seconds"),
        (
            ("import", "-", "--trust-envelope-from", "192.0.2.1/24"),
            "--trust-envelope-from: 192.0.2.1/24 has host bits set",
        ),
        (("import", "-", "--tenants", "absent.yaml"), "--tenants absent.yaml"),
        (("import", "-", "--in-doubt", "x/y"), "--in-doubt: give the token as the earlier run printed it"),
        (("import", "-", "--from-line", "9", "--in-doubt", "8/me/0/1/0"), "--in-doubt is about lines before"),
        (("generate", "--records", "5", "--senders", "1"), "more accounts are compromised than there are senders"),
        (("generate", "--to-file", "x.csv"), "must end in .jsonl or .avro"),
        (("generate", "--to-file", "x.avro", "--rate", "5"), "--rate is for a topic"),
    ],
)
def test_wrong_usage_is_explained(
    here: Installation, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert here.run(*arguments) == 2
    assert said in capsys.readouterr().err


def test_no_topic_and_no_broker_are_explained(
    kafka: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(_write(tmp_path / "v.jsonl", 1))
    absent = ["--bootstrap-servers", kafka.bootstrap, "--topic-prefix", "nowhere-"]
    assert run(["verdicts", "import", path, *absent]) == 1
    assert "senderwatch topics create" in capsys.readouterr().err
    assert run(["verdicts", "import", path, "--bootstrap-servers", "127.0.0.1:1"]) == 69
    assert "no broker answers at 127.0.0.1:1" in capsys.readouterr().err


def test_on_a_terminal_a_bar_shows_how_far_it_is(here: Installation, many: Path) -> None:
    shown, _ = _in_a_terminal(
        [sys.executable, "-m", "processor.cli.main", "verdicts", "import", str(many), *here.options]
    )
    assert "100%" in shown or re.search(r"\d+%", shown)
    assert re.search(r"[\d,]+/s", shown)
    assert f"imported {LINES:,} of {LINES:,} lines" in shown


def _in_a_terminal(command: list[str]) -> tuple[str, int]:
    """Everything a command prints to a terminal of 100 columns, and its exit status."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "COLUMNS": "100", "TERM": "xterm"},
    )
    os.close(theirs)
    read: list[bytes] = []

    def collect() -> None:
        try:
            while chunk := os.read(ours, 65536):
                read.append(chunk)
        except OSError:  # how a terminal ends when its last user is gone
            return

    reader = threading.Thread(target=collect)
    reader.start()
    try:
        status = process.wait(timeout=60)
    finally:
        process.kill()
        reader.join()
        os.close(ours)
    return b"".join(read).decode(), status
