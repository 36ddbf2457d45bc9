"""The port of metrics and health, where it cannot be had."""

import socket
from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.topics_io import make_topics


@pytest.mark.parametrize("command", ["detect", "notify"])
def test_a_port_that_is_taken_ends_the_worker_with_its_number(
    command: str, kafka: Broker, topic_prefix: str, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    make_topics(kafka.bootstrap, topic_prefix, partitions=1, out_partitions=1)
    place = ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        worker = senderwatch(command, "--once", *place, "--metrics-port", port, output=tmp_path / "log")
        assert worker.wait(60) == 1
    said = (tmp_path / "log").read_text()
    assert f"metrics.port {port}: Address already in use" in said
    assert "Traceback" not in said
