"""What the log says of mails: how each attempt ended, what may arrive twice, and whom nobody could tell."""

import structlog

from processor.kafka.cloudevents import rfc3339
from processor.notification.kinds import Kind
from processor.notification.ledger import Ledger
from processor.notification.notices import Delivery, Notification, State
from processor.notification.outgoing import Errand
from processor.notification.reachability import News
from processor.notification.results import Result

_log = structlog.get_logger(__name__)


def attempt_ended(ledger: Ledger, delivery: Delivery) -> None:
    """An attempt, as it is recorded."""
    notification = ledger.notification(delivery.notification_id)
    log = _log.bind(
        kind=notification.kind.value,
        tenant=notification.tenant_id,
        recipient=delivery.recipient,
        notification=delivery.notification_id,
        attempts=delivery.attempts,
        reply=delivery.reply,
    )
    match delivery.state:
        case State.ACCEPTED if ledger.is_blocked(delivery.recipient):
            log.warning(
                "mail accepted, but its recipient is a blocked account himself",
                fallback=notification.fallback or "none: name one in the policy",
            )
        case State.ACCEPTED:
            log.info("mail accepted")
        case State.PENDING:
            log.warning("mail deferred", phase=delivery.phase, next_attempt=_time(delivery.next_attempt_ms))
        case State.REJECTED:
            log.error("mail rejected for good", phase=delivery.phase, fallback=notification.fallback)
        case State.GIVEN_UP:
            log.error("mail given up after three days", phase=delivery.phase, fallback=notification.fallback)


def nobody_to_tell(notification: Notification) -> None:
    """A digest has been opened that has no recipient at all."""
    what = "the brake holds blocks back and there is nobody to tell: name operators (setting notifier.operators)"
    if notification.kind is not Kind.BRAKE:
        what = "there is nobody to tell: name recipients or a fallback in the policy, or contacts of the tenant"
    _log.error(
        what,
        kind=notification.kind.value,
        tenant=notification.tenant_id,
        notification=notification.notification_id,
    )


def nobody_told(notification: Notification, accepted: list[str]) -> None:
    """A mail is finished and nobody has it who is not blocked himself; `accepted` are those who have it."""
    if not notification.addressed:
        return  # said when it was opened
    _log.error(
        "nobody could be told: mend the addresses of recipients, contacts and fallback in the policies, or name others",
        kind=notification.kind.value,
        tenant=notification.tenant_id,
        recipients=notification.recipients,
        fallback=notification.fallback,
        told_only_blocked_accounts=accepted,
        notification=notification.notification_id,
    )


def sent_again(errand: Errand, cause: str) -> None:
    """A mail goes out that may have arrived before."""
    _log.info(
        "mail tried again that may have arrived before",
        recipient=errand.recipient,
        notification=errand.notification_id,
        cause=cause,
    )


def accepted_but_lost(errand: Errand) -> None:
    """A mail was accepted when its partition had gone to another worker."""
    _log.warning(
        "a mail was accepted, but its partition is lost: its new owner may send it once more",
        notification=errand.notification_id,
        recipient=errand.recipient,
    )


def mail_server(news: News | None, result: Result | None) -> None:
    """What a result says of the mail server as a whole."""
    if news is News.AWAY:
        reason = getattr(result, "reason", None)
        _log.error("the mail server cannot be talked to: trying it with one mail at a time", reason=reason)
    elif news is News.BACK:
        _log.info("the mail server answers again")


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else rfc3339(time_ms)
