"""From settings to what the adapters take: the adapters do not know the settings, nor each other."""

from collections.abc import Callable
from contextlib import ExitStack

import structlog

from processor.kafka.clients import ClientSettings
from processor.kafka.registry import Registry
from processor.kafka.serde import Serde
from processor.kafka.topics import DAY_MS, HOUR_MS, TopicNames, TopicShape
from processor.settings import Settings
from processor.telemetry import Health

_log = structlog.get_logger(__name__)


def client_settings(settings: Settings) -> ClientSettings:
    """What every Kafka client needs, secrets from files included."""
    kafka = settings.kafka
    return ClientSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        properties={**kafka.properties, **kafka.property_files},
        consumer_properties=kafka.consumer_properties,
        producer_properties=kafka.producer_properties,
        group_protocol=kafka.group_protocol,
        in_batches=kafka.read_in_batches,
    )


def topic_names(settings: Settings) -> TopicNames:
    """The topics' names with this installation's prefix."""
    return TopicNames(settings.topics.prefix)


def group_name(settings: Settings, group: str) -> str:
    """The group with this installation's prefix, like the topics: two installations on one cluster share no group."""
    return f"{settings.topics.prefix}{group}"


def topic_shape(settings: Settings) -> TopicShape:
    """How the topics are to be made."""
    topics = settings.topics
    return TopicShape(
        partitions=topics.partitions,
        out_partitions=topics.out_partitions,
        verdict_retention_ms=topics.verdict_retention_hours * HOUR_MS,
        event_retention_ms=topics.event_retention_days * DAY_MS,
        replication=topics.replication,
    )


class MetricsPortTaken(Exception):
    """The port that metrics and health are to be served on cannot be had."""


def serve_health(settings: Settings, health: Health, open_things: ExitStack) -> None:
    """Serve /metrics, /livez and /readyz while `open_things` is open, where a port is set. Raises MetricsPortTaken."""
    chosen = settings.metrics
    if chosen.port is None:
        return
    try:
        port = health.serve(chosen.address, chosen.port)
    except OSError as error:
        raise MetricsPortTaken(f"metrics.port {chosen.port}: {error.strerror or error}") from error
    open_things.callback(health.close)
    _log.info("metrics and health are served", address=chosen.address, port=port)


def serde(settings: Settings, should_stop: Callable[[], bool], open_things: ExitStack) -> Serde:
    """Writes and reads records as the settings want it, with the registry open as long as `open_things` is."""
    known = registry(settings)
    return Serde(open_things.enter_context(known) if known is not None else None, should_stop=should_stop)


def registry(settings: Settings) -> Registry | None:
    """The schema registry, to be closed by the caller; None when records carry their schema's fingerprint instead."""
    chosen = settings.schema_registry
    if chosen.url is None:
        return None
    return Registry(
        chosen.url,
        user=chosen.user,
        password=None if chosen.password is None else chosen.password.get_secret_value(),
        ca_file=chosen.ca_file,
        auto_register=chosen.auto_register,
    )
