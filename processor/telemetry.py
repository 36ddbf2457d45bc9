"""What a running worker says of itself: logs, metrics, and whether it is alive and ready.

Logs are structlog events on standard error, JSON where no terminal reads them; what libraries log goes the same way.
Every metric stands in the catalogue below, with the meaning that `docs/metrics.md` repeats.
"""

import logging
import sys
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Literal, TextIO

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.typing import Processor

from processor.http_port import Port


class Kind(StrEnum):
    """How a metric moves: a counter only up, a gauge both ways, a histogram counts observations by size."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, before `senderwatch_` and, for a counter, `_total` are put around its name."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()

    @property
    def exposed_name(self) -> str:
        return f"senderwatch_{self.name}" + ("_total" if self.kind is Kind.COUNTER else "")


CATALOGUE: list[Metric] = []


def _metric(
    name: str, kind: Kind, meaning: str, *, labels: tuple[str, ...] = (), buckets: tuple[float, ...] = ()
) -> Metric:
    metric = Metric(name, kind, labels, meaning, buckets)
    CATALOGUE.append(metric)
    return metric


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

# The detector
RECORDS = _metric(
    "records", Kind.COUNTER, "Verdict records taken up and committed, good or not.", labels=("partition",)
)
LATE = _metric("late_records", Kind.COUNTER, "Records older than the day window: not counted.", labels=("partition",))
DEAD_LETTERS = _metric(
    "dead_letters", Kind.COUNTER, "Records put into the dead-letter topic, by reason.", labels=("partition", "reason")
)
WRONG_PARTITION = _metric(
    "wrong_partition_records",
    Kind.COUNTER,
    "Dead letters that stood in a partition that is not their sender's: a feeder uses another partitioner.",
    labels=("partition",),
)
DECISIONS = _metric("decisions", Kind.COUNTER, "Events published, by type and limit.", labels=("type", "limit"))
COMMIT_SECONDS = _metric(
    "commit_seconds", Kind.HISTOGRAM, "Duration of a detector transaction's commit.", buckets=_SECONDS
)
COMMIT_FAILURES = _metric("commit_failures", Kind.COUNTER, "Detector transactions that did not go through.")
LAG = _metric("lag_records", Kind.GAUGE, "Verdicts not yet taken up, as of the last fetch.", labels=("partition",))
RESTORE = _metric(
    "restore_remaining_records", Kind.GAUGE, "Changelog records still to read before a partition is ready.",
    labels=("partition",),
)  # fmt: skip
POLICIES_UNUSABLE = _metric(
    "policies_unusable", Kind.COUNTER, "Versions of the policies that could not be used: the one before stays in force."
)
STREAM_TIME = _metric(
    "stream_time_seconds", Kind.GAUGE, "Stream time of a partition, in seconds since 1970.", labels=("partition",)
)
SENDERS = _metric("senders", Kind.GAUGE, "Senders with state in memory.", labels=("partition",))

# The notifier
NOTIFIED_EVENTS = _metric(
    "notified_events",
    Kind.COUNTER,
    "Events of sender-restrictions taken up by the notifier; `skipped` tells nobody, `unreadable` is a fault.",
    labels=("kind",),
)
MAILS = _metric(
    "mails",
    Kind.COUNTER,
    "Attempts to deliver a mail to one recipient: accepted, deferred, rejected (5xx), unanswered, given_up, broken_off.",
    labels=("outcome",),
)
REPEATED_MAILS = _metric(
    "repeated_mails",
    Kind.COUNTER,
    "Mails tried again that may have arrived before: no reply to the final dot (no_reply), or another worker, or this "
    "one before a restart, may have sent them without recording it (taken_over).",
    labels=("cause",),
)
UNTOLD = _metric(
    "untold_notifications",
    Kind.COUNTER,
    "Notifications that reached nobody, or only accounts that are blocked themselves: look at the log.",
)
DIGESTS_OPEN = _metric("digests_open", Kind.GAUGE, "Notifications that further accounts may still join.")
MAILS_PENDING = _metric("mails_pending", Kind.GAUGE, "Mails, by recipient, that wait to be sent or tried again.")
MAIL_SERVER_AWAY = _metric(
    "mail_server_away", Kind.GAUGE, "1 while the mail server cannot be talked to and is tried with one mail at a time."
)
LEDGER_FAILURES = _metric(
    "notifier_commit_failures", Kind.COUNTER, "Notifier transactions that did not go through; nothing is lost by one."
)


class Metrics:
    """The catalogue's metrics with their current values. Raises ValueError for labels other than the catalogue's."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for metric in CATALOGUE:
            name = f"senderwatch_{metric.name}"
            match metric.kind:
                case Kind.COUNTER:
                    self._counters[metric.name] = Counter(name, metric.meaning, metric.labels, registry=self.registry)
                case Kind.GAUGE:
                    self._gauges[metric.name] = Gauge(name, metric.meaning, metric.labels, registry=self.registry)
                case Kind.HISTOGRAM:
                    self._histograms[metric.name] = Histogram(
                        name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets
                    )

    def add(self, counter: Metric, amount: float = 1, **labels: str | int) -> None:
        """Count `amount` more."""
        found = self._counters[counter.name]
        (found.labels(**labels) if labels else found).inc(amount)

    def set(self, gauge: Metric, value: float, **labels: str | int) -> None:
        """Show `value` from now on."""
        found = self._gauges[gauge.name]
        (found.labels(**labels) if labels else found).set(value)

    def drop(self, gauge: Metric, **labels: str | int) -> None:
        """Show nothing more for these labels: the partition belongs to another worker now."""
        found = self._gauges[gauge.name]
        found.remove(*(str(labels[name]) for name in gauge.labels))

    def observe(self, histogram: Metric, value: float, **labels: str | int) -> None:
        """Count one observation of `value`."""
        found = self._histograms[histogram.name]
        (found.labels(**labels) if labels else found).observe(value)


def metrics_page() -> str:
    """The text of `docs/metrics.md`."""
    rows = []
    for metric in CATALOGUE:
        labels = ", ".join(f"`{name}`" for name in metric.labels)
        rows.append(f"| `{metric.exposed_name}` | {metric.kind} | {labels} | {metric.meaning} |")
    return "\n".join([*_PAGE_HEAD, *rows, ""])


_PAGE_HEAD = (
    "# Metrics",
    "",
    "`detect` and `notify` serve them on `/metrics` of the port `metrics.port` (none by default), beside `/livez` (restart",
    "the worker when it fails) and `/readyz` (its partitions are restored and it takes up records).",
    "",
    "This page is made by `make docs` from the catalogue in `processor/telemetry.py`; a test compares the two.",
    "",
    "| metric | kind | labels | meaning |",
    "|---|---|---|---|",
)


class Health:
    """Whether a worker is alive (else restart it) and ready (its partitions are restored). Safe between threads."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._live = (True, "")
        self._ready = (False, "starting")
        self._port: Port | None = None

    def set_live(self, live: bool, reason: str = "") -> None:
        self._live = (live, reason)

    def set_ready(self, ready: bool, reason: str = "") -> None:
        self._ready = (ready, reason)

    def serve(self, address: str, port: int) -> int:
        """Answer /metrics, /livez and /readyz from a thread, and give the port (a free one for 0). Raises OSError."""
        self._port = Port(address, port, self._answer)
        self._port.begin()
        return self._port.number

    def close(self) -> None:
        """Stop answering."""
        if self._port is not None:
            self._port.end()
            self._port = None

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        match path:
            case "/metrics":
                return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._metrics.registry)
            case "/livez":
                return _verdict(*self._live)
            case "/readyz":
                return _verdict(*self._ready)
            case _:
                return HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /livez, /readyz\n"


def _verdict(good: bool, reason: str) -> tuple[HTTPStatus, str, bytes]:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return status, "text/plain; charset=utf-8", f"{'ok' if good else reason or 'not ok'}\n".encode()


def configure_logging(level: str, form: Literal["auto", "json", "console"], stream: TextIO | None = None) -> None:
    """Send all logs of this process, the libraries' too, to `stream` (standard error), from `level` on."""
    stream = sys.stderr if stream is None else stream
    readable = form == "console" or (form == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if readable else "iso", utc=not readable),
        structlog.processors.StackInfoRenderer(),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        if readable
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
