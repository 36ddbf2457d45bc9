"""Bad surroundings: every command says in a line what is wrong, with the status that goes with it, and none shows a traceback."""

import resource
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest
from confluent_kafka.admin import NewTopic

from processor.cli.main import run
from processor.kafka.clients import ClientSettings, admin
from processor.kafka.reading import high_watermarks
from processor.kafka.topics import TopicNames, TopicShape, designed_topics
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.detecting import Detect, put, spam
from tests.oracle import published_decisions
from tests.processes import ROOT
from tests.small_registry import SmallRegistry
from tests.topics_io import make_topics, read_all
from tests.waiting import wait_until

AT_A_TIME = 8
PATIENCE_S = 100.0
"""A worker of a machine that is busy may take so long to compile its kernels."""
POLICIES = str(ROOT / "deploy" / "policies.example.yaml")
RECORDING = str(ROOT / "tests" / "recordings" / "rspamd-day-timed.jsonl")
SHORT = ("--patience", "1")
COMMANDS: dict[str, tuple[str, ...]] = {
    "detect": ("detect", "--once"),
    "notify": ("notify", "--once", "--outbox", "OUTBOX"),
    "restricted list": ("restricted", "list"),
    "restricted show": ("restricted", "show", "ann@a.test"),
    "restricted unblock": ("restricted", "unblock", "ann@a.test", "--comment", "c"),
    "restricted block": ("restricted", "block", "ann@a.test", "--tenant", "a.test", "--reason", "r", "--timeout", "1s"),
    "policy diff": ("policy", "diff", POLICIES),
    "policy apply": ("policy", "apply", POLICIES),
    "policy list": ("policy", "list"),
    "policy history": ("policy", "history"),
    "policy explain": ("policy", "explain", "ann@a.test"),
    "events": ("events",),
    "verdicts import": ("verdicts", "import", "--format", "rspamd", RECORDING, *SHORT),
    "verdicts generate": ("verdicts", "generate", "--records", "10", *SHORT),
    "topics list": ("topics", "list"),
    "topics create": ("topics", "create"),
    "audit": ("audit",),
    "explain": ("explain", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    "dead-letters list": ("dead-letters", "list"),
    "dead-letters show": ("dead-letters", "show", "0:0"),
    "dead-letters replay": ("dead-letters", "replay", "--all", "--yes", *SHORT),
}
Outcome = tuple[int, str]
"""Exit status, and the last line on standard error."""
Outcomes = Callable[..., dict[str, Outcome]]


@pytest.fixture
def outcomes(senderwatch: Senderwatch, tmp_path: Path) -> Outcomes:
    """Runs commands by their name in COMMANDS, some at a time; none may show a traceback or go on for ever."""

    def ended(process: "subprocess.Popen[str]", name: str) -> Outcome:
        out, said = process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in out + said, f"{name}: {said}"
        return process.returncode, (said.splitlines() or [""])[-1]

    def run_all(names: Sequence[str], *options: str) -> dict[str, Outcome]:
        found: dict[str, Outcome] = {}
        for at in range(0, len(names), AT_A_TIME):
            together = names[at : at + AT_A_TIME]
            words = [
                [str(tmp_path / "out") if word == "OUTBOX" else word for word in COMMANDS[name]] for name in together
            ]
            processes = [senderwatch(*each, *options) for each in words]
            found |= {name: ended(process, name) for name, process in zip(together, processes, strict=True)}
        return found

    return run_all


@contextmanager
def web_server() -> Iterator[str]:
    """Answers as such servers do to bytes that are no request of theirs."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")

    server = ThreadingTCPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_where_nobody_listens_every_command_says_so(outcomes: Outcomes) -> None:
    address = f"127.0.0.1:{closed_port()}"
    for name, (status, said) in outcomes(list(COMMANDS), "--bootstrap-servers", address).items():
        assert status == 69, (name, said)
        assert said.startswith(f"senderwatch: no broker answers at {address} (setting kafka.bootstrap_servers)"), name
        assert "Connection refused" in said, name


def test_what_listens_and_is_not_kafka_is_said(outcomes: Outcomes) -> None:
    some = ["detect", "topics list", "restricted list", "verdicts import"]
    with web_server() as address:
        told = outcomes(some, "--bootstrap-servers", address)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        told_of_silence = outcomes(some[1:2], "--bootstrap-servers", f"127.0.0.1:{silent.getsockname()[1]}")
    for name, (status, said) in told.items():
        assert status == 69, name
        assert said.endswith("something else than Kafka listens there, whose answer begins with 'HTTP'"), (name, said)
    for status, said in told_of_silence.values():
        assert status == 69
        assert "is it Kafka's port, and is the broker well?" in said


WORKERS = ("detect", "notify")
"""Commands that set up more in their process than a test can have in its own."""


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in {*WORKERS, "topics create", "topics list"}])
def test_where_topics_are_missing_a_command_says_what_makes_them(
    kafka: Broker, topic_prefix: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run([*COMMANDS[name], "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix])
    (said,) = capsys.readouterr().err.splitlines()
    assert status == (2 if name in ("policy diff", "audit", "explain") else 1)
    assert said.startswith(f"senderwatch: there is no topic {topic_prefix}")
    assert "`senderwatch topics create` makes topics" in said


@pytest.mark.parametrize(
    ("made", "told"),
    [
        ({"detector-changelog": 3}, {"detect": (1, "detector-changelog has 3 partitions, but")}),
        (
            {"restriction-commands": 1},
            {"detect": (1, "restriction-commands has 1 partition")},
        ),
        ({"detector-journal": 1}, {"audit": (2, "has no partition 1, which the verdicts have")}),
        ({"notifications": 1}, {"notify": (2, "needs at least as many partitions as")}),
    ],
    ids=str,
)
def test_a_wrong_number_of_partitions_is_named(
    kafka: Broker,
    topic_prefix: str,
    outcomes: Outcomes,
    made: Mapping[str, int],
    told: Mapping[str, Outcome],
) -> None:
    designs = designed_topics(TopicNames(topic_prefix), TopicShape(partitions=2, out_partitions=2))
    topics = [
        NewTopic(
            each.name, made.get(each.name.removeprefix(topic_prefix), each.partitions), 1, config=dict(each.config)
        )
        for each in designs
    ]
    client = admin(ClientSettings(kafka.bootstrap))
    for answer in client.create_topics(topics).values():
        answer.result(30)
    found = outcomes(list(told), "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix)
    for name, (status, words) in told.items():
        assert found[name][0] == status, found
        assert words in found[name][1], found


def test_a_registry_that_is_away_is_waited_for_and_said(
    kafka: Broker, topics: TopicNames, detect: Detect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(kafka, topics, *spam(0, 11))
    port = closed_port()
    monkeypatch.setenv("SENDERWATCH_SCHEMA_REGISTRY__URL", f"http://127.0.0.1:{port}")
    worker = detect("--once")
    log = tmp_path / "1.log"
    wait_until(lambda: "waiting for the schema registry" in log.read_text(), "the wait for the registry", PATIENCE_S)
    registry = SmallRegistry(port)
    try:
        assert worker.wait(PATIENCE_S) == 0, log.read_text()
    finally:
        registry.close()
    assert len(read_all(kafka.bootstrap, topics.restrictions)) == 1
    assert "Traceback" not in log.read_text()


def test_a_broker_whose_disk_is_full_is_waited_for_by_workers_and_told_of_by_commands(
    own_kafka: Broker, unique: str, senderwatch: Senderwatch, outcomes: Outcomes, tmp_path: Path
) -> None:
    """No file of the broker may grow, which is to it what a full disk is: it gives up its only disk, and ends."""
    topics = make_topics(own_kafka.bootstrap, f"{unique}-", partitions=1)
    common = ("--bootstrap-servers", own_kafka.bootstrap, "--topic-prefix", topics.prefix)
    log = tmp_path / "detect.log"
    worker = senderwatch("detect", *common, output=log)
    wait_until(lambda: "partition restored" in log.read_text(), "the worker to be ready", PATIENCE_S)
    live = ("--rate", "200", "--records", "100000", "--compromised", "0", "--patience", "2")
    feeder = senderwatch("verdicts", "generate", *live, *common)
    kafka = ClientSettings(own_kafka.bootstrap)
    wait_until(lambda: high_watermarks(kafka, topics.verdicts, [0])[0] > 200, "live verdicts", PATIENCE_S)
    # A single broker that ends with a decided transaction may forget its markers, and readers then wait for ever. So none is under way.
    worker.send_signal(signal.SIGSTOP)
    wait_until(lambda: high_watermarks(kafka, topics.verdicts, [0])[0] > 600, "live verdicts meanwhile", PATIENCE_S)
    resource.prlimit(own_kafka.pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    told = feeder.communicate(timeout=PATIENCE_S)[1]
    assert feeder.returncode == 69
    assert told.splitlines()[-1].startswith("senderwatch: the broker is gone: ")
    assert "Traceback" not in told
    own_kafka.sigkill()
    worker.send_signal(signal.SIGCONT)
    own_kafka.start()
    put(own_kafka, topics, *spam(0, 11))
    wait_until(lambda: published_decisions(own_kafka.bootstrap, topics), "the block", PATIENCE_S)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    assert len(published_decisions(own_kafka.bootstrap, topics)) == 1
    assert "Traceback" not in log.read_text()
    assert outcomes(["audit"], *common)["audit"][0] == 0


PUT_ON_CLOCK = """
import time
from pathlib import Path
_time_ns, _ahead = time.time_ns, Path(__file__).with_name("ahead")
time.time_ns = lambda: _time_ns() + int(_ahead.read_text()) * 1_000_000_000
time.time = lambda: time.time_ns() / 1e9
"""
"""A machine's clock that a test sets, for a process that finds this as its sitecustomize."""


def test_a_clock_that_jumps_forward_and_back_while_a_worker_runs_only_ends_restrictions_early(
    kafka: Broker, topics: TopicNames, senderwatch: Senderwatch, outcomes: Outcomes, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(PUT_ON_CLOCK)
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    common = ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topics.prefix)
    worker = senderwatch(
        "detect", *common, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, output=tmp_path / "clock.log"
    )

    def published() -> list[tuple[str, str]]:
        told = published_decisions(kafka.bootstrap, topics).values()
        return sorted((str(record["sender"]), name) for name, record in told)

    put(kafka, topics, *spam(0, 11))
    wait_until(lambda: published() == [("ann@a.test", "SenderBlocked")], "a block", PATIENCE_S)
    ahead.write_text(str(26 * 3600))
    wait_until(lambda: ("ann@a.test", "SenderUnblocked") in published(), "its end, by the clock", PATIENCE_S)
    ahead.write_text(str(-48 * 3600))
    put(kafka, topics, *spam(100, 11, sender="bob@a.test"))
    wait_until(
        lambda: ("bob@a.test", "SenderBlocked") in published(), "a block under a clock of two days ago", PATIENCE_S
    )
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(PATIENCE_S) == 0
    assert published() == [
        ("ann@a.test", "SenderBlocked"),
        ("ann@a.test", "SenderUnblocked"),
        ("bob@a.test", "SenderBlocked"),
    ]
    assert "Traceback" not in (tmp_path / "clock.log").read_text()
    assert outcomes(["audit"], *common)["audit"][0] == 0, "the journal has what the clock did"
