"""A member of a group for tests of what is sent in its name."""

from collections.abc import Iterable

from confluent_kafka import Consumer

from processor.kafka.transactions import Offset


class Trusted:
    """One that may commit whatever it wants, as long as the group has a name for it."""

    def __init__(self, client: Consumer) -> None:
        self.client = client

    def is_as_committed(self, partitions: Iterable[int], identity: object) -> bool:
        return bool(self.client.memberid())

    def has_committed(self, offsets: Iterable[Offset]) -> None: ...
