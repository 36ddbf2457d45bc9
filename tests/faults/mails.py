"""Every mail is there: the ledger against the events, the mail server against the ledger, doubles against what was counted."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of, read_to_end
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.notification.notices import Account, Delivery, Notification, Stage, State
from processor.notification.records import from_record
from tests.mail_sink import Arrived


@dataclass(frozen=True)
class MailLedger:
    """The last entry of each key."""

    notifications: dict[str, Notification]
    accounts: list[Account]
    deliveries: list[Delivery]

    @classmethod
    def read(cls, bootstrap: str, topics: TopicNames) -> "MailLedger":
        settings, last = ClientSettings(bootstrap), dict[bytes, bytes | None]()
        for message in read_to_end(settings, topics.notifications, partitions_of(settings, topics.notifications), {}):
            last[cast("bytes", message.key())] = message.value()
        entries = [from_record(*Serde(None).decode(value)) for value in last.values() if value is not None]
        return cls(
            {each.notification_id: each for each in entries if isinstance(each, Notification)},
            [each for each in entries if isinstance(each, Account)],
            [each for each in entries if isinstance(each, Delivery)],
        )

    def is_finished(self, event_ids: AbstractSet[str]) -> bool:
        """Whether these events are all in it, and nothing is still to be sent."""
        return event_ids <= {each.event_id for each in self.accounts} and all(
            each.stage is Stage.FINISHED for each in self.notifications.values()
        )

    def untold(self, event_ids: Iterable[str]) -> list[str]:
        """What is wrong between events and ledger: each stands in one notification, and somebody has accepted that."""
        problems = []
        told_in = defaultdict(list)
        for account in self.accounts:
            told_in[account.event_id].append(self.notifications[account.notification_id])
        accepted = {each.notification_id for each in self.deliveries if each.state is State.ACCEPTED}
        for event_id in event_ids:
            notifications = told_in.pop(event_id, [])
            if len(notifications) != 1:
                problems.append(f"event {event_id} stands in {len(notifications)} notifications")
                continue
            (notification,) = notifications
            if event_id not in notification.overtaken and notification.notification_id not in accepted:
                problems.append(f"nobody has accepted the mail {notification.notification_id} about event {event_id}")
        problems += [f"the ledger tells of event {event_id}, which nobody published" for event_id in told_in]
        return problems


@dataclass(frozen=True)
class MailCheck:
    problems: list[str]
    mails: int
    doubled: int
    """How many mails more arrived than had to."""


def check_mails(
    ledger: MailLedger, event_ids: Iterable[str], arrived: list[Arrived], counted: Counter[tuple[str, str]]
) -> MailCheck:
    """`counted`: how often each mail was said to be tried again though it may have arrived, by notification and recipient."""
    problems = ledger.untold(event_ids)
    copies: dict[tuple[str, str], list[bytes]] = defaultdict(list)
    by_message_id = {each.message_id.strip("<>"): each.notification_id for each in ledger.notifications.values()}
    for mail in arrived:
        message_id = str(mail.message["Message-ID"]).strip("<>")
        if message_id not in by_message_id:
            problems.append(f"mail {message_id} to {mail.recipient} is not in the ledger")
            continue
        copies[by_message_id[message_id], mail.recipient].append(mail.content)
    for delivery in ledger.deliveries:
        place = (delivery.notification_id, delivery.recipient)
        if delivery.state is State.ACCEPTED and place not in copies:
            problems.append(f"the mail {place} was accepted, says the ledger, but never arrived")
        if delivery.state is State.PENDING:
            problems.append(f"the mail {place} is not finished")
    for place, each in copies.items():
        if len(set(each)) > 1:
            problems.append(f"the copies of mail {place} differ")
        if len(each) - 1 > counted[place]:
            problems.append(f"mail {place} came {len(each)} times, and a repeat was counted {counted[place]} times")
    return MailCheck(problems, len(copies), sum(len(each) - 1 for each in copies.values()))


def counted_repeats(logs: Iterable[Path]) -> Counter[tuple[str, str]]:
    """What the notifiers said they might be sending again."""
    counted: Counter[tuple[str, str]] = Counter()
    for log in logs:
        for line in log.read_text().splitlines():
            if "mail tried again that may have arrived before" in line:
                said = json.loads(line)
                counted[said["notification"], said["recipient"]] += 1
    return counted
