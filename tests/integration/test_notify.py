"""The notifier on a real broker and a real SMTP server: who gets which mail, once, whatever happens in between."""

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from processor.notification.kinds import Kind
from processor.notification.notices import Notification, Stage, State
from processor.restrictions.events import UnblockReason
from tests.brokers import Broker
from tests.certificates import make_certificate
from tests.conftest import Senderwatch
from tests.mail_samples import alerted, blocked, unblocked
from tests.mail_sink import MailSink
from tests.notifying import PostOffice, policy_file
from tests.topics_io import read_all, write_all
from tests.waiting import wait_until


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@pytest.fixture
def office(kafka: Broker, topic_prefix: str, sink: MailSink) -> PostOffice:
    return PostOffice.opened(kafka.bootstrap, topic_prefix, sink)


# -- who gets what -----------------------------------------------------------------------------------------------------


def test_a_block_becomes_a_mail_to_the_postmaster_and_only_once(office: PostOffice) -> None:
    office.publish(blocked())
    assert office.once() == 0
    assert office.once() == 0
    (mail,) = office.sink.arrived
    assert (mail.mail_from, mail.recipient) == ("noreply@mail.example.org", "postmaster@school.example")
    assert mail.message["Subject"] == "Outbound spam: anna@school.example is blocked from sending"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    (notification,) = office.notifications()
    assert notification.stage is Stage.FINISHED
    assert mail.message["Message-ID"] == f"<{notification.notification_id}@mail.example.org>"


@pytest.mark.parametrize(
    ("language", "subject"),
    [
        ("en", "Outbound spam: anna@school.example is blocked from sending"),
        ("nl", "Uitgaande spam: anna@school.example is geblokkeerd voor verzenden"),
    ],
)
def test_the_policy_says_who_is_told_and_in_which_language(
    office: PostOffice, tmp_path: Path, language: str, subject: str
) -> None:
    policies = policy_file(
        tmp_path,
        f"default: {{notify: {{language: {language}, time_zone: Europe/Amsterdam}}}}\ncontacts: {{school: [it@school.example]}}\n",
    )
    office.publish(blocked())
    office.once(notifier__policies=policies)
    (mail,) = office.sink.arrived
    assert (mail.recipient, mail.message["Subject"]) == ("it@school.example", subject)
    assert "07:35 CET" in mail.message.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_accounts_of_one_tenant_share_a_mail_and_kinds_do_not(office: PostOffice, tmp_path: Path) -> None:
    policies = policy_file(tmp_path, "default: {notify: {recipients: [abuse@host.example]}}\n")
    office.publish(
        blocked("a@s.example"),
        blocked("b@s.example"),
        alerted("c@s.example"),
        blocked("d@h.example", tenant="hospital"),
        unblocked(blocked("a@s.example")),
    )
    office.once(notifier__policies=policies)
    subjects = sorted(str(mail.message["Subject"]) for mail in office.sink.arrived)
    assert subjects == [
        "Outbound spam: a@s.example and 1 more account are blocked from sending",
        "Outbound spam: a@s.example can send again",
        "Outbound spam: c@s.example exceeded a limit, not blocked",
        "Outbound spam: d@h.example is blocked from sending",
    ]


def test_the_unblock_mail_answers_the_block_mail_in_the_same_thread(office: PostOffice) -> None:
    block = blocked()
    office.publish(block)
    office.once()
    office.publish(unblocked(block, reason=UnblockReason.RELEASED, released_by="helpdesk"))
    office.once()
    first, second = (mail.message for mail in office.sink.arrived)
    assert second["In-Reply-To"] == first["Message-ID"]
    assert second["References"] == first["Message-ID"]
    assert "can send again" in second["Subject"]


def test_accounts_gather_for_the_digest_delay_while_the_notifier_runs(office: PostOffice, tmp_path: Path) -> None:
    policies = policy_file(tmp_path, "default: {notify: {recipients: [abuse@host.example], digest_delay: 2s}}\n")
    with office.running(notifier__policies=policies):
        for number in range(5):
            office.publish(blocked(f"user{number}@s.example"))
        office.wait_for_mails(1)
    (mail,) = office.sink.arrived
    assert "user0@s.example and 4 more" in mail.message["Subject"]


def test_an_outbox_takes_the_mails_instead_of_the_mail_server(office: PostOffice, tmp_path: Path) -> None:
    office.publish(blocked())
    assert office.once(notifier__outbox=tmp_path / "outbox") == 0
    (file,) = (tmp_path / "outbox").iterdir()
    assert file.suffix == ".eml"
    assert b"Subject: Outbound spam: anna@school.example is blocked from sending" in file.read_bytes()
    assert office.sink.arrived == []


def test_what_is_no_event_is_passed_over(office: PostOffice) -> None:
    write_all(office.bootstrap, office.names.restrictions, [(b"school", b"\xc3\x01garbage"), (b"school", None)])
    office.publish(blocked())
    assert office.once() == 0
    assert len(office.sink.arrived) == 1


def test_a_group_that_lost_its_offsets_tells_nobody_again(office: PostOffice) -> None:
    office.publish(blocked("a@s.example"), blocked("b@s.example"))
    office.once()
    office.once(notifier__group=f"{office.group}-another")
    assert len(office.sink.arrived) == 1


def test_mails_go_over_starttls_with_a_login_from_the_settings(
    kafka: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    context, ca_file = make_certificate(tmp_path)
    (tmp_path / "password").write_text("s3cret\n")
    with MailSink(starttls=context, login=("robot", "s3cret")) as sink:
        office = PostOffice.opened(kafka.bootstrap, topic_prefix, sink)
        office.publish(blocked())
        smtp = {"tls": "starttls", "ca_file": ca_file, "user": "robot", "password_file": tmp_path / "password"}
        assert office.once(**{f"smtp__{name}": value for name, value in smtp.items()}) == 0
        assert len(sink.arrived) == 1


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_one_5xx_of_three_goes_to_the_fallback_and_the_others_get_theirs(office: PostOffice, tmp_path: Path) -> None:
    policies = policy_file(
        tmp_path,
        "default: {notify: {recipients: [a@host.example, 550-b@host.example, c@host.example], fallback: [f@host.example]}}\n",
    )
    office.publish(blocked())
    assert office.once(notifier__policies=policies) == 0
    assert sorted(office.sink.recipients()) == ["a@host.example", "c@host.example", "f@host.example"]
    assert len(set(office.sink.message_ids())) == 1
    rejected = office.deliveries()["550-b@host.example"]
    assert (rejected.state, rejected.code, rejected.phase) == (State.REJECTED, 550, "RCPT TO")


def test_a_greylisted_mail_is_taken_at_a_later_try(office: PostOffice, tmp_path: Path) -> None:
    policies = policy_file(tmp_path, "default: {notify: {recipients: [grey-a@host.example], digest_delay: 0s}}\n")
    office.publish(blocked())
    with office.running(notifier__policies=policies):
        office.wait_for_mails(1)
    assert office.sink.refused == {"grey-a@host.example": 1}
    assert office.deliveries()["grey-a@host.example"].attempts == 2


def test_a_connection_that_drops_after_data_sends_the_same_mail_again(office: PostOffice, tmp_path: Path) -> None:
    policies = policy_file(tmp_path, "default: {notify: {recipients: [drop-a@host.example], digest_delay: 0s}}\n")
    office.publish(blocked())
    with office.running(notifier__policies=policies):
        office.wait_for_mails(2)
    first, second = office.sink.arrived
    assert first.content == second.content, "a repeat is the same mail, byte for byte"
    assert office.deliveries()["drop-a@host.example"].unanswered == 1


def test_a_mail_server_that_is_away_gets_the_mails_when_it_is_back(
    kafka: Broker, topic_prefix: str, tmp_path: Path
) -> None:
    with MailSink() as gone:
        port = gone.port
    office = PostOffice.opened(kafka.bootstrap, topic_prefix, gone)
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 0s}}\n")
    office.publish(*(blocked(f"u@s{number}.example", tenant=f"t{number}") for number in range(5)))
    with office.running(notifier__policies=policies):
        wait_until(lambda: len(tried(office)) == 5, "five attempts that found nobody")
        with MailSink(port=port) as back:
            wait_until(lambda: len(back.arrived) == 5, "five mails")
    assert len(set(back.message_ids())) == 5


def tried(office: PostOffice) -> list[str]:
    return [recipient for recipient, delivery in office.deliveries().items() if delivery.attempts]


# -- restarts ----------------------------------------------------------------------------------------------------------


def test_deferred_mails_are_told_by_the_exit_status_and_tried_again_by_the_next_run(
    office: PostOffice, senderwatch: Senderwatch
) -> None:
    office.publish(blocked("anna@grey-school.example"))
    first = senderwatch(*office.arguments(), "--once")
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 75, errors
    assert "1 mail is deferred" in errors
    second = senderwatch(*office.arguments(), "--once")
    assert second.wait(60) == 0
    assert office.sink.recipients() == ["postmaster@grey-school.example"]


def test_a_worker_killed_between_sending_and_recording_sends_the_same_mail_again(
    office: PostOffice, senderwatch: Senderwatch
) -> None:
    office.publish(blocked("anna@silent-school.example"))
    killed = senderwatch(*office.arguments(), "--once")
    office.wait_for_mails(1, timeout_s=60)
    killed.send_signal(signal.SIGKILL)
    killed.wait(10)
    office.sink.let_go()
    assert senderwatch(*office.arguments(), "--once").wait(90) == 0
    first, second = office.sink.arrived
    assert first.content == second.content
    (notification,) = office.notifications()
    assert (notification.kind, notification.stage) == (Kind.BLOCKED, Stage.FINISHED)


def test_sigterm_lets_the_mail_under_way_end_records_it_and_exits_0(
    office: PostOffice, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 0s}}\n")
    office.publish(blocked("anna@silent-school.example"))
    log = tmp_path / "log"
    worker = senderwatch(*office.arguments(), "--policies", str(policies), output=log)
    office.wait_for_mails(1, timeout_s=60)
    worker.send_signal(signal.SIGTERM)
    wait_until(lambda: '"mails_under_way": 1' in log.read_text(), "the worker to have heard it")
    office.sink.let_go()
    assert worker.wait(30) == 0
    assert senderwatch(*office.arguments(), "--once").wait(60) == 0
    assert len(office.sink.arrived) == 1


def test_a_second_worker_takes_partitions_over_and_every_mail_goes_out_once(office: PostOffice, tmp_path: Path) -> None:
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 1s}}\n")
    with office.running(notifier__policies=policies):
        office.publish(*(blocked(f"u@a{number}.example", tenant=f"a{number}") for number in range(10)))
        with office.running(notifier__policies=policies):
            office.publish(*(blocked(f"u@b{number}.example", tenant=f"b{number}") for number in range(10)))
            office.wait_for_mails(10)
        office.publish(*(blocked(f"u@c{number}.example", tenant=f"c{number}") for number in range(10)))
        office.wait_for_mails(30)
    assert sorted(office.sink.recipients()) == sorted(
        f"postmaster@{letter}{number}.example" for letter in "abc" for number in range(10)
    )


# -- what is said when it cannot start ---------------------------------------------------------------------------------


def test_missing_topics_are_said_with_what_to_do(kafka: Broker, topic_prefix: str, senderwatch: Senderwatch) -> None:
    worker = senderwatch("notify", "--once", "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix)
    _, errors = worker.communicate(timeout=60)
    assert worker.returncode == 1
    assert re.search(r"senderwatch: .*senderwatch topics create", errors)
    assert "Traceback" not in errors


def test_the_ledger_is_in_the_partition_number_of_the_events(office: PostOffice) -> None:
    office.publish(*(blocked(f"u@s{number}.example", tenant=f"t{number}") for number in range(8)))
    office.once()
    of_events = {
        message.key(): message.partition() for message in read_all(office.bootstrap, office.names.restrictions)
    }
    ledger = office.ledger()
    tenants = {entry.key: entry.tenant_id for entry in ledger.values() if isinstance(entry, Notification)}
    for message in read_all(office.bootstrap, office.names.notifications):
        key = message.key()
        assert isinstance(key, bytes)
        tenant = tenants[ledger[key.decode()].notification_id]
        assert message.partition() == of_events[tenant.encode()]


def test_of_two_workers_with_one_slot_the_older_ends_and_says_why(
    office: PostOffice, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    policies = policy_file(tmp_path, "default: {notify: {digest_delay: 0s}}\n")
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    workers = []
    for log in logs:
        workers.append(senderwatch(*office.arguments(), "--policies", str(policies), "--slot", "one", output=log))
        wait_until(lambda log=log: "partitions assigned" in log.read_text(), "its partitions", 60)  # type: ignore[misc]
    office.publish(blocked())
    assert workers[0].wait(60) == 76
    assert "each slot may run once" in logs[0].read_text()
    office.wait_for_mails(1)
    assert office.sink.recipients() == ["postmaster@school.example"]
