"""What is decided on besides the verdicts, with the offset of the verdict before which it applied (design, section 8)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from processor.avro import Undecodable
from processor.restrictions.life import Role


@dataclass(frozen=True, slots=True)
class PolicyInput:
    """A version of the policies came into force before the verdict of this offset."""

    before_offset: int
    version: str

    def to_record(self) -> dict[str, Any]:
        return {"kind": "POLICY", "before_offset": self.before_offset, "policy_version": self.version}


@dataclass(frozen=True, slots=True)
class GapInput:
    """Retention had removed the verdicts from `from_offset` to `before_offset` (exclusive) before they were read."""

    from_offset: int
    before_offset: int

    def to_record(self) -> dict[str, Any]:
        return {"kind": "GAP", "before_offset": self.before_offset, "from_offset": self.from_offset}


@dataclass(frozen=True, slots=True)
class CommandInput:
    """The record of a command topic at `offset` was taken up before the verdict of `before_offset`.

    `rejected`: it could not be read, and so changed nothing; whoever reads it later may know a schema that the worker did not.
    """

    before_offset: int
    role: Role
    offset: int
    rejected: Undecodable | None = None

    def to_record(self) -> dict[str, Any]:
        kind = "COMMAND" if self.role is Role.ADMIN else "SUPPORT_COMMAND"
        reason = None if self.rejected is None else self.rejected.value
        return {
            "kind": kind,
            "before_offset": self.before_offset,
            "command_offset": self.offset,
            "command_rejected": reason,
        }


@dataclass(frozen=True, slots=True)
class ClockInput:
    """The partition stood still: what was over at `clock_ms` was lifted before the verdict of `before_offset`."""

    before_offset: int
    clock_ms: int

    def to_record(self) -> dict[str, Any]:
        return {"kind": "CLOCK", "before_offset": self.before_offset, "clock": self.clock_ms}


Input = PolicyInput | GapInput | CommandInput | ClockInput


def input_of(record: Mapping[str, Any]) -> Input:
    """The input in a record of the journal. Raises ValueError for a kind that is newer than this version."""
    before = record["before_offset"]
    match record["kind"]:
        case "POLICY":
            return PolicyInput(before, record["policy_version"])
        case "GAP":
            return GapInput(record["from_offset"], before)
        case "CLOCK":
            return ClockInput(before, record["clock"])
        case "COMMAND" | "SUPPORT_COMMAND":
            role = Role.ADMIN if record["kind"] == "COMMAND" else Role.SUPPORT
            reason = record["command_rejected"]
            return CommandInput(before, role, record["command_offset"], None if reason is None else Undecodable(reason))
        case other:
            raise ValueError(f"the journal has an input of kind {other}, which this version does not know")
