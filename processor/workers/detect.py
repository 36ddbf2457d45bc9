"""The detect worker: verdicts in, decisions out, exactly once (design, sections 3 and 4)."""

import secrets
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

import structlog

from processor.detection.engine import Engine
from processor.kafka.changelog import RestoreFailed
from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.policies_now import PublishedPolicies
from processor.kafka.reading import Partition, ReadingStopped, RecordsGone, bounds
from processor.kafka.registry import RegistryAway
from processor.kafka.runs import End, Run
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import InputsMadeAnew, SideInputs
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import OutRecord, TransactionFailed, Transactions
from processor.kafka.trimming import Trimmer
from processor.kafka.verdict_consumer import VerdictConsumer
from processor.kafka.writers import RegisteredWriters
from processor.policies.policy import PolicySet
from processor.restrictions.events import Published
from processor.telemetry import Health, Metrics
from processor.verdicts.batches import Decoder
from processor.workers.finishing import Finish
from processor.workers.partition import PartitionWork, RecordsOutOfOrder
from processor.workers.restoring import Restorer
from processor.workers.standstill import Standstill
from processor.workers.telling import Teller
from processor.workers.topics_needed import WrongTopics, checked_partitions

_log = structlog.get_logger(__name__)

_IDLE_WAIT_S = 0.1
_LETTERS_A_COMMIT = 5_000
_COMMANDS_A_COMMIT = 5_000
"""A transaction of all that has gathered while no worker ran could take longer than the broker lets one be open."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class DetectOptions:
    """How a worker works; times in milliseconds."""

    group: str
    slot: str | None
    commit_interval_ms: int
    batch_size: int
    sweep_bytes: int
    once: bool
    policy_set: str
    """The name under which the policies are published."""


class DetectWorker:
    """One member of the group. `run` returns when it was stopped, or with `once` when it has read what there was."""

    def __init__(
        self,
        settings: ClientSettings,
        topics: TopicNames,
        serde: Serde,
        policies: PolicySet | None,
        options: DetectOptions,
        metrics: Metrics,
        health: Health,
        should_stop: Callable[[], bool],
        *,
        told: Callable[[Published], None] = lambda _: None,
        ending: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        """`policies` None: those that are published decide. `should_stop` ends `run` after the transaction under way.

        `told` hears of each event once it is published. The clients are closed within `ending`.
        """
        self._settings = settings
        self._topics = topics
        self._serde = serde
        self._policies = PolicySet() if policies is None else policies
        self._options = options
        self._teller = Teller(metrics, told)
        self._health = health
        self._clock = settings.clock
        self._should_stop = should_stop
        self._ending = ending
        self._works: dict[int, PartitionWork] = {}
        self._stamps_checked = False
        self._must_rewind = False
        self._commit_due_s: float | None = None
        self._partitions = checked_partitions(settings, topics, with_policies=policies is None)
        self._seed = secrets.randbits(62)
        self._decoder = Decoder(RegisteredWriters(serde), self._seed)
        self._trimmer = Trimmer(settings, topics.changelog)
        self._restorer = Restorer(
            settings,
            topics,
            serde,
            self._teller,
            new_engine=self._new_engine,
            sweep_bytes=options.sweep_bytes,
            should_stop=should_stop,
        )
        self._finish = Finish(settings, topics.verdicts, self._partitions, should_stop) if options.once else None
        self._consumer = VerdictConsumer(
            settings,
            topics.verdicts,
            group=options.group,
            slot=options.slot,
            owner=self,
        )
        self._inputs = SideInputs(
            settings,
            topics,
            serde,
            policies=self._published_policies(serde) if policies is None else None,
            should_stop=should_stop,
        )
        self._standstill = None if options.once else Standstill(settings, topics.verdicts)
        self._transactions = Transactions(settings, self._consumer, slot=options.slot, group=options.group)

    def _published_policies(self, serde: Serde) -> PublishedPolicies:
        return PublishedPolicies(
            self._settings,
            self._topics.policies,
            serde,
            self._options.policy_set,
            self._should_stop,
            unusable=self._teller.policies_unusable,
        )

    def run(self) -> None:
        """Work until stopped. Raises Fenced, TransactionImpossible, RestoreFailed, ReadingFailed, BrokerUnreachable."""
        try:
            self._patiently(self._transactions.start)
            self._consumer.join()
            while not self._should_stop() and not self._is_done():
                self._turn()
            self._commit_or_give_up()
        except (ReadingStopped, RegistryAway):
            self._must_rewind = True
            if not self._should_stop():
                raise
            _log.info("stopped before all was done; the next worker takes it up")
        except BaseException:
            self._must_rewind = True  # the engines may be ahead of what is noted: nothing more may be committed
            raise
        finally:
            self._health.set_ready(False, "stopping")
            with self._ending():
                self._consumer.leave()
                self._inputs.close()
                self._transactions.discard()

    def _turn(self) -> None:
        if self._must_rewind:
            self._rewind()
        try:
            self._take_inputs()
            found = self._consumer.poll(self._options.batch_size, self._wait_s())
            self._obey()  # the client may give verdicts of a partition in the very call that brings it
            for each in found:
                if isinstance(each, End):
                    self._at_end(each)
                else:
                    self._take(each)
            self._expire_by_the_clock()
            if self._is_commit_due(is_behind=size(found) >= self._options.batch_size):
                self._commit()
        except TransactionFailed:
            pass  # the next turn begins with the way back
        except RecordsOutOfOrder as error:
            _log.error("records came out of order: going back to what is committed", reason=str(error))
            self._must_rewind = True
        except RecordsGone as gone:
            if gone.topic != self._topics.verdicts:
                raise
            self._skip_gaps(gone.partition)

    def _wait_s(self) -> float:
        if self._commit_due_s is None:
            return _IDLE_WAIT_S
        return min(_IDLE_WAIT_S, max(0.0, self._commit_due_s - self._clock.monotonic()))

    def _take_inputs(self) -> None:
        """What has come besides the verdicts applies before the next of them: the policies, then the commands."""
        self._inputs.poll()
        self._adopt_policies()
        self._obey()

    def _obey(self) -> None:
        """Carry out the commands that have been read, some thousands a commit. Raises as `_commit`."""
        for partition, work in self._works.items():
            commands = self._inputs.commands(partition)
            for start in range(0, len(commands), _COMMANDS_A_COMMIT):
                if start:
                    self._commit()
                work.obey(commands[start : start + _COMMANDS_A_COMMIT], self._topics)
        self._commit_soon()

    def _adopt_policies(self) -> None:
        newest = self._inputs.policies
        if newest is not None:
            self._policies = newest
        for work in self._works.values():
            work.adopt(self._policies)

    def _at_end(self, end: End) -> None:
        work = self._works.get(end.partition)
        if work is not None:
            work.end_offset = end.offset
        self._reached(end.partition, end.offset)

    def _expire_by_the_clock(self) -> None:
        """Where nothing is left to read, nothing moves the stream time on: there a restriction ends by the clock."""
        if self._standstill is None:
            return
        now_ms = self._clock.now_ms()
        due = [work for work in self._works.values() if work.is_over_by(now_ms)]
        still = self._standstill.among({work.engine.partition: work.end_offset for work in due}) if due else ()
        for work in due:
            if work.engine.partition in still:
                work.expire(now_ms, self._topics)
        self._commit_soon()

    def _take(self, run: Run) -> None:
        work = self._works.get(run.partition)
        if work is None:
            return  # fetched before the partition went to another worker
        if not self._stamps_checked:
            self._stamps_checked = True
            self._teller.stamps(run.is_stamped_by_broker, self._topics.verdicts)
        work.take(run, self._decoder, self._topics)
        self._commit_soon()
        self._reached(run.partition, work.next_offset)

    def _is_commit_due(self, *, is_behind: bool) -> bool:
        """A decision is told at once; but a worker that is behind keeps to the interval, or it would fall back further."""
        if self._commit_due_s is None:
            return False
        works = self._works.values()
        return (
            self._clock.monotonic() >= self._commit_due_s
            or (not is_behind and any(work.has_news for work in works))
            or sum(len(work.letters) for work in works) >= _LETTERS_A_COMMIT
        )

    def _commit(self) -> None:
        """Write and commit what has come of all partitions. Raises TransactionFailed, Fenced, TransactionImpossible."""
        works = [work for work in self._works.values() if work.has_progress]
        self._commit_due_s = None
        if not works or self._must_rewind:
            return
        self._must_rewind = True  # unless it goes through: what is taken out of the engines is not there twice
        records: list[OutRecord] = []
        for work in works:
            records += work.records(self._serde, self._topics)
        offsets = [place for work in works for place in work.offsets(self._topics)]
        began_s = self._clock.monotonic()
        try:
            self._transactions.run(records, offsets)
        except TransactionFailed:
            self._teller.commit_failed()
            raise
        self._must_rewind = False
        self._teller.committed(self._clock.monotonic() - began_s)
        for work in works:
            self._committed(work)

    def _committed(self, work: PartitionWork) -> None:
        partition = work.engine.partition
        self._teller.taken(partition, work.page.records, work.late)
        self._teller.published(work.events)
        self._teller.refused(partition, work.reasons)
        self._teller.stands(work.engine, self._consumer.behind(partition, work.next_offset))
        trim = work.committed()
        if trim is not None:
            self._trimmer.trim(partition, trim)

    def _commit_or_give_up(self) -> None:
        """The last commit before partitions go; what does not go through is done again by their next owner."""
        try:
            self._commit()
        except TransactionFailed:
            _log.warning("partitions left without the last commit; their next owner takes it up again")

    def assigned(self, partitions: list[int]) -> dict[int, int]:
        """Partitions came: restore each, and say where to go on."""
        self._health.set_ready(False, "restoring")
        self._patiently(lambda: self._restore(partitions))
        self._commit_soon()  # a gap is told also where no verdict follows
        self._health.set_ready(True)
        return {partition: self._works[partition].next_offset for partition in partitions}

    def _restore(self, partitions: list[int]) -> None:
        works = self._restorer.works(lambda: self._consumer.committed(partitions))
        try:
            self._inputs.begin({partition: work.next_commands for partition, work in works.items()})
        except InputsMadeAnew as error:
            raise RestoreFailed(str(error)) from error
        self._works |= works
        self._adopt_policies()

    def _new_engine(self, partition: int) -> Engine:
        return Engine(self._topics.verdicts, partition, self._partitions, self._policies, self._seed)

    def revoked(self, partitions: list[int]) -> None:
        """Partitions go to another worker: finish with them first."""
        self._commit_or_give_up()
        self._forget(partitions)

    def lost(self, partitions: list[int]) -> None:
        """Partitions are another worker's already: nothing more may be said of them."""
        _log.warning("partitions lost: the group went on without this worker", partitions=partitions)
        self._forget(partitions)

    def _forget(self, partitions: list[int]) -> None:
        for partition in partitions:
            if self._works.pop(partition, None) is not None:
                self._teller.gone(partition)
        self._inputs.end(partitions)

    def _rewind(self) -> None:
        """After a failed transaction: back to what is committed, with the state that belongs to it."""
        self._patiently(self._transactions.start)
        self._patiently(lambda: self._restore(list(self._works)))
        self._read_on()
        self._must_rewind = False
        self._commit_due_s = None
        self._commit_soon()

    def _read_on(self) -> None:
        """Read every partition from where its engine stands, whatever was fetched before."""
        self._consumer.rewind({partition: work.next_offset for partition, work in self._works.items()})

    def _patiently(self, call: Callable[[], None]) -> None:
        """Call, and again after a pause while brokers are in the way. Raises ReadingStopped when asked to stop."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                return call()
            except (TransactionFailed, BrokerUnreachable) as error:
                _log.warning("waiting to go on", reason=str(error), retry_in_s=pause_s)
                end_s = self._clock.monotonic() + pause_s
                while (left_s := end_s - self._clock.monotonic()) > 0 and not self._should_stop():
                    self._clock.sleep(min(left_s, _FIRST_PAUSE_S))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            if self._should_stop():
                raise ReadingStopped

    def _skip_gaps(self, partition: int) -> None:
        """Retention was faster than this worker: the way back to what is committed finds the gaps, and what is left after them.

        The client has given up `partition`, and perhaps others: what it said of them with the same batch was not taken up, it does
        not say it again, and it cannot be set back there. It may also say it of a place that the worker has left meanwhile.
        """
        with suppress(TransactionFailed):  # what was read before it was gone counts
            self._commit()
        topic = self._topics.verdicts
        found: dict[Partition, tuple[int, int]] = {}
        self._patiently(lambda: found.update(bounds(self._settings, [(topic, each) for each in self._works])))
        work = self._works.get(partition)
        if work is not None and work.next_offset > found[topic, partition][1]:
            raise WrongTopics(
                f"{topic}, partition {partition}, has no offset {work.next_offset}: the topic was made anew "
                "under the worker. Delete and create all topics of senderwatch together, and its groups"
            )
        firsts = {each: found[topic, each][0] for each in self._works}
        self._must_rewind = True
        # From the first record on, which is no later than what is gone back to: a partition that is not read yet cannot be set back.
        self._consumer.restart(
            {
                each: first
                for each, first in firsts.items()
                if each == partition or self._works[each].next_offset < first
            }
        )

    def _commit_soon(self) -> None:
        if self._commit_due_s is None and any(work.has_progress for work in self._works.values()):
            self._commit_due_s = self._clock.monotonic() + self._options.commit_interval_ms / 1000

    def _reached(self, partition: int, offset: int) -> None:
        if self._finish is not None:
            self._finish.reached(partition, offset)

    def _is_done(self) -> bool:
        if self._finish is None or not self._consumer.was_assigned or not self._finish.is_worth_asking(self._works):
            return False
        if self._commit_due_s is not None:
            self._commit_due_s = self._clock.monotonic()
            return False
        try:
            return self._finish.is_done(self._consumer.committed(range(self._partitions), to_go_on=False))
        except (BrokerUnreachable, RecordsGone):
            return False  # asked again in a moment


def size(found: Iterable[Run | End]) -> int:
    """How many messages that was, the ends of partitions among them: without these a full batch would look as if nothing waited.

    A worker that had fallen back at 50,000 records a second met such an end in nearly every batch, committed after each, and
    fell back further.
    """
    return sum(1 if isinstance(each, End) else len(each.values) for each in found)
