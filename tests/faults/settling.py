"""The end of a campaign: everything is mended, and the workers have to come to the end of what there is, by themselves."""

import time
from collections.abc import Callable

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import ReadingFailed, high_watermarks, partitions_of, place, read_to_end
from processor.kafka.topics import TopicNames
from tests.faults.mails import MailLedger
from tests.faults.stage import DoesNotGoOn, Stage, now_and_then
from tests.faults.watching import id_of

_PATIENCE_S = 240.0
"""Nothing may take so long once everything is whole again; a busy machine makes it slow, not endless."""


def wait(condition: Callable[[], bool], what: str, stage: Stage, limit_s: float = _PATIENCE_S) -> None:
    """Until it is true, with the supervisor at work. Raises DoesNotGoOn."""
    deadline_s = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline_s:
            raise DoesNotGoOn(f"waited {limit_s:g} s in vain for {what}")
        stage.fleet.look()
        time.sleep(0.05)


def settle(stage: Stage, topics: TopicNames, say: Callable[[str], None]) -> None:
    """Mends everything, waits until nothing is left to be done, and has the workers end in order."""
    stage.heal()
    wait(now_and_then(stage.cluster.is_in_sync), "all replicas", stage)
    for name in (*stage.detectors, *stage.notifiers):
        stage.fleet.want(name)
    say("everything is mended")
    wait(now_and_then(lambda: _is_detected(stage.cluster.bootstrap, topics)), "the detectors to reach the end", stage)
    read_up(
        stage, topics
    )  # an open transaction of a dead worker can hide the last events for a while, from the notifiers too
    say("the detectors are at the end")
    wait(now_and_then(lambda: _is_notified(stage, topics), 2.0), "the notifiers to send every mail", stage)
    say("the notifiers have nothing left to send")
    stage.fleet.wanted.clear()
    for worker in stage.fleet:
        worker.tell_to_stop()
    wait(stage.fleet.told_to_stop, "the workers to end", stage)


def _is_detected(bootstrap: str, topics: TopicNames) -> bool:
    """Whether the detectors' group has committed the ends of verdicts and commands."""
    settings = ClientSettings(bootstrap)
    client = clients.admin(settings)  # kept: answers never come from one that is gone
    inputs = (topics.verdicts, topics.commands, topics.support_commands)
    try:
        places = [TopicPartition(topic, each) for topic in inputs for each in partitions_of(settings, topic)]
        ends = {topic: high_watermarks(settings, topic, partitions_of(settings, topic)) for topic in inputs}
        asked = [ConsumerGroupTopicPartitions("senderwatch-detector", places)]
        (answer,) = client.list_consumer_group_offsets(asked, request_timeout=10).values()
        committed = answer.result(15).topic_partitions or []
    except (BrokerUnreachable, ReadingFailed, KafkaException, TimeoutError):
        return False
    return all(max(0, place.offset) >= ends[place.topic][place.partition] for place in committed)


def _is_notified(stage: Stage, topics: TopicNames) -> bool:
    """Whether every event is in the ledger and every notification finished."""
    told = {event_id for _, _, event_id in stage.watching.told}
    return MailLedger.read(stage.cluster.bootstrap, topics).is_finished(told)


def read_up(stage: Stage, topics: TopicNames) -> None:
    """Until the subscriber has what there is."""
    published = len(published_ids(stage.cluster.bootstrap, topics))
    wait(lambda: len(stage.watching.events) >= published, "the subscriber to have all events", stage)


def published_ids(bootstrap: str, topics: TopicNames) -> list[tuple[int, int, str]]:
    """Partition, offset and id of all events, for a reader with read_committed."""
    settings = ClientSettings(bootstrap)
    messages = read_to_end(settings, topics.restrictions, partitions_of(settings, topics.restrictions), {})
    return [(*place(each), id_of(each)) for each in messages]
