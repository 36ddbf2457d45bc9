"""A Kafka of the benchmark's own: new data folder, free ports on 127.0.0.1, gone with the process that started it."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
_SCRIPT = ROOT / "deploy" / "kafka" / "kafka.sh"
_UP_S = 90.0

# What kafka-server-start.sh gives a real broker: enough heap, and both compilers.
_JAVA = {
    "KAFKA_HEAP": "1g",
    "KAFKA_JAVA_OPTIONS": "-server -Xms1g -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35",
}
# The topics that each run gets anew leave the disk soon.
_SETTINGS = ("log.segment.delete.delay.ms=1000",)


class NoBroker(Exception):
    """Kafka could not be started; the text says why."""


@dataclass(frozen=True, slots=True)
class Broker:
    """A running broker."""

    bootstrap: str
    process: psutil.Process

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)


@contextmanager
def running(folder: Path) -> Iterator[Broker]:
    """A broker with its data and its log in `folder`, stopped at the end. Raises NoBroker."""
    words = [word for setting in _SETTINGS for word in ("--set", setting)]
    prepared = subprocess.run(
        [_SCRIPT, "prepare", "--data", folder, *words], capture_output=True, text=True, check=False
    )
    if prepared.returncode != 0:
        raise NoBroker(f"{prepared.stderr.strip()} (`make jars` fetches Kafka)")
    log = folder / "broker.log"
    with log.open("w") as sink:
        process = subprocess.Popen(
            # Its own session: Ctrl-C is for us, who then stop it. The kernel stops it when we are killed.
            ["setpriv", "--pdeathsig", "KILL", "--", _SCRIPT, "run", "--node", "1", "--data", folder],
            env={**os.environ, **_JAVA},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_up(process, log)
        yield Broker((folder / "bootstrap").read_text().strip(), psutil.Process(process.pid))
    finally:
        process.kill()  # its folder goes too: nothing to shut down in order
        process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline_s = time.monotonic() + _UP_S
    while "Kafka Server started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise NoBroker(f"Kafka did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
