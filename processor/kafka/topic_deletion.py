"""Removing what a demo has made on a real cluster: its topics and its groups."""

from collections.abc import Iterable

from confluent_kafka import KafkaError, KafkaException

from processor.kafka.clients import ClientSettings, admin

_TIMEOUT_S = 10.0
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)


def delete(settings: ClientSettings, topics: Iterable[str], groups: Iterable[str]) -> list[str]:
    """Delete topics, and consumer groups that have no members; what is not there is fine.

    Returns what could not be deleted, with the broker's reason. Raises nothing for a broker that does not answer.
    """
    client = admin(settings)
    topics, groups = list(topics), list(groups)
    answers = {
        **(client.delete_topics(topics, operation_timeout=_TIMEOUT_S, request_timeout=_TIMEOUT_S) if topics else {}),
        **(client.delete_consumer_groups(groups, request_timeout=_TIMEOUT_S) if groups else {}),
    }
    left = []
    for name, answer in answers.items():
        try:
            answer.result()
        except KafkaException as error:
            problem: KafkaError = error.args[0]
            if problem.code() not in _GONE:
                left.append(f"{name}: {problem.str()}")
    return left
