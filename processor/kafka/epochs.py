"""Whether a member of a group by KIP-848 may commit: the group is asked, since its name and its epoch do not tell.

The broker takes offsets of any partition from whoever has the group's newest epoch for him, and the client can have that and a
partition that is another's. While partitions are being restored in its callback, the client tells a coordinator that it has
found anew of those alone that it had before (librdkafka 2.16). Is one of them to go elsewhere, then the group takes that for the
word that it is free, gives it away, and this member its new epoch (docs/adr/0021-the-group-is-asked-what-is-ours.md).
"""

from collections.abc import Callable, Iterable

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from processor.kafka.clients import ClientSettings, admin_properties
from processor.kafka.committed import Committed
from processor.kafka.ownership import Owned, owned

_log = structlog.get_logger(__name__)

_ASK_TIMEOUT_S = 5.0


class Epochs:
    """Of one member and the partitions of its topic: where it stands, and whether the group stands there too.

    Why that is enough: the group takes a partition from a living member only when he no longer names it among his, and once the
    callback that brought it is over the client names it until it tells that it goes; then it is forgotten here. So who has it
    after that, and is meant to keep it, has it until he is told. That nobody has committed it before then, or between two epochs
    of which he missed one, what is committed shows. Words from before the callback's end may still be on their way: about what the
    group wants back already it is asked each time.
    """

    def __init__(
        self,
        settings: ClientSettings,
        client: Consumer,
        topic: str,
        group: str,
        *,
        ask: Callable[..., Owned] = owned,
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._client = client
        self._topic = topic
        self._group = group
        self._stands: dict[int, Committed] = {}
        self._identity: object = None
        """The member and its epoch, as the client spells them for a transaction."""
        self._kept: set[int] = set()
        """The partitions that are this member's in the group, and are not wanted back: it names them from now on."""
        self._confirmed: set[int] = set()
        """Those of them of which it stands where the group stands, in that epoch."""

    def goes_on_from(self, committed: Iterable[Committed]) -> None:
        """The member has asked what is committed, and goes on from there, or has just committed it himself."""
        self._stands.update((each.partition, each) for each in committed)

    def forget(self, partitions: Iterable[int]) -> None:
        """They are not the member's any more, or he is to ask before he commits again."""
        for partition in partitions:
            self._stands.pop(partition, None)
            self._confirmed.discard(partition)
            self._kept.discard(partition)

    def may_commit(self, partitions: Iterable[int], identity: object) -> bool:
        """Whether who commits these partitions as `identity` follows on what the group has committed.

        Asks who owns them once they were given, and what is committed once an epoch. Raises KafkaException where the login may not
        ask: to try again would not help.
        """
        if identity != self._identity:
            self._identity = identity
            self._confirmed.clear()
        asked = set(partitions) - self._confirmed
        if not asked:
            return True
        if not asked <= self._stands.keys():
            return False
        try:
            is_so = (asked <= self._kept or self._are_owned(asked - self._kept)) and self._is_where_it_stands(asked)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                raise
            _log.warning("the group does not say who owns what", reason=error.args[0].str())
            return False
        if is_so:
            self._confirmed |= asked & self._kept
        return is_so

    def _are_owned(self, partitions: set[int]) -> bool:
        name = self._client.memberid() or ""
        properties = admin_properties(self._settings)
        found = self._ask(properties, self._group, name, self._topic, timeout_s=_ASK_TIMEOUT_S)
        self._kept |= partitions & found.has & found.to_have
        return partitions <= found.has

    def _is_where_it_stands(self, partitions: Iterable[int]) -> bool:
        places = [TopicPartition(self._topic, partition) for partition in partitions]
        answers = self._client.committed(places, timeout=_ASK_TIMEOUT_S)
        return all(each.error is None and Committed.of(each) == self._stands[each.partition] for each in answers)
