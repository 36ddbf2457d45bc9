"""Mails to look at and to try templates with: each kind with accounts, figures and times that could be real."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from processor.notification.digest import closed, joined, opened
from processor.notification.facts import AccountEvents
from processor.notification.kinds import Kind
from processor.notification.notices import Notification
from processor.policies.recipients import Notify
from processor.restrictions.events import (
    Cause,
    Evidence,
    Position,
    RestrictionEvent,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    Trigger,
    UnblockReason,
    WindowCounters,
)

_MINUTE_MS = 60_000
_HOUR_MS = 60 * _MINUTE_MS
_TENANT = "school-1.example"
_NAMES = ("anna", "bram", "chris", "dilek", "emma", "finn", "gijs", "hanna", "isa", "joris", "kim", "lars")


@dataclass(frozen=True, slots=True)
class Scene:
    """A mail that could be sent. `name` is fit for a file."""

    name: str
    notification: Notification
    entries: AccountEvents

    @property
    def kind(self) -> Kind:
        return self.notification.kind


@dataclass(slots=True)
class _Stage:
    """Makes the events of scenes, each at a place of its own in the log."""

    now_ms: int
    offset: int = field(init=False)

    def __post_init__(self) -> None:
        self.offset = self.now_ms

    def position(self) -> Position:
        self.offset += 1
        return Position("message-verdicts", 3, self.offset)

    def evidence(self, sender: str, *, hours: int = 1, **changes: Any) -> Evidence:
        end_ms = self.now_ms // (5 * _MINUTE_MS) * 5 * _MINUTE_MS + 5 * _MINUTE_MS
        base = Evidence(
            policy="default",
            policy_version="7",
            limit_name="spam_messages_per_hour",
            limit=10.0,
            observed=11.0,
            window_start_ms=end_ms - hours * _HOUR_MS,
            window_end_ms=end_ms,
            hour=WindowCounters(messages=14, spam_messages=11, internal_recipients=3, external_recipients=512),
            day=WindowCounters(messages=31, spam_messages=11, internal_recipients=22, external_recipients=540),
            trigger=Trigger(
                event_id=f"sample-{self.offset}",
                message_id=f"<{self.offset:x}.8812@{sender.rpartition('@')[2]}>",
                client_ip="203.0.113.77",
                verdict="HIGH_CONFIDENCE_SPAM",
            ),
        )
        return replace(base, **changes)

    def blocked(self, sender: str = f"anna@{_TENANT}", *, ago_ms: int = _MINUTE_MS, **changes: Any) -> SenderBlocked:
        at_ms = self.now_ms - ago_ms
        base = SenderBlocked(
            tenant_id=_TENANT,
            sender=sender,
            cause=Cause.LIMIT,
            blocked_at_ms=at_ms,
            blocked_until_ms=(at_ms // (24 * _HOUR_MS) + 1) * 24 * _HOUR_MS,
            action="block_until_tomorrow",
            previous_blocks=1,
            previous_unblocks=1,
            position=self.position(),
            evidence=self.evidence(sender),
        )
        return replace(base, **changes)

    def by_hand(self, **changes: Any) -> SenderBlocked:
        by_hand = {"cause": Cause.MANUAL, "evidence": None, "action": "block", "blocked_until_ms": None}
        words = {"issued_by": "j.jansen", "reason": "laptop stolen on the train", "command_id": "sample"}
        return self.blocked(**{**by_hand, **words, "previous_blocks": 0, "previous_unblocks": 0, **changes})

    def unblocked(self, block: SenderBlocked, **changes: Any) -> SenderUnblocked:
        base = SenderUnblocked(
            block_id=block.block_id,
            tenant_id=block.tenant_id,
            sender=block.sender,
            reason=UnblockReason.EXPIRED,
            unblocked_at_ms=self.now_ms - _MINUTE_MS,
            position=self.position(),
        )
        return replace(base, **changes)

    def alerted(self, sender: str = f"anna@{_TENANT}", *, cause: Cause = Cause.LIMIT, **proof: Any) -> SenderAlerted:
        position = self.position()
        return SenderAlerted(
            tenant_id=_TENANT,
            sender=sender,
            cause=cause,
            alerted_at_ms=self.now_ms - _MINUTE_MS,
            action="alert" if cause is Cause.LIMIT else "block_until_tomorrow",
            previous_blocks=0,
            position=position,
            evidence=self.evidence(sender, **proof),
        )


_Act = tuple[str, Sequence[RestrictionEvent], bool, bool]
"""Name, events, whether they are overtaken when the mail goes out, whether its readers are staff."""


def scenes(language: str, now_ms: int, *, message_id_domain: str = "mail.example.org") -> Iterator[Scene]:
    """Every kind of mail in a language, as it would be sent at `now_ms`; the same for the same arguments.

    Between them they take every branch that a template can have reason for.
    """
    stage = _Stage(now_ms)
    for name, events, is_overtaken, for_staff in (*_blocks(stage), *_ends(stage), *_alerts(stage)):
        notify = Notify(
            (f"postmaster@{_TENANT}",), language=language, time_zone="Europe/Amsterdam", readers_are_staff=for_staff
        )
        digest = opened(events[0], notify, message_id_domain, now_ms - _MINUTE_MS)
        yield Scene(
            name,
            closed(
                digest,
                blocked_senders=frozenset(),
                references=("<sample-of-the-block-mail@mail.example.org>",) if digest.kind is Kind.UNBLOCKED else (),
                overtaken=tuple(event.event_id for event in events) if is_overtaken else (),
                now_ms=now_ms,
            ),
            [(joined(event, b"", notify, digest, place), event) for place, event in enumerate(events)],
        )


def _blocks(stage: _Stage) -> list[_Act]:
    several = [stage.blocked(f"{name}@{_TENANT}", previous_unblocks=used) for used, name in enumerate(_NAMES[:4])]
    again = stage.blocked(ago_ms=20_000, previous_blocks=2)
    return [
        ("blocked-one", several[:1], False, False),
        ("blocked-several", several, False, False),
        ("blocked-by-hand", [stage.by_hand()], False, False),
        ("blocked-by-hand-nameless", [stage.by_hand(issued_by=None, reason=None)], True, False),
        ("blocked-no-unblock-left", [stage.blocked(previous_unblocks=3, previous_blocks=4)], False, False),
        ("blocked-for-staff", [stage.blocked(blocked_until_ms=None)], False, True),
        ("blocked-for-staff-several", [*several, stage.by_hand(sender=f"zoe@{_TENANT}")], True, True),
        ("blocked-twice", [several[0], again], False, False),
        ("blocked-storm", [stage.blocked(sender) for sender in _crowd()], False, False),
    ]


def _ends(stage: _Stage) -> list[_Act]:
    blocks = [stage.blocked(f"{name}@{_TENANT}") for name in _NAMES[:3]]
    lifted = {"reason": UnblockReason.RELEASED, "released_by": "j.jansen", "comment": "password changed, device wiped"}
    expired = stage.unblocked(blocks[0])
    by_support = stage.unblocked(blocks[1], **{**lifted, "released_by": "support desk", "ticket": "T-4711"})
    return [
        ("unblocked-expired", [expired], False, False),
        ("unblocked-lifted", [stage.unblocked(blocks[0], **lifted)], False, False),
        ("unblocked-by-support", [by_support], True, True),
        ("unblocked-several", [expired, by_support, stage.unblocked(blocks[2], **lifted)], True, False),
        ("unblocked-twice", [expired, stage.unblocked(stage.blocked(ago_ms=20_000), **lifted)], False, False),
        ("unblocked-storm", [stage.unblocked(stage.blocked(sender)) for sender in _crowd()], False, False),
    ]


def _alerts(stage: _Stage) -> list[_Act]:
    over_both = [
        stage.alerted(limit_name="external_recipients_per_hour", limit=500.0, observed=1234.0),
        stage.alerted(limit_name="recipients_per_day", limit=1000.0, observed=1320.0, hours=24),
    ]
    of_unknown_origin = stage.alerted(f"bram@{_TENANT}", trigger=Trigger("sample", None, None, "MALWARE"))
    held = [stage.alerted(f"{name}@{_TENANT}", cause=Cause.BRAKE) for name in _NAMES]
    return [
        ("alert-one", over_both[:1], False, False),
        ("alert-two-limits", over_both, False, False),
        ("alert-several", [*over_both, of_unknown_origin], False, True),
        ("alert-storm", [stage.alerted(sender) for sender in _crowd()], False, False),
        ("brake", held, False, True),
        ("brake-one", held[:1], False, True),
        ("brake-storm", [stage.alerted(sender, cause=Cause.BRAKE) for sender in _crowd()], False, True),
    ]


def _crowd() -> Iterator[str]:
    """More accounts than a mail names."""
    return (f"{name}{number}@{_TENANT}" for number in range(45) for name in _NAMES)
