"""`detect` put together from the settings."""

from collections.abc import Callable
from contextlib import ExitStack

import structlog

from processor import __version__
from processor.detection.engine import TableFull
from processor.kafka.changelog import RestoreFailed
from processor.kafka.clients import check_reachable
from processor.kafka.reading import ReadingFailed
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.kafka.transactions import Fenced, TransactionImpossible
from processor.settings import Settings
from processor.telemetry import Health, Metrics
from processor.workers import policy_file
from processor.workers.detect import DetectOptions, DetectWorker
from processor.workers.ending import ending_in_time
from processor.workers.readiness import make_ready
from processor.workers.topics_needed import WrongTopics
from processor.workers.wiring import MetricsPortTaken, client_settings, group_name, serde, serve_health, topic_names

_log = structlog.get_logger(__name__)

FAILURES = (
    Fenced,
    MemoryError,  # no address space for the counters; the text says how to allow it
    MetricsPortTaken,
    ReadingFailed,
    RegistryAway,
    RegistryRefused,
    RestoreFailed,
    TableFull,
    TransactionImpossible,
    WrongTopics,
)
"""What ends a worker until somebody mends it; the text says how."""


def detect_until(settings: Settings, should_stop: Callable[[], bool], *, once: bool) -> None:
    """Run a detect worker until `should_stop`, or with `once` up to the end as it is now.

    Raises what DetectWorker raises, PolicyFileUnusable, MetricsPortTaken.
    """
    detector = settings.detector
    policies = None if detector.policies is None else policy_file.load(detector.policies)
    kafka = client_settings(settings)
    check_reachable(kafka)
    make_ready()
    metrics = Metrics()
    health = Health(metrics)
    with ExitStack() as open_things:
        serve_health(settings, health, open_things)
        records = serde(settings, should_stop, open_things)
        options = options_of(settings, once=once)
        worker = DetectWorker(
            kafka,
            topic_names(settings),
            records,
            policies,
            options,
            metrics,
            health,
            should_stop,
            ending=ending_in_time,
        )
        _log.info(
            "detecting",
            version=__version__,
            policies=topic_names(settings).policies if policies is None else policies.version,
            group=options.group,
            slot=options.slot,
        )
        health.set_live(True)
        worker.run()
        _log.info("stopped")


def options_of(settings: Settings, *, once: bool) -> DetectOptions:
    """How the settings want a detect worker to be."""
    detector = settings.detector
    return DetectOptions(
        group=group_name(settings, detector.group),
        slot=detector.slot,
        commit_interval_ms=detector.commit_interval_ms,
        batch_size=detector.batch_size,
        sweep_bytes=detector.changelog_sweep_bytes,
        once=once,
        policy_set=settings.policies.set_name,
    )
