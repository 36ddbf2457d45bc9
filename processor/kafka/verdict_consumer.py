"""The group member that reads the verdicts: runs of records by partition, and who owns which partition now."""

from collections.abc import Iterable, Mapping

from confluent_kafka import TopicPartition

from processor.kafka.batched_runs import run_source
from processor.kafka.clients import ClientSettings
from processor.kafka.group import GroupMember, Owner
from processor.kafka.runs import End, Run


class VerdictConsumer(GroupMember):
    """A group member that gives columns instead of single records, and tells where a partition ends."""

    def __init__(self, settings: ClientSettings, topic: str, *, group: str, slot: str | None, owner: Owner) -> None:
        super().__init__(settings, topic, group=group, slot=slot, owner=owner)
        self._source = run_source(self.client, topic, self.polled, in_batches=settings.in_batches)

    def poll(self, at_most: int, wait_s: float) -> list[Run | End]:
        """What has come, up to `at_most` records, waiting up to `wait_s` for the first of them.

        Raises RecordsGone when retention was faster, Fenced, ReadingFailed, and whatever the owner raised.
        """
        return self._source.take(at_most, wait_s)

    def behind(self, partition: int, next_offset: int) -> int | None:
        """How many records are still to come, as of the last fetch; None before the first."""
        _, high = self.client.get_watermark_offsets(TopicPartition(self.topic, partition), cached=True)
        return max(0, high - next_offset) if high >= 0 else None

    def leave(self) -> None:
        """As a GroupMember does, after what was read is given back."""
        self._source.close()
        super().leave()

    def _came(self, starts: Mapping[int, int]) -> None:
        self._source.expect(starts)

    def _went(self, partitions: Iterable[int]) -> None:
        self._source.forget(partitions)
