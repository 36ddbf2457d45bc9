"""DKIM: a receiver's verifier takes our signature, a repeat has the same one, and a key that cannot work is refused at the start."""

import asyncio
import base64
import contextlib
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import dkim
import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.kafka.serde import Serde
from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.message import Mail, enveloped, write
from processor.notification.notices import Notification
from processor.notification.results import Accepted
from processor.policies.recipients import Notify
from processor.settings import NotifierSettings, SettingsError, load_settings
from processor.smtp import Relay, SmtpOptions
from processor.workers.composing import Composer
from processor.workers.mail_writing import mail_writer
from processor.workers.signing import CannotSign, Signer, SigningKey, signer_of
from tests.dkim_keys import KeyPair, ed25519_key, pem, rsa_key, verifies
from tests.hostile import hostile_texts
from tests.mail_samples import blocked
from tests.mail_sink import MailSink

DATE_MS = 1_732_430_100_000
"""November 2024: a verifier refuses what claims to be signed in its future."""
DNS_NAME = "s2026._domainkey.mail.example.org"
MAIL = Mail(
    message_id="<2b1ee30e-7a9e-5a5b-a0a2-3c2f9e3f7a10@mail.example.org>",
    date_ms=DATE_MS,
    sender_address="noreply@mail.example.org",
    sender_name="Outbound spam protection",
    to=("postmaster@school.example",),
    subject="Outbound spam: anna@school.example is blocked from sending",
    text="Text.\n\n.\nA line with a dot alone above.\n",
    html="<p>Text.</p>\n",
    language="en",
    references=("<one@mail.example.org>", "<two@mail.example.org>"),
)
KEYS = {"rsa": rsa_key, "ed25519": ed25519_key}


def signer(key: KeyPair) -> Signer:
    return Signer(SigningKey.parse(key.pem), selector="s2026", domain="mail.example.org")


def signed(mail: Mail = MAIL, key: KeyPair | None = None, *, smtputf8: bool = False) -> bytes:
    return signer(key or rsa_key()).signed(write(mail, smtputf8=smtputf8), mail.date_ms)


def tags(content: bytes) -> dict[str, str]:
    header = re.sub(rb"\s+", b"", content.split(b"\r\nDate:")[0].partition(b":")[2])
    return dict(tag.decode().split("=", 1) for tag in header.split(b";"))


# -- what receivers see ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEYS)
def test_what_a_server_received_verifies_with_the_key_in_the_dns(kind: str) -> None:
    key = KEYS[kind]()
    mail = replace(MAIL, to=("postmaster@school.example", "почта@пример.рф"))

    async def deliver(port: int) -> None:
        relay = Relay(SmtpOptions("127.0.0.1", port))
        for recipient in mail.to:
            envelope = enveloped(mail, recipient)
            envelope = replace(envelope, content=signer(key).signed(envelope.content, mail.date_ms))
            assert isinstance(await relay.deliver(envelope), Accepted)
        await relay.close()

    with MailSink() as sink:
        asyncio.run(deliver(sink.port))
    assert [mail.smtputf8 for mail in sink.arrived] == [False, True]
    for arrived in sink.arrived:
        assert verifies(arrived.content, {DNS_NAME: key.record})
        assert not verifies(arrived.content.replace(b"Text", b"Test"), {DNS_NAME: key.record})


@given(hostile_texts, hostile_texts, st.sampled_from(["rsa", "ed25519"]), st.booleans())
@settings(max_examples=40)
def test_whatever_a_mail_says_its_signature_verifies(subject: str, text: str, kind: str, smtputf8: bool) -> None:
    key = KEYS[kind]()
    mail = replace(MAIL, subject=subject, sender_name=text, text=text, html=text)
    assert verifies(signed(mail, key, smtputf8=smtputf8), {DNS_NAME: key.record})


SIGNED = [
    "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type", "Auto-Submitted",
    "Content-Language",
]  # fmt: skip


@pytest.mark.parametrize("header", SIGNED)
def test_no_signed_header_can_be_changed_and_none_added(header: str) -> None:
    content = signed()
    changed = re.sub(rf"(?m)^{header}: ".encode(), f"{header}: x".encode(), content, count=1)
    assert changed != content
    assert not verifies(changed, {DNS_NAME: rsa_key().record})
    assert not verifies(f"{header}: another\r\n".encode() + content, {DNS_NAME: rsa_key().record})


@pytest.mark.parametrize("header", ["Reply-To", "Cc", "In-Reply-To", "References"])
def test_what_a_mail_does_not_have_cannot_be_added_either(header: str) -> None:
    content = signed(replace(MAIL, references=()))
    assert verifies(content, {DNS_NAME: rsa_key().record})
    assert not verifies(f"{header}: another@evil.example\r\n".encode() + content, {DNS_NAME: rsa_key().record})


def test_a_relay_may_fold_headers_and_trim_white_space() -> None:
    content = signed().replace(b"Subject: Outbound spam: ", b"Subject:  Outbound\r\n spam: ") + b"\r\n\r\n"
    assert verifies(content, {DNS_NAME: rsa_key().record})


def test_a_relay_may_add_headers_of_its_own() -> None:
    content = b"Received: from a by b\r\nX-Spam: no\r\n" + signed()
    assert verifies(content, {DNS_NAME: rsa_key().record})


def test_no_line_of_a_signature_is_long() -> None:
    header = signed().split(b"\r\n\r\n")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 78


# -- a repeat ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KEYS)
def test_a_repeat_of_a_mail_has_the_same_signature_made_at_the_mails_date(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = signed(key=KEYS[kind]())
    monkeypatch.setattr(
        dkim.time, "time", lambda: DATE_MS / 1000 + 86_400
    )  # a day later, by the clock that dkimpy asks
    assert signed(key=KEYS[kind]()) == first
    assert tags(first)["t"] == str(DATE_MS // 1000)
    assert "x" not in tags(first)
    assert "l" not in tags(first)


# -- keys --------------------------------------------------------------------------------------------------------------


def settings_of(folder: Path, content: bytes | None = None, **options: Any) -> NotifierSettings:
    path = folder / "dkim-key"
    if content is not None:
        path.write_bytes(content)
        path.chmod(0o600)
    given_ = {"sender_address": "noreply@mail.example.org", "dkim_selector": "s2026", "dkim_key_file": path, **options}
    return load_settings(None, {f"notifier.{name}": value for name, value in given_.items()}, {}).notifier


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_rsa_keys_are_taken_as_openssl_writes_them(tmp_path: Path, form: PrivateFormat, line_end: bytes) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    chosen = signer_of(settings_of(tmp_path, pem(key, form).replace(b"\n", line_end)))
    assert chosen is not None
    content = chosen.signed(write(MAIL, smtputf8=False), DATE_MS)
    assert verifies(content, {chosen.name: b"p=" + base64.b64encode(public)})


def test_an_ed25519_key_is_taken_as_pem_and_as_dkimpy_writes_it(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = base64.b64encode(key.private_bytes_raw()) + b"\n"
    signatures = set()
    for content in (pem(key), raw):
        chosen = signer_of(settings_of(tmp_path, content))
        assert chosen is not None
        signatures.add(chosen.signed(write(MAIL, smtputf8=False), DATE_MS))
    assert len(signatures) == 1


def test_without_a_key_nothing_is_signed() -> None:
    assert signer_of(NotifierSettings()) is None


PUBLIC = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot read it: No such file"),
        (b"", "no key in PEM"),
        (b"secret\n", "no key in PEM"),
        (b"\x30\x82\x04\xa4", "no key in PEM"),
        (base64.b64encode(b"short"), "not the base64 of the 32 octets"),
        (rsa_key(1024).pem, "the RSA key has 1024 bits; receivers ask for 2048 or more"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an Ed25519 key"),  # type: ignore[arg-type]
        (PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), "there is no private key in it"),
        (
            ed25519.Ed25519PrivateKey.generate().private_bytes(
                Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
            ),
            "the key is encrypted",
        ),
        (rsa_key().pem.replace(b"\n", b"\n!!", 2), "base64 is damaged"),
        (rsa_key().pem[:300] + b"\n-----END PRIVATE KEY-----\n", "base64 is damaged|neither an RSA nor an Ed25519 key"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_with_its_file(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    with pytest.raises(CannotSign, match=complaint) as caught:
        signer_of(settings_of(tmp_path, content))
    assert str(caught.value).startswith(f"notifier.dkim_key_file: {tmp_path / 'dkim-key'}: ")


@given(st.binary(max_size=300), st.integers(0, 1700))
@settings(max_examples=60)
def test_a_damaged_key_is_refused_or_signs_and_never_anything_else(junk: bytes, place: int) -> None:
    damaged = rsa_key().pem[:place] + junk + rsa_key().pem[place + len(junk) :]
    with contextlib.suppress(CannotSign):
        Signer(SigningKey.parse(damaged), selector="s", domain="example.org")


def test_a_key_that_everybody_can_read_is_warned_of(tmp_path: Path) -> None:
    chosen = settings_of(tmp_path, rsa_key().pem)
    for mode, warned in ((0o600, False), (0o640, False), (0o644, True)):
        (tmp_path / "dkim-key").chmod(mode)
        with structlog.testing.capture_logs() as logs:
            signer_of(chosen)
        assert [entry["log_level"] for entry in logs] == (["warning"] if warned else [])


def test_no_part_of_a_key_is_shown(tmp_path: Path) -> None:
    assert "secret=" not in repr(SigningKey.parse(rsa_key().pem))
    middle = rsa_key().pem.splitlines()[5]
    with pytest.raises(CannotSign) as caught:
        signer_of(settings_of(tmp_path, rsa_key().pem.replace(b"PRIVATE KEY", b"SECRET KEY")))
    assert middle.decode() not in str(caught.value)


# -- the domain --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "domain", "name"),
    [
        ("noreply@mail.example.org", None, "s2026._domainkey.mail.example.org"),
        ("noreply@mail.example.org", "mail.example.org", "s2026._domainkey.mail.example.org"),
        ("noreply@mail.example.org", "Example.ORG", "s2026._domainkey.example.org"),
        ("noreply@example.org", "mail.example.org", "s2026._domainkey.mail.example.org"),
        ("noreply@пример.рф", None, "s2026._domainkey.xn--e1afmkfd.xn--p1ai"),
    ],
)
def test_the_signature_is_of_the_from_addresss_domain_or_one_that_aligns(
    tmp_path: Path, address: str, domain: str | None, name: str
) -> None:
    chosen = signer_of(settings_of(tmp_path, rsa_key().pem, sender_address=address, dkim_domain=domain))
    assert chosen is not None
    assert chosen.name == name


@pytest.mark.parametrize("domain", ["example.net", "le.org", "ample.org", "mail.example.net", "xmail.example.org"])
def test_a_domain_that_does_not_align_is_refused(tmp_path: Path, domain: str) -> None:
    with pytest.raises(CannotSign, match="is not the domain of"):
        signer_of(settings_of(tmp_path, rsa_key().pem, dkim_domain=domain))


@pytest.mark.parametrize(("address", "domain"), [("noreply@example.org", "org"), ("senderwatch@localhost", None)])
def test_a_domain_that_cannot_have_a_key_is_refused(tmp_path: Path, address: str, domain: str | None) -> None:
    with pytest.raises(
        CannotSign,
        match=f"notifier.{'dkim_domain' if domain else 'sender_address'}: .* is no domain that can have a key",
    ):
        signer_of(settings_of(tmp_path, rsa_key().pem, sender_address=address, dkim_domain=domain))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"dkim_key_file": None}, "notifier: dkim_selector and dkim_key_file go together; dkim_key_file is not given"),
        ({"dkim_selector": None}, "notifier: dkim_selector and dkim_key_file go together; dkim_selector is not given"),
        (
            {"dkim_selector": None, "dkim_key_file": None, "dkim_domain": "a.example"},
            "notifier: dkim_domain is given, but",
        ),
        ({"dkim_selector": "a b"}, "notifier.dkim_selector: expected a name as in DNS"),
    ],
)
def test_half_a_configuration_is_an_error(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(tmp_path, rsa_key().pem, **options)
    assert str(caught.value).startswith(complaint)


# -- as the notifier sends them ----------------------------------------------------------------------------------------


def test_a_mail_that_is_composed_again_from_the_ledger_is_the_same_signed_mail(tmp_path: Path) -> None:
    serde, block = Serde(None), blocked("an\nna@school.example", previous_unblocks=2)
    payload = serde.encode("sender-restrictions", "SenderBlocked", block.to_record())
    ledger = Ledger(LedgerRules("mail.example.org"))
    changes = ledger.take(block, payload, Notify(("postmaster@school.example",)), DATE_MS)
    ledger.close_due(DATE_MS + 60_000, everything=True)
    (notification,) = (change for change in changes if isinstance(change, Notification))
    contents = {
        Composer(serde, mail_writer(settings_of(tmp_path, rsa_key().pem)))
        .envelope(ledger, notification.notification_id, "postmaster@school.example")
        .content
        for _ in range(2)
    }
    (content,) = contents
    assert verifies(content, {DNS_NAME: rsa_key().record})
    assert tags(content)["t"] == str(DATE_MS // 1000 + 60)
