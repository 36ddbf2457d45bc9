"""One secured broker for all tests here."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from processor.verdicts.event import MessageVerdict, Verdict
from tests import processes
from tests.engines import payload_of
from tests.secured import ANN, NAMES, SecuredKafka, secured, spam
from tests.waiting import wait_until


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first test brings up everything, and perhaps on a machine that is busy."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """The broker with its logins; topics, a policy, and Ann, who has sent spam and is blocked by a detector that goes on."""
    made = secured(tmp_path_factory.mktemp("secured"))
    worker: subprocess.Popen[str] | None = None
    try:
        made.cluster.start()
        given = made.give_rights("--passwords", str(made.folder / "passwords"))
        assert given.status == 0, given.text
        for login, command in (
            ("operator", ["topics", "create"]),
            ("policies", ["policy", "apply", str(_policies(made.folder))]),
            ("feeder", ["verdicts", "import", "--format", "jsonl", str(spam(made.folder, ANN))]),
        ):
            said = made.run(login, *command)
            assert said.status == 0, said.text
        _misplaced(made)
        settings = made.settings_file("detector", more="[detector]\nchangelog_sweep_bytes = 1\n")
        command = ["detect", "--config", str(settings), "--slot", "1", "--metrics-port", "0", "--log-level", "debug"]
        worker = processes.start_senderwatch(*command, output=made.folder / "detect.log")
        wait_until(lambda: ANN in made.run("admin", "restricted", "list").text, "the block", 90)
        yield made
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        if worker is not None:
            processes.end(worker)
        made.cluster.sigkill()


def _policies(folder: Path) -> Path:
    file = folder / "policies.yaml"
    file.write_text("default: {action: block, limits: {spam_messages_per_hour: 3}, notify: {digest_delay: 0s}}\n")
    return file


def _misplaced(kafka: SecuredKafka) -> None:
    """The same verdict in both partitions: one of them is not its sender's, and becomes a dead letter."""
    settings = kafka.kafka("feeder")
    verdict = MessageVerdict("m", time.time_ns() // 1_000_000, "school", "eve@school.test", 0, 1, Verdict.CLEAN)
    client = Producer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties})
    for partition in (0, 1):
        client.produce(NAMES.verdicts, payload_of(verdict), b"eve@school.test", partition)
    assert client.flush(20) == 0
