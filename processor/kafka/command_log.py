"""Commands to the workers, and what comes of them.

A command is a record of `restriction-commands` or `restriction-commands-support`; its outcome is an event of
`sender-restrictions` that names it. The ends of that log are pinned before the first command is written, so that no outcome
can be missed, and one reader waits for those of any number of commands. It reads by `assign()`, in no consumer group.
"""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException, Message, TopicPartition

from processor.kafka.clients import ClientSettings, consumer, producer
from processor.kafka.event_log import LoggedEvent, decoded
from processor.kafka.reading import high_watermarks, partitions_of_each, raise_unless_end
from processor.kafka.rights import lacks
from processor.kafka.serde import Serde
from processor.restrictions.commands import RECORD, Command

_SLICE_S = 0.1
"""How long the client is asked to wait at a time, so that we can see in between whether to go on."""
_FETCH_WAIT_MS = 100
_TIMEOUT_MAX_MS = 3_600_000
"""The client refuses some weeks, and takes 0 for no end."""
_ONCE = {
    # An idempotent producer takes half a second to get its number. This one sends each record once instead, and never again:
    # when no answer comes, nobody knows, and that is said.
    "enable.idempotence": False,
    "message.send.max.retries": 0,
    "linger.ms": 0,
}
_NOT_WRITTEN = frozenset({
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.MSG_SIZE_TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE,
    KafkaError.INVALID_RECORD,
    KafkaError.POLICY_VIOLATION,
    KafkaError._PURGE_QUEUE,
})  # fmt: skip
"""Errors after which a record is certainly not in the topic."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A command that the broker has not confirmed. `is_certain`: it is not in the topic; else nobody knows."""

    command: Command
    reason: str
    is_certain: bool


class CommandLog:
    """Writes commands to one topic and waits for their outcomes. Used as a context manager."""

    def __init__(
        self, settings: ClientSettings, topic: str, outcomes: str, serde: Serde, *, should_stop: Callable[[], bool]
    ) -> None:
        """Pins the ends of the topic `outcomes`; `topic` takes the commands. `should_stop` ends any waiting.

        Raises BrokerUnreachable, UnknownTopic, ReadingFailed.
        """
        self.topic = topic
        self._settings = settings
        self._serde = serde
        self._should_stop = should_stop
        partitions = partitions_of_each(settings, [topic, outcomes])
        ends = high_watermarks(settings, outcomes, partitions[outcomes])
        self._reader = consumer(settings, group=None, extra={"fetch.wait.max.ms": _FETCH_WAIT_MS})
        self._reader.assign([TopicPartition(outcomes, partition, end) for partition, end in ends.items()])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self._reader.close()

    def send(self, commands: Sequence[Command], patience_s: float) -> list[Unsent]:
        """Write the commands; those that are not confirmed within `patience_s`, or until `should_stop`, are returned.

        Raises RegistryRefused, RegistryAway.
        """
        values = [self._serde.encode(self.topic, RECORD, command.to_record()) for command in commands]
        unsent: list[Unsent] = []
        timeout_ms = min(max(1, round(patience_s * 1000)), _TIMEOUT_MAX_MS)
        client = producer(self._settings, extra={**_ONCE, "message.timeout.ms": timeout_ms})

        def reported(command: Command) -> Callable[[KafkaError | None, Message], None]:
            def report(error: KafkaError | None, _: Message) -> None:
                if error is not None:
                    unsent.append(Unsent(command, self._told(error), is_certain=error.code() in _NOT_WRITTEN))

            return report

        for command, value in zip(commands, values, strict=True):
            try:
                client.produce(self.topic, value, command.sender.encode(), on_delivery=reported(command))
            except (KafkaException, BufferError) as error:  # it does not even fit the client
                reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
                unsent.append(Unsent(command, reason, is_certain=True))
        deadline = time.monotonic() + patience_s
        while client.flush(_SLICE_S) and not self._should_stop() and time.monotonic() < deadline:
            pass
        client.purge()
        client.flush(_SLICE_S)
        return unsent

    def _told(self, error: KafkaError) -> str:
        is_refused = error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED
        return lacks("Write", f"topic {self.topic}") if is_refused else error.str()

    def outcomes(self, command_ids: Collection[str], patience_s: float) -> Iterator[LoggedEvent]:
        """The outcome of each command as it comes: SenderUnblocked, SenderBlocked or CommandRefused.

        Ends when all are there, when none has come for `patience_s`, or with `should_stop`.
        Raises RegistryRefused, RegistryAway, ReadingFailed. A broker that is away for a while is waited for.
        """
        left = set(command_ids)
        deadline = time.monotonic() + patience_s
        while left and not self._should_stop() and time.monotonic() < deadline:
            message = self._reader.poll(_SLICE_S)
            if message is None:
                continue
            if message.error() is not None:
                raise_unless_end(message)
                continue
            for event in decoded([message], self._serde):
                command_id = event.record.get("command_id")
                if command_id in left:
                    left.remove(command_id)
                    deadline = time.monotonic() + patience_s
                    yield event
