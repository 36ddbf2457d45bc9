"""Whether a member of a group by KIP-848 may commit: the group is asked, since its name and its epoch do not tell.

The broker takes offsets of any partition from whoever has the group's newest epoch for him, and the client can have that and a
partition that is another's. While partitions are being restored in its callback, the client tells a coordinator that it has
found anew of those alone that it had before (librdkafka 2.16). Is one of them to go elsewhere, then the group takes that for the
word that it is free, gives it away, and this member its new epoch (docs/adr/0021-the-group-is-asked-what-is-ours.md).
"""

from collections.abc import Iterable
from functools import partial
from typing import cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import ConsumerGroupDescription

from processor.kafka.answers import answered
from processor.kafka.clients import ClientSettings, admin
from processor.kafka.committed import Committed

_log = structlog.get_logger(__name__)

_ASK_TIMEOUT_S = 5.0


class Epochs:
    """Of one member and the partitions of its topic: where it stands, and whether the group stands there too.

    Why that is enough: the group takes a partition from a living member only when he no longer names it among his. His epoch
    mostly ends with that, but not always (Kafka 4.3: who has still more to let go of stays in his). But once its callback is over
    the client names a partition until it tells that it goes, and then it is forgotten here. So who has it in an epoch, and has
    restored it, has it until that ends or he is told; and what is committed then is his own. Words from before the callback's end
    may still be on their way: about what the group wants back already it is asked each time.
    """

    def __init__(self, settings: ClientSettings, client: Consumer, topic: str, group: str) -> None:
        self._settings = settings
        self._client = client
        self._topic = topic
        self._group = group
        self._stands: dict[int, Committed] = {}
        self._identity: object = None
        """The member and its epoch, as the client spells them for a transaction."""
        self._confirmed: set[int] = set()
        """The partitions that are this member's in that epoch, who stands where the group stands."""

    def goes_on_from(self, committed: Iterable[Committed]) -> None:
        """The member has asked what is committed, and goes on from there, or has just committed it himself."""
        self._stands.update((each.partition, each) for each in committed)

    def forget(self, partitions: Iterable[int]) -> None:
        """They are not the member's any more, or he is to ask before he commits again."""
        for partition in partitions:
            self._stands.pop(partition, None)
            self._confirmed.discard(partition)

    def may_commit(self, partitions: Iterable[int], identity: object) -> bool:
        """Whether who commits these partitions as `identity` follows on what the group has committed. Asks once an epoch.

        Raises KafkaException where the login may not ask: to try again would not help.
        """
        if identity != self._identity:
            self._identity = identity
            self._confirmed.clear()
        asked = set(partitions) - self._confirmed
        if not asked <= self._stands.keys():
            return False
        if not asked:
            return True
        try:
            owned, to_keep = self._owned()
            is_so = asked <= owned and self._is_where_it_stands(asked)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise
            _log.warning("the group does not say who owns what", reason=error.args[0].str())
            return False
        if is_so:
            self._confirmed |= asked & to_keep
        return is_so

    def _owned(self) -> tuple[set[int], set[int]]:
        """The member's partitions, as the group has them, and those that it means him to have."""
        # A new one each time: one that has met brokers that were all away may wait for the group's coordinator for ever, see Transactions.
        client = admin(self._settings)
        ask = partial(client.describe_consumer_groups, [self._group])
        clock = self._settings.clock
        answers = answered(lambda left_s: ask(request_timeout=left_s), clock.monotonic() + _ASK_TIMEOUT_S, clock)
        group = cast("ConsumerGroupDescription", answers[self._group].result())
        name = self._client.memberid()
        members = [member for member in group.members if member.member_id == name]
        owned = [place for member in members for place in member.assignment.topic_partitions]
        targets = [member.target_assignment for member in members]
        to_keep = [place for target in targets if target is not None for place in target.topic_partitions]
        return self._numbers(owned), self._numbers(to_keep)

    def _numbers(self, places: Iterable[TopicPartition]) -> set[int]:
        return {place.partition for place in places if place.topic == self._topic}

    def _is_where_it_stands(self, partitions: Iterable[int]) -> bool:
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        answers = self._client.committed(places, timeout=_ASK_TIMEOUT_S)
        return all(each.error is None and Committed.of(each) == self._stands[each.partition] for each in answers)
