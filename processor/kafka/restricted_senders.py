"""Who is restricted now: the compacted topic `restricted-senders`, read to its end in no consumer group."""

from collections.abc import Callable

from confluent_kafka import Message

from processor.kafka.clients import ClientSettings
from processor.kafka.event_log import LoggedEvent, decoded
from processor.kafka.reading import partitions_of, read_to_end
from processor.kafka.serde import Serde


def restricted_senders(
    settings: ClientSettings, topic: str, serde: Serde, *, should_stop: Callable[[], bool]
) -> dict[str, LoggedEvent]:
    """The SenderBlocked in force of each restricted sender, by sender; transactions that are open now are waited for.

    Raises BrokerUnreachable, RegistryRefused and those of processor.kafka.reading.
    """
    last: dict[bytes, Message] = {}
    for message in read_to_end(settings, topic, partitions_of(settings, topic), {}, should_stop=should_stop):
        key = message.key()
        if isinstance(key, bytes):
            last[key] = message
    in_force = [message for message in last.values() if message.value() is not None]
    return {event.record["sender"]: event for event in decoded(in_force, serde)}
