"""Whether a refused record can be read by now, and what goes back into its input then."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from processor.avro import Undecodable, UndecodableRecord
from processor.detection.senders import partition_of
from processor.kafka.reading import UnknownTopic
from processor.kafka.serde import Serde
from processor.kafka.side_inputs import command_topics
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import OutRecord
from processor.kafka.writers import RegisteredWriters
from processor.restrictions.commands import RECORD as COMMAND
from processor.restrictions.commands import Command
from processor.verdicts.batches import Decoder
from processor.verdicts.letters import Letter


@dataclass(frozen=True, slots=True)
class Ready:
    """A letter that its worker would read now, and the record that goes back."""

    letter: Letter
    record: OutRecord


@dataclass(frozen=True, slots=True)
class Unready:
    """A letter that stays, and why."""

    letter: Letter
    why: str


class Judge:
    """Reads refused records as the workers do, were they appended now."""

    def __init__(
        self, names: TopicNames, serde: Serde, partitions_in: Callable[[str], int], now_ms: Callable[[], int]
    ) -> None:
        """`partitions_in` says how many a topic has, or raises UnknownTopic; it is asked once for each."""
        self.serde = serde
        self._verdicts = names.verdicts
        self._commands = frozenset(command_topics(names).values())
        self._now_ms = now_ms
        self._partitions_in = partitions_in
        self._partitions: dict[str, int | UnknownTopic] = {}
        self._decoder = Decoder(RegisteredWriters(serde), seed=0)

    def judged(self, letter: Letter) -> Ready | Unready:
        """A topic that is not there, or hidden from this login, holds back its own letters alone.

        Raises RegistryAway, RegistryRefused, and what else `partitions_in` raises.
        """
        topic = letter.refused.origin.topic
        if letter.missing:
            return Unready(letter, f"{letter.missing} of its {letter.parts} parts are gone")
        try:
            if topic == self._verdicts:
                sender = self._sender_of_verdict(letter)
            elif topic in self._commands:
                sender = self._sender_of_command(letter)
            else:
                return Unready(letter, "its topic is no input of this installation")
        except UndecodableRecord as refused:
            return Unready(letter, f"it would be refused again: {refused}")
        partitions = self._partitions_of(topic)
        if isinstance(partitions, UnknownTopic):
            return Unready(letter, str(partitions))
        came = letter.refused
        # The key goes back as it came, unless it was too large to be kept. The partition is the sender's, whatever the key:
        # that is what a worker asks for, and what a feeder's key or partitioner may have got wrong.
        key = sender if came.left_out is not None else came.key
        partition = int(partition_of(np.frombuffer(sender, np.uint8), 0, len(sender), partitions))
        return Ready(letter, OutRecord(topic, came.value, key, partition, headers=came.headers))

    def _sender_of_verdict(self, letter: Letter) -> bytes:
        now = np.array([self._now_ms()], np.int64)
        batch = self._decoder.batch([letter.refused.value], np.zeros(1, np.int64), now)
        for _, reason in batch.rejected():
            raise UndecodableRecord(reason)
        start, length = int(batch.columns.sender_start[0]), int(batch.columns.sender_length[0])
        return batch.buffer[start : start + length].tobytes()

    def _sender_of_command(self, letter: Letter) -> bytes:
        name, record = self.serde.decode(letter.refused.value)
        if name != COMMAND:
            raise UndecodableRecord(Undecodable.UNKNOWN_SCHEMA, f"{name} is not {COMMAND}")
        return Command.from_record(record).sender.encode()

    def _partitions_of(self, topic: str) -> int | UnknownTopic:
        if topic not in self._partitions:
            try:
                self._partitions[topic] = self._partitions_in(topic)
            except UnknownTopic as unknown:
                self._partitions[topic] = unknown
        return self._partitions[topic]
