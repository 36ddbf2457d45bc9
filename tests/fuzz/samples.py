"""Values to make seeds from: events, and a ledger with a mail of every stage."""

from functools import lru_cache

from processor.notification.ledger import Ledger, LedgerRules
from processor.notification.notices import Change, Entry, Erased
from processor.notification.results import Accepted, Deferred, Phase, Reply
from processor.policies.recipients import Notify
from processor.restrictions.events import Cause, Position, RestrictionEvent, SenderBlocked
from tests.mail_samples import NOW_MS, alerted, blocked, unblocked

BLOCK_BY_HAND = SenderBlocked(
    tenant_id="a.example",
    sender="bob@a.example",
    cause=Cause.MANUAL,
    blocked_at_ms=NOW_MS,
    blocked_until_ms=None,
    action="block",
    previous_blocks=1,
    position=Position("restriction-commands", 0, 7),
    issued_by="root",
    reason="why",
    command_id="c1",
)
EVENTS: tuple[RestrictionEvent, ...] = (blocked(), BLOCK_BY_HAND, unblocked(blocked()), alerted())
RULES = LedgerRules("mail.example")
_NOTIFY = Notify(("a@x.example", "b@x.example"), fallback=("f@y.example",), digest_delay_ms=60_000)


@lru_cache
def ledger_entries() -> tuple[Entry, ...]:
    """What the ledger's topic holds of mails that are gathering, being sent, and done with one of two."""
    ledger = Ledger(RULES)
    changes: list[Change] = []
    for event in EVENTS[:2]:
        changes += ledger.take(event, b"event", _NOTIFY, NOW_MS)
    changes += ledger.close_due(NOW_MS + 60_000)
    for delivery in list(ledger.pending())[:2]:
        result = Accepted(Reply(250, "queued")) if delivery.recipient < "b" else Deferred(Phase.RCPT, "later", None)
        changes += ledger.attempted(delivery.notification_id, delivery.recipient, result, NOW_MS + 61_000)
    for event in EVENTS[2:]:
        changes += ledger.take(event, b"event", _NOTIFY, NOW_MS + 62_000)
    kept = {change.key: change for change in changes if not isinstance(change, Erased)}
    return tuple(kept.values())
