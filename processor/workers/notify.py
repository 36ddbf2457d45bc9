"""The notifier: events in, mails out, and a ledger between the two that survives everything (design, section 7).

This thread polls, decides and commits; another delivers (processor.workers.postman). What an event or a delivery changes
is applied to the partition's ledger in memory, recorded with the consumed offsets in one transaction, and only then acted
upon. When a transaction fails, or nobody knows, the ledgers are read again and everything goes on from what was recorded;
outcomes that were not recorded yet are kept and filed again, so that a failure of Kafka sends no mail twice.
"""

from collections.abc import Callable, Container, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

import structlog

from processor.avro import UndecodableRecord
from processor.clock import MACHINE, Clock
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.ledger import LedgerTopic
from processor.kafka.membership import Membership, Record
from processor.kafka.reading import ReadingStopped
from processor.kafka.serde import Serde
from processor.kafka.transactions import Fenced, TransactionFailed, Transactions
from processor.notification.kinds import kind_of
from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.notices import Change
from processor.notification.outgoing import Errand
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent
from processor.telemetry import NOTIFIED_EVENTS, Health, Metrics
from processor.workers.audience import Audience
from processor.workers.composing import event_of
from processor.workers.desk import Desk, TakenUp
from processor.workers.recording import Recording

_log = structlog.get_logger(__name__)

_BATCH = 500
_POLL_S = 0.05
_BRIEF_POLL_S = 0.005
"""While mails are under way: their outcomes come from another thread, and the next ones wait for them."""
_PAUSE_S = 1.0


@dataclass(frozen=True, slots=True)
class NotifierRules:
    """`once`: up to the ends as they are at the start, every mail one try."""

    ledger: LedgerRules
    once: bool = False
    shutdown_timeout_s: float = 10.0


class Inputs(Protocol):
    """What is followed beside the events. `restricted`: whose mailbox is blocked now, of all tenants."""

    @property
    def restricted(self) -> Container[str]: ...
    def begin(self) -> None: ...
    def poll(self) -> None: ...


class Notifier:
    """One worker. `membership` makes its part of the group, given the owner to call back: this."""

    def __init__(
        self,
        *,
        rules: NotifierRules,
        desk: Desk,
        serde: Serde,
        ledger_topic: LedgerTopic,
        membership: Callable[["Notifier"], Membership],
        transactions: Callable[[Membership], Transactions],
        inputs: Inputs,
        audience: Audience,
        metrics: Metrics,
        health: Health,
        should_stop: Callable[[], bool],
        now_ms: Callable[[], int],
        clock: Clock = MACHINE,
        ending: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`now_ms` is the time of day that mails go by, `clock` what is waited by. The group is left within `ending`."""
        self._rules = rules
        self._desk = desk
        self._serde = serde
        self._inputs = inputs
        self._audience = audience
        self._metrics = metrics
        self._health = health
        self._should_stop = should_stop
        self._now_ms = now_ms
        self._clock = clock
        self._ending = ending
        self._membership = membership(self)
        self._recording = Recording(
            ledger_topic, transactions(self._membership), self._membership, metrics, clock.monotonic
        )
        self._ends: dict[int, int] = {}
        self._is_leaving = False
        self._is_ahead = False
        """Whether ledgers in memory know what could not be recorded."""

    def run(self) -> int:
        """Works until it is told to stop, or with `once` until everything was tried. Returns how many mails are deferred.

        Raises Fenced, TransactionImpossible, ReadingFailed, BrokerUnreachable, RegistryRefused: none of them passes by itself.
        """
        try:
            self._patiently(self._inputs.begin)
            self._patiently(self._recording.start)
            self._membership.join()
            while not self._should_stop():
                records = self._membership.poll(_BATCH, _BRIEF_POLL_S if self._desk.is_sending else _POLL_S)
                if self._is_ahead:
                    # While partitions were given away: what was polled since is read again.
                    self._patiently(self._go_back)
                    continue
                self._step(records)
                if self._rules.once and self._membership.was_assigned and self._at_end and self._desk.idle:
                    break
            _log.info("stopping", mails_under_way=len(self._desk.under_way(self._membership.partitions)))
            self._finish(self._membership.partitions)
        except ReadingStopped:
            _log.info("stopped while Kafka could not be reached; what was not recorded is done again at the next start")
        finally:
            self._health.set_ready(False, "stopping")
            self._is_leaving = True
            deferred = self._desk.deferred
            with self._ending():
                self._membership.leave()
        return deferred

    # -- what the group says ------------------------------------------------------------------------------------------

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        """Makes the ledgers of new partitions, and says from where each goes on; the group waits meanwhile."""
        self._health.set_ready(False, "restoring")
        starts: dict[int, int] = {}
        self._patiently(lambda: starts.update(self._take_over(partitions, from_others=True)))
        self._recording.took_over()
        self._health.set_ready(True)
        _log.info("partitions assigned", partitions=partitions)
        return starts

    def revoked(self, partitions: list[int]) -> None:
        """Lets what is under way end, records it, and forgets the partitions."""
        if not self._is_leaving:
            self._give_away(partitions)
        self._desk.close(partitions)
        _log.info("partitions given away", partitions=partitions)

    def _give_away(self, partitions: list[int]) -> None:
        try:
            self._finish(partitions)
        except Fenced as refusal:
            if set(partitions) != set(self._membership.partitions):
                raise
            # After a session that was over: the broker takes this worker for its own successor, or there is another one.
            # The group knows which, and says so when this one joins it again.
            _log.warning("partitions could not be given away in order", partitions=partitions, reason=str(refusal))

    def lost(self, partitions: list[int]) -> None:
        """They belong to somebody else already: breaks off, records nothing."""
        self._desk.close(partitions)
        _log.warning("partitions lost: the group took this worker for dead", partitions=partitions)

    # -- one round ----------------------------------------------------------------------------------------------------

    def _step(self, records: list[Record]) -> None:
        self._inputs.poll()
        events = self._taken_up(records)
        now_ms = self._now_ms()
        work = self._desk.work(events, now_ms, close_all=self._closes_all)
        touched = {record.partition for record in records} | {partition for partition, _ in work.changes}
        if touched and not self._commit(work.changes, touched):
            self._desk.put_back(work)
            return
        self._desk.recorded(work)
        if self._desk.has_due(now_ms) and self._owns_what_it_sends():
            self._desk.start_due(now_ms)

    @property
    def _at_end(self) -> bool:
        return self._membership.reached(self._ends)

    @property
    def _closes_all(self) -> bool:
        return self._rules.once and self._membership.was_assigned and self._at_end

    def _taken_up(self, records: Iterable[Record]) -> list[TakenUp]:
        taken = []
        for record in records:
            event = self._event(record)
            if event is not None and record.value is not None:
                taken.append(TakenUp(record.partition, event, record.value, self._whom_to_tell(event)))
        return taken

    def _event(self, record: Record) -> RestrictionEvent | None:
        """The event in a record; None for one that nobody is told of, or that cannot be read."""
        try:
            event = event_of(self._serde, record.value)
        except UndecodableRecord as problem:
            self._metrics.add(NOTIFIED_EVENTS, kind="unreadable")
            _log.exception(
                "an event cannot be read; nobody is told of it",
                partition=record.partition,
                offset=record.offset,
                reason=str(problem),
            )
            return None
        self._metrics.add(NOTIFIED_EVENTS, kind=kind_of(event).value if event else "skipped")
        return event

    def _whom_to_tell(self, event: RestrictionEvent) -> Notify:
        """Waits where nobody knows, for the broker that has the policies or the registry: nobody is told by a guess."""
        found: list[Notify] = []
        self._patiently(lambda: found.append(self._audience.of(event)))
        return found[0]

    def _finish(self, partitions: list[int]) -> None:
        """Waits a while for what is under way of these partitions, breaks the rest off, and records how each ended."""
        end_s = self._clock.monotonic() + self._rules.shutdown_timeout_s
        broken_off: set[Errand] = set()
        while self._desk.under_way(partitions):
            if self._clock.monotonic() > end_s and not broken_off:
                broken_off = set(self._desk.break_off(partitions))
            work = self._desk.work((), self._now_ms(), wait_s=_POLL_S)
            touched = {partition for partition, _ in work.changes}
            try:
                if touched:
                    self._recording.record(work.changes, touched)
            except (TransactionFailed, Fenced) as problem:
                self._is_ahead = True
                self._desk.put_back(work)
                self._desk.break_off(partitions)
                _log.warning(
                    "outcomes could not be recorded: these mails may be sent once more", count=len(work.outcomes)
                )
                if isinstance(problem, Fenced):
                    raise
                return
            self._desk.recorded(work)
        try:
            in_doubt = self._desk.in_doubt | {errand.partition for errand in broken_off}
            self._recording.leave_at_rest(set(partitions) - in_doubt)
        except TransactionFailed:
            self._is_ahead = True

    # -- Kafka --------------------------------------------------------------------------------------------------------

    def _commit(self, changes: Iterable[tuple[int, Change]], partitions: Iterable[int]) -> bool:
        """Records changes and offsets as one; False when that failed, and the ledgers are as recorded before."""
        try:
            self._recording.record(changes, partitions)
        except TransactionFailed:
            self._patiently(self._go_back)
            return False
        return True

    def _owns_what_it_sends(self) -> bool:
        """A worker that stood still (SIGSTOP, a frozen machine) may have been replaced: the broker says so at a commit."""
        return self._recording.is_recent or self._commit([], self._membership.partitions)

    def _go_back(self) -> None:
        """To what is recorded. Without partitions there is nothing, and no right to the slot before the group has given some."""
        owned = self._membership.partitions
        if owned:
            self._membership.rewind(self._take_over(owned, from_others=False))
        self._is_ahead = False

    def _take_over(self, partitions: list[int], *, from_others: bool) -> dict[int, int]:
        """Restores partitions and says from where each goes on: what is undecided ends, then the offsets, then the ledger.

        What this worker itself has sent it knows; what others have, only when they left the partition at rest.
        """
        self._recording.start()
        starts = self._membership.starts(partitions)
        if self._rules.once:
            self._ends = self._membership.ends(partitions) | self._ends
        for partition, entries in self._recording.read(partitions, self._should_stop).items():
            ledger = Ledger.restored(self._rules.ledger, entries, self._inputs.restricted)
            in_doubt = from_others and not self._membership.was_at_rest(partition)
            self._desk.open(partition, ledger, self._now_ms(), in_doubt=in_doubt)
        return starts

    def _patiently(self, call: Callable[[], None]) -> None:
        """Until it succeeds; ReadingStopped when the worker is told to stop before."""
        while True:
            try:
                call()
            except (TransactionFailed, BrokerUnreachable) as problem:
                _log.warning("Kafka does not answer as it should; trying again", reason=str(problem))
                if self._should_stop():
                    raise ReadingStopped from None
                self._clock.sleep(_PAUSE_S)
            else:
                return
