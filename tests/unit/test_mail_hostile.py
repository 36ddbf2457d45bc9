"""Whatever an attacker, an admin or a filter calls things: the mail is one mail, shows what was meant, and does nothing else."""

import email
import re
from dataclasses import replace
from email.message import EmailMessage
from email.policy import strict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.notification.facts import SHORT_NAME_MAX
from processor.notification.message import Envelope
from processor.notification.notices import Account, Notification
from processor.notification.rendering import SUBJECT_MAX
from processor.restrictions.events import Cause, RestrictionEvent, UnblockReason
from processor.workers.mail_writing import MailWriter
from processor.workers.signing import Signer, SigningKey
from tests.dkim_keys import ed25519_key, verifies
from tests.event_strategies import restriction_events
from tests.hostile import SAMPLES, hostile_names
from tests.mail_pages import POLICY, TEMPLATES, WITH_CONSOLE, Page, render
from tests.mail_samples import alerted, blocked, evidence, sending, unblocked

LANGUAGES = st.sampled_from(["en", "nl"])
WRITER = MailWriter(
    TEMPLATES,
    WITH_CONSOLE,
    sender_name="Outbound spam protection",
    signer=Signer(SigningKey.parse(ed25519_key().pem), selector="s1", domain="mail.example.org"),
)
HEADERS = {
    "DKIM-Signature", "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
    "Content-Language", "MIME-Version", "Content-Type",
}  # fmt: skip
DATE_MS = 1_732_430_100_000
"""November 2024: a verifier refuses what claims to be signed in its future."""
BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"


def hostile_events(text: str) -> list[RestrictionEvent]:
    """One event of each kind, with `text` in every field that comes from outside."""
    proof = evidence(policy=text, policy_version=text, limit_name=text, trigger=replace(
        evidence().trigger, message_id=text, client_ip=text, verdict=text))  # fmt: skip
    block = blocked(text, tenant=text, evidence=proof)
    by_hand = blocked(text, tenant=text, cause=Cause.MANUAL, evidence=None, issued_by=text, reason=text)
    released = unblocked(block, reason=UnblockReason.RELEASED, released_by=text, ticket=text, comment=text)
    alert = replace(alerted(text, tenant=text), evidence=proof)
    return [block, by_hand, released, alert, replace(alert, cause=Cause.BRAKE)]


Told = tuple[Notification, list[tuple[Account, RestrictionEvent]]]


def told(event: RestrictionEvent, language: str) -> Told:
    """A mail to staff, who see most: the account twice, and another one beside it."""
    notify = replace(POLICY, language=language, readers_are_staff=True)
    again = replace(event, position=replace(event.position, offset=event.position.offset + 1))
    other = replace(event, sender=f"{event.sender}x", position=replace(event.position, partition=7))
    notification, entries = sending(event, again, other, notify=notify)
    return replace(notification, closed_at_ms=DATE_MS), entries


def envelope_of(event: RestrictionEvent, language: str) -> Envelope:
    notification, entries = told(event, language)
    return WRITER.envelope(notification, WRITER.rendered(notification, entries), "postmaster@school.example")


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=strict)  # raises for any defect
    assert isinstance(message, EmailMessage)
    return message


def part_of(message: EmailMessage, subtype: str) -> str:
    part = message.get_body((subtype,))
    assert isinstance(part, EmailMessage)
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


each_kind = pytest.mark.parametrize("kind", range(5), ids=["blocked", "by hand", "unblocked", "alert", "brake"])


# -- the mail as a whole -----------------------------------------------------------------------------------------------


@each_kind
@given(text=hostile_names, language=LANGUAGES)
@settings(max_examples=25)
def test_a_hostile_text_leaves_the_mail_with_our_headers_our_parts_and_a_good_signature(
    kind: int, text: str, language: str
) -> None:
    content = envelope_of(hostile_events(text)[kind], language).content
    message = parsed(content)
    assert sorted(message.keys()) == sorted(HEADERS)
    assert all(not part.defects for part in message.walk())
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    assert [each.addr_spec for each in message["From"].addresses] == ["noreply@mail.example.org"]
    assert [each.addr_spec for each in message["To"].addresses] == ["postmaster@school.example"]
    assert verifies(content, {"s1._domainkey.mail.example.org": ed25519_key().record})


@each_kind
@given(text=hostile_names, language=LANGUAGES)
@settings(max_examples=25)
def test_lines_keep_the_limits_of_rfc_5322_and_end_in_crlf(kind: int, text: str, language: str) -> None:
    content = envelope_of(hostile_events(text)[kind], language).content
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    header, _, body = content.partition(b"\r\n\r\n")
    assert max(map(len, header.split(b"\r\n"))) <= 78
    assert max(map(len, body.split(b"\r\n"))) <= 998
    assert content.isascii()


@each_kind
@given(text=hostile_names, language=LANGUAGES)
@settings(max_examples=25)
def test_the_subject_is_bounded_and_is_the_one_that_was_meant(kind: int, text: str, language: str) -> None:
    event = hostile_events(text)[kind]
    subject = str(parsed(envelope_of(event, language).content)["Subject"])
    meant = WRITER.rendered(*told(event, language)).subject
    assert " ".join(subject.split()) == " ".join(meant.split())
    assert len(meant) <= SUBJECT_MAX
    assert len(meant.splitlines()) == 1
    assert "=?" not in meant


@each_kind
@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("text", [*SAMPLES, "anna@school.example", "x@" + "y" * 300 + ".example"])
def test_the_end_of_the_subject_is_never_pushed_out_by_a_name(kind: int, language: str, text: str) -> None:
    """What is cut is the name: that nothing is blocked, or that somebody can send again, stands at the end."""
    name = text.encode("utf-8", "replace").decode()
    harmless, hostile = (
        WRITER.rendered(*told(hostile_events(each)[kind], language)).subject for each in ("anna@school.example", name)
    )
    end = harmless.rpartition("school.example")[2] or harmless
    assert hostile.endswith(end)
    assert len(hostile) <= len(harmless) + SHORT_NAME_MAX + 2


# -- the page ----------------------------------------------------------------------------------------------------------


@each_kind
@given(text=hostile_names, language=LANGUAGES)
@settings(max_examples=25)
def test_a_page_has_the_elements_and_attributes_that_it_has_for_a_harmless_name_and_no_other(
    kind: int, text: str, language: str
) -> None:
    hostile, harmless = (
        Page(WRITER.rendered(*told(hostile_events(each)[kind], language)).html) for each in (text, "harmless")
    )
    assert hostile.elements == harmless.elements
    assert hostile.attributes == harmless.attributes


# -- what can be read --------------------------------------------------------------------------------------------------


@each_kind
@given(text=hostile_names, language=LANGUAGES)
@settings(max_examples=25)
def test_no_direction_and_no_control_character_reaches_any_part(kind: int, text: str, language: str) -> None:
    message = parsed(envelope_of(hostile_events(text)[kind], language).content)
    for part in (str(message["Subject"]), part_of(message, "plain"), part_of(message, "html")):
        assert not re.search(f"[{BIDI}\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", part)


@each_kind
@given(text=hostile_names, language=LANGUAGES)
@settings(max_examples=25)
def test_the_only_link_in_a_mail_is_ours(kind: int, text: str, language: str) -> None:
    lure = f"https://evil.example/{text[:30]} www.evil.example"
    rendered = WRITER.rendered(*told(hostile_events(lure)[kind], language))
    for part in (rendered.text, Page(rendered.html).text):
        assert set(re.findall(r"\w*://[^\s<>]*", part)) <= {WITH_CONSOLE.console_url}
        assert "www.evil" not in part


@each_kind
@pytest.mark.parametrize("text", SAMPLES)
def test_a_hostile_name_makes_no_line_of_its_own_in_the_text(kind: int, text: str) -> None:
    """Every line that begins at the margin is one that a harmless name has too, or the name's own paragraph, folded."""
    lines = WRITER.rendered(
        *told(hostile_events(text.encode("utf-8", "replace").decode())[kind], "en")
    ).text.splitlines()
    assert "Bcc: victim@example.org" not in lines
    assert [line for line in lines if line.isupper() and line.isascii() and len(line) < 40] == [
        line
        for line in WRITER.rendered(*told(hostile_events("harmless")[kind], "en")).text.splitlines()
        if line.isupper()
    ]


@given(hostile_names)
def test_a_command_to_copy_holds_nothing_for_a_shell_but_one_word(name: str) -> None:
    text = render(blocked(name), notify=replace(POLICY, readers_are_staff=True)).text
    for line in (line for line in text.splitlines() if "restricted unblock" in line):
        words = re.fullmatch(
            r"    senderwatch restricted unblock ('(?:[^']|'\"'\"')*'|[\w@%+=:,./-]+) --comment '\.\.\.'", line
        )
        assert words, line


def test_a_name_with_spaces_stands_in_quotes() -> None:
    name = "all is well. Nobody@school.example"
    assert render(blocked(name)).subject == f"Outbound spam: “{name}” is blocked from sending"


@given(restriction_events, hostile_names, LANGUAGES)
def test_every_event_can_be_told_in_every_language(event: RestrictionEvent, name: str, language: str) -> None:
    mail = render(replace(event, sender=name, tenant_id=name), notify=replace(POLICY, language=language))
    assert mail.language == language
    assert len(mail.subject) <= SUBJECT_MAX
