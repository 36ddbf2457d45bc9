"""Detect workers as simulated processes, watched: what each knows when it commits, and what it knows after a restore."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from processor.detection.engine import Engine
from processor.detection.layout import GRANULE
from processor.kafka.clients import ClientSettings
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.telemetry import Health, Metrics
from processor.workers.detect import DetectOptions, DetectWorker
from tests.engine_state import state_of
from tests.simulation.asking import settings_of
from tests.simulation.broker import Broker
from tests.simulation.schedule import Process

GROUP = "detector"


@dataclass(frozen=True, slots=True)
class Known:
    """What an engine knows at a commit."""

    commit: int
    next_offset: int
    _copy: Any

    @classmethod
    def of(cls, commit: int, next_offset: int, engine: Engine) -> "Known":
        """Copies, and tells only when it is asked: few commits are ever restored."""
        table, state = engine.table, engine.table.state[0]
        copied = table._replace(
            state=table.state.copy(),
            senders=table.senders[: int(state.sender_top)].copy(),
            names=table.names[: GRANULE * int(state.name_top)].copy(),
            cells=table.cells[: int(state.cell_top)].copy(),
            counts=table.counts[: int(state.cell_top)].copy(),
        )
        kept = {name: deepcopy(getattr(engine, name)) for name in ("blocks", "unblocks", "brake", "releases")}
        restrictions = dict(engine.restrictions)
        return cls(
            commit,
            next_offset,
            SimpleNamespace(table=copied, stream_time_ms=engine.stream_time_ms, restrictions=restrictions, **kept),
        )

    @property
    def state(self) -> dict[str, Any]:
        return state_of(self._copy)


class WatchedDetectWorker(DetectWorker):
    """Tells what it has restored."""

    restored: Callable[[int, Known, int], None]
    commit_of: Callable[[int], int]

    def known(self) -> dict[int, Known]:
        """What each of its engines knows now."""
        return {
            partition: Known.of(work.commit, work.next_offset, work.engine) for partition, work in self._works.items()
        }

    def _restore(self, partitions: list[int]) -> None:
        before = {partition: self.commit_of(partition) for partition in partitions}
        super()._restore(partitions)
        for partition, known in self.known().items():
            if partition in partitions:
                self.restored(partition, known, before[partition])


class Detector:
    """One detect worker, from the start of its process to its end."""

    def __init__(
        self,
        broker: Broker,
        topics: TopicNames,
        name: str,
        options: DetectOptions,
        restored: Callable[[int, Known, int], None],
        commit_of: Callable[[int], int],
    ) -> None:
        """`restored` hears of each restore, and of what `commit_of` said when it began: the number of the partition's last commit."""
        self._topics = topics
        self._options = options
        self._restored = restored
        self._commit_of = commit_of
        self._worker: WatchedDetectWorker | None = None
        self._settings: ClientSettings = settings_of(broker, lambda: self.process, self._known)
        self.is_told_to_stop = False
        self.process: Process = broker.schedule.start(name, self._main)

    def _known(self) -> dict[int, Known]:
        return {} if self._worker is None else self._worker.known()

    def _main(self) -> None:
        metrics = Metrics()
        self._worker = worker = WatchedDetectWorker(
            self._settings,
            self._topics,
            Serde(None),
            None,
            self._options,
            metrics,
            Health(metrics),
            lambda: self.is_told_to_stop or self.process.is_dead,
        )
        worker.restored, worker.commit_of = self._restored, self._commit_of
        worker.run()
