"""A record as the client gives it, without a client."""

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from processor.kafka.serde import Serde
from processor.kafka.side_inputs import SideInputs, Taken
from processor.restrictions.life import Role


@dataclass(frozen=True, slots=True)
class GivenMessage:
    """What the readers ask of a message."""

    given: bytes | None
    at: int
    stamped_ms: int
    named: str = "a-topic"

    def value(self) -> bytes | None:
        return self.given

    def topic(self) -> str:
        return self.named

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return self.at

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_LOG_APPEND_TIME, self.stamped_ms

    def error(self) -> None:
        return None


def command_in(serde: Serde, value: bytes | None, stamped_ms: int) -> Taken:
    """What the follower of the commands makes of a record."""
    reader = cast("Any", SimpleNamespace(_serde=serde))  # its other parts hold a client
    return SideInputs._read(reader, Role.ADMIN, cast("Message", GivenMessage(value, 5, stamped_ms)))
