"""The notifier under trouble, on a real broker and a real SMTP server: nothing is lost, and what goes out twice is counted."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.notification.notices import Account, Notification, Stage
from tests import processes
from tests.brokers import Broker
from tests.mail_samples import blocked
from tests.mail_sink import MailSink
from tests.notifying import PostOffice, policy_file
from tests.waiting import wait_until


@pytest.fixture
def office(kafka: Broker, topic_prefix: str) -> Iterator[PostOffice]:
    with MailSink() as sink:
        yield PostOffice.opened(kafka.bootstrap, topic_prefix, sink)


# -- workers that are killed -------------------------------------------------------------------------------------------


class Workers:
    """Notifiers in processes, each with a slot of its own; what they say goes into one log a slot."""

    def __init__(self, office: PostOffice, folder: Path) -> None:
        self._office = office
        self._folder = folder
        self._policies = policy_file(folder, "default: {notify: {digest_delay: 1s}}\n")
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, slot: str) -> None:
        office, settings = self._office, self._folder / f"{slot}.toml"
        settings.write_text(f"""
            kafka.bootstrap_servers = "{office.bootstrap}"
            kafka.consumer_properties = {{ "session.timeout.ms" = 2000, "heartbeat.interval.ms" = 300 }}
            topics.prefix = "{office.names.prefix}"
            smtp.port = {office.sink.port}
            [notifier]
            group = "{office.group}"
            slot = "{slot}"
            policies = "{self._policies}"
            message_id_domain = "mail.example.org"
            """)
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.notifier_process", str(settings)]
        self._running[slot] = processes.start(command, output=self._folder / f"{slot}.log")

    def kill(self, slot: str) -> None:
        processes.end(self._running.pop(slot))

    def end(self) -> None:
        for slot in list(self._running):
            self._running[slot].terminate()
            assert self._running[slot].wait(30) == 0, (self._folder / f"{slot}.log").read_text()[-3000:]

    def kill_all(self) -> None:
        for slot in list(self._running):
            self.kill(slot)

    def tried_again(self) -> Counter[tuple[str, str]]:
        """How often each mail was said to be tried again though it may have arrived before."""
        counted: Counter[tuple[str, str]] = Counter()
        for log in self._folder.glob("*.log"):
            for line in log.read_text().splitlines():
                if "mail tried again that may have arrived before" in line:
                    said = json.loads(line)
                    counted[said["notification"], said["recipient"]] += 1
        return counted


@pytest.fixture
def workers(office: PostOffice, tmp_path: Path) -> Iterator[Workers]:
    workers = Workers(office, tmp_path)
    try:
        yield workers
    finally:
        workers.kill_all()


KILLS = 4
SEED = None if "CI" not in os.environ else 1


def test_workers_that_are_killed_at_random_lose_nothing_and_every_double_is_the_same_mail_and_counted(
    office: PostOffice, workers: Workers
) -> None:
    """Beside them a destination that greylists, one that hangs up after the mail, one that takes it at a second try."""
    chance = random.Random(SEED)
    domains = [f"{script}{number}.example" for number in range(30) for script in ("a", "b", "grey-", "drop-")]
    chance.shuffle(domains)
    share = len(domains) // (KILLS + 1)
    for slot in ("one", "two"):
        workers.start(slot)
    for part in range(KILLS + 1):
        these = domains[part * share : (part + 1) * share]
        office.publish(*(blocked(f"u{each}@{domain}", tenant=domain) for domain in these for each in range(2)))
        if part < KILLS:
            some = len(office.sink.arrived) + chance.randrange(1, share)
            wait_until(lambda some=some: len(office.sink.arrived) >= some, f"{some} mails", 60)  # type: ignore[misc]
            slot = chance.choice(("one", "two"))
            workers.kill(slot)
            workers.start(slot)
    wait_until(lambda: len({mail.recipient for mail in office.sink.arrived}) == len(domains), "a mail to everybody", 60)
    wait_until(lambda: {each.stage for each in office.notifications()} == {Stage.FINISHED}, "every outcome", 60)
    workers.end()
    check_nothing_lost(office, {f"u{each}@{domain}" for domain in domains for each in range(2)})
    check_doubles(office, workers.tried_again())


def check_nothing_lost(office: PostOffice, accounts: set[str]) -> None:
    """Each account stands in one notification, and each notification has arrived."""
    ledger = office.ledger().values()
    told = Counter(entry.sender for entry in ledger if isinstance(entry, Account))
    assert told == Counter(accounts)
    assert {entry.message_id for entry in ledger if isinstance(entry, Notification)} == set(office.sink.message_ids())


def check_doubles(office: PostOffice, counted: Counter[tuple[str, str]]) -> None:
    """What arrived more than once is one mail, byte for byte, and was counted as often or more."""
    arrived: dict[tuple[str, str], list[bytes]] = {}
    for each, message_id in zip(office.sink.arrived, office.sink.message_ids(), strict=True):
        arrived.setdefault((message_id.strip("<>").split("@")[0], each.recipient), []).append(each.content)
    for mail, copies in arrived.items():
        assert len(set(copies)) == 1, mail
        assert counted[mail] >= len(copies) - 1, mail
