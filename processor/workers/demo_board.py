"""What is known of a demo while it runs: written by its threads, read as one `Scene` by whoever shows it."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from processor.policies.limits import LIMITS
from processor.restrictions.events import Published, SenderBlocked
from processor.telemetry import COMMIT_SECONDS, RECORDS, Metrics
from processor.verdicts.generator import Compromised
from processor.workers.demo_mailbox import TakenMail

_RATE_OVER_S = 3.0
_UNITS = {limit.name: f"{limit.unit} per {limit.window}" for limit in LIMITS}


class Stage(IntEnum):
    """How far the demo is."""

    PREPARING = 0
    HISTORY = 1
    LIVE = 2
    DRAINING = 3
    """All is fed; what is still under way arrives."""
    ENDING = 4
    """The threads finish what they have begun."""
    OVER = 5


@dataclass(frozen=True, slots=True)
class Block:
    """An account that was blocked, at an event time; `campaign_from_ms` None: an honest one."""

    sender: str
    at_ms: int
    reason: str
    campaign_from_ms: int | None

    @property
    def after_s(self) -> float | None:
        """How long the campaign lasted, in seconds."""
        return None if self.campaign_from_ms is None else (self.at_ms - self.campaign_from_ms) / 1000


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment of a demo. Rates in records a second over the last few; `commit_ms` is the mean over the same time."""

    stage: Stage
    now_ms: int
    kafka: str = ""
    waiting_for: str = ""
    accounts: int = 0
    fed: int = 0
    history: int = 0
    taken: int = 0
    rate_in: float = 0.0
    rate_out: float = 0.0
    commit_ms: float | None = None
    mean_commit_ms: float | None = None
    elapsed_s: float = 0.0
    left_s: float = 0.0
    campaigns: tuple[Compromised, ...] = ()
    blocks: tuple[Block, ...] = ()
    mails: tuple[TakenMail, ...] = ()

    @property
    def unread(self) -> int:
        """How far the detector is behind."""
        return max(0, self.fed - self.taken)

    @property
    def begun(self) -> tuple[Compromised, ...]:
        """The campaigns that have begun."""
        return tuple(each for each in self.campaigns if each.from_ms <= self.now_ms)

    def mail_about(self, sender: str) -> TakenMail | None:
        """The first mail that names the account."""
        return next((mail for mail in self.mails if sender in mail.text), None)

    @property
    def is_settled(self) -> bool:
        """Whether everything that was fed is decided on and a mail tells of each block."""
        return self.unread == 0 and all(self.mail_about(block.sender) is not None for block in self.blocks)


@dataclass(frozen=True, slots=True)
class _Sample:
    at_s: float
    fed: int
    taken: float
    commits: float
    commit_s: float


@dataclass
class Board:
    """Takes what the threads tell. `metrics` are the detector's; `now_ms` is the clock, which said `began_ms` at the start."""

    metrics: Metrics
    now_ms: Callable[[], int]
    began_ms: int
    kafka: str = ""
    waiting_for: str = ""
    stage: Stage = Stage.PREPARING
    accounts: int = 0
    history: int = 0
    fed: int = 0
    live_ends_ms: int = 0
    campaigns: tuple[Compromised, ...] = ()
    _blocks: list[Block] = field(default_factory=list)
    _mails: list[TakenMail] = field(default_factory=list)
    _samples: deque[_Sample] = field(default_factory=deque)
    _sampled: Stage = Stage.PREPARING
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def taken(self) -> int:
        """How many verdicts the detector has taken up."""
        return round(_value(self.metrics, RECORDS.exposed_name))

    def hear(self, event: Published) -> None:
        """An event was published."""
        if not isinstance(event, SenderBlocked) or event.evidence is None:
            return
        evidence = event.evidence
        began = {each.sender: each.from_ms for each in self.campaigns}
        reason = f"{evidence.observed:.4g} {_UNITS[evidence.limit_name]}, limit {evidence.limit:g}"
        block = Block(event.sender, event.blocked_at_ms, reason, began.get(event.sender))
        with self._lock:
            self._blocks.append(block)

    def take(self, mail: TakenMail) -> None:
        """A mail arrived."""
        with self._lock:
            self._mails.append(mail)

    def scene(self) -> Scene:
        """This moment. The rates are made of the moments that were asked for: ask some times a second."""
        with self._lock:
            return self._scene(self.now_ms())

    def _scene(self, now_ms: int) -> Scene:
        sample = _Sample(
            now_ms / 1000,
            self.fed,
            self.taken,
            _value(self.metrics, f"{COMMIT_SECONDS.exposed_name}_count"),
            _value(self.metrics, f"{COMMIT_SECONDS.exposed_name}_sum"),
        )
        if self._sampled is not self.stage:
            self._samples.clear()  # what was fed as fast as it goes says nothing of live traffic
            self._sampled = self.stage
        self._samples.append(sample)
        while self._samples[0].at_s < sample.at_s - _RATE_OVER_S:
            self._samples.popleft()
        first = self._samples[0]
        seconds = sample.at_s - first.at_s
        return Scene(
            stage=self.stage,
            now_ms=now_ms,
            kafka=self.kafka,
            waiting_for=self.waiting_for,
            accounts=self.accounts,
            fed=sample.fed,
            history=self.history,
            taken=round(sample.taken),
            rate_in=(sample.fed - first.fed) / seconds if seconds > 0 else 0.0,
            rate_out=(sample.taken - first.taken) / seconds if seconds > 0 else 0.0,
            commit_ms=_mean_ms(sample.commit_s - first.commit_s, sample.commits - first.commits),
            mean_commit_ms=_mean_ms(sample.commit_s, sample.commits),
            elapsed_s=(now_ms - self.began_ms) / 1000,
            left_s=max(0.0, (self.live_ends_ms - now_ms) / 1000),
            campaigns=self.campaigns,
            blocks=tuple(self._blocks),
            mails=tuple(self._mails),
        )


def _mean_ms(seconds: float, count: float) -> float | None:
    return 1000 * seconds / count if count > 0 else None


def _value(metrics: Metrics, sample: str) -> float:
    """The sum of a metric's samples over its labels."""
    return sum(
        each.value
        for family in metrics.registry.restricted_registry([sample]).collect()
        for each in family.samples
        if each.name == sample
    )
