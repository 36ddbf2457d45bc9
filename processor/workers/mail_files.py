"""Mails in files, to be looked at: as they would be sent, as their readers would see them, and a page that links them all."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from processor.notification.facts import AccountEvents
from processor.notification.notices import Notification
from processor.workers.mail_writing import MailWriter


@dataclass(frozen=True, slots=True)
class WrittenMail:
    """One mail in files: `path` with .eml, .html and .txt."""

    path: Path
    subject: str


def write_mail(
    writer: MailWriter, notification: Notification, accounts: AccountEvents, recipient: str, path: Path
) -> WrittenMail:
    """The mail to one of its recipients, in files that begin with `path`. Raises OSError, BrokenTemplates."""
    rendered = writer.rendered(notification, accounts)
    envelope = writer.envelope(notification, rendered, recipient)
    _file(path, ".eml").write_bytes(envelope.content)
    _file(path, ".html").write_text(rendered.html, encoding="utf-8")
    _file(path, ".txt").write_text(f"{rendered.subject}\n\n{rendered.text}", encoding="utf-8")
    return WrittenMail(path, rendered.subject)


def write_index(folder: Path, mails: Sequence[WrittenMail]) -> Path:
    """A page in `folder`, below which the mails are, that links them all. Raises OSError."""
    page = folder / "index.html"
    page.write_text(_index(folder, mails), encoding="utf-8")
    return page


def _file(path: Path, end: str) -> Path:
    return path.with_name(path.name + end)  # `with_suffix` would take the end of a domain for one


def _index(folder: Path, mails: Sequence[WrittenMail]) -> str:
    rows = "\n".join(
        f"<tr><td>{escape(name)}</td><td>{escape(mail.subject)}</td>"
        + "".join(f'<td><a href="{escape(name)}{end}">{end[1:]}</a></td>' for end in (".html", ".txt", ".eml"))
        + "</tr>"
        for mail in mails
        for name in [mail.path.relative_to(folder).as_posix()]
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>Mails of senderwatch</title>\n'
        "<style>:root { color-scheme: light dark; } body { font-family: sans-serif; } td { padding: 2px 12px 2px 0; }</style>\n"
        f"</head><body><table>\n{rows}\n</table></body></html>\n"
    )
