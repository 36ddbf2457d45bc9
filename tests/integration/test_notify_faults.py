"""The notifier under trouble, on a real broker and a real SMTP server: nothing is lost, and what goes out twice is counted."""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.kafka.clients import ClientSettings
from processor.kafka.reading import high_watermarks
from processor.notification.notices import Account, Notification, Stage
from processor.notification.schedule import HOUR_MS, MINUTE_MS, Schedule
from tests import processes
from tests.brokers import Broker
from tests.mail_samples import blocked, unblocked
from tests.mail_sink import MailSink
from tests.notifying import PostOffice, policy_file
from tests.topics_io import write_all
from tests.waiting import wait_until


@pytest.fixture
def office(kafka: Broker, topic_prefix: str) -> Iterator[PostOffice]:
    with MailSink() as sink:
        yield PostOffice.opened(kafka.bootstrap, topic_prefix, sink)


class Workers:
    """Notifiers in processes, each with a slot of its own; what they say goes into one log a slot."""

    def __init__(self, office: PostOffice, folder: Path) -> None:
        self._office = office
        self._folder = folder
        self._running: dict[str, subprocess.Popen[str]] = {}

    def start(self, slot: str, digest_delay: str = "1s") -> None:
        office, settings = self._office, self._folder / f"{slot}.toml"
        policies = policy_file(self._folder, f"default: {{notify: {{digest_delay: {digest_delay}}}}}\n")
        settings.write_text(f"""
            kafka.bootstrap_servers = "{office.bootstrap}"
            kafka.consumer_properties = {{ "session.timeout.ms" = 2000, "heartbeat.interval.ms" = 300 }}
            topics.prefix = "{office.names.prefix}"
            smtp.port = {office.sink.port}
            [notifier]
            group = "{office.group}"
            slot = "{slot}"
            policies = "{policies}"
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
            del self._running[slot]

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


# -- mail servers and destinations ------------------------------------------------------------------------------------


class Clock:
    """The machine's time, put on by the test."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms

    def put_on(self, more_ms: int) -> int:
        """How far it is ahead then."""
        self.ahead_ms += more_ms
        return self.ahead_ms


def test_after_an_hour_without_the_mail_server_every_mail_goes_out_once_within_five_minutes(
    office: PostOffice, tmp_path: Path
) -> None:
    """It was asked with a few mails a minute, not with all of them again and again."""
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 0s}}\n")
    clock, sink = Clock(), office.sink
    sink.refusal = "421 try again later"
    office.publish(*(blocked(f"u@s{number}.example", tenant=f"t{number}") for number in range(60)))
    with office.running(Schedule(), clock, notifier__policies=policies):
        wait_until(lambda: sink.connections >= 10, "the first tries")
        wait_until(lambda: clock.put_on(20_000) >= HOUR_MS, "an hour")
        assert 30 < sink.connections <= 10 + 60 * 6
        sink.refusal = None
        office.wait_for_mails(1)  # what was refused before has been heard by then, and put off for five minutes at most
        clock.put_on(5 * MINUTE_MS)
        office.wait_for_mails(60)
    assert len(set(sink.message_ids())) == len(sink.arrived) == 60


def test_a_mail_server_that_accepts_connections_and_says_nothing_is_waited_for(
    office: PostOffice, tmp_path: Path
) -> None:
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 0s}}\n")
    office.sink.hangs_at = {"banner"}
    office.publish(*(blocked(f"u@s{number}.example", tenant=f"t{number}") for number in range(30)))
    with office.running(notifier__policies=policies, smtp__connect_timeout_s=0.3):
        wait_until(lambda: office.sink.connections >= 12, "the first tries, and one mail that asks")
        assert office.sink.connections < 20
        office.sink.hangs_at.clear()
        office.wait_for_mails(30)
    assert len(set(office.sink.message_ids())) == len(office.sink.arrived) == 30


def test_hundreds_of_mails_to_a_destination_that_hangs_and_to_a_dead_one_delay_nobody_else(
    office: PostOffice, tmp_path: Path
) -> None:
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 0s}}\n")
    slow = [blocked("u@slow-bad.example", tenant=f"slow{number}") for number in range(300)]
    dead = [blocked(f"u{number}@450-dead.example", tenant=f"dead{number}") for number in range(100)]
    fine = [blocked(f"u@fine{number}.example", tenant=f"fine{number}") for number in range(100)]
    office.publish(*slow, *dead, *fine)
    with office.running(notifier__policies=policies, smtp__command_timeout_s=60):
        office.wait_for_mails(100)
        assert not any("slow" in recipient for recipient in office.sink.recipients())
        office.sink.let_go()
        office.wait_for_mails(400)


# -- recipients who are blocked ----------------------------------------------------------------------------------------


def test_a_recipient_who_is_blocked_while_his_mail_is_under_way_brings_the_fallback_in(
    office: PostOffice, tmp_path: Path
) -> None:
    policies = policy_file(
        tmp_path,
        "default: {notify: {recipients: [slow-it@s.example], fallback: [noc@host.example], digest_delay: 0s}}\n",
    )
    office.publish(blocked("anna@s.example"))
    with office.running(notifier__policies=policies):
        wait_until(lambda: office.sink.hanging, "the mail to be under way")
        office.publish(blocked("slow-it@s.example"))
        wait_until(lambda: len(office.notifications()) == 2, "the second block to be taken up")
        office.sink.let_go()
        office.wait_for_mails(4)
    told = sorted(
        (str(mail.message["Subject"]).split("@")[0].split()[-1], mail.recipient) for mail in office.sink.arrived
    )
    assert told == [
        ("anna", "noc@host.example"),
        ("anna", "slow-it@s.example"),
        ("slow-it", "noc@host.example"),
        ("slow-it", "slow-it@s.example"),
    ]


def test_a_recipient_of_another_tenant_is_known_to_be_blocked_by_the_table_of_the_restricted(
    office: PostOffice, tmp_path: Path
) -> None:
    policies = policy_file(
        tmp_path, "default: {notify: {recipients: [noc+abuse@provider.example], fallback: [ceo@provider.example]}}\n"
    )
    restricted = office.names.restricted
    write_all(office.bootstrap, restricted, [(b"noc@provider.example", b"..."), (b"ceo@provider.example", b"...")])
    write_all(office.bootstrap, restricted, [(b"ceo@provider.example", None)])
    office.publish(blocked("anna@s.example"))
    assert office.once(notifier__policies=policies) == 0
    assert sorted(office.sink.recipients()) == ["ceo@provider.example", "noc+abuse@provider.example"]


# -- a storm -----------------------------------------------------------------------------------------------------------


def test_a_storm_of_ten_thousand_accounts_becomes_two_mails_for_each_of_three_hundred_tenants_across_a_restart(
    office: PostOffice, workers: Workers
) -> None:
    """Nine thousand are blocked, a thousand of them are unblocked again; the worker is killed in the middle of it."""
    blocks = [blocked(f"u{number}@t{number % 300}.example", tenant=f"t{number % 300}") for number in range(9000)]
    office.publish(*blocks, *map(unblocked, blocks[:1000]))
    workers.start("one", digest_delay="5s")
    wait_until(lambda: sum(ledger_ends(office).values()) > 4000, "some of it taken up", 60)
    workers.kill("one")
    workers.start("one", digest_delay="5s")
    office.wait_for_mails(600, timeout_s=60)
    workers.end()
    assert len(set(office.sink.message_ids())) == len(office.sink.arrived) == 600
    check_nothing_lost(office, Counter([block.sender for block in [*blocks, *blocks[:1000]]]))


def ledger_ends(office: PostOffice) -> dict[int, int]:
    return high_watermarks(ClientSettings(office.bootstrap), office.names.notifications, [0, 1])


# -- workers that are killed -------------------------------------------------------------------------------------------


KILLS = 3
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
    check_nothing_lost(office, Counter(f"u{each}@{domain}" for domain in domains for each in range(2)))
    check_doubles(office, workers.tried_again())


def test_what_a_worker_that_was_told_to_stop_never_sent_is_not_said_to_be_sent_again(
    office: PostOffice, workers: Workers
) -> None:
    office.sink.refusal = "421 try again later"
    office.publish(*(blocked(f"u@t{number}.example", tenant=f"t{number}") for number in range(40)))
    workers.start("one", digest_delay="0s")
    wait_until(lambda: office.sink.connections > 12, "a mail server that is away", 60)
    workers.end()
    office.sink.refusal = None
    workers.start("one", digest_delay="0s")
    office.wait_for_mails(40, timeout_s=60)
    workers.end()
    assert workers.tried_again() == Counter()


def check_nothing_lost(office: PostOffice, events: Counter[str]) -> None:
    """Each event, by its sender, stands in one notification, and each notification has arrived."""
    ledger = office.ledger().values()
    assert Counter(entry.sender for entry in ledger if isinstance(entry, Account)) == events
    assert {entry.message_id for entry in ledger if isinstance(entry, Notification)} == set(office.sink.message_ids())


def check_doubles(office: PostOffice, counted: Counter[tuple[str, str]]) -> None:
    """What arrived more than once is one mail, byte for byte, and was counted as often or more."""
    arrived: dict[tuple[str, str], list[bytes]] = {}
    for each, message_id in zip(office.sink.arrived, office.sink.message_ids(), strict=True):
        arrived.setdefault((message_id.strip("<>").split("@")[0], each.recipient), []).append(each.content)
    for mail, copies in arrived.items():
        assert len(set(copies)) == 1, mail
        assert counted[mail] >= len(copies) - 1, mail
