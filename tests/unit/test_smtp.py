"""What becomes of a mail, against a real SMTP server: each failure is told with the command that failed."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from processor.notification.message import Envelope
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Result, Unknown
from processor.smtp import Outbox, Relay, SmtpOptions
from tests.certificates import make_certificate
from tests.mail_sink import MailSink

CONTENT = b"Subject: test\r\n\r\n.a line that begins with a dot\r\n..\r\nlast\r\n"
QUICK = SmtpOptions("127.0.0.1", 25, connect_timeout_s=5.0, command_timeout_s=5.0, data_timeout_s=5.0)


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


def envelope(recipient: str, *, smtputf8: bool = False) -> Envelope:
    return Envelope(f"id/{recipient}", "noreply@mail.example.org", recipient, smtputf8, CONTENT)


def deliver(options: SmtpOptions, *recipients: str, smtputf8: bool = False) -> list[Result]:
    """The results of mails handed to one relay, one after the other."""

    async def one_by_one(relay: Relay) -> list[Result]:
        return [await relay.deliver(envelope(recipient, smtputf8=smtputf8)) for recipient in recipients]

    return run(options, one_by_one)


def run(options: SmtpOptions, use: Callable[[Relay], Awaitable[list[Result]]]) -> list[Result]:
    async def session() -> list[Result]:
        relay = Relay(options)
        try:
            return await use(relay)
        finally:
            await relay.close()

    return asyncio.run(session())


def options_for(sink: MailSink) -> SmtpOptions:
    return replace(QUICK, port=sink.port)


def test_the_reply_to_the_final_dot_is_acceptance_and_the_mail_arrives_whole(sink: MailSink) -> None:
    (result,) = deliver(options_for(sink), "anna@school.example")
    assert isinstance(result, Accepted)
    assert str(result.reply) == "250 taken"
    (mail,) = sink.arrived
    assert (mail.mail_from, mail.recipient, mail.content) == (
        "noreply@mail.example.org",
        "anna@school.example",
        CONTENT,
    )


@pytest.mark.parametrize(
    ("recipient", "kind", "phase", "code"),
    [
        ("450-busy@x.example", Deferred, Phase.RCPT, 450),
        ("550-unknown@x.example", PermanentlyRejected, Phase.RCPT, 550),
        ("dot-451-full@x.example", Deferred, Phase.FINAL_DOT, 451),
        ("dot-554-spam@x.example", PermanentlyRejected, Phase.FINAL_DOT, 554),
    ],
)
def test_a_refusal_says_which_command_and_which_code(
    sink: MailSink, recipient: str, kind: type[Deferred | PermanentlyRejected], phase: Phase, code: int
) -> None:
    result, after = deliver(options_for(sink), recipient, "fine@x.example")
    assert isinstance(result, kind)
    assert result.phase is phase
    assert result.reply is not None
    assert result.reply.code == code
    assert result.reason.startswith(f"{phase.value} was answered with {code}")
    assert isinstance(after, Accepted), "the connection goes on after a refusal"
    assert sink.connections == 1


def test_one_connection_carries_many_mails(sink: MailSink) -> None:
    results = deliver(options_for(sink), *(f"user{number}@x.example" for number in range(5)))
    assert all(isinstance(result, Accepted) for result in results)
    assert sink.connections == 1


def test_no_reply_to_the_final_dot_is_unknown_and_the_next_mail_goes_its_way(sink: MailSink) -> None:
    result, after = deliver(options_for(sink), "drop-a@x.example", "fine@x.example")
    assert isinstance(result, Unknown)
    assert "final dot" in result.reason
    assert isinstance(after, Accepted)


def test_a_server_that_is_silent_after_the_final_dot_is_unknown(sink: MailSink) -> None:
    (result,) = deliver(replace(options_for(sink), data_timeout_s=0.2), "silent-a@x.example")
    assert isinstance(result, Unknown)


def test_a_server_that_is_silent_after_rcpt_defers(sink: MailSink) -> None:
    (result,) = deliver(replace(options_for(sink), command_timeout_s=0.2), "slow-a@x.example")
    assert isinstance(result, Deferred)
    assert (result.phase, result.reply) == (Phase.RCPT, None)
    assert sink.arrived == []


def test_a_slow_recipient_holds_up_nobody_else(sink: MailSink) -> None:
    async def together(relay: Relay) -> list[Result]:
        slow = asyncio.create_task(relay.deliver(envelope("slow-a@x.example")))
        others = [await relay.deliver(envelope(f"user{number}@x.example")) for number in range(3)]
        assert not slow.done()
        sink.let_go()
        return [*others, await slow]

    assert all(isinstance(result, Accepted) for result in run(options_for(sink), together))
    assert sink.recipients() == ["user0@x.example", "user1@x.example", "user2@x.example", "slow-a@x.example"]


def test_a_mail_that_is_broken_off_leaves_no_connection_behind(sink: MailSink) -> None:
    async def broken_off(relay: Relay) -> list[Result]:
        slow = asyncio.create_task(relay.deliver(envelope("slow-a@x.example")))
        await asyncio.sleep(0)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        return [await relay.deliver(envelope("fine@x.example"))]

    (result,) = run(options_for(sink), broken_off)
    assert isinstance(result, Accepted)


def test_a_dead_server_is_told_as_the_connect_that_failed() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers, and nobody else takes the port
        (result,) = deliver(replace(QUICK, port=taken.getsockname()[1]), "anna@school.example")
    assert isinstance(result, Deferred)
    assert result.phase is Phase.CONNECT
    assert "CONNECT failed" in result.reason


@pytest.mark.parametrize(("command", "phase"), [("banner", Phase.CONNECT), ("EHLO", Phase.EHLO), ("MAIL", Phase.MAIL)])
def test_a_server_that_is_slow_at_any_command_is_waited_for_and_one_that_is_silent_is_left(
    sink: MailSink, command: str, phase: Phase
) -> None:
    sink.hangs_at = {command}
    hurried = replace(options_for(sink), connect_timeout_s=0.2, command_timeout_s=0.2)
    (result,) = deliver(hurried, "anna@x.example")
    assert isinstance(result, Deferred)
    assert (result.phase, result.reply) == (phase, None)
    sink.let_go()
    assert isinstance(deliver(options_for(sink), "anna@x.example")[0], Accepted)


def test_a_server_that_is_silent_after_data_defers_since_it_has_nothing_of_the_mail(sink: MailSink) -> None:
    (result,) = deliver(replace(options_for(sink), command_timeout_s=0.2), "late-a@x.example")
    assert isinstance(result, Deferred)
    assert (result.phase, result.reply) == (Phase.DATA, None)
    assert sink.arrived == []


def test_a_server_that_hangs_up_while_the_mail_is_written_may_have_had_its_end(sink: MailSink) -> None:
    first, again = deliver(options_for(sink), "cut-a@x.example", "cut-a@x.example")
    assert isinstance(first, Unknown)
    assert isinstance(again, Accepted)


@pytest.mark.parametrize("refusal", ["421 too many connections", "554 not here"])
def test_a_server_that_greets_with_a_refusal_defers_whatever_its_code(sink: MailSink, refusal: str) -> None:
    sink.refusal = refusal
    (result,) = deliver(options_for(sink), "anna@x.example")
    assert isinstance(result, Deferred)
    assert (result.phase, str(result.reply)) == (Phase.CONNECT, refusal)


def test_any_positive_reply_to_the_final_dot_is_acceptance(sink: MailSink) -> None:
    """RFC 5321, section 4.2.1: the class of a code decides where the code itself is unknown. Else a mail would go out for days."""
    (result,) = deliver(options_for(sink), "dot-252-a@x.example")
    assert isinstance(result, Accepted)


def test_a_slow_recipient_on_a_kept_connection_is_waited_for_once(sink: MailSink) -> None:
    before, result = deliver(replace(options_for(sink), command_timeout_s=0.2), "fine@x.example", "slow-a@x.example")
    assert isinstance(before, Accepted)
    assert isinstance(result, Deferred)
    assert result.phase is Phase.RCPT
    assert sink.connections == 1


def test_a_server_that_never_greets_is_left_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        (result,) = deliver(replace(QUICK, port=mute.getsockname()[1], connect_timeout_s=0.2), "anna@school.example")
    assert isinstance(result, Deferred)
    assert result.phase is Phase.CONNECT


def test_a_server_that_hung_up_on_an_idle_connection_is_called_again() -> None:
    async def across_a_restart(relay: Relay) -> list[Result]:
        with MailSink() as first:
            relay._options = replace(QUICK, port=first.port)
            before = await relay.deliver(envelope("one@x.example"))
        with MailSink(port=first.port):
            return [before, await relay.deliver(envelope("two@x.example"))]

    assert all(isinstance(result, Accepted) for result in run(QUICK, across_a_restart))


# -- TLS and login -----------------------------------------------------------------------------------------------------


def test_starttls_and_login(tmp_path: Path) -> None:
    context, ca_file = make_certificate(tmp_path)
    with MailSink(starttls=context, login=("robot", "pä55")) as sink:
        options = replace(options_for(sink), tls="starttls", ca_file=ca_file, user="robot", password="pä55")
        assert isinstance(deliver(options, "anna@school.example")[0], Accepted)


def test_tls_from_the_first_byte(tmp_path: Path) -> None:
    context, ca_file = make_certificate(tmp_path)
    with MailSink(tls=context) as sink:
        options = replace(options_for(sink), tls="tls", ca_file=ca_file)
        assert isinstance(deliver(options, "anna@school.example")[0], Accepted)


def test_an_untrusted_certificate_defers_and_nothing_is_sent_in_the_clear(tmp_path: Path) -> None:
    context, _ = make_certificate(tmp_path)
    with MailSink(starttls=context, login=("robot", "secret")) as sink:
        options = replace(options_for(sink), tls="starttls", user="robot", password="secret")
        (result,) = deliver(options, "anna@school.example")
    assert isinstance(result, Deferred)
    assert result.phase is Phase.STARTTLS
    assert "certificate" in result.reason
    assert sink.arrived == []


def test_a_server_without_starttls_defers_when_tls_is_asked_for(sink: MailSink) -> None:
    (result,) = deliver(replace(options_for(sink), tls="starttls"), "anna@school.example")
    assert isinstance(result, Deferred)
    assert result.phase is Phase.STARTTLS


def test_a_wrong_password_defers_since_no_recipient_is_at_fault(tmp_path: Path) -> None:
    context, ca_file = make_certificate(tmp_path)
    with MailSink(starttls=context, login=("robot", "right")) as sink:
        options = replace(options_for(sink), tls="starttls", ca_file=ca_file, user="robot", password="wrong")
        (result,) = deliver(options, "anna@school.example")
    assert isinstance(result, Deferred)
    assert result.phase is Phase.AUTH
    assert result.reply is not None
    assert result.reply.code == 535
    assert "wrong" not in result.reason


def test_a_password_is_in_no_text_about_the_options() -> None:
    assert "hunter2" not in repr(replace(QUICK, user="robot", password="hunter2"))


# -- addresses beyond ASCII --------------------------------------------------------------------------------------------


def test_smtputf8_is_asked_for_only_when_the_address_needs_it(sink: MailSink) -> None:
    deliver(options_for(sink), "plain@x.example")
    deliver(options_for(sink), "почта@x.example", smtputf8=True)
    assert [(mail.recipient, mail.smtputf8) for mail in sink.arrived] == [
        ("plain@x.example", False),
        ("почта@x.example", True),
    ]


def test_a_server_without_smtputf8_cannot_take_such_an_address() -> None:
    with MailSink(smtputf8=False) as sink:
        (result,) = deliver(options_for(sink), "почта@x.example", smtputf8=True)
    assert isinstance(result, PermanentlyRejected)
    assert "SMTPUTF8" in result.reason


# -- the folder --------------------------------------------------------------------------------------------------------


def test_the_outbox_has_one_file_a_mail_and_a_repeat_replaces_it(tmp_path: Path) -> None:
    folder = tmp_path / "out" / "box"
    outbox = Outbox(folder)
    for recipient in ("anna@x.example", "anna@x.example", "../../etc/x@x.example", "почта@x.example"):
        assert isinstance(asyncio.run(outbox.deliver(envelope(recipient))), Accepted)
    names = sorted(path.name for path in folder.iterdir())
    assert names[-1] == "id-anna@x.example.eml"
    assert len(names) == 3
    assert all(path.read_bytes() == CONTENT for path in folder.iterdir())


def test_a_folder_that_went_away_defers(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path / "outbox")
    (tmp_path / "outbox").rmdir()
    result = asyncio.run(outbox.deliver(envelope("anna@x.example")))
    assert isinstance(result, Deferred)
    assert result.phase is Phase.OUTBOX
