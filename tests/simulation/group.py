"""The coordinator of consumer groups: the classic protocol, cooperative, and the offsets that transactions commit."""

from dataclasses import dataclass, field
from typing import Protocol

from tests.simulation.log import Place, Stage, Transaction
from tests.simulation.schedule import Schedule

SESSION_S = 6.0


class Refused(Exception):
    """What the coordinator says to a member that is none, or an old one. `code` is Kafka's name for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Listener(Protocol):
    """The client of a member: hears, some time later, that it is one, and later still what it was assigned."""

    def joined(self, member: str, generation: int) -> None: ...
    def synced(self, member: str, generation: int, partitions: frozenset[int]) -> None: ...


@dataclass(slots=True)
class _Member:
    name: str
    slot: str | None
    listener: Listener
    expires_s: float
    owned: frozenset[int]
    has_joined: bool = True
    assigned: frozenset[int] = frozenset()


@dataclass(slots=True)
class Group:
    """One group on one topic of so many partitions."""

    schedule: Schedule
    partitions: int
    generation: int = 0
    is_stable: bool = True
    members: dict[str, _Member] = field(default_factory=dict)
    committed: dict[Place, tuple[int, str]] = field(default_factory=dict)
    pending: dict[Transaction, dict[Place, tuple[int, str]]] = field(default_factory=dict)
    rebalances: int = 0
    _made: int = 0

    # -- membership ---------------------------------------------------------------------------------------------------

    def join(self, listener: Listener, member: str, slot: str | None, owned: frozenset[int]) -> str:
        """Ask for partitions; gives the member's name, a new one for "". Raises Refused."""
        if member and member not in self.members:
            raise Refused("UNKNOWN_MEMBER_ID")
        expires_s = self.schedule.now_s + SESSION_S
        if not member:
            self._made += 1
            member = f"member-{self._made}"
            before = next((each for each in self.members.values() if slot is not None and each.slot == slot), None)
            if before is not None:  # a static member that has come back: it takes its predecessor's place
                del self.members[before.name]
                fresh = _Member(member, slot, listener, expires_s, frozenset(), assigned=before.assigned)
                self.members[member] = fresh
                if self.is_stable and self._is_all_assigned:
                    self._tell(fresh)
                    return member
            else:
                self.members[member] = _Member(member, slot, listener, expires_s, frozenset())
        each = self.members[member]
        each.owned, each.has_joined, each.expires_s = owned, True, expires_s
        if self.is_stable:
            self._begin(but=member)
        self._complete()
        return member

    def heartbeat(self, member: str, slot: str | None, generation: int) -> bool:
        """Whether the group is being rebalanced. Raises Refused."""
        each = self._checked(member, slot, generation)
        each.expires_s = self.schedule.now_s + SESSION_S
        return not self.is_stable and not each.has_joined

    def waits_with(self, member: str) -> bool:
        """Whether it has asked again and waits for the others: till then it is told nothing, least of all what was assigned before."""
        return not self.is_stable and member in self.members and self.members[member].has_joined

    def leave(self, member: str) -> None:
        if self.members.pop(member, None) is not None:
            self._begin()
            self._complete()

    def expire(self) -> None:
        """Members who have not been heard of for a session are none any more."""
        gone = [each.name for each in self.members.values() if each.expires_s < self.schedule.now_s]
        for name in gone:
            del self.members[name]
        if gone:
            self._begin()
            self._complete()

    def renew_sessions(self) -> None:
        """A coordinator that has just started knows nobody's last heartbeat."""
        for each in self.members.values():
            each.expires_s = self.schedule.now_s + SESSION_S

    def _checked(self, member: str, slot: str | None, generation: int) -> _Member:
        if slot is not None and any(each.slot == slot and each.name != member for each in self.members.values()):
            raise Refused("FENCED_INSTANCE_ID")
        if member not in self.members:
            raise Refused("UNKNOWN_MEMBER_ID")
        if generation != self.generation:
            raise Refused("ILLEGAL_GENERATION")
        return self.members[member]

    @property
    def _is_all_assigned(self) -> bool:
        """Else one that had to give something up has died before it did, and nobody would ever get that."""
        return sum(len(each.assigned) for each in self.members.values()) == self.partitions

    def _begin(self, but: str = "") -> None:
        if self.is_stable:
            self.is_stable = False
            for each in self.members.values():
                each.has_joined = each.name == but

    def _complete(self) -> None:
        """Once all have asked: a new generation. What one gives up to another is nobody's until it has been given up."""
        if self.is_stable or not all(each.has_joined for each in self.members.values()):
            return
        self.is_stable = True
        self.generation += 1
        self.rebalances += 1
        members = sorted(self.members.values(), key=lambda each: each.name)
        if not members:
            return
        quota, over = divmod(self.partitions, len(members))
        kept: dict[str, list[int]] = {}
        taken: set[int] = set()
        for each in members:
            kept[each.name] = [partition for partition in sorted(each.owned) if partition not in taken]
            taken.update(each.owned)
        free = [partition for partition in range(self.partitions) if partition not in taken]
        for number, each in enumerate(sorted(members, key=lambda each: (-len(kept[each.name]), each.name))):
            fair = quota + (number < over)
            kept[each.name] = kept[each.name][:fair]
            while len(kept[each.name]) < fair and free:
                kept[each.name].append(free.pop(0))
        for each in members:
            each.assigned = frozenset(kept[each.name])
            self._tell(each)

    def _tell(self, member: _Member) -> None:
        generation, partitions = self.generation, member.assigned
        delay_s = self.schedule.chance.random() * 0.05
        self.schedule.later(delay_s / 4, lambda: member.listener.joined(member.name, generation))
        self.schedule.later(delay_s, lambda: member.listener.synced(member.name, generation, partitions))

    # -- offsets ------------------------------------------------------------------------------------------------------

    def commit(
        self,
        transaction: Transaction,
        offsets: dict[Place, tuple[int, str]],
        member: str,
        slot: str | None,
        generation: int,
    ) -> None:
        """Offsets of a transaction, in force with its marker. Raises Refused.

        Who names neither member nor generation is not checked: older clients do not (KIP-447).
        """
        if member or generation >= 0:
            self._checked(member, slot, generation)
        self.pending.setdefault(transaction, {}).update(offsets)

    def decide(self, transaction: Transaction) -> None:
        """The marker has come."""
        offsets = self.pending.pop(transaction, {})
        if transaction.stage is Stage.COMMITTED:
            self.committed |= offsets

    def is_undecided(self, place: Place) -> bool:
        """Whether a transaction may still change what is committed of a partition."""
        return any(place in offsets for offsets in self.pending.values())
