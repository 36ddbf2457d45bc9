"""Section `contenders`: the detector beside other ways to do its job, on the same verdicts, and whether all decide the same."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import median
from typing import Any

from bench.blocks import Block, detected, require_same, told
from bench.contenders import DETECT, Contender
from bench.costs import Cost
from bench.decisions import published, require_processed
from bench.ground import Ground, Report, heading, say
from bench.peers import PLAIN, QUIX, Peer, streams
from bench.restoring import HEAD as RESTORE_HEAD
from bench.restoring import restored
from bench.restoring import rows as restore_rows
from bench.results import Figure, table
from bench.topics import delete_topics, topics_named
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames


@dataclass(frozen=True, slots=True)
class Size:
    """How much is run. `warm_after`: so many records do not count for Kafka Streams, whose Java machine is cold at first.
    `store_runs`: so many of `fast_runs` are with each of the stores, the rest with the better one.
    """

    spreads: tuple[str, ...]
    start_up_runs: int
    slow_records: int
    slow_runs: int
    fast_records: int
    warm_after: int
    stores: tuple[str, ...]
    store_runs: int
    fast_runs: int
    two_threads_runs: int
    restores: int


_WHOLE = Size(
    spreads=("skewed", "even"),
    start_up_runs=3,
    slow_records=1_000_000,
    slow_runs=5,
    fast_records=10_000_000,
    warm_after=2_000_000,
    stores=("memory", "rocksdb"),
    store_runs=2,
    fast_runs=5,
    two_threads_runs=1,
    restores=3,
)
_QUICK = Size(
    spreads=("skewed",),
    start_up_runs=1,
    slow_records=100_000,
    slow_runs=1,
    fast_records=1_500_000,
    warm_after=500_000,
    stores=("memory",),
    store_runs=1,
    fast_runs=1,
    two_threads_runs=0,
    restores=1,
)
"""Shows that all of it works; its figures are none."""
_QUICK_MEANS = (
    "**Quick: no figures to quote.** Java's compiler is still at work when Kafka Streams is counted, which then looks twice as slow as it "
    "is when warm; each has one run."
)


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of one contender on one topic. `start_up_cpu_s` is what it takes when there is nothing to do.
    `in_turn`: each of its runs came after one of the detector's.
    """

    topic: str
    contender: str
    records: int
    start_up_cpu_s: float
    in_turn: bool = True
    costs: list[Cost] = field(default_factory=list)

    def rates(self) -> list[float]:
        """Records per CPU-second of each run: between its marks where it has two, else without the start-up."""
        return [self._rate(cost) for cost in self.costs]

    def _rate(self, cost: Cost) -> float:
        if (part := cost.between_marks) is not None:
            return part.records / max(part.cpu_s, 0.001)
        return self.records / max(cost.cpu_s - self.start_up_cpu_s, 0.001)

    def wall_rates(self) -> list[float]:
        """Records a second of wall time of each run: between its marks where it has two, else start-up and all."""
        return [
            self.records / cost.wall_s if (part := cost.between_marks) is None else part.records / part.wall_s
            for cost in self.costs
        ]

    def cold_rates(self) -> list[float]:
        """Records per CPU-second from the start of the process to its first mark."""
        return [cost.marks[0].records / cost.marks[0].cpu_s for cost in self.costs if len(cost.marks) == 2]


def section(ground: Ground) -> Report:
    """Each contender in turn on the same topic, several times; then how long each takes to restore what it has."""
    size = _QUICK if ground.quick else _WHOLE
    if ground.traffic:
        size = replace(size, spreads=("own",))
    bench = _Comparison(ground, size)
    for spread in size.spreads:
        bench.slow(spread)
        bench.fast(spread)
    return bench.report()


class _Comparison:
    def __init__(self, ground: Ground, size: Size) -> None:
        self._ground = ground
        self._size = size
        self._results: dict[tuple[str, str], Runs] = {}
        self._restored: dict[str, dict[str, list[float]]] = {}
        self._blocks: dict[str, set[Block]] = {}
        self._start_up_s = self._start_ups((PLAIN, QUIX))

    def slow(self, spread: str) -> None:
        """Those that take ten times as long, on fewer verdicts."""
        size = self._size
        topics, shown = self._filled(spread, "slow", size.slow_records)
        self._race(topics, shown, size.slow_records, (PLAIN, QUIX), size.slow_runs)
        self._restore(topics, shown, (PLAIN, QUIX))

    def fast(self, spread: str) -> None:
        """Kafka Streams with each store, then with the better one as often again as it takes, then that in two threads."""
        size = self._size
        topics, shown = self._filled(spread, "fast", size.fast_records)
        peers = [streams(store, warm_after=size.warm_after) for store in size.stores]
        self._race(topics, shown, size.fast_records, peers, size.store_runs)
        store = max(size.stores, key=lambda each: self._best(shown, streams(each)))
        better = streams(store, warm_after=size.warm_after)
        self._race(topics, shown, size.fast_records, [better], size.fast_runs - size.store_runs)
        if spread == size.spreads[0]:
            two = streams(store, threads=2, warm_after=size.warm_after)
            for _ in range(size.two_threads_runs):
                self._check(two, topics, shown, size.fast_records, in_turn=False)
        self._restore(topics, shown, peers)

    def _filled(self, spread: str, kind: str, records: int) -> tuple[TopicNames, str]:
        shown = f"{spread}, {records / 1e6:g} M"
        say(f"{shown}: writing")
        topics = self._ground.topics(f"{spread}-{kind}-")
        where = (self._ground.broker.bootstrap, topics.prefix)
        self._ground.run("bench.traffic", *where, spread, str(records), *self._ground.traffic)
        return topics, shown

    def _race(self, topics: TopicNames, shown: str, records: int, peers: Sequence[Peer], runs: int) -> None:
        """The detector and these peers in turn. Raises WrongDecisions where one decides something else."""
        bootstrap = self._ground.broker.bootstrap
        for _ in range(runs):
            self._runs(shown, DETECT.name, records).costs.append(self._run(DETECT, topics, shown))
            published(bootstrap, topics)  # checks that it has done all
            found = detected(bootstrap, topics)
            require_same(f"{shown}: detect", found, self._blocks.setdefault(shown, found))
            for peer in peers:
                self._check(peer, topics, shown, records)

    def _check(self, peer: Peer, topics: TopicNames, shown: str, records: int, *, in_turn: bool = True) -> None:
        """One run of it, which has to block as the detector did."""
        bootstrap = self._ground.broker.bootstrap
        self._runs(shown, peer.name, records, in_turn=in_turn).costs.append(self._run(peer.contender, topics, shown))
        job = peer.job(bootstrap, topics)
        require_processed(ClientSettings(bootstrap), job.verdicts, job.group)
        require_same(f"{shown}: {peer.name}", told(bootstrap, job.blocks), self._blocks[shown])

    def _best(self, shown: str, peer: Peer) -> float:
        return max(self._results[shown, peer.name].rates())

    def _runs(self, shown: str, contender: str, records: int, *, in_turn: bool = True) -> Runs:
        start_up_s = self._start_up_s.get(contender, 0.0)
        return self._results.setdefault((shown, contender), Runs(shown, contender, records, start_up_s, in_turn))

    def _restore(self, topics: TopicNames, shown: str, peers: Sequence[Peer]) -> None:
        say(f"{shown}: restoring")
        self._restored[shown] = restored(self._ground, topics, peers, self._size.restores)
        for peer in peers:
            peer.clear(self._ground.broker.bootstrap, topics)
        delete_topics(self._ground.broker.bootstrap, topics_named(self._ground.broker.bootstrap, topics.prefix))

    def _start_ups(self, peers: Sequence[Peer]) -> dict[str, float]:
        """CPU-seconds of a run on an empty topic, by contender."""
        topics = self._ground.topics("nothing-")
        contenders = (DETECT, *(peer.contender for peer in peers))
        runs = range(self._size.start_up_runs)
        self._run(DETECT, topics, "nothing, warming up")
        found = {each.name: median(self._run(each, topics, "nothing").cpu_s for _ in runs) for each in contenders}
        for peer in peers:
            peer.clear(self._ground.broker.bootstrap, topics)
        return found

    def _run(self, contender: Contender, topics: TopicNames, shown: str) -> Cost:
        contender.prepare(self._ground.broker.bootstrap, topics)
        cost = self._ground.measure(contender.command(self._ground.broker.bootstrap, topics), "contender")
        say(f"{shown}: {contender.name}: {cost.cpu_s:.2f} s of CPU, {cost.wall_s:.2f} s")
        return cost

    def report(self) -> Report:
        """All of it."""
        blocks = ", ".join(f"{len(each):,} ({shown})" for shown, each in self._blocks.items())
        restored_rows = [row for shown, taken in self._restored.items() for row in restore_rows(shown, taken)]
        text = heading(
            "Contenders",
            *([_QUICK_MEANS] if self._ground.quick else []),
            "Records per CPU-second: of Kafka Streams from when it is warm to the end, of the others without the start-up. Records "
            "a second of wall time: of Kafka Streams in the same part, of the others start-up and all.",
            _rates(list(self._results.values())),
            f"All runs decided the same blocks: {blocks}. The detector beside the others, in pairs of neighbouring runs:",
            _ratios(list(self._results.values())),
            "Restore, from the start of a process that has the changelog and nothing else until its first commit behind new "
            "verdicts:",
            table(RESTORE_HEAD, restored_rows),
        )
        return Report(text, self._figures())

    def _figures(self) -> dict[str, Any]:
        return {
            "runs": [{**asdict(each), "records_per_cpu_second": each.rates()} for each in self._results.values()],
            "blocks": {shown: len(each) for shown, each in self._blocks.items()},
            "restored_s": self._restored,
        }


def _rates(results: Sequence[Runs]) -> str:
    rows = [
        (
            each.topic,
            each.contender,
            Figure.of(each.rates()).shown(_thousands),
            Figure.of(each.cold_rates()).shown(_thousands) if each.cold_rates() else "",
            Figure.of(each.records / cost.cpu_s for cost in each.costs).shown(_thousands),
            Figure.of(each.wall_rates()).shown(_thousands),
            Figure.of(cost.peak_bytes / 1e6 for cost in each.costs).shown(lambda value: f"{value:.0f}"),
            Figure.of(cost.broker_cpu_s for cost in each.costs).shown(lambda value: f"{value:.1f}"),
        )
        for each in results
    ]
    head = (
        "senders, records", "contender", "records per CPU-second", "of a cold JVM", "start-up included", "records/s of wall time",
        "peak memory, MB", "broker, CPU s",
    )  # fmt: skip
    return table(head, rows)


def _ratios(results: Sequence[Runs]) -> str:
    rows = []
    for base in results:
        if base.contender != DETECT.name:
            continue
        for each in results:
            if each.topic == base.topic and each.contender != DETECT.name and each.in_turn:
                # Who has fewer runs had them first.
                pairs = Figure.of(one / other for one, other in zip(base.rates(), each.rates(), strict=False))
                rows.append((each.topic, each.contender, pairs.shown(lambda value: f"{value:.1f}")))
    return table(("senders, records", "detect beside", "times"), rows)


def _thousands(value: float) -> str:
    return f"{value:,.0f}"
