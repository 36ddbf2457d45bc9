"""Which accounts share a mail: those of one kind and tenant of whom the same people are told in the same way, within the
digest delay (design, section 7).
"""

from dataclasses import replace

from processor.notification.kinds import Kind, kind_of
from processor.notification.notices import SENDER_MAX_CHARACTERS, Account, Notification, Stage, notification_id
from processor.policies.recipients import Notify
from processor.restrictions.events import RestrictionEvent, SenderAlerted

DigestKey = tuple[Kind, str, tuple[str, ...], tuple[str, ...], str, str, bool]
REFERENCES_MAX = 20
"""Message-IDs in one References header; a thread of more is no thread."""


def digest_key(notification: Notification) -> DigestKey:
    """What the accounts of one mail have in common.

    Not only the recipients: where two policies tell the same people in other languages, or have other fallbacks, neither
    may be told as the other's.
    """
    return (
        notification.kind,
        notification.tenant_id,
        notification.recipients,
        notification.fallback,
        notification.language,
        notification.time_zone,
        notification.readers_are_staff,
    )


def opened(event: RestrictionEvent, notify: Notify, message_id_domain: str, now_ms: int) -> Notification:
    """The digest that `event` opens; it closes `digest_delay_ms` after `now_ms`.

    The brake is told to the operators, who have all tenants: three hundred tenants held back are one mail to them.
    """
    kind = kind_of(event)
    tenant_id = "" if kind is Kind.BRAKE else event.tenant_id
    recipients = tuple(dict.fromkeys(notify.recipients))
    identifier = notification_id(kind, tenant_id, recipients, event.event_id)
    return Notification(
        notification_id=identifier,
        kind=kind,
        tenant_id=tenant_id,
        recipients=recipients,
        fallback=tuple(dict.fromkeys(notify.fallback)),
        language=notify.language,
        time_zone=notify.time_zone,
        readers_are_staff=notify.readers_are_staff,
        message_id=f"<{identifier}@{message_id_domain}>",
        opened_at_ms=now_ms,
        closes_at_ms=now_ms + notify.digest_delay_ms,
    )


def hastened(digest: Notification, closes_at_ms: int) -> Notification:
    """The digest when an account joins whose policy waits less long than that of the accounts before it."""
    return replace(digest, closes_at_ms=closes_at_ms)


def joined(event: RestrictionEvent, payload: bytes, notify: Notify, digest: Notification, place: int) -> Account:
    """The entry of `event` as number `place` of `digest`."""
    return Account(
        notification_id=digest.notification_id,
        event_id=event.event_id,
        place=place,
        sender=event.sender[:SENDER_MAX_CHARACTERS],
        block_id=None if isinstance(event, SenderAlerted) else event.block_id,
        unblocks_without_support=notify.unblocks_without_support,
        payload=payload,
    )


def closed(
    digest: Notification,
    *,
    blocked_senders: frozenset[str],
    references: tuple[str, ...],
    overtaken: tuple[str, ...],
    now_ms: int,
) -> Notification:
    """The digest, ready to be sent: nobody joins any more, and the mail's date and addresses are fixed.

    `blocked_senders` are those recipients who are themselves blocked: others may read their mail, so the fallback is
    told as well.
    """
    everybody = digest.recipients + (digest.fallback if blocked_senders or not digest.recipients else ())
    return replace(
        digest,
        stage=Stage.SENDING,
        addressed=tuple(dict.fromkeys(everybody)),
        references=tuple(dict.fromkeys(references))[:REFERENCES_MAX],
        overtaken=overtaken,
        closed_at_ms=now_ms,
    )
