"""What a detector decides on besides the verdicts: the commands of its partitions, and the versions of the policies.

Both are followed outside the group. Before the first verdict of a partition they are read to their ends as they were at its
assignment; after that, what has come applies before the next verdict that is taken up (design, section 2).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import merge

import structlog
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, Message

from processor.avro import Undecodable, UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.following import Follower
from processor.kafka.policies_now import PublishedPolicies
from processor.kafka.policy_log import PARTITION as POLICIES_PARTITION
from processor.kafka.reading import bounds, place
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import Offset
from processor.policies.policy import PolicySet
from processor.restrictions.commands import RECORD, Command
from processor.restrictions.events import Position
from processor.restrictions.life import Role
from processor.verdicts.event import OCCURRED_AT_MAX_MS

_log = structlog.get_logger(__name__)

_PRECEDENCE = {Role.ADMIN: 0, Role.SUPPORT: 1}


class InputsMadeAnew(Exception):
    """A topic ends before what was already read of it."""


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """A record of a command topic; `command` is what it says."""

    role: Role
    at_ms: int
    position: Position
    command: Command


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record of a command topic that cannot be read."""

    role: Role
    at_ms: int
    position: Position
    reason: Undecodable
    message: Message


Taken = CommandRecord | RejectedRecord


def command_topics(topics: TopicNames) -> dict[Role, str]:
    """Who writes where."""
    return {Role.ADMIN: topics.commands, Role.SUPPORT: topics.support_commands}


def command_offsets(topics: TopicNames, partition: int, following: Mapping[Role, int]) -> list[Offset]:
    """Where the commands of a partition go on, as offsets to commit."""
    return [Offset(topic, partition, following[role]) for role, topic in command_topics(topics).items()]


class SideInputs:
    """Follows the commands of the partitions that a worker owns and, unless a file decides, the policies."""

    def __init__(
        self,
        settings: ClientSettings,
        topics: TopicNames,
        serde: Serde,
        *,
        policies: PublishedPolicies | None,
        should_stop: Callable[[], bool],
    ) -> None:
        """`policies` None: a file decides, and their topic is not followed."""
        self._settings = settings
        self._serde = serde
        self._policies = policies
        self._policies_topic = topics.policies
        self._roles = {topic: role for role, topic in command_topics(topics).items()}
        self._should_stop = should_stop
        self._follower = Follower(settings)
        self._waiting: dict[int, list[Taken]] = defaultdict(list)
        self._unstamped: set[str] = set()
        self._follows_policies = False

    @property
    def policies(self) -> PolicySet | None:
        """The newest version that can be used, else the built-in policies; None where a file decides."""
        return None if self._policies is None else self._policies.newest

    def begin(self, starts: Mapping[int, Mapping[Role, int]]) -> None:
        """Follow the commands of these partitions from these offsets on, and read all there is up to now.

        Raises InputsMadeAnew, and those of processor.kafka.reading.
        """
        wanted = {
            (topic, each): offsets[role] for topic, role in self._roles.items() for each, offsets in starts.items()
        }
        policies = [] if self._policies is None else [(self._policies_topic, POLICIES_PARTITION)]
        known = bounds(self._settings, [*wanted, *policies])
        for (topic, partition), offset in wanted.items():
            first, end = known[topic, partition]
            if offset > end:
                raise InputsMadeAnew(
                    f"{topic}, partition {partition}, ends at offset {end}, but commands up to {offset} were carried out: the topic "
                    "was made anew. Delete and create all topics of senderwatch together, and its groups"
                )
            if 0 < offset < first:
                _log.error("retention took commands before they were read", topic=topic, partition=partition)
            self._waiting.pop(partition, None)
        self._follower.follow({each: max(offset, known[each][0]) for each, offset in wanted.items()})
        if policies and not self._follows_policies:
            self._follower.follow({each: known[each][0] for each in policies})
            self._follows_policies = True
        ends = {partition: end for partition, (_, end) in known.items()}
        for messages in self._follower.read_up_to(ends, self._should_stop):
            self._take(messages)

    def end(self, partitions: Iterable[int]) -> None:
        """These belong to another worker now."""
        gone = list(partitions)
        self._follower.drop((topic, partition) for topic in self._roles for partition in gone)
        for partition in gone:
            self._waiting.pop(partition, None)

    def poll(self) -> None:
        """Take up what has come. Raises ReadingFailed."""
        self._take(self._follower.poll())

    def commands(self, partition: int) -> list[Taken]:
        """What has come for a partition and was not asked for yet, in the order in which it applies.

        That of append times, but a topic's own order stays where its clock went back: some of these may be committed without the rest.
        """
        waiting = self._waiting.pop(partition, [])
        by_role = ([each for each in waiting if each.role is role] for role in Role)
        return list(merge(*by_role, key=lambda each: (each.at_ms, _PRECEDENCE[each.role])))

    def close(self) -> None:
        """End the client."""
        self._follower.close()

    def _take(self, messages: list[Message]) -> None:
        versions = []
        for message in messages:
            role = self._roles.get(message.topic() or "")
            if role is None:
                versions.append(message)
            else:
                self._check_stamp(message)
                self._waiting[place(message)[0]].append(self._read(role, message))
        if self._policies is not None and versions:
            self._policies.take(versions)

    def _read(self, role: Role, message: Message) -> Taken:
        partition, offset = place(message)
        position, at_ms = Position(message.topic() or "", partition, offset), message.timestamp()[1]
        try:
            if not 0 <= at_ms <= OCCURRED_AT_MAX_MS:  # by a topic that believes its writers
                raise UndecodableRecord(Undecodable.TIME_OUT_OF_RANGE, f"{at_ms}")
            name, record = self._serde.decode(message.value())
            if name != RECORD:
                raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"{name} is not {RECORD}")
            return CommandRecord(role, at_ms, position, Command.from_record(record))
        except UndecodableRecord as refused:
            return RejectedRecord(role, at_ms, position, refused.reason, message)

    def _check_stamp(self, message: Message) -> None:
        topic = message.topic() or ""
        if message.timestamp()[0] != TIMESTAMP_LOG_APPEND_TIME and topic not in self._unstamped:
            self._unstamped.add(topic)
            _log.warning(
                "the commands' timestamps are their writers' own, who could release mail that was sent later: set "
                "message.timestamp.type=LogAppendTime (`senderwatch topics create --fix` does)",
                topic=topic,
            )
