"""From what a mail is about to its bytes, as the settings want mails to look: templates, names, signature."""

from collections.abc import Sequence
from dataclasses import replace

from processor.notification.context import Surroundings
from processor.notification.language import BrokenLanguage
from processor.notification.message import Envelope, Mail, enveloped
from processor.notification.notices import Account, Notification
from processor.notification.rendering import BrokenTemplates, Rendered, Templates
from processor.restrictions.events import RestrictionEvent
from processor.settings import NotifierSettings
from processor.workers.mail_templates import load_templates
from processor.workers.signing import CannotSign, Signer, signer_of

FAULTS = (BrokenLanguage, BrokenTemplates, CannotSign)
"""What is wrong with the settings of mails, in a text that names the file; found before the first mail."""


class MailWriter:
    """Writes mails. The same notification gives the same bytes as long as templates and settings are the same."""

    def __init__(
        self, templates: Templates, surroundings: Surroundings, *, sender_name: str, signer: Signer | None = None
    ) -> None:
        self._templates = templates
        self._surroundings = surroundings
        self._sender_name = sender_name
        self._signer = signer

    @property
    def templates(self) -> Templates:
        return self._templates

    @property
    def signer(self) -> Signer | None:
        return self._signer

    def rendered(
        self, notification: Notification, accounts: Sequence[tuple[Account, RestrictionEvent]], *, is_test: bool = False
    ) -> Rendered:
        """What the mail says. Raises BrokenTemplates."""
        return self._templates.render(notification, accounts, self._surroundings, is_test=is_test)

    def envelope(self, notification: Notification, rendered: Rendered, recipient: str) -> Envelope:
        """The mail for one of its recipients, signed where there is a key."""
        mail = Mail(
            message_id=notification.message_id,
            date_ms=notification.closed_at_ms if notification.closed_at_ms is not None else notification.closes_at_ms,
            sender_address=self._surroundings.sender_address,
            sender_name=rendered.sender_name or self._sender_name,
            to=notification.addressed,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            language=rendered.language,
            references=notification.references,
        )
        envelope = enveloped(mail, recipient)
        if self._signer is None:
            return envelope
        return replace(envelope, content=self._signer.signed(envelope.content, mail.date_ms))


def mail_writer(settings: NotifierSettings) -> MailWriter:
    """The writer of an installation's mails. Raises one of FAULTS."""
    return MailWriter(
        load_templates(settings.templates),
        Surroundings(settings.sender_address, settings.support_contact, settings.console_url),
        sender_name=settings.sender_name,
        signer=signer_of(settings),
    )
