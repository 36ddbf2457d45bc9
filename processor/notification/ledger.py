"""The ledger of one partition: every notification whose events came from that partition of `sender-restrictions`.

Each method that decides something applies it and returns the changes, which the caller records in one transaction
with the offsets. If that fails the whole ledger is thrown away and made anew from what was recorded: `restored` gives
the ledger that had recorded these entries. Time is an argument; nothing here talks to anybody.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Self

from processor.notification.blocks import BlocksInForce
from processor.notification.delivery import after_attempt, fallback_deliveries
from processor.notification.digest import DigestKey, closed, digest_key, hastened, joined, opened
from processor.notification.kinds import Kind
from processor.notification.notices import Account, Change, Delivery, Entry, Erased, Notification, Stage, State
from processor.notification.results import Result
from processor.notification.schedule import DAY_MS, Schedule
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent, SenderUnblocked


@dataclass(frozen=True, slots=True)
class LedgerRules:
    """What is the same for every notification. `keep_ms` counts from the time it was finished."""

    message_id_domain: str
    schedule: Schedule = field(default_factory=Schedule)
    keep_ms: int = 90 * DAY_MS


@dataclass(slots=True)
class _Folder:
    """One notification with its accounts and deliveries, as in a filing cabinet."""

    notification: Notification
    accounts: dict[str, Account] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        return (
            [part.key for part in self.accounts.values()]
            + [part.key for part in self.deliveries.values()]
            + [self.notification.key]
        )


class Ledger:
    """The notifications of one partition. `blocked_elsewhere`: as BlocksInForce has it; it may change at any time."""

    def __init__(self, rules: LedgerRules, blocked_elsewhere: Container[str] = frozenset()) -> None:
        self._rules = rules
        self._folders: dict[str, _Folder] = {}
        self._gathering: dict[DigestKey, str] = {}
        self._closing: list[tuple[int, str]] = []
        self._expiring: list[tuple[int, str]] = []
        self._told_of_block: dict[str, str] = {}
        self._blocks = BlocksInForce(blocked_elsewhere)
        self._events: set[str] = set()

    @classmethod
    def restored(
        cls, rules: LedgerRules, entries: Iterable[Entry], blocked_elsewhere: Container[str] = frozenset()
    ) -> Self:
        """The ledger from what was recorded: the last entry of each key, in any order.

        An account or outcome whose notification is missing is left out: compaction may drop a tombstone and what it
        covers at different times.
        """
        ledger = cls(rules, blocked_elsewhere)
        parts: list[Account | Delivery] = []
        for entry in entries:
            if isinstance(entry, Notification):
                ledger._file(entry)
            else:
                parts.append(entry)
        for part in parts:
            if part.notification_id in ledger._folders:
                ledger._file(part)
        for folder in ledger._folders.values():
            ledger._forget_payloads(folder)
            for account in folder.accounts.values():
                ledger._remember_block(folder.notification, account)
        for folder in ledger._folders.values():
            if folder.notification.kind is Kind.UNBLOCKED:
                for account in folder.accounts.values():
                    ledger._blocks.ended(account.block_id or "")
        return ledger

    # -- what is known ------------------------------------------------------------------------------------------------

    def notification(self, notification_id: str) -> Notification:
        """The notification of that id; KeyError when there is none."""
        return self._folders[notification_id].notification

    def accounts(self, notification_id: str) -> list[Account]:
        """Its accounts in the order in which they joined."""
        return sorted(self._folders[notification_id].accounts.values(), key=lambda account: account.place)

    def delivery(self, notification_id: str, recipient: str) -> Delivery | None:
        """How that delivery stands, or None: no such notification, or not (yet) to that recipient."""
        folder = self._folders.get(notification_id)
        return folder.deliveries.get(recipient) if folder else None

    def pending(self) -> Iterator[Delivery]:
        """Every delivery that is still to be made."""
        for folder in self._folders.values():
            for delivery in folder.deliveries.values():
                if delivery.state is State.PENDING and folder.notification.stage is Stage.SENDING:
                    yield delivery

    def is_blocked(self, recipient: str) -> bool:
        """Whether a recipient is himself among the blocked accounts."""
        return self._blocks.is_recipient_blocked(recipient)

    def accepted(self, notification_id: str) -> list[str]:
        """The recipients whose server took the mail over."""
        deliveries = self._folders[notification_id].deliveries.values()
        return [each.recipient for each in deliveries if each.state is State.ACCEPTED]

    def told(self, notification_id: str) -> list[str]:
        """Those of them who are not themselves among the blocked accounts."""
        return [recipient for recipient in self.accepted(notification_id) if not self.is_blocked(recipient)]

    @property
    def gathering(self) -> int:
        """How many digests are open."""
        return len(self._gathering)

    # -- what happens -------------------------------------------------------------------------------------------------

    def take(self, event: RestrictionEvent, payload: bytes, notify: Notify, now_ms: int) -> list[Change]:
        """`event` joins the open digest of those who are told alike (`digest_key`), or opens one.

        An unblock goes to the people who got the block's mail, in their language, as long as the ledger knows it. An
        event that the ledger has already changes nothing: whoever reads the events again mails nobody again.
        """
        if event.event_id in self._events:
            return []
        if isinstance(event, SenderUnblocked):
            notify = self._as_told(event, notify)
            self._blocks.ended(event.block_id)
        fresh = opened(event, notify, self._rules.message_id_domain, now_ms)
        known = self._gathering.get(digest_key(fresh))
        if known is not None and now_ms >= self._folders[known].notification.closes_at_ms:
            # The caller closes what is due before it takes more; if not, a digest past its time still takes nobody.
            changes = self._close(self._folders[known], now_ms)
            return [*changes, *self.take(event, payload, notify, now_ms)]
        changes = []
        if known is None or fresh.closes_at_ms < self._folders[known].notification.closes_at_ms:
            digest = fresh if known is None else hastened(self._folders[known].notification, fresh.closes_at_ms)
            self._file(digest)
            changes.append(digest)
        folder = self._folders[known or fresh.notification_id]
        account = joined(event, payload, notify, folder.notification, len(folder.accounts))
        self._file(account)
        self._remember_block(folder.notification, account)
        return [*changes, account]

    def close_due(self, now_ms: int, *, everything: bool = False, most: int = 1000) -> list[Change]:
        """Closes the digests whose delay is over, or all of them; what they return is to be sent once recorded.

        About `most` at a time, so that a transaction stays short: the others are closed the next time.
        """
        changes: list[Change] = []
        while self._closing and (everything or self._closing[0][0] <= now_ms) and len(changes) < most:
            _, notification_id = heappop(self._closing)
            folder = self._folders.get(notification_id)
            if folder is not None and folder.notification.stage is Stage.GATHERING:
                changes += self._close(folder, now_ms)
        return changes

    def attempted(self, notification_id: str, recipient: str, result: Result, now_ms: int) -> list[Change]:
        """Files the result of an attempt; nothing when that delivery is unknown or already final."""
        delivery = self.delivery(notification_id, recipient)
        if delivery is None or delivery.state is not State.PENDING:
            return []
        folder = self._folders[notification_id]
        after = after_attempt(delivery, result, self._rules.schedule, now_ms)
        changes: list[Change] = [after]
        if self.is_blocked(recipient) or after.state in (State.REJECTED, State.GIVEN_UP):
            changes += fallback_deliveries(folder.notification, frozenset(folder.deliveries), now_ms)
        for change in changes:
            self._file(change)
        return [*changes, *self._finish_if_done(folder, now_ms)]

    def expire(self, now_ms: int, *, most: int = 1000) -> list[Change]:
        """Erases what was finished `keep_ms` ago, about `most` keys at a time."""
        changes: list[Change] = []
        while self._expiring and self._expiring[0][0] <= now_ms and len(changes) < most:
            _, notification_id = heappop(self._expiring)
            folder = self._folders.pop(notification_id, None)
            if folder is None:
                continue
            if folder.notification.kind is Kind.UNBLOCKED and any(
                account.block_id in self._told_of_block for account in folder.accounts.values()
            ):
                # Its block's mail took longer and is still here: without the unblock it would look in force again.
                self._folders[notification_id] = folder
                heappush(self._expiring, (now_ms + DAY_MS, notification_id))
                continue
            changes += [Erased(key) for key in folder.keys]
            self._events.difference_update(folder.accounts)
            for account in folder.accounts.values():
                if folder.notification.kind is Kind.BLOCKED and account.block_id is not None:
                    self._told_of_block.pop(account.block_id, None)
                    self._blocks.ended(account.block_id)
        return changes

    # -- inside -------------------------------------------------------------------------------------------------------

    def _file(self, change: Change) -> None:
        if isinstance(change, Erased):
            return
        if not isinstance(change, Notification):
            folder = self._folders[change.notification_id]
            if isinstance(change, Account):
                folder.accounts[change.event_id] = change
                self._events.add(change.event_id)
            else:
                folder.deliveries[change.recipient] = change
            return
        known = self._folders.get(change.notification_id)
        if known is None:
            self._folders[change.notification_id] = known = _Folder(change)
        known.notification = change
        if change.stage is Stage.GATHERING:
            self._gathering[digest_key(change)] = change.notification_id
            heappush(self._closing, (change.closes_at_ms, change.notification_id))
            return
        if self._gathering.get(digest_key(change)) == change.notification_id:
            del self._gathering[digest_key(change)]
        if change.finished_at_ms is not None:
            heappush(self._expiring, (change.finished_at_ms + self._rules.keep_ms, change.notification_id))
        for recipient in change.addressed:
            # Not recorded: that these are to be sent follows from the notification itself.
            known.deliveries.setdefault(
                recipient, Delivery(change.notification_id, recipient, next_attempt_ms=change.closed_at_ms)
            )

    def _close(self, folder: _Folder, now_ms: int) -> list[Change]:
        accounts = self.accounts(folder.notification.key)
        told = (self._told_of_block.get(account.block_id or "") for account in accounts)
        threads = (self._folders[block_mail].notification.message_id for block_mail in told if block_mail)
        sending = closed(
            folder.notification,
            blocked_senders=frozenset(filter(self.is_blocked, folder.notification.recipients)),
            references=tuple(threads) if folder.notification.kind is Kind.UNBLOCKED else (),
            overtaken=tuple(
                account.event_id for account in accounts if self._is_overtaken(folder.notification.kind, account)
            ),
            now_ms=now_ms,
        )
        self._file(sending)
        return [sending, *self._finish_if_done(folder, now_ms)]

    def _is_overtaken(self, kind: Kind, account: Account) -> bool:
        """Whether what the mail tells of the account is no longer so."""
        if kind is Kind.BLOCKED:
            return account.block_id not in self._blocks
        return kind is Kind.UNBLOCKED and self._blocks.is_sender_blocked(account.sender)

    def _finish_if_done(self, folder: _Folder, now_ms: int) -> list[Change]:
        if any(delivery.state is State.PENDING for delivery in folder.deliveries.values()):
            return []
        finished = replace(folder.notification, stage=Stage.FINISHED, finished_at_ms=now_ms)
        self._file(finished)
        self._forget_payloads(folder)
        return [finished]

    def _forget_payloads(self, folder: _Folder) -> None:
        if folder.notification.stage is Stage.FINISHED:
            folder.accounts = {key: replace(account, payload=b"") for key, account in folder.accounts.items()}

    def _remember_block(self, notification: Notification, account: Account) -> None:
        if notification.kind is Kind.BLOCKED and account.block_id is not None:
            self._told_of_block[account.block_id] = notification.notification_id
            self._blocks.began(account.block_id, account.sender)

    def _as_told(self, event: SenderUnblocked, notify: Notify) -> Notify:
        told = self._told_of_block.get(event.block_id)
        if told is None:
            return notify
        folder = self._folders[told]
        block = folder.notification
        return replace(
            notify,
            # The fallback who was told of the block waits to hear of its end like everybody else.
            recipients=block.recipients + tuple(filter(folder.deliveries.__contains__, block.fallback)),
            fallback=block.fallback,
            language=block.language,
            time_zone=block.time_zone,
            readers_are_staff=block.readers_are_staff,
        )
