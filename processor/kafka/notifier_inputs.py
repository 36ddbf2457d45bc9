"""What a notifier knows beside the events: the policies, and whose mailbox is blocked. Both are followed outside the group."""

from collections.abc import Callable

from confluent_kafka import Message

from processor.kafka.clients import ClientSettings
from processor.kafka.following import Follower
from processor.kafka.policies_now import PublishedPolicies
from processor.kafka.policy_log import PARTITION as POLICIES_PARTITION
from processor.kafka.reading import Partition, first_offsets, high_watermarks, partitions_of
from processor.kafka.restricted_now import RestrictedMailboxes


class NotifierInputs:
    """Follows `restricted-senders` and, where `policies` are given, their topic."""

    def __init__(
        self,
        settings: ClientSettings,
        *,
        restricted_topic: str,
        policies_topic: str,
        policies: PublishedPolicies | None,
        should_stop: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._restricted_topic = restricted_topic
        self._policies_topic = policies_topic
        self._policies = policies
        self._should_stop = should_stop
        self._follower = Follower(settings)
        self.restricted = RestrictedMailboxes()

    def begin(self) -> None:
        """Reads all there is up to now. Raises BrokerUnreachable, ReadingStopped and those of processor.kafka.reading."""
        if self._policies is not None:
            # Pinned before it is read: what comes in between is read twice, and never missed.
            end = high_watermarks(self._settings, self._policies_topic, [POLICIES_PARTITION])[POLICIES_PARTITION]
            self._policies.begin()
            self._follower.follow({(self._policies_topic, POLICIES_PARTITION): end})
        topic = self._restricted_topic
        partitions = partitions_of(self._settings, topic)
        ends = high_watermarks(self._settings, topic, partitions)
        self._follower.follow(_of(topic, first_offsets(self._settings, topic, partitions)))
        for messages in self._follower.read_up_to(_of(topic, ends), self._should_stop):
            self._take(messages)

    def poll(self) -> None:
        """Takes up what has come; waits for nothing. Raises ReadingFailed."""
        self._take(self._follower.poll())

    def close(self) -> None:
        """Ends the client."""
        self._follower.close()

    def _take(self, messages: list[Message]) -> None:
        versions = []
        for message in messages:
            if message.topic() == self._policies_topic:
                versions.append(message)
            elif isinstance(key := message.key(), bytes):
                self.restricted.take(key, is_restricted=message.value() is not None)
        if self._policies is not None and versions:
            self._policies.take(versions)


def _of(topic: str, offsets: dict[int, int]) -> dict[Partition, int]:
    return {(topic, partition): offset for partition, offset in offsets.items()}
