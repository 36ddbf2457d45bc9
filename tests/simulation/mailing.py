"""The mail server of a world, and the postman by which a simulated notifier hands it mails."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from processor.notification.message import Envelope
from processor.notification.outgoing import Errand
from processor.notification.results import Accepted, Deferred, Phase, Reply, Result, Unknown
from processor.workers.postman import Outcome
from tests.simulation.decisions import must
from tests.simulation.schedule import Process


@dataclass(slots=True)
class Sent:
    """The last time that a mail was handed over: by whom, and what he heard of it."""

    process: Process
    froze: int
    closed: int
    heard: str = "nothing yet"


@dataclass(slots=True)
class MailServer:
    """Takes mails, puts them off, or takes one and its answer is lost; `trouble` is how often it is in a bad mood."""

    trouble: float = 0.0
    taken: Counter[str] = field(default_factory=Counter)
    """How often each mail to each recipient was accepted."""
    repeats: Counter[str] = field(default_factory=Counter)
    """How often a notifier counted it as one that may have arrived before."""
    bytes_of: dict[str, bytes] = field(default_factory=dict)
    sent: dict[str, Sent] = field(default_factory=dict)
    refused: int = 0

    @property
    def doubles(self) -> int:
        return sum(count - 1 for count in self.taken.values())

    def take(self, envelope: Envelope) -> None:
        """The final dot has come. Raises Violated for another mail under the same name."""
        known = self.bytes_of.setdefault(envelope.name, envelope.content)
        must(known == envelope.content, "one Message-ID, two mails", envelope.name, known, envelope.content)
        self.taken[envelope.name] += 1


class SimulatedPostman:
    """What processor.workers.postman is to the desk: a mail is under way, then at the server, then its outcome comes back."""

    def __init__(
        self,
        process: Process,
        server: MailServer,
        asked: "Callable[[SimulatedPostman, Errand, Envelope], None]",
        repeats: Callable[[], float],
    ) -> None:
        """`asked` hears of each mail that is given out. `repeats`: how many this notifier has counted as repeats."""
        self.process = process
        self._repeats = repeats
        self._counted = 0.0
        self._server = server
        self._asked = asked
        self._under_way: dict[Errand, bool] = {}
        self._ended: list[Outcome] = []
        self.closed: Counter[int] = Counter()

    def send(self, errand: Errand, envelope: Envelope) -> None:
        self.process.step("before a mail")
        self._asked(self, errand, envelope)
        if self._repeats() > self._counted:
            self._counted = self._repeats()
            self._server.repeats[envelope.name] += 1
        self._server.sent[envelope.name] = Sent(self.process, self.process.times_frozen, self.closed[errand.partition])
        self._under_way[errand] = False
        self._later(lambda: self._arrive(errand, envelope))
        self.process.step("after a mail")

    def outcomes(self, wait_s: float = 0.0) -> list[Outcome]:
        if wait_s > 0 and not self._ended:
            self.process.wait(wait_s)
        ended, self._ended = self._ended, []
        return ended

    def cancel(self, errands: Iterable[Errand]) -> None:
        """What has not reached the server never will; what has, nobody knows."""
        for errand in errands:
            if self._under_way.pop(errand, None) is not None:
                self._ended.append((errand, None))

    def _later(self, action: Callable[[], None]) -> None:
        chance = self.process.schedule.chance
        self.process.schedule.later(chance.random() * chance.choice([0.02, 0.02, 1.0]), action)

    def _arrive(self, errand: Errand, envelope: Envelope) -> None:
        process, server = self.process, self._server
        if process.is_frozen:
            process.schedule.later(
                process.frozen_until_s - process.schedule.now_s, lambda: self._arrive(errand, envelope)
            )
            return
        if process.is_dead or errand not in self._under_way:
            return
        result: Result = Accepted(Reply(250, "taken"))
        if process.schedule.chance.random() < server.trouble:
            troubles: list[Result] = [
                Deferred(Phase.RCPT, "greylisted", Reply(451, "greylisted")),
                Deferred(Phase.CONNECT, "nobody answers"),
                Unknown("no reply to the final dot"),
            ]
            result = process.schedule.chance.choice(troubles)
            server.refused += 1
        if not isinstance(result, Deferred):
            server.take(envelope)
        self._later(lambda: self._come_back(errand, envelope, result))

    def _come_back(self, errand: Errand, envelope: Envelope, result: Result) -> None:
        process = self.process
        if process.is_frozen:
            delay_s = process.frozen_until_s - process.schedule.now_s
            process.schedule.later(delay_s, lambda: self._come_back(errand, envelope, result))
        elif not process.is_dead and self._under_way.pop(errand, None) is not None:
            self._server.sent[envelope.name].heard = type(result).__name__
            self._ended.append((errand, result))
