"""The commands that people give: lift a restriction, block a sender by hand (design, "A command").

A frozen value and its record of the schema RestrictionCommand; times are epoch milliseconds. Whether a command can be carried
out is not judged here: the worker that owns the sender does that, and answers with an event that names the command.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from processor.avro import Undecodable, UndecodableRecord

RECORD = "RestrictionCommand"
"""The name of the schema."""

NAME_MAX = 1 << 16
"""No id, sender or tenant is longer, in bytes, as in verdicts."""
_REQUIRED = ("command_id", "sender", "tenant_id")


class CommandKind(StrEnum):
    """What is asked for; UNKNOWN is what an old reader sees of a newer kind."""

    UNKNOWN = "UNKNOWN"
    UNBLOCK = "UNBLOCK"
    BLOCK = "BLOCK"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `block_id` is an unblock's, `until_ms` a block's; `reason` is an unblock's comment too.

    `issued_by` is the word of whoever wrote the command, and no proof.
    """

    command_id: str
    kind: CommandKind
    sender: str
    tenant_id: str
    issued_by: str
    block_id: str | None = None
    until_ms: int | None = None
    reason: str | None = None
    ticket: str | None = None

    def to_record(self) -> dict[str, Any]:
        return {
            "command_id": self.command_id,
            "kind": self.kind.value,
            "sender": self.sender,
            "tenant_id": self.tenant_id,
            "block_id": self.block_id,
            "until": self.until_ms,
            "reason": self.reason,
            "ticket": self.ticket,
            "issued_by": self.issued_by,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """The command in a record. Raises UndecodableRecord where nobody could be answered: no id, sender or tenant, or too long."""
        for field in _REQUIRED:
            if not record[field]:
                raise UndecodableRecord(Undecodable.EMPTY_REQUIRED_FIELD, field)
            if len(record[field].encode()) > NAME_MAX:
                raise UndecodableRecord(Undecodable.BAD_LENGTH, f"{field}: over {NAME_MAX} bytes")
        return cls(
            command_id=record["command_id"],
            kind=CommandKind(record["kind"]),
            sender=record["sender"],
            tenant_id=record["tenant_id"],
            issued_by=record["issued_by"],
            block_id=record["block_id"],
            until_ms=record["until"],
            reason=record["reason"],
            ticket=record["ticket"],
        )
