"""What a notifier records: changes of ledgers and the consumed offsets, as one; and how long ago the group agreed to it."""

import time
from collections.abc import Callable, Iterable

from processor.kafka.ledger import LedgerTopic
from processor.kafka.membership import Membership
from processor.kafka.transactions import TransactionFailed, Transactions
from processor.notification.notices import Change, Entry
from processor.telemetry import LEDGER_FAILURES, Metrics

_LEASE_S = 3.0
"""Half a session. After so long without a commit the group may have given the partitions to another: ask before sending."""


class Recording:
    """Every method raises as Transactions.run does; TransactionFailed means: nothing may be assumed, go back."""

    def __init__(
        self,
        ledger_topic: LedgerTopic,
        transactions: Transactions,
        membership: Membership,
        metrics: Metrics,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ledger_topic = ledger_topic
        self._transactions = transactions
        self._membership = membership
        self._metrics = metrics
        self._monotonic_s = monotonic_s
        self._agreed_at_s: float | None = None

    @property
    def is_recent(self) -> bool:
        """Whether the broker agreed a moment ago that the partitions are ours."""
        return self._agreed_at_s is not None and self._monotonic_s() - self._agreed_at_s < _LEASE_S

    def start(self) -> None:
        """Ends what was left undecided."""
        self._transactions.start()

    def took_over(self) -> None:
        """Partitions are new: nothing is sent of them before a commit has said that they are no longer at rest."""
        self._agreed_at_s = None

    def read(self, partitions: list[int], should_stop: Callable[[], bool]) -> dict[int, list[Entry]]:
        """What is recorded of these partitions."""
        return self._ledger_topic.read(partitions, should_stop)

    def record(self, changes: Iterable[tuple[int, Change]], partitions: Iterable[int]) -> None:
        """Records changes, and the offsets of these partitions."""
        started_s = self._monotonic_s()
        records = [self._ledger_topic.out_record(partition, change) for partition, change in changes]
        try:
            self._transactions.run(records, self._membership.offsets(sorted(partitions)))
        except TransactionFailed:
            self._metrics.add(LEDGER_FAILURES)
            raise
        self._agreed_at_s = started_s

    def leave_at_rest(self, partitions: Iterable[int]) -> None:
        """Tells the next owner that nothing of these partitions may have been sent without being recorded."""
        left = sorted(partitions)
        if left:
            self._transactions.run([], self._membership.offsets(left, at_rest=True))
