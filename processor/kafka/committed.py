"""What a consumer group has committed."""

from dataclasses import dataclass
from typing import Self

from confluent_kafka import TopicPartition


@dataclass(frozen=True, slots=True)
class Committed:
    """What the group has committed of a partition; an offset below 0: nothing."""

    partition: int
    offset: int
    metadata: str | None

    @classmethod
    def of(cls, place: TopicPartition) -> Self:
        """From how the client says it, which has no metadata and empty ones for the same."""
        return cls(place.partition, place.offset, place.metadata or None)
