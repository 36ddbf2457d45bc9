"""The notifier's ledger as a topic: one compacted record a key, in the partition number of its source event (design, section 7)."""

from collections.abc import Callable

from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import ReadingFailed, place, read_to_end
from processor.kafka.serde import Serde
from processor.kafka.transactions import OutRecord
from processor.notification.notices import Change, Entry, Erased
from processor.notification.records import from_record, to_record


class LedgerUnreadable(ReadingFailed):
    """The ledger holds what this version cannot read. Going on without it would send mails again."""


class LedgerTopic:
    """Writes changes of a ledger as records, and reads the entries of a partition back."""

    def __init__(self, settings: ClientSettings, topic: str, serde: Serde) -> None:
        self._settings = settings
        self._topic = topic
        self._serde = serde

    def out_record(self, partition: int, change: Change) -> OutRecord:
        """The record of a change: the entry under its key, or a tombstone."""
        if isinstance(change, Erased):
            return OutRecord(self._topic, value=None, key=change.key.encode(), partition=partition)
        value = self._serde.encode(self._topic, *to_record(change))
        return OutRecord(self._topic, value=value, key=change.key.encode(), partition=partition)

    def read(self, partitions: list[int], should_stop: Callable[[], bool]) -> dict[int, list[Entry]]:
        """The last entry of each key, by partition, up to the ends as they are now.

        The committed offsets must have been asked for before. Raises LedgerUnreadable, and what `read_to_end` raises.
        """
        last: dict[int, dict[bytes, bytes | None]] = {partition: {} for partition in partitions}
        for message in read_to_end(self._settings, self._topic, partitions, {}, should_stop=should_stop):
            key, (partition, _) = message.key(), place(message)
            if isinstance(key, bytes):
                last[partition][key] = message.value()
        return {
            partition: [self._entry(partition, key, value) for key, value in records.items() if value is not None]
            for partition, records in last.items()
        }

    def _entry(self, partition: int, key: bytes, value: bytes) -> Entry:
        try:
            return from_record(*self._serde.decode(value))
        except (UndecodableRecord, ValueError) as problem:
            raise LedgerUnreadable(
                f"{self._topic}, partition {partition}, key {key.decode(errors='replace')}: {problem}. A newer senderwatch "
                "may have written it: run that one. To give up the mails under way instead, delete the topic and make it anew."
            ) from problem
