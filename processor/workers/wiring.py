"""From settings to what the adapters take: the adapters do not know the settings, nor each other."""

from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
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
