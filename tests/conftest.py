"""Fixtures for all tests. A broker starts with the first test that asks for one, and none survives the suite."""

import logging
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest
import structlog
from hypothesis import settings

from processor.kafka.topics import TopicNames
from tests import processes
from tests.brokers import Broker, Cluster
from tests.detecting import Detect
from tests.topics_io import make_topics

for _name in [name for name in os.environ if name.startswith("SENDERWATCH_")]:
    del os.environ[_name]  # what the developer has set for himself is no part of a test

# No deadline: the first call of a kernel compiles it, and the machine has other work too.
# In CI the same examples each time: what lands does not hang on luck. At a desk each run tries others.
settings.register_profile("suite", deadline=None, derandomize="CI" in os.environ, print_blob=True)
# For a campaign, by `make test ARGS="--hypothesis-profile thorough --timeout 0 tests/unit"`: twenty times as many, others each time.
settings.register_profile("thorough", settings.get_profile("suite"), max_examples=2_000, derandomize=False)
settings.load_profile("suite")

Senderwatch = Callable[..., subprocess.Popen[str]]


def pytest_configure(config: pytest.Config) -> None:
    """A suite that is told to end (SIGTERM) ends as on Ctrl-C, with its fixtures' finalizers."""

    def end(signal_number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Tests wait a lot, so more processes than processors; each may have a broker, so not too many."""
    return min(len(os.sched_getaffinity(0)) + 1, 6)


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up logging to the test's own standard error, which ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker that tests share; who needs one to stop or freeze takes `own_kafka`."""
    yield from _running(Cluster(tmp_path_factory.mktemp("kafka"), brokers=1))


@pytest.fixture
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker for this test alone, which may kill it."""
    yield from _running(Cluster(tmp_path_factory.mktemp("own-kafka"), brokers=1))


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three brokers for this test alone: replication 3, writes need 2."""
    three = Cluster(tmp_path_factory.mktemp("cluster"), brokers=3)
    try:
        three.start()
        yield three
    finally:
        three.sigkill()


def _running(cluster: Cluster) -> Iterator[Broker]:
    try:
        cluster.start()
        yield cluster.brokers[0]
    finally:
        cluster.sigkill()  # its folder goes too: nothing to shut down in order


@pytest.fixture
def unique() -> str:
    """A name that no other test uses: of a group, a slot, a transactional id."""
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def topic_prefix(unique: str) -> str:
    """A prefix that keeps this test's topics apart from those of all others on the shared broker."""
    return f"{unique}-"


@pytest.fixture
def senderwatch() -> Iterator[Senderwatch]:
    """Starts `senderwatch ...` as a process of its own (see tests.processes); what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def launch(*arguments: str, **options: object) -> subprocess.Popen[str]:
        process = processes.start_senderwatch(*arguments, **options)  # type: ignore[arg-type]
        started.append(process)
        return process

    try:
        yield launch
    finally:
        for process in started:
            processes.end(process)


@pytest.fixture
def topics(kafka: Broker, topic_prefix: str) -> TopicNames:
    """This test's topics, of one partition."""
    return make_topics(kafka.bootstrap, topic_prefix, partitions=1)


@pytest.fixture
def detect(kafka: Broker, topic_prefix: str, senderwatch: Senderwatch, tmp_path: Path) -> Detect:
    """Starts `senderwatch detect` on this test's topics; its log is in `tmp_path/N.log`."""
    number = 0

    def start(*options: str) -> subprocess.Popen[str]:
        nonlocal number
        number += 1
        return senderwatch(
            "detect", "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix, *options,
            environment={"SENDERWATCH_LOG__FORMAT": "json"}, output=tmp_path / f"{number}.log",
        )  # fmt: skip

    return start
