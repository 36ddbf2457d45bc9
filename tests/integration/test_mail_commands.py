"""`senderwatch mail`: what mails look like, in files, and whether one arrives at a real SMTP server. No broker anywhere."""

import email
import re
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import strict
from pathlib import Path

import pytest

from processor.notification.kinds import Kind
from tests.conftest import Senderwatch
from tests.dkim_keys import ed25519_key, rsa_key, verifies
from tests.mail_pages import Page
from tests.mail_sink import Arrived, MailSink

NOWHERE = {"SENDERWATCH_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1"}
OPERATOR = {
    "SENDERWATCH_NOTIFIER__SENDER_ADDRESS": "noreply@mail.example.org",
    "SENDERWATCH_NOTIFIER__MESSAGE_ID_DOMAIN": "mail.example.org",
    "SENDERWATCH_NOTIFIER__SUPPORT_CONTACT": "support@provider.example",
    "SENDERWATCH_NOTIFIER__CONSOLE_URL": "https://console.example.org/",
    **NOWHERE,
}


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@pytest.fixture
def run(senderwatch: Senderwatch) -> "Run":
    return Run(senderwatch)


class Run:
    """`senderwatch mail ...` to its end: status, and what it printed."""

    def __init__(self, senderwatch: Senderwatch) -> None:
        self._senderwatch = senderwatch

    def __call__(self, *arguments: str | Path, **environment: str) -> tuple[int, str, str]:
        process = self._senderwatch(*map(str, arguments), environment={**OPERATOR, **environment})
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err


def body(mail: Arrived, subtype: str) -> str:
    part = mail.message.get_body((subtype,))
    assert isinstance(part, EmailMessage)
    return " ".join(str(part.get_content()).split())


# -- preview -----------------------------------------------------------------------------------------------------------


def test_preview_writes_each_kind_in_each_language_as_mail_page_and_text(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("mail", "preview", "--out", tmp_path)
    assert status == 0
    for language in ("en", "nl"):
        names = {path.stem for path in (tmp_path / language).iterdir()}
        assert {"blocked-one", "blocked-several", "blocked-by-hand", "unblocked-expired", "unblocked-lifted"} <= names
        assert {"alert-one", "brake"} <= names
        for name in names:
            files = [tmp_path / language / f"{name}{end}" for end in (".eml", ".html", ".txt")]
            message = email.message_from_bytes(files[0].read_bytes(), policy=strict)
            assert message["Subject"] == files[2].read_text().splitlines()[0]
            assert message["From"].addresses[0].addr_spec == "noreply@mail.example.org"
            assert message["Content-Language"] == language
            assert Page(files[1].read_text()).elements[0] == "html"
            assert f"{tmp_path / language / name}.{{eml,html,txt}}  {message['Subject']}" in out
    links = re.findall('href="([^"]+)"', (tmp_path / "index.html").read_text())
    assert len(links) == len(list(tmp_path.glob("*/*"))) > 40
    assert all((tmp_path / link).is_file() for link in links)


@pytest.mark.parametrize("kind", Kind)
def test_preview_can_be_of_one_kind_in_one_language(run: Run, tmp_path: Path, kind: Kind) -> None:
    status, out, _ = run("mail", "preview", "--out", tmp_path, "--language", "nl", "--kind", kind.value)
    assert status == 0
    names = [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")]
    assert all(name.startswith(f"nl/{kind.value}") for name in names)
    assert f"{len(names) // 3} mails" in out


def test_own_templates_begin_as_a_copy_and_stand_over_the_built_in_ones(run: Run, tmp_path: Path) -> None:
    own = tmp_path / "own"
    assert run("mail", "templates", "--out", own)[0] == 0
    assert run("mail", "templates", "--out", own)[0] == 2
    (own / "en" / "alert.subject.txt").write_text("Look at {{ first.short_name }}\n")
    status, out, _ = run("mail", "preview", "--out", tmp_path / "mails", "--templates", own, "--kind", "alert")
    assert status == 0
    assert "Look at anna@school-1.example" in out


@pytest.mark.parametrize(
    "command", [["mail", "preview"], ["mail", "test", "--to", "a@x.example"], ["notify", "--once"]]
)
def test_a_faulty_template_ends_every_command_with_its_file_and_line(
    run: Run, tmp_path: Path, command: list[str], sink: MailSink
) -> None:
    (tmp_path / "nl").mkdir()
    faulty = tmp_path / "nl" / "blocked.text.txt"
    faulty.write_text("fine\n{{ nonsense }}\n")
    out = ["--out", str(tmp_path / "mails")] if "preview" in command else []
    status, _, err = run(*command, *out, "--templates", tmp_path, SENDERWATCH_SMTP__PORT=str(sink.port))
    assert (status, err) == (2, f"senderwatch: {faulty}:2: 'nonsense' is not known here\n")
    assert sink.arrived == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["preview", "--language", "fr"], "there are no templates for the language fr; there are: en, nl"),
        (["preview", "--templates", "/nonexistent"], "/nonexistent: there is no such folder of templates"),
        (["preview", "--config", "/nonexistent.toml"], "cannot read the settings file /nonexistent.toml"),
        (["test", "--to", "nobody"], "--to nobody: expected a mail address"),
        (["test", "--to", "a@x.example", "--smtp-tls", "maybe"], "smtp.tls: Input should be"),
    ],
)
def test_what_is_asked_wrongly_is_said_in_one_line(run: Run, arguments: list[str], complaint: str) -> None:
    status, out, err = run("mail", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"senderwatch: {complaint}")


def test_a_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    status, _, err = run("mail", "preview", "--out", tmp_path / "taken")
    assert status == 1
    assert f"cannot write to {tmp_path / 'taken'}" in err


# -- test --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("language", "notice"),
    [("en", "This is a test message of senderwatch"), ("nl", "Dit is een testbericht van senderwatch")],
)
def test_a_test_mail_arrives_marked_as_one_and_the_servers_answer_is_shown(
    run: Run, sink: MailSink, language: str, notice: str
) -> None:
    port = str(sink.port)
    status, out, err = run("mail", "test", "--to", "anna@x.example", "--language", language, "--smtp-port", port)
    assert (status, err) == (0, "")
    (mail,) = sink.arrived
    assert (mail.mail_from, mail.recipient) == ("noreply@mail.example.org", "anna@x.example")
    assert mail.message["To"].addresses[0].addr_spec == "anna@x.example"
    assert str(mail.message["Subject"]).startswith("[Test] ")
    assert body(mail, "plain").startswith(notice)
    assert notice in Page(body(mail, "html")).text
    assert "school-1.example" in body(mail, "plain")
    assert out.startswith(f"127.0.0.1:{port} took the mail: 250 taken\n")
    for said in (mail.message["Subject"], mail.message["Message-ID"], "not signed"):
        assert said in out


@pytest.mark.parametrize("key", [rsa_key(), ed25519_key()], ids=["rsa", "ed25519"])
def test_a_test_mail_is_signed_where_a_key_is_configured(run: Run, sink: MailSink, tmp_path: Path, key: object) -> None:
    assert isinstance(key, type(rsa_key()))
    status, out, err = run(
        "mail", "test", "--to", "почта@пример.рф", "--smtp-port", str(sink.port),
        SENDERWATCH_NOTIFIER__DKIM_SELECTOR="s2026",
        SENDERWATCH_NOTIFIER__DKIM_DOMAIN="example.org",
        SENDERWATCH_NOTIFIER__DKIM_KEY_FILE=str(key.written(tmp_path)),
    )  # fmt: skip
    assert (status, err) == (0, "")
    assert "signed, s2026._domainkey.example.org" in out
    (mail,) = sink.arrived
    assert mail.smtputf8
    assert verifies(mail.content, {"s2026._domainkey.example.org": key.record})


def test_a_key_that_everybody_can_read_is_used_and_warned_of(run: Run, sink: MailSink, tmp_path: Path) -> None:
    status, _, err = run(
        "mail", "test", "--to", "anna@x.example", "--smtp-port", str(sink.port),
        SENDERWATCH_NOTIFIER__DKIM_SELECTOR="s2026",
        SENDERWATCH_NOTIFIER__DKIM_KEY_FILE=str(rsa_key().written(tmp_path, mode=0o644)),
    )  # fmt: skip
    assert status == 0
    assert "everybody on this machine can read the DKIM key" in err
    assert len(sink.arrived) == 1


@pytest.mark.parametrize(
    "command", [["mail", "test", "--to", "a@x.example"], ["notify", "--once"], ["mail", "preview"]]
)
def test_a_key_that_cannot_sign_ends_every_command_before_anything_else(
    run: Run, sink: MailSink, tmp_path: Path, command: list[str]
) -> None:
    out = ["--out", str(tmp_path / "mails")] if "preview" in command else []
    status, _, err = run(
        *command, *out,
        SENDERWATCH_SMTP__PORT=str(sink.port),
        SENDERWATCH_NOTIFIER__DKIM_SELECTOR="s2026",
        SENDERWATCH_NOTIFIER__DKIM_KEY_FILE=str(rsa_key(1024).written(tmp_path)),
    )  # fmt: skip
    assert status == 2
    assert err == (
        f"senderwatch: notifier.dkim_key_file: {tmp_path}/dkim-key: the RSA key has 1024 bits; receivers ask for 2048 or more\n"
    )
    assert sink.arrived == []


@pytest.mark.parametrize(
    ("recipient", "status", "said"),
    [
        ("550-anna@x.example", 1, "RCPT TO was answered with 550 scripted answer to RCPT"),
        ("450-anna@x.example", 75, "RCPT TO was answered with 450 scripted answer to RCPT"),
        ("dot-554-anna@x.example", 1, "final dot was answered with 554 scripted answer to the final dot"),
        ("dot-451-anna@x.example", 75, "final dot was answered with 451 scripted answer to the final dot"),
        ("drop-anna@x.example", 75, "no reply to the final dot"),
    ],
)
def test_a_refusal_names_the_command_and_what_the_server_said(
    run: Run, sink: MailSink, recipient: str, status: int, said: str
) -> None:
    ended, out, err = run("mail", "test", "--to", recipient, "--smtp-port", str(sink.port))
    assert (ended, out) == (status, "")
    assert err.startswith(f"senderwatch: 127.0.0.1:{sink.port} did not take the mail to {recipient}: {said}")


def test_a_server_that_is_not_there_or_has_no_tls_is_told_by_the_command_that_failed(run: Run, sink: MailSink) -> None:
    for arguments, said in (
        (["--smtp-port", "1"], "CONNECT failed"),
        (["--smtp-port", str(sink.port), "--smtp-tls", "starttls"], "STARTTLS failed"),
    ):
        status, _, err = run("mail", "test", "--to", "anna@x.example", *arguments)
        assert status == 75
        assert said in err


def test_an_outbox_takes_the_test_mail_too(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("mail", "test", "--to", "anna@x.example", SENDERWATCH_NOTIFIER__OUTBOX=str(tmp_path / "mails"))
    assert status == 0
    (path,) = (tmp_path / "mails").iterdir()
    assert f"written to {path}" in out
