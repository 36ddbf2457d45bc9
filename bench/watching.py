"""Watching a worker from outside: how far its group has come, how much memory it holds, how much processor time it has used."""

import socket
import subprocess
import time
import urllib.request
from types import TracebackType
from typing import Self

import psutil
from confluent_kafka import KafkaException, TopicPartition

from bench.costs import RunFailed
from bench.topics import detector_group
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks, partitions_of
from processor.kafka.topics import TopicNames

_TIMEOUT_S = 30.0
_LONGEST_S = 600.0
_PAUSE_S = 0.05


class Progress:
    """What the detectors on some topics have committed."""

    def __init__(self, bootstrap: str, topics: TopicNames) -> None:
        self._settings = ClientSettings(bootstrap)
        self._topic = topics.verdicts
        self._partitions = partitions_of(self._settings, topics.verdicts)
        self._client = clients.consumer(self._settings, group=detector_group(topics))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def by_partition(self) -> dict[int, int]:
        """The offset of the next verdict of each partition: as many are done, since no transaction wrote them."""
        places = [TopicPartition(self._topic, partition) for partition in self._partitions]
        deadline_s = time.monotonic() + _TIMEOUT_S
        while True:
            try:
                answers = self._client.committed(places, timeout=_TIMEOUT_S)
            except KafkaException:  # a coordinator that is not there yet
                if time.monotonic() > deadline_s:
                    raise
                time.sleep(_PAUSE_S)
            else:
                return {each.partition: max(0, each.offset) for each in answers}

    def done(self) -> int:
        """How many verdicts are done."""
        return sum(self.by_partition().values())

    def ends(self) -> dict[int, int]:
        """How many verdicts there are in each partition."""
        return high_watermarks(self._settings, self._topic, self._partitions)

    def written(self) -> int:
        """How many verdicts there are."""
        return sum(self.ends().values())

    def wait_for(self, records: int, *workers: subprocess.Popen[bytes]) -> None:
        """Returns when so many are done. Raises RunFailed when a worker ends before, or it takes all too long."""
        deadline_s = time.monotonic() + _LONGEST_S
        while (done := self.done()) < records:
            if any(worker.poll() is not None for worker in workers) or time.monotonic() > deadline_s:
                raise RunFailed(
                    f"{done:,} of {records:,} verdicts of {self._topic} were done when the worker ended or time was up"
                )
            time.sleep(_PAUSE_S)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return int(chosen.getsockname()[1])


def wait_until_ready(port: int, worker: subprocess.Popen[bytes]) -> None:
    """Returns when the worker whose health is served on `port` has its partitions. Raises RunFailed as `Progress.wait_for`."""
    deadline_s = time.monotonic() + _LONGEST_S
    while worker.poll() is None and time.monotonic() < deadline_s:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=_TIMEOUT_S):
                return
        except OSError:  # not there yet, or not ready: URLError is one
            time.sleep(_PAUSE_S)
    raise RunFailed("a worker did not become ready")


def resident_bytes(worker: subprocess.Popen[bytes]) -> int:
    """The memory that a process holds now."""
    return int(psutil.Process(worker.pid).memory_info().rss)


def cpu_s(*workers: subprocess.Popen[bytes]) -> float:
    """The processor time that some processes have used so far, all their threads included."""
    times = [psutil.Process(worker.pid).cpu_times() for worker in workers]
    return float(sum(each.user + each.system for each in times))
