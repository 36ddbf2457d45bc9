"""Who is restricted now: the compacted topic `restricted-senders`, read to its end in no consumer group."""

from collections.abc import Callable, Collection, Mapping

from confluent_kafka import Message

from processor.kafka.clients import ClientSettings
from processor.kafka.event_log import LoggedEvent, decoded
from processor.kafka.reading import partitions_of, read_to_end
from processor.kafka.serde import Serde


class RestrictedSenders:
    """Who was restricted when the table was read. A record is decoded when it is asked for: of thousands a command needs one."""

    def __init__(self, last: Mapping[bytes, Message], serde: Serde) -> None:
        in_force = {key.decode(errors="replace"): each for key, each in last.items() if each.value() is not None}
        self._messages = dict(sorted(in_force.items()))
        self._serde = serde

    @property
    def names(self) -> Collection[str]:
        """The restricted senders, in order."""
        return self._messages.keys()

    def of(self, sender: str) -> LoggedEvent | None:
        """The SenderBlocked in force of a sender; None without one, and for one that cannot be read, which is said in the log."""
        message = self._messages.get(sender)
        return None if message is None else next(decoded([message], self._serde), None)


def restricted_senders(
    settings: ClientSettings, topic: str, serde: Serde, *, should_stop: Callable[[], bool]
) -> RestrictedSenders:
    """The table as it is now; transactions that are open are waited for.

    Raises BrokerUnreachable, and those of processor.kafka.reading.
    """
    last: dict[bytes, Message] = {}
    for message in read_to_end(settings, topic, partitions_of(settings, topic), {}, should_stop=should_stop):
        key = message.key()
        if isinstance(key, bytes):
            last[key] = message
    return RestrictedSenders(last, serde)
