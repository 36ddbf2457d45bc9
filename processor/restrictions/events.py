"""The events that the outside reads: blocked, unblocked, alerted, refused (design, "SenderBlocked").

Frozen values with the identifiers that the design derives from the position of the record that caused them: the same
for every replay. `to_record` and `from_record` speak the Avro schemas of the same names; times are epoch milliseconds.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID, uuid5

NAMESPACE = UUID("5e4de96a-7c0f-5d0b-8a51-0b7f6a2c9d13")
"""The namespace of every UUIDv5 of senderwatch; it never changes, or replays would not match history."""


def _fields(value: Any) -> dict[str, Any]:
    """The fields of a value, one level deep: `dataclasses.asdict` copies them all, which takes five times as long."""
    return {name: getattr(value, name) for name in value.__slots__}


class Cause(StrEnum):
    """Why a sender was blocked or alerted on; UNKNOWN is what an old reader sees of a newer cause."""

    UNKNOWN = "UNKNOWN"
    LIMIT = "LIMIT"
    MANUAL = "MANUAL"
    BRAKE = "BRAKE"


class RefusalReason(StrEnum):
    """Why a command was refused; UNKNOWN is what an old reader sees of a newer reason."""

    UNKNOWN = "UNKNOWN"
    NOT_RESTRICTED = "NOT_RESTRICTED"
    ALREADY_RESTRICTED = "ALREADY_RESTRICTED"
    OTHER_BLOCK = "OTHER_BLOCK"
    OTHER_TENANT = "OTHER_TENANT"
    SUPPORT_REQUIRED = "SUPPORT_REQUIRED"
    TICKET_REQUIRED = "TICKET_REQUIRED"
    INVALID = "INVALID"


class UnblockReason(StrEnum):
    """How a restriction ended; UNKNOWN is what an old reader sees of a newer reason."""

    UNKNOWN = "UNKNOWN"
    EXPIRED = "EXPIRED"
    RELEASED = "RELEASED"


@dataclass(frozen=True, slots=True)
class Position:
    """Where the record that caused an event stands in the log."""

    topic: str
    partition: int
    offset: int

    def event_id(self, suffix: str = "") -> str:
        """The UUIDv5 of this position, told apart by `suffix` where one record causes several events."""
        return str(uuid5(NAMESPACE, f"{self.topic}/{self.partition}/{self.offset}" + (f"/{suffix}" if suffix else "")))


@dataclass(frozen=True, slots=True)
class WindowCounters:
    """What one window of a sender holds: messages, and recipients summed over them."""

    messages: int
    spam_messages: int
    internal_recipients: int
    external_recipients: int


@dataclass(frozen=True, slots=True)
class Trigger:
    """The message whose verdict tipped a limit."""

    event_id: str
    message_id: str | None
    client_ip: str | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a limit was held to be exceeded. `window_end_ms` is exclusive; limit and observed in the limit's own unit."""

    policy: str
    policy_version: str
    limit_name: str
    limit: float
    observed: float
    window_start_ms: int
    window_end_ms: int
    hour: WindowCounters
    day: WindowCounters
    trigger: Trigger

    def to_record(self) -> dict[str, Any]:
        record = _fields(self)
        record["window_start"] = record.pop("window_start_ms")
        record["window_end"] = record.pop("window_end_ms")
        return record | {"hour": _fields(self.hour), "day": _fields(self.day), "trigger": _fields(self.trigger)}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(
            policy=record["policy"],
            policy_version=record["policy_version"],
            limit_name=record["limit_name"],
            limit=record["limit"],
            observed=record["observed"],
            window_start_ms=record["window_start"],
            window_end_ms=record["window_end"],
            hour=WindowCounters(**record["hour"]),
            day=WindowCounters(**record["day"]),
            trigger=Trigger(**record["trigger"]),
        )


_NO_EVIDENCE = dict.fromkeys(
    (
        "policy",
        "policy_version",
        "limit_name",
        "limit",
        "observed",
        "window_start",
        "window_end",
        "hour",
        "day",
        "trigger",
    )
)


@dataclass(frozen=True, slots=True)
class SenderBlocked:
    """A sender may no longer send. `evidence` for a limit, else the command's fields; `blocked_until_ms` None: until lifted.

    `previous_blocks` and `previous_unblocks` (by an admin, without support) are those of the 30 days before.
    """

    tenant_id: str
    sender: str
    cause: Cause
    blocked_at_ms: int
    blocked_until_ms: int | None
    action: str
    previous_blocks: int
    position: Position
    evidence: Evidence | None = None
    issued_by: str | None = None
    reason: str | None = None
    command_id: str | None = None
    previous_unblocks: int = 0

    @property
    def block_id(self) -> str:
        return self.position.event_id()

    @property
    def event_id(self) -> str:
        return self.block_id

    @property
    def occurred_at_ms(self) -> int:
        return self.blocked_at_ms

    def to_record(self) -> dict[str, Any]:
        return {
            "block_id": self.block_id,
            "tenant_id": self.tenant_id,
            "sender": self.sender,
            "cause": self.cause.value,
            "blocked_at": self.blocked_at_ms,
            "blocked_until": self.blocked_until_ms,
            "action": self.action,
            **(self.evidence.to_record() if self.evidence else _NO_EVIDENCE),
            "issued_by": self.issued_by,
            "reason": self.reason,
            "command_id": self.command_id,
            "previous_blocks": self.previous_blocks,
            "previous_unblocks": self.previous_unblocks,
            "position": _fields(self.position),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(
            tenant_id=record["tenant_id"],
            sender=record["sender"],
            cause=Cause(record["cause"]),
            blocked_at_ms=record["blocked_at"],
            blocked_until_ms=record["blocked_until"],
            action=record["action"],
            previous_blocks=record["previous_blocks"],
            position=Position(**record["position"]),
            evidence=Evidence.from_record(record) if record["limit_name"] is not None else None,
            issued_by=record["issued_by"],
            reason=record["reason"],
            command_id=record["command_id"],
            previous_unblocks=record["previous_unblocks"],
        )


@dataclass(frozen=True, slots=True)
class SenderUnblocked:
    """A restriction ended. `position` is the command's, or that of the verdict before which the expiry applied."""

    block_id: str
    tenant_id: str
    sender: str
    reason: UnblockReason
    unblocked_at_ms: int
    position: Position
    released_by: str | None = None
    ticket: str | None = None
    comment: str | None = None
    command_id: str | None = None

    @property
    def event_id(self) -> str:
        return str(uuid5(NAMESPACE, f"{self.block_id}/unblocked"))

    @property
    def occurred_at_ms(self) -> int:
        return self.unblocked_at_ms

    def to_record(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "block_id": self.block_id,
            "tenant_id": self.tenant_id,
            "sender": self.sender,
            "reason": self.reason.value,
            "released_by": self.released_by,
            "ticket": self.ticket,
            "comment": self.comment,
            "command_id": self.command_id,
            "unblocked_at": self.unblocked_at_ms,
            "position": _fields(self.position),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(
            block_id=record["block_id"],
            tenant_id=record["tenant_id"],
            sender=record["sender"],
            reason=UnblockReason(record["reason"]),
            unblocked_at_ms=record["unblocked_at"],
            position=Position(**record["position"]),
            released_by=record["released_by"],
            ticket=record["ticket"],
            comment=record["comment"],
            command_id=record["command_id"],
        )


@dataclass(frozen=True, slots=True)
class SenderAlerted:
    """A limit was exceeded and nobody was blocked: the policy only alerts (LIMIT), or the brake held (BRAKE)."""

    tenant_id: str
    sender: str
    cause: Cause
    alerted_at_ms: int
    action: str
    previous_blocks: int
    position: Position
    evidence: Evidence

    @property
    def event_id(self) -> str:
        return self.position.event_id(self.evidence.limit_name)

    @property
    def occurred_at_ms(self) -> int:
        return self.alerted_at_ms

    def to_record(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "tenant_id": self.tenant_id,
            "sender": self.sender,
            "cause": self.cause.value,
            "alerted_at": self.alerted_at_ms,
            "action": self.action,
            **self.evidence.to_record(),
            "previous_blocks": self.previous_blocks,
            "position": _fields(self.position),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(
            tenant_id=record["tenant_id"],
            sender=record["sender"],
            cause=Cause(record["cause"]),
            alerted_at_ms=record["alerted_at"],
            action=record["action"],
            previous_blocks=record["previous_blocks"],
            position=Position(**record["position"]),
            evidence=Evidence.from_record(record),
        )


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A command was not carried out, and nothing has changed. `message` says why and what to do; `position` is the command's."""

    command_id: str
    tenant_id: str
    sender: str
    reason: RefusalReason
    message: str
    refused_at_ms: int
    position: Position

    @property
    def event_id(self) -> str:
        return str(uuid5(NAMESPACE, self.command_id))

    @property
    def occurred_at_ms(self) -> int:
        return self.refused_at_ms

    def to_record(self) -> dict[str, Any]:
        return {
            "event_id": self.event_id,
            "command_id": self.command_id,
            "tenant_id": self.tenant_id,
            "sender": self.sender,
            "reason": self.reason.value,
            "message": self.message,
            "refused_at": self.refused_at_ms,
            "position": _fields(self.position),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Self:
        return cls(
            command_id=record["command_id"],
            tenant_id=record["tenant_id"],
            sender=record["sender"],
            reason=RefusalReason(record["reason"]),
            message=record["message"],
            refused_at_ms=record["refused_at"],
            position=Position(**record["position"]),
        )


RestrictionEvent = SenderBlocked | SenderUnblocked | SenderAlerted
"""What happens to a sender."""
Published = RestrictionEvent | CommandRefused
"""What `sender-restrictions` holds."""
