"""What is said when the brokers refuse for want of a right: which one, and on what (deploy/kafka/principals.txt has who needs which)."""

from collections.abc import Collection

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AclOperation, AdminClient

_ASK_S = 5.0


def lacks(right: str, what: str) -> str:
    """The message. `what` is "topic NAME" or the like."""
    return f"this login lacks the right {right} on {what} (docs/security.md says who needs which)"


def is_hidden(client: AdminClient, topic: str) -> bool:
    """Whether the login may not even see the topic. A list of all leaves it out, as if it were not there; asked by name, brokers say so."""
    try:
        client.describe_topics(TopicCollection([topic]), request_timeout=_ASK_S)[topic].result()
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return False


def unwritable(client: AdminClient, topics: Collection[str]) -> list[str]:
    """Those of the topics that the login may not write to; none where the brokers do not say."""
    return _without(client, topics, AclOperation.WRITE)


def unreadable(client: AdminClient, topics: Collection[str]) -> list[str]:
    """Those of the topics that the login may not read, also where there is nothing to be read; none where the brokers do not say."""
    return _without(client, topics, AclOperation.READ)


def _without(client: AdminClient, topics: Collection[str], operation: AclOperation) -> list[str]:
    found = []
    wanted = TopicCollection(sorted(topics))
    answers = client.describe_topics(wanted, include_authorized_operations=True, request_timeout=_ASK_S)
    for topic, answer in answers.items():
        try:
            allowed = answer.result().authorized_operations
            if allowed is not None and operation not in allowed:
                found.append(topic)
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                found.append(topic)
    return found
