"""Which deliveries may start now: those that are due, while neither the mail server nor one domain has too many.

A domain whose addresses answer slowly, or not at all, fills its own few places and nobody else's; the domains that may
start something take turns, so that one with ten thousand mails is no slower for the others than one with a single mail. Where
many domains hang at once, others take their places: as many again as there are.
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
        """The domains that have something ready and a place free, in turn."""
        self._under_way: dict[Errand, int] = {}
        """Since when."""
        self._places: Counter[str] = Counter()
        self._started: deque[tuple[int, Errand]] = deque()
        """What did not hang when it was last looked at, longest under way first; some of it has ended since."""
        self._hanging: set[Errand] = set()

    def __len__(self) -> int:
        return len(self._later) + self._ready_count + len(self._under_way)

    @property
    def under_way(self) -> frozenset[Errand]:
        """What has started and is not done."""
        return frozenset(self._under_way)

    @property
    def is_sending(self) -> bool:
        """Whether anything has started and is not done."""
        return bool(self._under_way)

    def schedule(self, errand: Errand, at_ms: int) -> None:
        """To be started at `at_ms` or as soon after it as there is room."""
        heappush(self._later, (at_ms, errand))

    def is_due(self, now_ms: int) -> bool:
        """Whether anything may want to start now, and there is room."""
        self._wake(now_ms)
        return bool(self._turns) and self._counted(now_ms) < self._most

    def start(self, now_ms: int, most: int | None = None) -> Iterator[Errand]:
        """The deliveries to start now, a domain after the other; each counts as under way until it is `done`.

        `most`: how many may be under way now, where that is less than usual.
        """
        self._wake(now_ms)
        places = self._most if most is None else min(most, self._most)
        while self._turns and self._counted(now_ms) < places:
            domain = next(iter(self._turns))
            del self._turns[domain]
            waiting = self._ready[domain]
            # One that is under way already, from before its partition was restored, must not be sent beside itself.
            errand = next((each for each in waiting if each not in self._under_way), None)
            if errand is None:
                continue
            del waiting[errand]
            self._ready_count -= 1
            self._under_way[errand] = now_ms
            self._started.append((now_ms, errand))
            self._places[domain] += 1
            self._take_turn(domain)
            yield errand

    def done(self, errand: Errand) -> None:
        """That delivery has ended, however. KeyError when it was not under way."""
        del self._under_way[errand]
        self._hanging.discard(errand)
        domain = errand.domain
        self._places[domain] -= 1
        if not self._places[domain]:
            del self._places[domain]
        self._take_turn(domain)

    def forget(self, partition: int) -> None:
        """Drops what waits of a partition; what is under way is `done` when it ends."""
        self._later = [waiting for waiting in self._later if waiting[1].partition != partition]
        heapify(self._later)
        ready, self._ready, self._turns = self._ready, {}, {}
        for domain, waiting in ready.items():
            self._ready[domain] = {errand: None for errand in waiting if errand.partition != partition}
            self._take_turn(domain)
        self._ready_count = sum(map(len, self._ready.values()))

    def _wake(self, now_ms: int) -> None:
        while self._later and self._later[0][0] <= now_ms:
            errand = heappop(self._later)[1]
            domain = errand.domain
            waiting = self._ready.setdefault(domain, {})
            self._ready_count += errand not in waiting
            waiting[errand] = None
            self._take_turn(domain)

    def _counted(self, now_ms: int) -> int:
        """How many places are taken: what hangs takes none, as long as not more than `most` do."""
        while self._started and self._started[0][0] + HANGS_AFTER_MS <= now_ms:
            since_ms, errand = self._started.popleft()
            if self._under_way.get(errand) == since_ms:
                self._hanging.add(errand)
        return len(self._under_way) - min(len(self._hanging), self._most)

    def _take_turn(self, domain: str) -> None:
        """To the end of the line, where it is not in it and may start something."""
        if not self._ready.get(domain):
            self._ready.pop(domain, None)
        elif self._places[domain] < self._most_per_domain:
            self._turns.setdefault(domain)
