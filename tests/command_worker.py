"""A worker for tests of commands: it reads both command topics of a real broker, and answers as the design says, in few rules."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from confluent_kafka import Message, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import (
    Cause,
    CommandRefused,
    Position,
    RefusalReason,
    SenderBlocked,
    SenderUnblocked,
    UnblockReason,
)
from tests.events_io import EventWriter


@dataclass
class CommandWorker:
    """Knows who is blocked, and refuses admins what it is told to. `commands` are those that it has read, with their topics."""

    bootstrap: str
    names: TopicNames
    writer: EventWriter
    blocked: dict[str, SenderBlocked] = field(default_factory=dict)
    refusals: Mapping[str, RefusalReason] = field(default_factory=dict)
    """By sender: why an admin's command about him is refused."""
    commands: list[tuple[str, Command]] = field(default_factory=list)
    failure: BaseException | None = None

    def block(self, *blocks: SenderBlocked) -> None:
        """Senders who are blocked, and published as such."""
        self.blocked |= {block.sender: block for block in blocks}
        self.writer.publish(*blocks)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Answers until the `with` ends; what goes wrong is raised there."""
        stop = threading.Event()
        thread = threading.Thread(target=self._work, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _work(self, stop: threading.Event) -> None:
        try:
            settings = ClientSettings(self.bootstrap)
            reader = clients.consumer(settings, group=None)
            topics = (self.names.commands, self.names.support_commands)
            reader.assign(
                [TopicPartition(topic, each, 0) for topic in topics for each in partitions_of(settings, topic)]
            )
            while not stop.is_set():
                for message in reader.consume(1000, 0.01):
                    assert message.error() is None, message.error()
                    self._take(message)
            reader.close()
        except BaseException as failure:  # noqa: BLE001 - raised again in the test's own thread
            self.failure = failure

    def _take(self, message: Message) -> None:
        name, record = Serde(None).decode(message.value())
        assert name == "RestrictionCommand"
        command, topic = Command.from_record(record), message.topic() or ""
        key = message.key()
        assert isinstance(key, bytes)
        assert key.decode() == command.sender
        self.commands.append((topic, command))
        position = Position(topic, message.partition() or 0, message.offset() or 0)
        self.writer.publish(self._answer(command, position, message.timestamp()[1]))

    def _answer(
        self, command: Command, position: Position, at_ms: int
    ) -> SenderBlocked | SenderUnblocked | CommandRefused:
        block = self.blocked.get(command.sender)
        reason = self.refusals.get(command.sender) if position.topic == self.names.commands else None
        if command.kind is CommandKind.UNBLOCK and block is None:
            reason = RefusalReason.NOT_RESTRICTED
        if command.kind is CommandKind.BLOCK and block is not None:
            reason = RefusalReason.ALREADY_RESTRICTED
        if reason is not None:
            return CommandRefused(
                command.command_id,
                command.tenant_id,
                command.sender,
                reason,
                f"says the worker: {reason}",
                at_ms,
                position,
            )
        if block is None:
            block = SenderBlocked(
                tenant_id=command.tenant_id,
                sender=command.sender,
                cause=Cause.MANUAL,
                blocked_at_ms=at_ms,
                blocked_until_ms=command.until_ms,
                action="block",
                previous_blocks=0,
                position=position,
                issued_by=command.issued_by,
                reason=command.reason,
                command_id=command.command_id,
            )
            self.blocked[command.sender] = block
            return block
        del self.blocked[command.sender]
        return SenderUnblocked(
            block_id=block.block_id,
            tenant_id=block.tenant_id,
            sender=command.sender,
            reason=UnblockReason.RELEASED,
            unblocked_at_ms=at_ms,
            position=position,
            released_by=command.issued_by,
            ticket=command.ticket,
            comment=command.reason,
            command_id=command.command_id,
        )
