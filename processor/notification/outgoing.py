"""Which deliveries may start now: those that are due, while neither the mail server nor one domain has too many.

The domains that may start something take turns, so that one with ten thousand mails is no slower for the others than one
with a single mail. A delivery that hangs takes nobody's place for long, and a domain where one did has half of the places
together with all others like it, and one for itself, until something goes quickly there.
"""

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from processor.policies.addresses import domain_of

HANGS_AFTER_MS = 10_000
"""A delivery that has been under way for so long hangs: most take well under a second."""


@dataclass(frozen=True, slots=True, order=True)
class Errand:
    """A mail to one recipient: which partition's ledger has it, and where there."""

    partition: int
    notification_id: str
    recipient: str

    @property
    def domain(self) -> str:
        return (domain_of(self.recipient) or "").lower()


class Outgoing:
    """The deliveries that wait and those under way, over all partitions of a worker."""

    def __init__(self, *, most: int, most_per_domain: int) -> None:
        self._most = most
        self._most_per_domain = most_per_domain
        self._later: list[tuple[int, Errand]] = []
        self._ready: dict[str, dict[Errand, None]] = {}
        """What is due, by domain, longest due first."""
        self._ready_count = 0
        self._turns: dict[str, None] = {}
        self._slow_turns: dict[str, None] = {}
        """The domains that have something ready and a place free, in turn; those that are slow in a line of their own."""
        self._under_way = UnderWay(most)

    def __len__(self) -> int:
        return len(self._later) + self._ready_count + len(self._under_way.errands)

    @property
    def under_way(self) -> frozenset[Errand]:
        """What has started and is not done."""
        return frozenset(self._under_way.errands)

    @property
    def is_sending(self) -> bool:
        """Whether anything has started and is not done."""
        return bool(self._under_way.errands)

    def schedule(self, errand: Errand, at_ms: int) -> None:
        """To be started at `at_ms` or as soon after it as there is room."""
        heappush(self._later, (at_ms, errand))

    def is_due(self, now_ms: int) -> bool:
        """Whether anything may want to start now, and there is room."""
        self._wake(now_ms)
        return self._turn(self._most) is not None

    def start(self, now_ms: int, most: int | None = None) -> Iterator[Errand]:
        """The deliveries to start now, a domain after the other; each counts as under way until it is `done`.

        `most`: how many may be under way now, where that is less than usual.
        """
        self._wake(now_ms)
        places = self._most if most is None else min(most, self._most)
        while (domain := self._turn(places)) is not None:
            self._turns.pop(domain, None)
            self._slow_turns.pop(domain, None)
            waiting = self._ready[domain]
            # One that is under way already, from before its partition was restored, must not be sent beside itself.
            errand = next((each for each in waiting if each not in self._under_way.errands), None)
            if errand is None:
                continue
            del waiting[errand]
            self._ready_count -= 1
            self._under_way.started(errand, now_ms)
            self._line_up(domain)
            yield errand

    def done(self, errand: Errand) -> None:
        """That delivery has ended, however. KeyError when it was not under way."""
        self._under_way.ended(errand)
        self._line_up(errand.domain)

    def forget(self, partition: int) -> None:
        """Drops what waits of a partition; what is under way is `done` when it ends."""
        self._later = [waiting for waiting in self._later if waiting[1].partition != partition]
        heapify(self._later)
        ready, self._ready, self._turns, self._slow_turns = self._ready, {}, {}, {}
        for domain, waiting in ready.items():
            self._ready[domain] = {errand: None for errand in waiting if errand.partition != partition}
            self._line_up(domain)
        self._ready_count = sum(map(len, self._ready.values()))

    def _wake(self, now_ms: int) -> None:
        while self._later and self._later[0][0] <= now_ms:
            errand = heappop(self._later)[1]
            domain = errand.domain
            waiting = self._ready.setdefault(domain, {})
            self._ready_count += errand not in waiting
            waiting[errand] = None
            self._line_up(domain)
        for domain in self._under_way.found_slow(now_ms):
            self._line_up(domain)

    def _turn(self, places: int) -> str | None:
        """The domain that may start something now."""
        if self._under_way.places >= places:
            return None
        if self._slow_turns and self._under_way.slow_places < max(1, self._most // 2):
            return next(iter(self._slow_turns))
        return next(iter(self._turns), None)

    def _line_up(self, domain: str) -> None:
        """To the end of its line, where it is not in it and may start something; out of the other one."""
        is_slow = domain in self._under_way.slow
        turns, others = (self._slow_turns, self._turns) if is_slow else (self._turns, self._slow_turns)
        others.pop(domain, None)
        if not self._ready.get(domain):
            self._ready.pop(domain, None)
        elif self._under_way.places_of(domain) < (1 if is_slow else self._most_per_domain):
            turns.setdefault(domain)
        else:
            turns.pop(domain, None)


class UnderWay:
    """What has started and not ended, what of it hangs, and which domains are slow."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.errands: dict[Errand, int] = {}
        """Since when."""
        self.slow: set[str] = set()
        """The domains where a delivery hung, until one ends that did not."""
        self._places: Counter[str] = Counter()
        self._started: deque[tuple[int, Errand]] = deque()
        """What did not hang when it was last looked at, longest under way first; some of it has ended since."""
        self._hanging: set[Errand] = set()

    @property
    def places(self) -> int:
        """How many places are taken: what hangs takes none, as long as not more than `most` do."""
        return len(self.errands) - min(len(self._hanging), self._most)

    @property
    def slow_places(self) -> int:
        """How many deliveries to slow domains are under way."""
        return sum(count for domain, count in self._places.items() if domain in self.slow)

    def places_of(self, domain: str) -> int:
        """How many deliveries to a domain are under way."""
        return self._places[domain]

    def started(self, errand: Errand, now_ms: int) -> None:
        """That delivery is under way."""
        self.errands[errand] = now_ms
        self._started.append((now_ms, errand))
        self._places[errand.domain] += 1

    def ended(self, errand: Errand) -> None:
        """That delivery is under way no more. KeyError when it was not."""
        del self.errands[errand]
        domain = errand.domain
        self._places[domain] -= 1
        if not self._places[domain]:
            del self._places[domain]
        if errand in self._hanging:
            self._hanging.remove(errand)
        else:
            self.slow.discard(domain)

    def found_slow(self, now_ms: int) -> list[str]:
        """The domains where a delivery is found to hang now."""
        found = []
        while self._started and self._started[0][0] + HANGS_AFTER_MS <= now_ms:
            since_ms, errand = self._started.popleft()
            if self.errands.get(errand) == since_ms:
                self._hanging.add(errand)
                self.slow.add(errand.domain)
                found.append(errand.domain)
        return found
