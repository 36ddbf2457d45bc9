"""The notifier's ledger as a topic: one compacted record a key, in the partition number of its source event (design, section 7)."""

from collections.abc import Callable

from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import ReadingFailed, read_to_end
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

    def read(self, partition: int, should_stop: Callable[[], bool]) -> list[Entry]:
        """The last entry of each key, up to the end as it is now. The committed offset must have been asked for before.

        Raises LedgerUnreadable, and what `read_to_end` raises.
        """
        last: dict[bytes, bytes | None] = {}
        for message in read_to_end(self._settings, self._topic, [partition], {}, should_stop=should_stop):
            key = message.key()
            if isinstance(key, bytes):
                last[key] = message.value()
        return [self._entry(partition, key, value) for key, value in last.items() if value is not None]

    def _entry(self, partition: int, key: bytes, value: bytes) -> Entry:
        try:
            return from_record(*self._serde.decode(value))
        except (UndecodableRecord, ValueError) as problem:
            raise LedgerUnreadable(
                f"{self._topic}, partition {partition}, key {key.decode(errors='replace')}: {problem}. A newer senderwatch "
                "may have written it: run that one. To give up the mails under way instead, delete the topic and make it anew."
            ) from problem
