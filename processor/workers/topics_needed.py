"""Whether the topics are as a detector needs them."""

from processor.kafka.clients import ClientSettings
from processor.kafka.reading import partitions_of_each
from processor.kafka.side_inputs import command_topics
from processor.kafka.topics import TopicNames


class WrongTopics(Exception):
    """The topics are not as the design needs them."""


def checked_partitions(settings: ClientSettings, topics: TopicNames, *, with_policies: bool) -> int:
    """How many partitions the verdicts have. Raises WrongTopics where another must have as many, UnknownTopic, BrokerUnreachable."""
    alike = (topics.changelog, topics.journal, *command_topics(topics).values())
    others = [topics.restrictions, topics.restricted, topics.dead_letters]
    if with_policies:
        others.append(topics.policies)
    partitions = partitions_of_each(settings, (topics.verdicts, *alike, *others))
    count = len(partitions[topics.verdicts])
    for topic in alike:
        if len(partitions[topic]) != count:
            raise WrongTopics(
                f"{topic} has {len(partitions[topic])} partitions, but {topics.verdicts} has {count}: they must have the same number"
            )
    return count
