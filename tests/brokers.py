"""A real Kafka for tests: one broker, or three that replicate, started by deploy/kafka/kafka.sh in a folder of its own."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests import processes
from tests.waiting import wait_until

SCRIPT = processes.ROOT / "deploy" / "kafka" / "kafka.sh"

FAST = (
    # Sessions as short as a test wants them, in both group protocols.
    "group.min.session.timeout.ms=100",
    "group.consumer.min.session.timeout.ms=500",
    "group.consumer.session.timeout.ms=3000",
    "group.consumer.min.heartbeat.interval.ms=100",
    "group.consumer.heartbeat.interval.ms=500",
    # What a killed worker leaves open is swept soon after its time is up, not every 10 s.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms=500",
    # A killed broker's partitions move, and it may register again, when its session is over.
    "broker.session.timeout.ms=2000",
    "broker.heartbeat.interval.ms=500",
    # Deleted topics and segments go at once.
    "log.segment.delete.delay.ms=1000",
)
"""Settings of every test broker beside those of broker.properties."""

_JAVA = {"KAFKA_HEAP": "512m", "KAFKA_JAVA_OPTIONS": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"}
"""Little memory and quick to start; a benchmark would want the better compiler."""


def _ports() -> dict[str, str]:
    """Each of the processes among which the tests are divided seeks ports of its own: none is taken before its broker is up."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return {}
    number, count = (
        int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw")),
        int(os.environ["PYTEST_XDIST_WORKER_COUNT"]),
    )
    each = 12_000 // count
    first = 20_000 + number % count * each
    return {"KAFKA_PORTS": f"{first}-{first + each - 1}"}


class Broker:
    """One node. It can be stopped, killed and frozen, and comes back at the same address with its data."""

    def __init__(self, folder: Path, node: int = 1) -> None:
        self._folder = folder
        self._node = node
        self._log = folder / f"node-{node}" / "broker.log"
        self._process: subprocess.Popen[str] | None = None

    @property
    def bootstrap(self) -> str:
        return (self._folder / "bootstrap").read_text().strip().split(",")[self._node - 1]

    @property
    def pid(self) -> int:
        assert self._process is not None, "the broker was not started"
        return self._process.pid

    def launch(self) -> None:
        """Start without waiting: of three, none is up before a second one is."""
        self._log.write_text("")
        command: list[str | Path] = [SCRIPT, "run", "--node", str(self._node), "--data", self._folder]
        self._process = processes.start(command, environment=_JAVA, output=self._log)

    def wait_until_up(self) -> None:
        wait_until(self.is_up, f"broker {self._node} of {self._folder}", timeout_s=60)

    def start(self) -> None:
        self.launch()
        self.wait_until_up()

    def stop(self) -> None:
        """As an operator would: SIGTERM, a controlled shutdown."""
        self._end(signal.SIGTERM)

    def sigkill(self) -> None:
        self._end(signal.SIGKILL)

    def tell_to_stop(self) -> None:
        """As `stop`, without waiting: see `has_ended`."""
        os.kill(self.pid, signal.SIGTERM)

    @property
    def has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def pause(self) -> None:
        """Freeze: connections stay open, nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def is_up(self) -> bool:
        """Whether a broker that was launched serves."""
        assert self._process is not None
        assert self._process.poll() is None, f"the broker ended:\n{self._log.read_text()[-2000:]}"
        return "Kafka Server started" in self._log.read_text()

    def _end(self, signal_number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGCONT)
            os.kill(self.pid, signal_number)
            self._process.wait(timeout=60)
        processes.end(self._process)
        self._process = None


class Cluster:
    """Several brokers that hold each partition three times and need two of them for a write; or just one."""

    def __init__(
        self, folder: Path, brokers: int = 3, settings: Sequence[str] = (), *, secrets: Path | None = None
    ) -> None:
        """`secrets`: with TLS, logins and ACLs, by the certificates and the password in that folder."""
        chosen = [word for setting in (*FAST, *settings) for word in ("--set", setting)]
        command: list[str | Path] = [SCRIPT, "prepare", "--data", folder, "--brokers", str(brokers), *chosen]
        command += ["--secured", secrets] if secrets is not None else []
        environment = {**os.environ, **_ports()}
        preparing = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert preparing.returncode == 0, f"no Kafka for the tests; `make jars` fetches it:\n{preparing.stderr}"
        self.bootstrap = (folder / "bootstrap").read_text().strip()
        self.brokers = [Broker(folder, node) for node in range(1, brokers + 1)]

    def start(self) -> None:
        for broker in self.brokers:
            broker.launch()
        for broker in self.brokers:
            broker.wait_until_up()

    def sigkill(self) -> None:
        for broker in self.brokers:
            broker.sigkill()
