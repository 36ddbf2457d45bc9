"""The steady load, a process of its own: `python -m tests.faults.load FILE`, where FILE has a `Load` as JSON.

Verdicts of some hundred senders, a fixed number each second. Their event time runs faster than the clock, from the past to now, so that
hours and days end within a campaign. SIGTERM ends it: what is on its way is delivered, then it prints how many records that
were.
"""

import json
import random
import signal
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from confluent_kafka import KafkaError, Message, Producer

from processor import avro
from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
from processor.verdicts.event import MessageVerdict, Verdict

HOUR_MS = 3_600_000
_MOST_SPEEDUP, _MOST_HOURS = 300, 30
"""An hour of event time takes 12 s, or longer in a campaign that lasts: the reference model remembers all of them."""
_SLICE_S = 0.02
_SPAM_PER_BAD_HOUR = 30
_SCRIPTS = ("grey-", "drop-", "cut-", "550-", "dot-550-", "grey-", "drop-", "cut-", "550-", "dot-550-")
"""What the mail server does with the mails of some tenants (tests/mail_sink.py)."""
TENANTS, ACCOUNTS = 40, 8


@dataclass(frozen=True, slots=True)
class Load:
    """`broken` of all records cannot be read, `late` are older than a day; `behind_ms` is how old the last ones are."""

    bootstrap: str
    seed: int
    rate: float
    start_ms: int
    duration_s: float
    behind_ms: int = 0
    broken: float = 0.0005
    late: float = 0.001
    bad_hours: float = 0.12

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @property
    def speedup(self) -> float:
        """How many times as fast as the clock the event time runs."""
        return min(_MOST_SPEEDUP, _MOST_HOURS * HOUR_MS / 1000 / self.duration_s)

    def event_time_ms(self, now_ms: int) -> int:
        """What is now in the events: nearly now at the end, further back before."""
        left_ms = self.start_ms + round(self.duration_s * 1000) - now_ms
        return now_ms - round(max(0, left_ms) * self.speedup) - self.behind_ms

    def across_midnight(self) -> "Load":
        """The same, but when 0.6 of the time are over, a day begins.

        So some blocks that hold until tomorrow end by the stream time, some by the clock, and some stay.
        """
        return replace(
            self, behind_ms=self.event_time_ms(self.start_ms + round(600 * self.duration_s)) % (24 * HOUR_MS)
        )


def domains() -> list[str]:
    """Each tenant's domain, which is its name too."""
    return [f"{_SCRIPTS[n] if n < len(_SCRIPTS) else ''}org{n}.example" for n in range(TENANTS)]


class Traffic:
    """Who sends what next."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._chance = random.Random(load.seed)
        self._domains = domains()
        self._prefix = avro.single_object_prefix("MessageVerdict")
        self._number = 0
        hourly = load.rate * HOUR_MS / 1000 / load.speedup / (TENANTS * ACCOUNTS)
        self._spam = min(0.9, _SPAM_PER_BAD_HOUR / hourly)
        self._few = min(0.5, 300 / 24 / hourly)

    def next(self, now_ms: int) -> tuple[bytes, bytes]:
        """Key and value of the next record."""
        chance, load = self._chance, self._load
        self._number += 1
        domain = chance.choice(self._domains)
        sender = f"u{chance.randrange(ACCOUNTS)}@{domain}"
        at_ms = load.event_time_ms(now_ms) - int(chance.expovariate(1 / 20_000))
        if chance.random() < load.late:
            at_ms -= chance.randrange(50 * HOUR_MS)
        is_bad = random.Random(f"{load.seed}/{sender}/{at_ms // HOUR_MS}").random() < load.bad_hours
        spam = chance.random() < (self._spam if is_bad else 0.002)
        verdict = MessageVerdict(
            event_id=f"e{load.seed}-{self._number}",
            occurred_at_ms=at_ms,
            tenant_id=domain,
            sender=sender,
            internal_recipients=int(chance.random() < self._few),
            external_recipients=int(chance.random() < self._few),
            verdict=Verdict.SPAM if spam else chance.choice((Verdict.CLEAN, Verdict.CLEAN, Verdict.BULK)),
        )
        value = self._prefix + avro.encode_body("MessageVerdict", verdict.to_record())
        return sender.encode(), value[:-3] if chance.random() < load.broken else value


class Feeder:
    """Puts it into the topic, whatever becomes of the brokers. What counts in the end is what stands there."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._topic = TopicNames().verdicts
        self._traffic = Traffic(load)
        self._failed = 0
        self._delivered = 0
        self._producer = self._new()

    def _new(self) -> Producer:
        return clients.producer(ClientSettings(self._load.bootstrap))

    def run(self) -> None:
        """Until SIGTERM."""
        stop: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: stop.append(number))
        began_s, sent = time.monotonic(), 0
        while not stop:
            due = int((time.monotonic() - began_s) * self._load.rate)
            now_ms = time.time_ns() // 1_000_000
            for _ in range(due - sent):
                self._put(*self._traffic.next(now_ms))
            sent = due
            self._producer.poll(_SLICE_S)
        left = self._producer.flush(120)
        print(json.dumps({"delivered": self._delivered, "failed": self._failed, "left": left}))  # noqa: T201

    def _put(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=self._heard)
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._delivered += 1
            return
        self._failed += 1
        if error.fatal():
            self._producer = self._new()


if __name__ == "__main__":
    Feeder(Load(**json.loads(Path(sys.argv[1]).read_text()))).run()
