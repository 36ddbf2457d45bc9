"""The coordinator of transactions, by the protocol that librdkafka speaks (before KIP-890's second part)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.simulation.log import Place, Stage, Transaction
from tests.simulation.schedule import Schedule

SWEEP_S = 10.0
"""How often the broker looks for transactions that have been open for too long."""


class FencedEpoch(Exception):
    """A newer producer has this transactional id, or the broker has ended its transaction."""


class StillEnding(Exception):
    """The last transaction's markers are under way: try again (CONCURRENT_TRANSACTIONS)."""


class NotInOrder(Exception):
    """There is no such transaction to do this in (INVALID_TXN_STATE)."""


@dataclass(slots=True)
class _Producer:
    name: str
    epoch: int
    timeout_s: float
    current: Transaction | None = None
    last: Stage | None = None


class TransactionCoordinator:
    """`decided` hears of each commit in the moment that it can no longer change; `marked` writes a transaction's marker to a place.

    A marker's way takes what `marker_delay_s` says. A place of None is that of the groups' offsets.
    """

    def __init__(
        self,
        schedule: Schedule,
        decided: Callable[[Transaction], None],
        marked: Callable[[Transaction, Place | None], None],
        marker_delay_s: Callable[[], float],
    ) -> None:
        self._schedule = schedule
        self._decided = decided
        self._marked = marked
        self._marker_delay_s = marker_delay_s
        self._producers: dict[str, _Producer] = {}
        self.aborted = 0
        self.expired = 0
        schedule.later(SWEEP_S, self._sweep)

    def init(self, name: str, timeout_s: float) -> int:
        """The epoch of a new producer of that name. Raises StillEnding."""
        producer = self._producers.setdefault(name, _Producer(name, -1, timeout_s))
        current = producer.current
        if current is not None:
            if current.stage is Stage.OPEN:
                producer.epoch += 1
                self._end(producer, current, commits=False)
            raise StillEnding
        producer.epoch += 1
        producer.last = None
        return producer.epoch

    def transaction(self, name: str, epoch: int) -> Transaction:
        """The open transaction of this producer, else a new one. Raises FencedEpoch, StillEnding."""
        producer = self._checked(name, epoch)
        if producer.current is None:
            producer.current = Transaction(name, epoch, self._schedule.now_s)
            producer.last = None
        elif producer.current.stage is not Stage.OPEN:
            raise StillEnding
        return producer.current

    def has_open(self, name: str, epoch: int) -> bool:
        """Whether a transaction of this producer is under way."""
        producer = self._producers[name]
        return producer.epoch == epoch and producer.current is not None and producer.current.stage is Stage.OPEN

    def end(self, name: str, epoch: int, *, commits: bool, about: object = None) -> None:
        """Decide. Asked again, it answers the same. Raises FencedEpoch, NotInOrder."""
        producer = self._checked(name, epoch)
        current = producer.current
        wanted = Stage.COMMITTED if commits else Stage.ABORTED
        if current is None:
            if producer.last not in (None, wanted):
                raise NotInOrder
        elif current.stage is Stage.OPEN:
            current.about = about
            self._end(producer, current, commits=commits)
        elif current.stage is not wanted:
            raise NotInOrder

    def _checked(self, name: str, epoch: int) -> _Producer:
        producer = self._producers[name]
        if producer.epoch != epoch:
            raise FencedEpoch
        return producer

    def _end(self, producer: _Producer, current: Transaction, *, commits: bool) -> None:
        current.stage = Stage.COMMITTED if commits else Stage.ABORTED
        producer.last = current.stage
        if commits:
            self._decided(current)
        else:
            self.aborted += 1
        places: list[Place | None] = [*current.partitions]
        if current.groups:
            places.append(None)
        current.markers_left = len(places)
        if not places:
            producer.current = None
        for place in places:
            self._schedule.later(self._marker_delay_s(), partial(self._mark, producer, current, place))

    def _mark(self, producer: _Producer, current: Transaction, place: Place | None) -> None:
        self._marked(current, place)
        current.markers_left -= 1
        if not current.markers_left:
            producer.current = None

    def _sweep(self) -> None:
        for producer in self._producers.values():
            current = producer.current
            if (
                current is not None
                and current.stage is Stage.OPEN
                and self._schedule.now_s - current.began_s > producer.timeout_s
            ):
                self.expired += 1
                producer.epoch += 1
                self._end(producer, current, commits=False)
        self._schedule.later(SWEEP_S, self._sweep)
