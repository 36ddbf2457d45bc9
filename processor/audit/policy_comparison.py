"""Two sets of policies on the same log, sender by sender: whom only the one would have blocked, and whom both, but differently."""

from collections.abc import Iterable
from dataclasses import dataclass

from processor.audit.what_if import Outcome, Stopped, TriedBlock


@dataclass(frozen=True, slots=True)
class SenderCompared:
    """A sender's blocks under one set of policies and under the other, in their order; not both are empty."""

    sender: str
    ours: tuple[TriedBlock, ...]
    others: tuple[TriedBlock, ...]

    @property
    def is_alike(self) -> bool:
        """Whether the same messages would have blocked him, by the same limits, for as long."""
        return list(map(_decided, self.ours)) == list(map(_decided, self.others))

    @property
    def later_ms(self) -> int | None:
        """How much later the others would have blocked him first; None where one of both would not."""
        if not self.ours or not self.others:
            return None
        return self.others[0].block.blocked_at_ms - self.ours[0].block.blocked_at_ms


@dataclass(frozen=True, slots=True)
class Comparison:
    """Senders in the order of their first block."""

    only_ours: tuple[SenderCompared, ...]
    only_others: tuple[SenderCompared, ...]
    different: tuple[SenderCompared, ...]
    alike: int
    """So many senders are blocked in the same way by both."""


def compared(ours: Outcome, others: Outcome) -> Comparison:
    """How two outcomes of the same log differ."""
    senders = list(_senders(ours, others))
    both = [each for each in senders if each.ours and each.others]
    return Comparison(
        only_ours=tuple(each for each in senders if not each.others),
        only_others=tuple(each for each in senders if not each.ours),
        different=tuple(each for each in both if not each.is_alike),
        alike=sum(each.is_alike for each in both),
    )


def stopped(blocks: Iterable[TriedBlock]) -> Stopped:
    """What these blocks stop together."""
    return sum((each.stopped for each in blocks), Stopped())


def _senders(ours: Outcome, others: Outcome) -> Iterable[SenderCompared]:
    by_sender: dict[str, tuple[list[TriedBlock], list[TriedBlock]]] = {}
    for side, outcome in enumerate((ours, others)):
        for each in outcome.blocks:
            by_sender.setdefault(each.block.sender, ([], []))[side].append(each)
    found = [SenderCompared(sender, tuple(one), tuple(other)) for sender, (one, other) in by_sender.items()]
    return sorted(found, key=_first)


def _first(compared: SenderCompared) -> tuple[int, str]:
    return min(each.block.blocked_at_ms for each in (*compared.ours, *compared.others)), compared.sender


def _decided(each: TriedBlock) -> tuple[object, ...]:
    """What makes a block another one: not what its policy or version is called, and not the value of the limit that it passed."""
    block = each.block
    limit = block.evidence.limit_name if block.evidence else None
    return block.position, block.blocked_at_ms, block.blocked_until_ms, limit
