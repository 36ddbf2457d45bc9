"""From settings to what the adapters take: the adapters do not know the settings, nor each other."""

from processor.kafka.clients import ClientSettings
from processor.kafka.registry import Registry
from processor.kafka.topics import DAY_MS, HOUR_MS, TopicNames, TopicShape
from processor.settings import Settings


def client_settings(settings: Settings) -> ClientSettings:
    """What every Kafka client needs, secrets from files included."""
    kafka = settings.kafka
    return ClientSettings(
        bootstrap_servers=kafka.bootstrap_servers,
        properties={**kafka.properties, **kafka.property_files},
        consumer_properties=kafka.consumer_properties,
        producer_properties=kafka.producer_properties,
        group_protocol=kafka.group_protocol,
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
