"""The workers broken on purpose, each in one place: what the simulation is for must be seen by it.

tests/unit/test_simulation.py holds it to that.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from processor.kafka import changelog
from processor.kafka.changelog import CommitMark, Head
from processor.kafka.clients import producer
from processor.kafka.group import GroupMember
from processor.kafka.reading import last_stable_offsets, read_to_end
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Offset, OutRecord, TransactionFailed, Transactions
from processor.notification.results import Accepted, Reply
from processor.restrictions.events import SenderUnblocked
from processor.workers.desk import Desk, TakenUp, Work
from processor.workers.detect import DetectWorker
from processor.workers.partition import PartitionWork
from processor.workers.recording import Recording
from processor.workers.standstill import Standstill
from tests.simulation.consuming import SimulatedConsumer
from tests.simulation.plan import Plan
from tests.simulation.producing import MemberNow, SimulatedProducer

Change = tuple[Any, str, Any]
"""An object, the name of what is put into it, and that."""


def _before_records(change: Callable[[PartitionWork], None]) -> list[Change]:
    """`change` comes before what a commit writes of a partition is put together."""
    records = PartitionWork.records

    def changed(self: PartitionWork, serde: Serde, topics: TopicNames) -> Iterable[OutRecord]:
        change(self)
        return records(self, serde, topics)

    return [(PartitionWork, "records", changed)]


def _an_event_is_left_out() -> list[Change]:
    def change(work: PartitionWork) -> None:
        work.events = work.events[:-1]

    return _before_records(change)


def _an_event_is_told_twice() -> list[Change]:
    def change(work: PartitionWork) -> None:
        work.events = [*work.events, *work.events[-1:]]

    return _before_records(change)


def _a_letter_is_left_out() -> list[Change]:
    def change(work: PartitionWork) -> None:
        work.letters = work.letters[:-1]

    return _before_records(change)


def _a_letter_is_written_twice() -> list[Change]:
    def change(work: PartitionWork) -> None:
        work.letters = [*work.letters, *work.letters[-1:]]

    return _before_records(change)


def _who_is_released_stays_in_restricted_senders() -> list[Change]:
    run = Transactions.run

    def without_tombstones(self: Transactions, records: Sequence[OutRecord], offsets: Sequence[Offset]) -> None:
        topic = TopicNames().restricted
        run(self, [each for each in records if each.topic != topic or each.value is not None], offsets)

    return [(Transactions, "run", without_tombstones)]


def _no_offsets_are_sent() -> list[Change]:
    return [(SimulatedProducer, "send_offsets_to_transaction", lambda self, positions, member, timeout: None)]


def _one_offset_behind() -> list[Change]:
    offsets = PartitionWork.offsets

    def behind(self: PartitionWork, topics: TopicNames) -> list[Offset]:
        first, *others = offsets(self, topics)
        return [Offset(first.topic, first.partition, max(0, first.offset - 1), first.metadata), *others]

    return [(PartitionWork, "offsets", behind)]


def _the_clock_lifts_though_verdicts_are_unread() -> list[Change]:
    return [
        (Standstill, "among", lambda self, ends: ends),
        (PartitionWork, "is_over_by", lambda self, clock_ms: (self.engine.next_expiry_ms or clock_ms + 1) <= clock_ms),
    ]


def _a_restore_takes_the_head_before() -> list[Change]:
    from_metadata = CommitMark.from_metadata

    def before(metadata: str | None) -> CommitMark | None:
        mark = from_metadata(metadata)
        return mark if mark is None or mark.commit < 2 else replace(mark, commit=mark.commit - 1)

    return [(changelog, "CommitMark", SimpleNamespace(from_metadata=before))]


def _a_release_is_told_to_nobody() -> list[Change]:
    work = Desk.work

    def without(self: Desk, events: Iterable[TakenUp], now_ms: int, **more: Any) -> Work:
        return work(self, [each for each in events if not isinstance(each.event, SenderUnblocked)], now_ms, **more)

    return [(Desk, "work", without)]


def _a_repeat_is_not_counted() -> list[Change]:
    return [(Desk, "_count_repeat", lambda self, errand, delivery: self._maybe_sent.discard(errand))]


def _position_is_committed() -> list[Change]:
    offsets = PartitionWork.offsets

    def of_the_end(self: PartitionWork, topics: TopicNames) -> list[Offset]:
        first, *others = offsets(self, topics)
        return [Offset(first.topic, first.partition, max(first.offset, self.end_offset), first.metadata), *others]

    return [(PartitionWork, "offsets", of_the_end)]


def _untouched_partitions_send_no_offset() -> list[Change]:
    offsets = PartitionWork.offsets

    def where_records_came(self: PartitionWork, topics: TopicNames) -> list[Offset]:
        return offsets(self, topics) if self.page.records else []

    return [(PartitionWork, "offsets", where_records_came)]


def _nothing_is_restored_after_an_abort() -> list[Change]:
    def on_as_if_nothing(self: DetectWorker) -> None:
        self._patiently(self._transactions.start)
        self._must_rewind = False

    return [(DetectWorker, "_rewind", on_as_if_nothing)]


def _restricted_senders_outside_of_the_transaction() -> list[Change]:
    run = Transactions.run

    def beside(self: Transactions, records: Sequence[OutRecord], offsets: Sequence[Offset]) -> None:
        topic = TopicNames().restricted
        apart = producer(self._settings)
        for each in records:
            if each.topic == topic:
                apart.produce(topic, value=each.value, key=each.key, headers=list(each.headers))
        apart.flush(1.0)
        run(self, [each for each in records if each.topic != topic], offsets)

    return [(Transactions, "run", beside)]


def _nobody_says_which_member_commits() -> list[Change]:
    def anonymous(self: SimulatedConsumer) -> MemberNow:
        return MemberNow(self._group_name, "", None, -1)

    return [(SimulatedConsumer, "consumer_group_metadata", anonymous)]


def _restore_ends_at_what_is_stable() -> list[Change]:
    return [(changelog, "high_watermarks", last_stable_offsets)]


def _restore_reads_what_was_aborted() -> list[Change]:
    return [(changelog, "read_to_end", partial(read_to_end, read_committed=False))]


def _the_producer_is_kept_after_a_failure() -> list[Change]:
    return [(Transactions, "discard", lambda self: None)]


def _trimmed_before_the_mark_is_committed() -> list[Change]:
    committed = PartitionWork.committed

    def at_once(self: PartitionWork) -> int | None:
        trim = committed(self)
        if self.changelog_start == self.trimmed_to:
            return trim
        self.trimmed_to = self.changelog_start
        return self.changelog_start

    return [(PartitionWork, "committed", at_once)]


def _the_brake_is_not_in_the_head() -> list[Change]:
    entries = changelog.entries

    def without(commit: int, chunks: Iterable[Any], head: Head) -> Iterable[dict[str, Any]]:
        return entries(commit, chunks, replace(head, brake={}))

    return [(changelog, "entries", without)]


def _records_of_before_a_rewind_are_taken() -> list[Change]:
    return [(DetectWorker, "_read_on", lambda self: None)]


def _who_joined_again_goes_on_where_it_was() -> list[Change]:
    return [(GroupMember, "is_as_committed", lambda self, partitions, identity: bool(self.client.memberid()))]


def _a_gap_is_not_told() -> list[Change]:
    def silently(self: PartitionWork, offset: int, from_offset: int) -> None:
        self.next_offset = self.page.first_offset = offset

    return [(PartitionWork, "skip_to", silently)]


def _mails_count_as_accepted_when_given_out() -> list[Change]:
    start_due = Desk.start_due

    def surely(self: Desk, now_ms: int) -> None:
        before = self._outgoing.under_way
        start_due(self, now_ms)
        self._kept += [(errand, Accepted(Reply(250, "surely"))) for errand in sorted(self._outgoing.under_way - before)]

    return [(Desk, "start_due", surely)]


def _a_ledger_that_was_not_recorded_is_acted_upon() -> list[Change]:
    record = Recording.record

    def hopefully(self: Recording, changes: Iterable[Any], partitions: Iterable[int]) -> None:
        with suppress(TransactionFailed):
            record(self, changes, partitions)

    return [(Recording, "record", hopefully)]


OF_MAILS = frozenset({"early-accepted", "unrecorded", "untold", "uncounted"})
"""Those that a world without notifiers cannot see."""
OF_SLOTS = frozenset({"joined-again"})
"""Those that take a worker with a slot whose joining is lost."""
FIRST_SEED = {
    "no-restore": 12,
    "anonymous": 45,
    "stable-end": 9,
    "kept-producer": 45,
    "early-trim": 8,
    "no-seek": 45,
    "joined-again": 9,
    "unrecorded": 13,
}
"""For those that do not show at once: where it is not worth the time to look."""
MUTANTS: dict[str, Callable[[], list[Change]]] = {
    "lost-event": _an_event_is_left_out,
    "doubled-event": _an_event_is_told_twice,
    "lost-letter": _a_letter_is_left_out,
    "doubled-letter": _a_letter_is_written_twice,
    "kept-restricted": _who_is_released_stays_in_restricted_senders,
    "no-offsets": _no_offsets_are_sent,
    "behind": _one_offset_behind,
    "eager-clock": _the_clock_lifts_though_verdicts_are_unread,
    "older-head": _a_restore_takes_the_head_before,
    "position": _position_is_committed,
    "untouched": _untouched_partitions_send_no_offset,
    "no-restore": _nothing_is_restored_after_an_abort,
    "outside": _restricted_senders_outside_of_the_transaction,
    "anonymous": _nobody_says_which_member_commits,
    "stable-end": _restore_ends_at_what_is_stable,
    "aborted-state": _restore_reads_what_was_aborted,
    "kept-producer": _the_producer_is_kept_after_a_failure,
    "early-trim": _trimmed_before_the_mark_is_committed,
    "no-brake": _the_brake_is_not_in_the_head,
    "no-seek": _records_of_before_a_rewind_are_taken,
    "joined-again": _who_joined_again_goes_on_where_it_was,
    "silent-gap": _a_gap_is_not_told,
    "early-accepted": _mails_count_as_accepted_when_given_out,
    "untold": _a_release_is_told_to_nobody,
    "uncounted": _a_repeat_is_not_counted,
    "unrecorded": _a_ledger_that_was_not_recorded_is_acted_upon,
}


def plan_for(name: str, seed: int) -> Plan:
    """One of the worlds in which this mutation can show, the first for 1."""
    seed += FIRST_SEED.get(name, 1) - 1
    return Plan.restless(seed) if name in OF_SLOTS else Plan.busy(seed, 2 if name in OF_MAILS else 0)


@contextmanager
def broken(name: str) -> Iterator[None]:
    """The product with that mutation."""
    with ExitStack() as changes:
        for owner, attribute, changed in MUTANTS[name]():
            changes.enter_context(patch.object(owner, attribute, changed))
        yield
