"""Which part of the log somebody asked for: by times, or for some partitions by offsets."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from processor.kafka.audit_source import AuditSource


@dataclass(frozen=True, slots=True)
class AskedRange:
    """What is asked for. `from_ms` and `to_ms` are times at which Kafka stamped the verdicts; None: as far as there is.

    `offsets`: for some partitions the first verdict and the one after the last, in place of times.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    offsets: Mapping[int, tuple[int | None, int | None]] = field(default_factory=dict)

    def offsets_of(self, partition: int) -> tuple[int | None, int | None]:
        """What was asked for by offsets."""
        return self.offsets.get(partition, (None, None))

    def since(self, source: AuditSource, partition: int) -> int | None:
        """The verdict with which the range begins; None: with what there is."""
        return self._placed(source, partition, self.offsets_of(partition)[0], self.from_ms)

    def until(self, source: AuditSource, partition: int) -> int | None:
        """The verdict before which the range ends; None: it goes to the pins."""
        return self._placed(source, partition, self.offsets_of(partition)[1], self.to_ms)

    @staticmethod
    def _placed(source: AuditSource, partition: int, offset: int | None, time_ms: int | None) -> int | None:
        if offset is not None:
            return offset
        return None if time_ms is None else source.offset_at(partition, time_ms)
