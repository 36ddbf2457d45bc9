"""What follows from the result of one attempt (design, section 7), as a table.

| result                | attempts left in three days | state    | and then                              |
|-----------------------|-----------------------------|----------|---------------------------------------|
| Accepted              |                             | ACCEPTED |                                       |
| Deferred              | yes                         | PENDING  | again later                           |
| Deferred              | no                          | GIVEN_UP | the fallback recipients are told      |
| Unknown               | yes                         | PENDING  | again later, possibly a second time   |
| Unknown               | no                          | GIVEN_UP | the fallback recipients are told      |
| PermanentlyRejected   |                             | REJECTED | the fallback recipients are told      |

After any attempt the fallback recipients are told as well when the recipient is himself among the blocked accounts.
"""

from dataclasses import replace

from processor.notification.notices import REPLY_MAX_CHARACTERS, Delivery, Notification, State
from processor.notification.results import Accepted, PermanentlyRejected, Phase, Reply, Result, Unknown
from processor.notification.sanitise import readable
from processor.notification.schedule import Schedule


def after_attempt(delivery: Delivery, result: Result, schedule: Schedule, now_ms: int) -> Delivery:
    """The delivery after an attempt that ended at `now_ms` with `result`."""
    tried = replace(
        delivery,
        attempts=delivery.attempts + 1,
        unanswered=delivery.unanswered + isinstance(result, Unknown),
        first_attempt_ms=now_ms if delivery.first_attempt_ms is None else delivery.first_attempt_ms,
        last_attempt_ms=now_ms,
        next_attempt_ms=None,
        phase=Phase.FINAL_DOT if isinstance(result, Accepted | Unknown) else result.phase,
        code=None if isinstance(result, Unknown) or result.reply is None else result.reply.code,
        reply=_said(result),
    )
    if isinstance(result, Accepted):
        return replace(tried, state=State.ACCEPTED)
    if isinstance(result, PermanentlyRejected):
        return replace(tried, state=State.REJECTED)
    next_attempt_ms = schedule.next_attempt_ms(
        first_attempt_ms=tried.first_attempt_ms if tried.first_attempt_ms is not None else now_ms,
        now_ms=now_ms,
        attempts=tried.attempts,
        phase=tried.phase or Phase.FINAL_DOT,
        seed=tried.key,
    )
    if next_attempt_ms is None:
        return replace(tried, state=State.GIVEN_UP)
    return replace(tried, next_attempt_ms=next_attempt_ms)


def fallback_deliveries(notification: Notification, known: frozenset[str], now_ms: int) -> list[Delivery]:
    """Deliveries to the fallback recipients who are not addressed yet (`known` are)."""
    return [
        Delivery(notification.notification_id, recipient, next_attempt_ms=now_ms, is_fallback=True)
        for recipient in notification.fallback
        if recipient not in known
    ]


def _said(result: Result) -> str:
    """The server's words, or ours where it said nothing, bounded and on one line."""
    if isinstance(result, Unknown):
        return readable(result.reason, REPLY_MAX_CHARACTERS)
    reply: Reply | None = result.reply
    if reply is not None:
        return readable(str(reply), REPLY_MAX_CHARACTERS)
    return "" if isinstance(result, Accepted) else readable(result.reason, REPLY_MAX_CHARACTERS)
