"""Section `notifier`: mails a second through a mail server on this machine, and what a hundred thousand pending mails take of memory.

Each mail has a tenant and a domain of its own, since digests and limits of connections would make it easier, or slower, otherwise.
"""

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from bench.costs import RunFailed
from bench.ground import Ground, Report, heading, say
from bench.mail_server import LISTENING
from bench.results import table
from bench.watching import cpu_s, free_port, resident_bytes, wait_until_ready
from processor.kafka.topics import TopicNames

_POLICIES = "default:\n  notify:\n    digest_delay: 0\n"
_PAUSE_S = 0.5
_LONGEST_S = 600.0
_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Pending:
    """A notifier that has so many mails to send and nobody who takes them."""

    mails: int
    resident_bytes: int
    after_a_while_bytes: int
    restarted_in_s: float
    restarted_bytes: int


@dataclass(frozen=True, slots=True)
class Sent:
    """How fast mails went out."""

    mails: int
    wall_s: float
    cpu_s: float


def section(ground: Ground) -> Report:
    """Mails that go out, then mails that cannot."""
    mails, many = (1_000, 20_000) if ground.quick else (10_000, 100_000)
    sent = _sent(ground, mails)
    pending = [_pending(ground, count) for count in (0, many // 10, many)]
    per_mail = (pending[2].resident_bytes - pending[1].resident_bytes) / (many - many // 10)
    return Report(
        heading(
            "Notifier",
            f"{sent.mails:,} mails through a mail server on this machine: {sent.mails / sent.wall_s:,.0f} mails/s, "
            f"{1000 * sent.cpu_s / sent.mails:.1f} ms of CPU a mail.",
            "Mails that wait for a mail server that is away:",
            table(
                ("pending", "resident, MB", "after a while", "restarted in, s", "resident then, MB"),
                [_row(each) for each in pending],
            ),
            f"A pending mail takes {per_mail:,.0f} bytes.",
        ),
        {"sent": asdict(sent), "pending": [asdict(each) for each in pending], "bytes_a_pending_mail": per_mail},
    )


def _sent(ground: Ground, mails: int) -> Sent:
    topics = _told(ground, "notifier-sent-", mails)
    port, out = free_port(), ground.folder / "mails.json"
    with (
        ground.process("bench.mail_server", str(port), str(out), says=LISTENING),
        _notifier(ground, topics, port) as (worker, metrics),
    ):
        before_s = cpu_s(worker)
        _wait_for(worker, metrics, "mails_total", mails)
        used_s = cpu_s(worker) - before_s
    times_ns: list[int] = json.loads(out.read_text())
    if len(times_ns) != mails:
        raise RunFailed(f"notifier: {len(times_ns)} mails came, not {mails}")
    return Sent(mails, (times_ns[-1] - times_ns[0]) / 1e9, used_s)


def _pending(ground: Ground, mails: int) -> Pending:
    topics = _told(ground, f"notifier-pending-{mails}-", mails)
    nobody = free_port()
    with _notifier(ground, topics, nobody) as (worker, metrics):
        _wait_for(worker, metrics, "mails_pending", mails)
        time.sleep(2)
        first_bytes = resident_bytes(worker)
        time.sleep(10 if ground.quick else 60)
        then_bytes = resident_bytes(worker)
    began_s = time.monotonic()
    with _notifier(ground, topics, nobody) as (worker, metrics):
        restarted_s = time.monotonic() - began_s
        _wait_for(worker, metrics, "mails_pending", mails)
        time.sleep(2)
        return Pending(mails, first_bytes, then_bytes, restarted_s, resident_bytes(worker))


def _told(ground: Ground, prefix: str, events: int) -> TopicNames:
    topics = ground.topics(prefix)
    say(f"notifier: {events:,} events")
    ground.run("bench.told", ground.broker.bootstrap, topics.prefix, str(events))
    return topics


@contextmanager
def _notifier(ground: Ground, topics: TopicNames, smtp_port: int) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A notifier that has its partitions, and the port of its metrics."""
    policies, port = ground.folder / "no-delay.yaml", free_port()
    policies.write_text(_POLICIES)
    where = ("--bootstrap-servers", ground.broker.bootstrap, "--topic-prefix", topics.prefix)
    options = ("--policies", str(policies), "--smtp-port", str(smtp_port), "--metrics-port", str(port))
    with ground.process("processor.cli.main", "notify", *where, *options, "--log-level", "warning") as worker:
        wait_until_ready(port, worker)
        yield worker, port


def _wait_for(worker: subprocess.Popen[bytes], port: int, metric: str, least: int) -> None:
    deadline_s = time.monotonic() + _LONGEST_S
    while (now := _metric(port, metric)) < least:
        if worker.poll() is not None or time.monotonic() > deadline_s:
            raise RunFailed(f"notifier: {metric} is {now:,.0f}, not {least:,}")
        time.sleep(_PAUSE_S)


def _metric(port: int, name: str) -> float:
    """The sum of a metric over its labels; the outcome of attempts: those that were accepted."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_TIMEOUT_S) as answer:
        text = answer.read().decode()
    wanted = re.findall(rf'^senderwatch_{name}(?:{{outcome="accepted"}})? (\S+)$', text, re.MULTILINE)
    return sum(map(float, wanted))


def _row(pending: Pending) -> tuple[str, ...]:
    megabytes = (pending.resident_bytes, pending.after_a_while_bytes, pending.restarted_bytes)
    first, then, restarted = (f"{each / 1e6:.0f}" for each in megabytes)
    return (f"{pending.mails:,}", first, then, f"{pending.restarted_in_s:.1f}", restarted)
