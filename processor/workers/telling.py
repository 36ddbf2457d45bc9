"""What a detect worker says of its work: in the log, in the metrics, and to whoever watches within the process."""

from collections.abc import Callable, Iterable, Mapping

import structlog

from processor import telemetry
from processor.avro import Undecodable
from processor.detection.engine import Engine
from processor.restrictions.events import CommandRefused, Published, SenderAlerted, SenderBlocked, SenderUnblocked
from processor.telemetry import Metrics

_log = structlog.get_logger(__name__)


class Teller:
    """Tells of one worker's partitions. What was decided or refused is told once its transaction went through."""

    def __init__(self, metrics: Metrics, told: Callable[[Published], None]) -> None:
        """`told` hears of each published event."""
        self._metrics = metrics
        self._told = told

    def taken(self, partition: int, records: int, late: int) -> None:
        """What a commit has taken up, of which some were late."""
        self._metrics.add(telemetry.RECORDS, records, partition=partition)
        if late:
            self._metrics.add(telemetry.LATE, late, partition=partition)

    def stamps(self, by_broker: bool, topic: str) -> None:
        """Whose timestamps the verdicts carry."""
        if not by_broker:
            _log.warning(
                "the verdicts' timestamps are their feeders' own, who could drag the stream time forward: set "
                "message.timestamp.type=LogAppendTime (`senderwatch topics create --fix` does)",
                topic=topic,
            )

    def committed(self, seconds: float) -> None:
        self._metrics.observe(telemetry.COMMIT_SECONDS, seconds)

    def commit_failed(self) -> None:
        self._metrics.add(telemetry.COMMIT_FAILURES)

    def published(self, events: Iterable[Published]) -> None:
        """Events are there for all to read."""
        for event in events:
            name = type(event).__name__
            evidence = event.evidence if isinstance(event, SenderBlocked | SenderAlerted) else None
            limit = "" if evidence is None else evidence.limit_name
            # A block by hand and one that the brake held back look like any other without it.
            reason = event.reason if isinstance(event, SenderUnblocked | CommandRefused) else event.cause
            self._metrics.add(telemetry.DECISIONS, type=name, limit=limit)
            _log.info(
                name,
                sender=event.sender,
                tenant=event.tenant_id,
                limit=limit or None,
                reason=reason.value,
                event_id=event.event_id,
            )
            self._told(event)

    def refused(self, partition: int, reasons: Mapping[Undecodable, int]) -> None:
        """Records are in the dead-letter topic."""
        for reason, count in reasons.items():
            self._metrics.add(telemetry.DEAD_LETTERS, count, partition=partition, reason=reason.value)
            if reason is Undecodable.WRONG_PARTITION:
                self._metrics.add(telemetry.WRONG_PARTITION, count, partition=partition)
                _log.error(
                    "verdicts in a partition that is not their sender's: a feeder uses another partitioner",
                    partition=partition,
                    records=count,
                )
            else:
                _log.warning("records refused", partition=partition, reason=reason.value, records=count)

    def policies_unusable(self) -> None:
        """A version of the policies was passed over."""
        self._metrics.add(telemetry.POLICIES_UNUSABLE)

    def stands(self, engine: Engine, behind: int | None) -> None:
        """Where a partition is; `behind`: records still to come, where that is known."""
        partition = engine.partition
        self._metrics.set(telemetry.STREAM_TIME, engine.stream_time_ms / 1000, partition=partition)
        self._metrics.set(telemetry.SENDERS, int(engine.table.state[0].senders), partition=partition)
        if behind is not None:
            self._metrics.set(telemetry.LAG, behind, partition=partition)

    def restoring(self, partition: int, left: int) -> None:
        """So many offsets of a partition's changelog are still to be read."""
        self._metrics.set(telemetry.RESTORE, left, partition=partition)

    def gap(self, partition: int, expected: int, first: int) -> None:
        """Retention was faster than the worker."""
        _log.error("retention took verdicts before they were read", partition=partition, from_offset=expected, to=first)

    def gone(self, partition: int) -> None:
        """The partition is another worker's now."""
        for gauge in (telemetry.LAG, telemetry.RESTORE, telemetry.STREAM_TIME, telemetry.SENDERS):
            self._metrics.drop(gauge, partition=partition)
