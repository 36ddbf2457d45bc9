"""The workers broken on purpose, each in one place: what the simulation is for must be seen by it.

tests/unit/test_simulation.py holds it to that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any
from unittest.mock import patch

from confluent_kafka import TopicPartition

from processor.kafka import changelog
from processor.kafka.changelog import Head
from processor.kafka.clients import producer
from processor.kafka.group import GroupMember
from processor.kafka.reading import last_stable_offsets, read_to_end
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Offset, OutRecord, TransactionFailed, Transactions
from processor.notification.results import Accepted, Reply
from processor.workers.desk import Desk
from processor.workers.detect import DetectWorker
from processor.workers.partition import PartitionWork
from processor.workers.recording import Recording
from tests.simulation.consuming import SimulatedConsumer
from tests.simulation.producing import MemberNow

Change = tuple[Any, str, Any]
"""An object, the name of what is put into it, and that."""


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


def _going_back_assigns_anew() -> list[Change]:
    def anew(self: GroupMember, starts: Mapping[int, int]) -> None:
        places = [TopicPartition(self.topic, partition, offset) for partition, offset in starts.items()]
        if places:
            self.client.incremental_unassign(places)
            self.client.incremental_assign(places)

    return [(GroupMember, "rewind", anew)]


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


OF_MAILS = frozenset({"early-accepted", "unrecorded"})
"""Those that a world without notifiers cannot see."""
MUTANTS: dict[str, Callable[[], list[Change]]] = {
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
    "assigned-anew": _going_back_assigns_anew,
    "silent-gap": _a_gap_is_not_told,
    "early-accepted": _mails_count_as_accepted_when_given_out,
    "unrecorded": _a_ledger_that_was_not_recorded_is_acted_upon,
}


@contextmanager
def broken(name: str) -> Iterator[None]:
    """The product with that mutation."""
    with ExitStack() as changes:
        for owner, attribute, changed in MUTANTS[name]():
            changes.enter_context(patch.object(owner, attribute, changed))
        yield
