"""A mail as bytes, ready for SMTP: the same bytes for the same mail, whatever Python writes it (RFC 5322, 2045 to 2047).

Written out here rather than by `email.message`, which folds headers differently from version to version and decodes what
looks like an encoded word in a value that it is given.
"""

import base64
import quopri
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from processor.notification.sanitise import header_text
from processor.policies.addresses import domain_of

_LINE_MAX = 76
_ENCODED_OCTETS_MAX = 36
"""Octets of text in one encoded word: 48 characters of base64, which leaves room for `Subject: =?utf-8?b?` in a line."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail before it is written. `date_ms` and `message_id` are fixed at the first attempt."""

    message_id: str
    date_ms: int
    sender_address: str
    sender_name: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str
    language: str
    references: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """One mail on its way to one recipient: one SMTP transaction, or one file. `name` tells it from every other."""

    name: str
    mail_from: str
    recipient: str
    smtputf8: bool
    content: bytes


def enveloped(mail: Mail, recipient: str) -> Envelope:
    """The mail for one of its recipients, written as that address needs it."""
    smtputf8 = needs_smtputf8(recipient) or needs_smtputf8(mail.sender_address)
    return Envelope(
        name=f"{mail.message_id.strip('<>').partition('@')[0]}/{recipient}",
        mail_from=on_the_wire(mail.sender_address),
        recipient=on_the_wire(recipient),
        smtputf8=smtputf8,
        content=write(mail, smtputf8=smtputf8),
    )


def needs_smtputf8(address: str) -> bool:
    """Whether an address can only travel with SMTPUTF8 (RFC 6531): its local part is not ASCII. A domain has A-labels."""
    return not address.rpartition("@")[0].isascii()


def on_the_wire(address: str) -> str:
    """The address with its domain in A-labels, as it stands in an envelope. An unmappable domain is left as it is."""
    domain = domain_of(address)
    if domain is None or domain.isascii():
        return address
    try:
        return address[: -len(domain)] + domain.encode("idna").decode("ascii")
    except UnicodeError:
        return address


def write(mail: Mail, *, smtputf8: bool) -> bytes:
    """The mail with CRLF line ends.

    Without `smtputf8` the header is ASCII, and addresses that need it are left out of To: they get their own copy.
    """
    boundary = f"=_{mail.message_id.strip('<>').partition('@')[0]}"
    to = [on_the_wire(address) for address in mail.to if smtputf8 or not needs_smtputf8(address)]
    headers = [
        ("Date", format_datetime(_EPOCH + timedelta(milliseconds=mail.date_ms))),
        ("From", _mailbox(mail.sender_name, mail.sender_address)),
        # An empty group is what RFC 5322 has for a mail whose addressees are not shown.
        ("To", _folded(to, ", ") if to else "undisclosed-recipients:;"),
        ("Subject", _unstructured(mail.subject, len("Subject: "))),
        ("Message-ID", mail.message_id),
        *(
            [("In-Reply-To", mail.references[-1]), ("References", _folded(mail.references, " "))]
            if mail.references
            else []
        ),
        # RFC 3834: no vacation notice and no ticket system answers this; Exchange asks for its own header.
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("Content-Language", mail.language),
        ("MIME-Version", "1.0"),
        ("Content-Type", f'multipart/alternative;\r\n boundary="{boundary}"'),
    ]
    lines = [f"{name}: {value}" for name, value in headers]
    # The plain text first: RFC 2046, section 5.1.4, puts the best part last.
    for subtype, content in (("plain", mail.text), ("html", mail.html)):
        lines += [
            *(["", f"--{boundary}"] if subtype == "plain" else [f"--{boundary}"]),
            f"Content-Type: text/{subtype}; charset=utf-8",
            "Content-Transfer-Encoding: quoted-printable",
            "",
            _quoted_printable(content),
        ]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("utf-8" if smtputf8 else "ascii")


def _quoted_printable(text: str) -> str:
    octets = text.encode("utf-8", "replace").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return quopri.encodestring(octets).decode("ascii").replace("\n", "\r\n")


def _unstructured(text: str, used: int) -> str:
    """A header's text: as it is where it is short and plain, else as encoded words, one a line."""
    safe = header_text(text, 500).strip()  # readers strip what leads, not all of them what trails
    if safe.isascii() and used + len(safe) <= _LINE_MAX and "=?" not in safe:
        return safe
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk).decode('ascii')}?=" for chunk in _chunks(safe))


def _chunks(text: str) -> list[bytes]:
    """The text's octets in pieces for encoded words; no character is torn (RFC 2047, section 5)."""
    chunks = [b""]
    for octets in (character.encode("utf-8", "replace") for character in text):
        if len(chunks[-1]) + len(octets) > _ENCODED_OCTETS_MAX:
            chunks.append(b"")
        chunks[-1] += octets
    return chunks


def _mailbox(name: str, address: str) -> str:
    """A display name and an address; the name quoted, or encoded where it is not plain."""
    safe = header_text(name, 60)
    if not safe:
        return on_the_wire(address)
    shown = f'"{safe}"' if safe.isascii() and '"' not in safe and "\\" not in safe else _unstructured(safe, _LINE_MAX)
    return f"{shown}\r\n <{on_the_wire(address)}>" if len(shown) > 40 else f"{shown} <{on_the_wire(address)}>"


def _folded(items: Sequence[str], separator: str) -> str:
    """Items of a header, one line each."""
    return (separator.rstrip() + "\r\n ").join(items)
