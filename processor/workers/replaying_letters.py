"""Dead letters back into their input, those that can be read by now, each once (docs/adr/0018)."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import structlog

from processor.kafka.clients import ClientSettings
from processor.kafka.dead_letter_log import Replayed, check_readable, ends_of, read_letters, read_notes
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.putting_back import PuttingBack, PuttingBackFailed
from processor.kafka.topics import TopicNames
from processor.kafka.transactions import OutRecord
from processor.verdicts.letters import Letter, Note, Origin, Selection, Unknown, note_of
from processor.workers.letter_judging import Judge, Ready, Unready

_log = structlog.get_logger(__name__)

TRANSACTIONAL_ID = "senderwatch-dead-letters"
_TOGETHER = 500
_TOGETHER_BYTES = 8 * 1024 * 1024
_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Already:
    """A letter whose record was put back before, or is by an earlier letter of the same record."""

    letter: Letter


@dataclass(slots=True)
class DeadLetters:
    """The letters up to a pinned end, and which of their records were put back."""

    kafka: ClientSettings
    names: TopicNames
    should_stop: Callable[[], bool]
    ends: Mapping[int, int]
    noted: Mapping[int, int] = field(default_factory=dict)
    """Up to where notes have been read."""
    replayed: Replayed = field(default_factory=Replayed)

    @classmethod
    def opened(cls, kafka: ClientSettings, names: TopicNames, should_stop: Callable[[], bool]) -> "DeadLetters":
        """Those that there are now. Raises BrokerUnreachable and those of reading."""
        pinned = ends_of(kafka, names.dead_letters)
        check_readable(kafka, names.dead_letters)
        letters = cls(kafka, names, should_stop, pinned)
        letters.catch_up()
        return letters

    def until(self, should_stop: Callable[[], bool]) -> "DeadLetters":
        """The same, with what is known of them, for somebody else to stop."""
        return replace(self, should_stop=should_stop)

    def catch_up(self) -> None:
        """Read the notes that have come."""
        ends = ends_of(self.kafka, self.names.dead_letters)
        read_notes(
            self.kafka,
            self.names.dead_letters,
            self.replayed,
            starts=self.noted,
            ends=ends,
            should_stop=self.should_stop,
        )
        self.noted = ends

    def was_put_back(self, origin: Origin) -> bool:
        return origin in self.replayed

    def put_back(self, origins: Iterable[Origin]) -> None:
        """These are in by now."""
        for origin in origins:
            self.replayed.note(origin)

    def letters(self, selection: Selection) -> Iterator[Letter | Unknown]:
        """The letters that are asked for, and what else stands in the topic."""
        found = read_letters(self.kafka, self.names.dead_letters, ends=self.ends, should_stop=self.should_stop)
        for each in found:
            if isinstance(each, Unknown) or (isinstance(each, Letter) and selection.includes(each)):
                yield each

    def notes_of(self, origin: Origin) -> list[Note]:
        """When and by whom its record was put back."""
        found = read_letters(self.kafka, self.names.dead_letters, ends=self.noted, should_stop=self.should_stop)
        return [each for each in found if isinstance(each, Note) and each.origin == origin]

    def judged(self, selection: Selection, judge: Judge) -> Iterator[Ready | Unready | Already]:
        """What would become of each letter that is asked for."""
        taken = Replayed()
        for letter in self.letters(selection):
            if isinstance(letter, Unknown):
                continue
            origin = letter.refused.origin
            if self.was_put_back(origin) or origin in taken:
                yield Already(letter)
                continue
            judgement = judge.judged(letter)
            if isinstance(judgement, Ready):
                taken.note(origin)
            yield judgement


@dataclass(slots=True)
class Replay:
    """Puts back what is ready, by `by`'s word, and knows how many it has; `put` grows as transactions are committed."""

    letters: DeadLetters
    judge: Judge
    by: str
    patience_s: float
    told: Callable[[int], None] = lambda _: None
    put: int = 0

    def run(self, selection: Selection) -> None:
        """Until all is in or `should_stop`. A broker that is away is waited for.

        Raises PuttingBackFailed when that takes too long, PuttingBackImpossible, TakenOver, and those of reading and judging.
        """
        transactional_id = f"{self.letters.names.prefix}{TRANSACTIONAL_ID}"
        writer, unclear = PuttingBack(self.letters.kafka, transactional_id), list[Ready]()
        deadline = time.monotonic() + self.patience_s
        try:
            while not self.letters.should_stop():
                try:
                    writer.begin()  # only now the notes are all there: nobody else can add to them from here on
                    self.letters.catch_up()
                    self._count(each for each in unclear if self.letters.was_put_back(each.letter.refused.origin))
                    unclear = []
                    for together in _together(self.letters.judged(selection, self.judge)):
                        if self.letters.should_stop():
                            return
                        unclear = together
                        writer.put([*self._records(together)])
                        unclear = []
                        self._count(together)
                        deadline = time.monotonic() + self.patience_s
                except (PuttingBackFailed, BrokerUnreachable) as error:
                    if time.monotonic() > deadline:
                        raise PuttingBackFailed(str(error)) from None
                    _log.warning("not put back; trying again", reason=str(error))
                    time.sleep(_PAUSE_S)
                else:
                    return
        finally:
            writer.close()

    def _records(self, together: Iterable[Ready]) -> Iterator[OutRecord]:
        for ready in together:
            letter = ready.letter
            note = note_of(letter.refused.origin, self.by)
            yield ready.record
            # Beside the letter: retention takes the letter first, and a letter without its note would be put back again.
            yield OutRecord(
                self.letters.names.dead_letters, note.value, note.key, letter.partition, headers=note.headers
            )

    def _count(self, together: Iterable[Ready]) -> None:
        done = list(together)
        self.letters.put_back(each.letter.refused.origin for each in done)
        self.put += len(done)
        self.told(self.put)


def _together(judged: Iterable[Ready | Unready | Already]) -> Iterator[list[Ready]]:
    """What is ready, as much of it as goes into one transaction at a time."""
    together: list[Ready] = []
    size = 0
    for each in judged:
        if not isinstance(each, Ready):
            continue
        together.append(each)
        size += len(each.record.value or b"")
        if len(together) >= _TOGETHER or size >= _TOGETHER_BYTES:
            yield together
            together, size = [], 0
    if together:
        yield together
