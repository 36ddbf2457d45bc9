"""A message verdict: what the mail filter says of one outgoing message (design, "MessageVerdict").

An instance is always valid. The rules here are those that the compiled decoder applies to every record of the topic.
"""

from dataclasses import dataclass
from enum import IntEnum

INT_MAX = 2**31 - 1
OCCURRED_AT_MAX_MS = 253_402_300_799_999
"""The last millisecond of the year 9999."""


class Verdict(IntEnum):
    """The filter's judgement; the number is the symbol's place in the Avro enum."""

    UNKNOWN = 0
    CLEAN = 1
    BULK = 2
    SPAM = 3
    HIGH_CONFIDENCE_SPAM = 4
    PHISH = 5
    HIGH_CONFIDENCE_PHISH = 6
    MALWARE = 7


SPAM_VERDICTS = frozenset(
    {Verdict.SPAM, Verdict.HIGH_CONFIDENCE_SPAM, Verdict.PHISH, Verdict.HIGH_CONFIDENCE_PHISH, Verdict.MALWARE}
)
"""What counts as spam under every policy; BULK joins them when the policy says so (design, section 2)."""


class InvalidVerdict(ValueError):
    """A value that no message verdict may have. `field` names it, `problem` says what is expected."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


@dataclass(frozen=True, slots=True)
class MessageVerdict:
    """One judged message. Raises InvalidVerdict on construction when a field breaks a rule."""

    event_id: str
    occurred_at_ms: int
    tenant_id: str
    sender: str
    internal_recipients: int
    external_recipients: int
    verdict: Verdict
    message_id: str | None = None
    client_ip: str | None = None
    score: float | None = None

    def __post_init__(self) -> None:
        for field in ("event_id", "tenant_id", "sender"):
            if not getattr(self, field):
                raise InvalidVerdict(field, "must not be empty")
        for field in ("internal_recipients", "external_recipients"):
            if not 0 <= getattr(self, field) <= INT_MAX:
                raise InvalidVerdict(field, f"must be between 0 and {INT_MAX}")
        if not 0 <= self.occurred_at_ms <= OCCURRED_AT_MAX_MS:
            raise InvalidVerdict("occurred_at", "must be between the years 1970 and 9999")

    def to_record(self) -> dict[str, object]:
        """The fields as the Avro schema `MessageVerdict` names them."""
        return {
            "event_id": self.event_id,
            "occurred_at": self.occurred_at_ms,
            "tenant_id": self.tenant_id,
            "sender": self.sender,
            "message_id": self.message_id,
            "client_ip": self.client_ip,
            "internal_recipients": self.internal_recipients,
            "external_recipients": self.external_recipients,
            "verdict": self.verdict.name,
            "score": self.score,
        }
