"""What became of one attempt to hand a mail to a mail server, told as values (design, section 7).

Acceptance is the reply to the final dot and nothing else. `phase` names the command that was answered, or that was not.
"""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """Where in the conversation something was said or broke (RFC 5321, section 4.1.1)."""

    RENDER = "RENDER"
    CONNECT = "CONNECT"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    FINAL_DOT = "final dot"
    OUTBOX = "outbox"


RELAY_PHASES = frozenset(
    {Phase.RENDER, Phase.CONNECT, Phase.EHLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL, Phase.OUTBOX}
)
"""Phases that say nothing of the recipient: the fault is our own server's or our settings', whatever the code."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An SMTP reply: its three-digit code and its text."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Accepted:
    """The server took the mail over."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not this time: a 4xx, or no conversation at all (`reply` None). Trying again cannot make a double."""

    phase: Phase
    reason: str
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class PermanentlyRejected:
    """A 5xx for this recipient or this mail, or an address that the server cannot take (`reply` None)."""

    phase: Phase
    reason: str
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """The final dot was sent and no reply came: the mail may have been accepted. Trying again can make a double."""

    reason: str


Result = Accepted | Deferred | PermanentlyRejected | Unknown
