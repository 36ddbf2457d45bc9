"""A mail's bytes: read back by another program they are the same mail, whatever an account is called."""

import email
import re
from dataclasses import replace
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.notification.message import Mail, enveloped, needs_smtputf8, on_the_wire, write
from processor.notification.sanitise import header_text
from tests.hostile import SAMPLES, hostile_texts
from tests.mail_samples import NOW_MS

MAIL = Mail(
    message_id="<2b1ee30e-7a9e-5a5b-a0a2-3c2f9e3f7a10@mail.example.org>",
    date_ms=NOW_MS,
    sender_address="noreply@mail.example.org",
    sender_name="Outbound spam protection",
    to=("postmaster@school.example",),
    subject="Outbound spam: anna@school.example is blocked from sending",
    text="Text.\n",
    html="<p>Text.</p>\n",
    language="en",
)
HEADERS = {
    "Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress", "Content-Language",
    "MIME-Version", "Content-Type",
}  # fmt: skip
EAI = "почта@пример.рф"


def read(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def parts(message: EmailMessage) -> dict[str, str]:
    return {part.get_content_type(): part.get_content().replace("\r\n", "\n") for part in message.iter_parts()}


@given(hostile_texts, hostile_texts)
def test_a_hostile_subject_is_one_header_and_reads_as_it_should(subject: str, name: str) -> None:
    message = read(write(replace(MAIL, subject=subject, sender_name=name), smtputf8=False))
    assert set(message.keys()) == HEADERS
    assert message.defects == []
    assert str(message["Subject"]) == header_text(subject, 500).strip()
    assert [each.addr_spec for each in message["From"].addresses] == ["noreply@mail.example.org"]


@given(hostile_texts, hostile_texts)
def test_text_and_html_arrive_as_they_were_written(text: str, html: str) -> None:
    text, html = (
        re.sub("[\ud800-\udfff]", "?", each).replace("\r\n", "\n").replace("\r", "\n") for each in (text, html)
    )
    arrived = parts(read(write(replace(MAIL, text=text, html=html), smtputf8=False)))
    assert arrived == {"text/plain": text, "text/html": html}


@given(hostile_texts, st.booleans())
def test_no_line_is_longer_than_smtp_takes_and_every_line_ends_in_crlf(text: str, smtputf8: bool) -> None:
    content = write(replace(MAIL, subject=text, text=text, html=text, sender_name=text), smtputf8=smtputf8)
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    header = content.split(b"\r\n\r\n")[0]
    assert max(map(len, header.split(b"\r\n"))) <= 78


@given(hostile_texts)
def test_the_same_mail_is_the_same_bytes(text: str) -> None:
    mail = replace(MAIL, subject=text, text=text, html=text)
    assert write(mail, smtputf8=False) == write(replace(mail), smtputf8=False)


def test_the_headers_say_what_kind_of_mail_this_is() -> None:
    message = read(write(MAIL, smtputf8=False))
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == MAIL.message_id
    assert message["Date"].datetime.timestamp() * 1000 == NOW_MS
    assert message["Content-Language"] == "en"
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert str(message["From"]) == '"Outbound spam protection" <noreply@mail.example.org>' or (
        message["From"].addresses[0].display_name == "Outbound spam protection"
    )


def test_an_unblock_mail_answers_the_block_mail() -> None:
    message = read(write(replace(MAIL, references=("<one@x.example>", "<two@x.example>")), smtputf8=False))
    assert message["References"].split() == ["<one@x.example>", "<two@x.example>"]
    assert message["In-Reply-To"] == "<two@x.example>"


@pytest.mark.parametrize("text", SAMPLES)
def test_an_encoded_header_is_read_by_the_older_parser_too(text: str) -> None:
    message = email.message_from_bytes(write(replace(MAIL, subject=text), smtputf8=False))
    decoded = str(email.header.make_header(email.header.decode_header(message["Subject"])))
    assert decoded.strip() == header_text(text, 500).strip()


# -- addresses ---------------------------------------------------------------------------------------------------------


def test_an_address_beyond_ascii_gets_a_copy_of_its_own() -> None:
    mail = replace(MAIL, to=("postmaster@school.example", EAI))
    ascii_copy, utf8_copy = enveloped(mail, "postmaster@school.example"), enveloped(mail, EAI)
    assert (ascii_copy.smtputf8, utf8_copy.smtputf8) == (False, True)
    assert ascii_copy.content.isascii()
    assert [each.addr_spec for each in read(ascii_copy.content)["To"].addresses] == ["postmaster@school.example"]
    assert "почта@xn--e1afmkfd.xn--p1ai".encode() in utf8_copy.content
    assert utf8_copy.recipient == "почта@xn--e1afmkfd.xn--p1ai"


def test_a_senders_address_beyond_ascii_needs_smtputf8_too() -> None:
    envelope = enveloped(replace(MAIL, sender_address=EAI), "postmaster@school.example")
    assert envelope.smtputf8
    assert "<почта@xn--e1afmkfd.xn--p1ai>\r\n".encode() in envelope.content


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert not needs_smtputf8("postmaster@пример.рф")
    assert on_the_wire("postmaster@пример.рф") == "postmaster@xn--e1afmkfd.xn--p1ai"
    assert enveloped(replace(MAIL, to=("postmaster@пример.рф",)), "postmaster@пример.рф").smtputf8 is False


def test_a_mail_without_a_showable_addressee_is_still_a_mail() -> None:
    message = read(write(replace(MAIL, to=(EAI,)), smtputf8=False))
    assert message.defects == []
    assert list(message["To"].addresses) == []
    assert set(message.keys()) == HEADERS


def test_many_addressees_fold() -> None:
    to = tuple(f"person{number}@school.example" for number in range(40))
    message = read(write(replace(MAIL, to=to), smtputf8=False))
    assert [each.addr_spec for each in message["To"].addresses] == list(to)
