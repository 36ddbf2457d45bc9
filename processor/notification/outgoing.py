"""Which deliveries may start now: those that are due, while neither the mail server nor one domain has too many.

A domain whose addresses answer slowly, or not at all, fills its own few places and nobody else's.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush

from processor.policies.addresses import domain_of


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
        self._ready: dict[Errand, None] = {}
        self._under_way: set[Errand] = set()
        self._domains: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._later) + len(self._ready) + len(self._under_way)

    @property
    def under_way(self) -> frozenset[Errand]:
        """What has started and is not done."""
        return frozenset(self._under_way)

    def schedule(self, errand: Errand, at_ms: int) -> None:
        """To be started at `at_ms` or as soon after it as there is room."""
        heappush(self._later, (at_ms, errand))

    def is_due(self, now_ms: int) -> bool:
        """Whether anything may want to start now."""
        return bool(self._ready) or bool(self._later and self._later[0][0] <= now_ms)

    def start(self, now_ms: int) -> Iterator[Errand]:
        """The deliveries to start now, longest due first; each counts as under way until it is `done`."""
        while self._later and self._later[0][0] <= now_ms:
            self._ready[heappop(self._later)[1]] = None
        for errand in list(self._ready):
            if len(self._under_way) >= self._most:
                return
            # One that is under way already, from before its partition was restored, must not be sent beside itself.
            if errand in self._under_way or self._domains[errand.domain] >= self._most_per_domain:
                continue
            del self._ready[errand]
            self._under_way.add(errand)
            self._domains[errand.domain] += 1
            yield errand

    def done(self, errand: Errand) -> None:
        """That delivery has ended, however. KeyError when it was not under way."""
        self._under_way.remove(errand)
        self._domains[errand.domain] -= 1
        if not self._domains[errand.domain]:
            del self._domains[errand.domain]

    def forget(self, partition: int) -> None:
        """Drops what waits of a partition; what is under way is `done` when it ends."""
        self._later = [waiting for waiting in self._later if waiting[1].partition != partition]
        self._later.sort()
        self._ready = {errand: None for errand in self._ready if errand.partition != partition}
