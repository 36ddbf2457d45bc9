"""Refused records back into the input, each once: a record and the note of it stand in one transaction, or neither does.

All who do this for one installation share a `transactional.id`. Whoever begins last has the broker end what another one left
open or was about to commit, and reads the notes after that: no record is put back by two (docs/adr/0018).
"""

import contextlib
from collections.abc import Collection, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from processor.kafka.clients import ClientSettings, admin, transactional_producer
from processor.kafka.rights import lacks, unwritable
from processor.kafka.transactions import FENCED, HOPELESS, PURGED, OutRecord, reason_of

_CALL_TIMEOUT_S = 15.0


class PuttingBackFailed(Exception):
    """The last transaction is not in, or nobody knows: begin again, and read the notes."""


class PuttingBackImpossible(Exception):
    """It cannot succeed before somebody changes something, and nothing of the last transaction is in; the text says why."""


class TakenOver(Exception):
    """Another one of us has begun since, or this process stood still for longer than a transaction may last."""

    def __init__(self) -> None:
        super().__init__(
            "another `dead-letters replay` of these topics has begun meanwhile and goes on alone (or this one stood still for longer "
            "than a transaction may last). What this one has committed counts once; run it again to see what is left"
        )


class PuttingBack:
    """A transactional producer of which one is alive at a time. Not for use by several threads."""

    def __init__(self, settings: ClientSettings, transactional_id: str) -> None:
        self._settings = settings
        self._transactional_id = transactional_id
        self._producer: Producer | None = None

    def begin(self) -> None:
        """Take over from any other, whose outcome is fixed when this returns. Raises as `put`."""
        self.close()
        producer = transactional_producer(self._settings, transactional_id=self._transactional_id)
        try:
            producer.init_transactions(_CALL_TIMEOUT_S)
        except KafkaException as error:
            raise self._judged(error.args[0]) from None
        self._producer = producer

    def put(self, records: Sequence[OutRecord]) -> None:
        """All of them or none. Raises PuttingBackFailed, PuttingBackImpossible, TakenOver."""
        producer, failures = self._producer, list[KafkaError]()
        if producer is None:
            raise PuttingBackFailed("nothing was begun")

        def reported(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        try:
            producer.begin_transaction()
            for each in records:
                place: dict[str, Any] = {} if each.partition is None else {"partition": each.partition}
                producer.produce(
                    each.topic, each.value, each.key, headers=list(each.headers), on_delivery=reported, **place
                )
            if producer.flush(_CALL_TIMEOUT_S) and not failures:
                failures.append(KafkaError(KafkaError._TIMED_OUT, "the broker did not take the records in time"))
            if failures:
                raise KafkaException(failures[0])
            producer.commit_transaction(_CALL_TIMEOUT_S)
        except (KafkaException, BufferError, SystemError) as error:
            self.close()
            raise self._judged(reason_of(error), {each.topic for each in records}) from None

    def close(self) -> None:
        """Throw the producer away: what it left open is ended by the next one, or by the broker."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaException):
                producer.purge(in_queue=True, in_flight=True)

    def _judged(self, error: KafkaError, topics: Collection[str] = ()) -> Exception:
        code = error.code()
        if code in FENCED:
            return TakenOver()
        if code == KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
            return PuttingBackImpossible(lacks("Write", f"transactional id {self._transactional_id}"))
        # Of a record that it threw away the client does not say why.
        if code in PURGED or code == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            forbidden = unwritable(admin(self._settings), topics)
            if forbidden:
                return PuttingBackImpossible(lacks("Write", f"topic {', '.join(forbidden)}"))
        told = f"{error.name()}: {error.str()}"
        return PuttingBackImpossible(told) if code in HOPELESS else PuttingBackFailed(told)
