"""Mails to look at, in files, and one to send: with the settings, templates and signature of real ones, and made-up accounts."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from processor.notification.kinds import Kind
from processor.notification.message import Envelope
from processor.notification.rendering import Templates
from processor.notification.results import Result
from processor.notification.samples import Scene, scenes
from processor.settings import Settings
from processor.workers.carriers import carrier_of
from processor.workers.mail_files import WrittenMail, write_index, write_mail
from processor.workers.mail_writing import mail_writer
from processor.workers.postman import Carrier


class UnknownLanguage(Exception):
    """There are no templates for it; the text says for which there are."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A mail that was handed over, and what became of it. `signed_as` None: there is no key."""

    envelope: Envelope
    message_id: str
    subject: str
    signed_as: str | None
    result: Result


def write_previews(
    settings: Settings, folder: Path, now_ms: int, *, language: str | None = None, kind: Kind | None = None
) -> list[WrittenMail]:
    """Each scene in each language, or those asked for, as files below `folder`, with a page that links them all.

    Raises UnknownLanguage, OSError, and what `mail_writer` raises.
    """
    writer = mail_writer(settings.notifier)
    codes = _languages(writer.templates, language)
    for code in codes:
        (folder / code).mkdir(parents=True, exist_ok=True)
    previews = [
        write_mail(
            writer, scene.notification, scene.entries, scene.notification.addressed[0], folder / code / scene.name
        )
        for code in codes
        for scene in _scenes(settings, code, now_ms)
        if kind is None or scene.kind is kind
    ]
    write_index(folder, previews)
    return previews


def send_trial(settings: Settings, recipient: str, now_ms: int, *, language: str) -> Trial:
    """One mail, marked as a test, to `recipient`, by the configured way.

    Raises UnknownLanguage, CannotNotify, and what `mail_writer` raises.
    """
    writer, carrier = mail_writer(settings.notifier), carrier_of(settings)
    (code,) = _languages(writer.templates, language)
    scene = next(iter(_scenes(settings, code, now_ms)))
    notification = replace(scene.notification, recipients=(recipient,), addressed=(recipient,))
    rendered = writer.rendered(notification, scene.entries, is_test=True)
    envelope = writer.envelope(notification, rendered, recipient)
    return Trial(
        envelope=envelope,
        message_id=notification.message_id,
        subject=rendered.subject,
        signed_as=writer.signer.name if writer.signer is not None else None,
        result=asyncio.run(_delivered(carrier, envelope)),
    )


async def _delivered(carrier: Carrier, envelope: Envelope) -> Result:
    try:
        return await carrier.deliver(envelope)
    finally:
        await carrier.close()


def _scenes(settings: Settings, code: str, now_ms: int) -> Iterator[Scene]:
    return scenes(code, now_ms, message_id_domain=settings.notifier.message_id_domain)


def _languages(templates: Templates, asked: str | None) -> list[str]:
    if asked is None:
        return templates.languages
    if asked not in templates.languages:
        raise UnknownLanguage(
            f"there are no templates for the language {asked}; there are: {', '.join(templates.languages)}"
        )
    return [asked]
