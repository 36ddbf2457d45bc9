"""Whether what the detectors commit is what the reference decides: asked in the moment in which each transaction is decided."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from processor.kafka.changelog import CommitMark
from processor.kafka.journal import COMMIT
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.policy import BUILT_IN_VERSION, PolicySet
from processor.restrictions.commands import Command
from processor.restrictions.events import CommandRefused, Position, Published, SenderBlocked, SenderUnblocked
from tests.oracle import verdict_of
from tests.reference import Reference
from tests.simulation.broker import Broker
from tests.simulation.detectors import GROUP, Known
from tests.simulation.log import Entry, Place, Transaction

Told = tuple[str, dict[str, Any]]
"""An event: its type, and its record."""


class Violated(AssertionError):
    """What must always hold does not."""


def must(holds: bool, what: str, *values: object) -> None:
    """Raises Violated where it does not."""
    if not holds:
        raise Violated(f"{what}: {', '.join(map(repr, values))}" if values else what)


@dataclass(slots=True)
class _Partition:
    """Where one partition of the verdicts stands by all that is committed of it."""

    reference: Reference
    commit: int = 0
    next_offset: int = 0
    next_commands: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    states: dict[int, Known] = field(default_factory=dict)


class Decisions:
    """Checks each transaction of a detector, each restore, and at the end what readers find."""

    def __init__(self, broker: Callable[[], Broker], topics: TopicNames, partitions: int) -> None:
        self._of_broker = broker
        self._topics = topics
        self._serde = Serde(None)
        self.policies: dict[str, PolicySet] = {BUILT_IN_VERSION: PolicySet()}
        """By version, as they were published."""
        self.bad: set[Place | tuple[str, int, int]] = set()
        """Topic, partition and offset of each record that nobody can read."""
        self.partitions = [_Partition(Reference(topics.verdicts, each, PolicySet())) for each in range(partitions)]
        self.published: dict[tuple[Place, int], list[Told]] = defaultdict(list)
        """What was decided, by partition of `sender-restrictions` and of the verdicts."""
        self.commits = 0
        self.restores = 0

    @property
    def _broker(self) -> Broker:
        return self._of_broker()

    # -- a transaction ------------------------------------------------------------------------------------------------

    def decided(self, transaction: Transaction) -> None:
        """A transaction of a detector is committed from now on. Raises Violated."""
        self.commits += 1
        offsets = transaction.groups.get(GROUP, {})
        records: dict[str, list[Entry]] = defaultdict(list)
        for entry in transaction.records:
            records[entry.place[0]].append(entry)
        pages = self._pages(records[self._topics.journal])
        heads = self._heads(records[self._topics.changelog])
        touched = {partition for topic, partition in offsets if topic == self._topics.verdicts}
        must(
            set(pages) == set(heads) == touched,
            "journal, changelog and offsets of different partitions",
            pages,
            heads,
            touched,
        )
        expected: dict[tuple[Place, int], list[Told]] = defaultdict(list)
        in_force: dict[tuple[Place, int], list[tuple[bytes, Told | None]]] = defaultdict(list)
        refused: set[tuple[str, int, int]] = set()
        for partition in sorted(touched):
            events = self._taken(partition, pages[partition], heads[partition], offsets, refused)
            for event in events:
                self._expect(partition, event, expected, in_force)
            self.partitions[partition].states[self.partitions[partition].commit] = transaction.about[partition]
        self._compare("sender-restrictions", expected, self._events(records[self._topics.restrictions]))
        self._compare("restricted-senders", in_force, self._in_force(records[self._topics.restricted]))
        letters = sorted(self._letter(entry) for entry in records[self._topics.dead_letters])
        wanted = sorted((*place, self._broker.partition(place[:2]).entries[place[2]].value or b"") for place in refused)
        must(letters == wanted, "dead letters", letters, wanted)
        for key, events_there in expected.items():
            self.published[key] += events_there

    def _taken(
        self,
        number: int,
        page: dict[str, Any],
        head: dict[str, Any],
        offsets: dict[Place, tuple[int, str]],
        refused: set[tuple[str, int, int]],
    ) -> list[Published]:
        """The partition goes on by a commit; what the reference decides."""
        partition, topic = self.partitions[number], self._topics.verdicts
        committed, metadata = offsets[topic, number]
        mark = CommitMark.from_metadata(metadata)
        must(mark is not None and mark.commit == page["commit"] == head["commit"], "commit numbers", mark, page, head)
        must(page["commit"] == partition.commit + 1, "a commit that does not follow", page["commit"], partition.commit)
        first = self._broker.partition((topic, number)).first
        if partition.commit == 0 and page["first_offset"] <= first:  # nobody had begun: what is left is all there is
            partition.next_offset = page["first_offset"]
        must(
            page["first_offset"] == partition.next_offset,
            "does not go on where it was",
            page,
            partition.next_offset,
            first,
        )
        must(committed == page["next_offset"] == head["head"]["next_verdict"], "next offsets", committed, page, head)
        events = list(self._live(number, page, refused))
        partition.commit, partition.next_offset = page["commit"], committed
        stated = head["head"]
        for name, topic in (
            ("next_command", self._topics.commands),
            ("next_support_command", self._topics.support_commands),
        ):
            must(
                stated[name] == partition.next_commands[topic],
                f"{name} of the head",
                stated[name],
                partition.next_commands[topic],
            )
            must(offsets[topic, number][0] == stated[name], f"{name} committed", offsets[topic, number], stated[name])
        must(
            stated["stream_time"] == partition.reference.stream_time,
            "stream time",
            stated,
            partition.reference.stream_time,
        )
        must(stated["policy_version"] == partition.reference.policies.version, "policy version", stated)
        return events

    def _live(self, number: int, page: dict[str, Any], refused: set[tuple[str, int, int]]) -> Iterable[Published]:
        partition, topic = self.partitions[number], self._topics.verdicts
        log = self._broker.partition((topic, number))
        inputs = list(page["inputs"])
        at, rejected = page["first_offset"], []
        count = 0

        def until(offset: int) -> Iterable[Published]:
            nonlocal at
            while inputs and inputs[0]["from_offset" if inputs[0]["kind"] == "GAP" else "before_offset"] <= offset:
                each = inputs.pop(0)
                if each["kind"] == "GAP":
                    must(
                        each["from_offset"] == at and each["before_offset"] <= log.first,
                        "a gap that is none",
                        each,
                        at,
                        log.first,
                    )
                    at = each["before_offset"]
                else:
                    yield from self._input(number, each, refused)

        for entry in log.readable(at, page["next_offset"], committed=True):
            yield from until(entry.offset)
            if entry.offset < at:
                continue
            at, count = entry.offset + 1, count + 1
            if (topic, number, entry.offset) in self.bad:
                rejected.append(entry.offset)
                refused.add((topic, number, entry.offset))
                continue
            record = self._serde.decode(entry.value)[1]
            yield from partition.reference.take(entry.offset, verdict_of(record))
        yield from until(page["next_offset"])
        must(not inputs, "inputs beyond the page", inputs)
        must(page["records"] == count, "records of the page", page, count)
        must([each["offset"] for each in page["rejected"]] == rejected, "rejected", page["rejected"], rejected)

    def _input(self, number: int, each: dict[str, Any], refused: set[tuple[str, int, int]]) -> Iterable[Published]:
        reference = self.partitions[number].reference
        if each["kind"] == "POLICY":
            version = each["policy_version"]
            before = reference.policies.version
            must(not before.isdecimal() or int(version) >= int(before), "policies went back", before, version)
            reference.policies = self.policies[version]
        elif each["kind"] == "CLOCK":
            must(each["clock"] <= self._broker.schedule.now_ms, "a clock of the future", each)
            log = self._broker.partition((self._topics.verdicts, number))
            unread = [
                entry.offset
                for entry in log.readable(each["before_offset"], log.end, committed=True)
                if entry.timestamp_ms < each["clock"]
            ]
            must(not unread, "lifted by the clock with verdicts unread", each, unread)
            yield from reference.expire(each["clock"], Position(self._topics.verdicts, number, each["before_offset"]))
        else:
            yield from self._command(number, each, refused)

    def _command(self, number: int, each: dict[str, Any], refused: set[tuple[str, int, int]]) -> Iterable[Published]:
        partition = self.partitions[number]
        by_support = each["kind"] == "SUPPORT_COMMAND"
        topic = self._topics.support_commands if by_support else self._topics.commands
        offset = each["command_offset"]
        log = self._broker.partition((topic, number))
        between = list(log.readable(partition.next_commands[topic], offset, committed=True))
        must(not between, "a command was left out", topic, number, [entry.offset for entry in between], offset)
        must(offset >= partition.next_commands[topic], "a command once more", topic, number, offset)
        partition.next_commands[topic] = offset + 1
        is_bad = (topic, number, offset) in self.bad
        must((each["command_rejected"] is not None) == is_bad, "a command refused or not", each)
        if is_bad:
            refused.add((topic, number, offset))
            return
        entry = log.entries[offset]
        command = Command.from_record(self._serde.decode(entry.value)[1])
        yield partition.reference.obey(command, by_support, entry.timestamp_ms, Position(topic, number, offset))

    # -- what stands in the records -----------------------------------------------------------------------------------

    def _pages(self, entries: Iterable[Entry]) -> dict[int, dict[str, Any]]:
        pages: dict[int, dict[str, Any]] = {}
        for entry in entries:
            name, record = self._serde.decode(entry.value)
            if name == COMMIT:
                must(entry.place[1] not in pages, "two pages of one partition", entry)
                pages[entry.place[1]] = record
        return pages

    def _heads(self, entries: Iterable[Entry]) -> dict[int, dict[str, Any]]:
        last = {entry.place[1]: self._serde.decode(entry.value)[1] for entry in entries}
        for record in last.values():
            must(record["head"] is not None, "no head at the end", record)
        return last

    def _expect(
        self,
        partition: int,
        event: Published,
        expected: dict[tuple[Place, int], list[Told]],
        in_force: dict[tuple[Place, int], list[tuple[bytes, Told | None]]],
    ) -> None:
        if isinstance(event, CommandRefused):
            event = replace(event, message="")
        told = (type(event).__name__, event.to_record())
        topic, key = self._topics.restrictions, event.tenant_id.encode()
        expected[(topic, self._broker.partition_for(topic, key)), partition].append(told)
        if isinstance(event, SenderBlocked | SenderUnblocked):
            topic, key = self._topics.restricted, event.sender.encode()
            place = (topic, self._broker.partition_for(topic, key))
            in_force[place, partition].append((key, told if isinstance(event, SenderBlocked) else None))

    def _events(self, entries: Iterable[Entry]) -> dict[tuple[Place, int], list[Told]]:
        found: dict[tuple[Place, int], list[Told]] = defaultdict(list)
        for entry in entries:
            name, record = self._serde.decode(entry.value)
            if name == "CommandRefused":
                record["message"] = ""
            found[entry.place, _source(entry)].append((name, record))
        return found

    def _in_force(self, entries: Iterable[Entry]) -> dict[tuple[Place, int], list[tuple[bytes, Told | None]]]:
        found: dict[tuple[Place, int], list[tuple[bytes, Told | None]]] = defaultdict(list)
        for entry in entries:
            value = None if entry.value is None else self._serde.decode(entry.value)
            found[entry.place, _source(entry)].append((entry.key or b"", value))
        return found

    def _compare(self, topic: str, expected: dict[Any, Any], found: dict[Any, Any]) -> None:
        for key in expected.keys() | found.keys():
            must(
                expected.get(key, []) == found.get(key, []),
                f"{topic}, expected and found",
                key,
                expected.get(key),
                found.get(key),
            )

    def _letter(self, entry: Entry) -> tuple[str, int, int, bytes]:
        """Topic, partition and offset from which it comes, and its value."""
        headers = {name: (value or b"").decode() for name, value in entry.headers}
        return (
            headers["senderwatch-topic"],
            int(headers["senderwatch-partition"]),
            int(headers["senderwatch-offset"]),
            entry.value or b"",
        )

    # -- restores, and the end ----------------------------------------------------------------------------------------

    def commit_of(self, partition: int) -> int:
        """The number of the last commit that is decided."""
        return self.partitions[partition].commit

    def restored(self, partition: int, known: Known, decided: int) -> None:
        """A worker says that it has restored a partition, of which commit `decided` was there before it began. Raises Violated."""
        self.restores += 1
        must(known.commit >= decided, "restored less than was committed", partition, known.commit, decided)
        if known.commit == 0:
            return
        committed = self.partitions[partition].states.get(known.commit)
        must(committed is not None, "restored what was never committed", partition, known.commit)
        assert committed is not None
        must(
            known.next_offset >= committed.next_offset,
            "goes on before what it has restored",
            partition,
            known,
            committed,
        )
        found, wanted = known.state, committed.state
        must(found == wanted, "restored is not what was committed", partition, known.commit, found, wanted)

    def is_all_taken(self) -> bool:
        """Whether every verdict and command that a reader can see is decided on."""
        if any(log.open for logs in self._broker.topics.values() for log in logs):
            return False
        for number, partition in enumerate(self.partitions):
            reached = {self._topics.verdicts: partition.next_offset, **partition.next_commands}
            for topic in (self._topics.verdicts, self._topics.commands, self._topics.support_commands):
                log = self._broker.partition((topic, number))
                start = max(reached.get(topic, 0), log.first)
                if any(True for _ in log.readable(start, log.end, committed=True)):
                    return False
        return True

    def check_readers(self) -> None:
        """What a read_committed reader finds in the end is what was decided, and `restricted-senders` says who is restricted."""
        found: dict[tuple[Place, int], list[Told]] = defaultdict(list)
        for log in self._broker.topics[self._topics.restrictions]:
            readable = log.readable(0, log.stable, committed=True)
            for key, told in self._events(readable).items():
                found[key] += told
        self._compare("sender-restrictions at the end", self.published, found)
        last: dict[bytes, Told | None] = {}
        for log in self._broker.topics[self._topics.restricted]:
            for entries in self._in_force(log.readable(0, log.end, committed=True)).values():
                last.update(entries)
        stated = {key.decode(): told[1]["block_id"] for key, told in last.items() if told is not None}
        expected = {
            name: sender.block.block_id
            for partition in self.partitions
            for name, sender in partition.reference.senders.items()
            if sender.block is not None
        }
        must(stated == expected, "who is restricted", stated, expected)


def _source(entry: Entry) -> int:
    """The partition of the verdicts from which an event comes, by its header."""
    source = next(value for name, value in entry.headers if name == "ce_source")
    return int((source or b"").decode().rpartition("/")[2])
