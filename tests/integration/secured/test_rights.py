"""What a login must not do, the brokers refuse it; tried topic by topic, beside the product's own code."""

from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from processor.kafka.clients import ClientSettings, admin, consumer, transactional_producer
from processor.kafka.feeder import Feeder, FeedRefused
from processor.kafka.rights import is_hidden
from processor.kafka.topics import TopicShape, designed_topics
from processor.kafka.transactions import Offset, OutRecord, TransactionImpossible, Transactions
from tests.members import Trusted
from tests.secured import NAMES, PREFIX, SecuredKafka
from tests.waiting import wait_until

TOPICS = [design.name for design in designed_topics(NAMES, TopicShape())]
READS: dict[str, set[str]] = {
    "feeder": set(),
    "detector": {NAMES.verdicts, NAMES.commands, NAMES.support_commands, NAMES.policies, NAMES.changelog},
    "notifier": {NAMES.restrictions, NAMES.restricted, NAMES.policies, NAMES.notifications},
    "admin": {NAMES.restricted, NAMES.restrictions, NAMES.notifications},
    "support": {NAMES.restricted, NAMES.restrictions, NAMES.notifications},
    "policies": {NAMES.policies},
    "auditor": {
        NAMES.verdicts, NAMES.commands, NAMES.support_commands, NAMES.policies, NAMES.restrictions, NAMES.journal,
    },
    "subscriber": {NAMES.restrictions, NAMES.restricted},
    "letters": {NAMES.dead_letters},
    "operator": set(),
}  # fmt: skip
WRITES: dict[str, set[str]] = {
    "feeder": {NAMES.verdicts},
    "detector": {NAMES.restrictions, NAMES.restricted, NAMES.dead_letters, NAMES.journal, NAMES.changelog},
    "notifier": {NAMES.notifications},
    "admin": {NAMES.commands},
    "support": {NAMES.support_commands},
    "policies": {NAMES.policies},
    "auditor": set(),
    "subscriber": set(),
    "letters": {NAMES.dead_letters, NAMES.verdicts},
    "operator": set(),
}
"""What principals.txt comes to, topic by topic; all else is tried, and has to be refused."""


@pytest.mark.parametrize("login", READS)
def test_a_login_can_read_and_write_no_topic_beyond_its_work(kafka: SecuredKafka, login: str) -> None:
    settings = kafka.kafka(login)
    assert _refused_to_write(settings, set(TOPICS) - WRITES[login]) == set(TOPICS) - WRITES[login]
    assert _refused_to_read(settings, set(TOPICS) - READS[login]) == set(TOPICS) - READS[login]


def _refused_to_write(settings: ClientSettings, topics: set[str]) -> set[str]:
    """The topics to which the brokers let this login write nothing."""
    refused = set[str]()

    def told(topic: str, error: KafkaError | None, _: Message) -> None:
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            refused.add(topic)

    client = Producer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties})
    for topic in topics:
        client.produce(topic, b"forged", b"key", 0, on_delivery=partial(told, topic))
    client.flush(20)
    return refused


def _refused_to_read(settings: ClientSettings, topics: set[str]) -> set[str]:
    """The topics of which the brokers give this login no record: those that it does not even see, and others when it fetches."""
    refused = {topic for topic in topics if is_hidden(admin(settings), topic)}
    group = {"group.id": "senderwatch-reader-test", "auto.offset.reset": "earliest"}
    client = Consumer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties, **group})
    try:
        client.assign([TopicPartition(topic, 0, 0) for topic in topics - refused])

        def told() -> bool:
            for message in client.consume(100, 0.05):
                error = message.error()
                assert error is not None, f"a record of {message.topic()}"
                if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    refused.add(message.topic() or "")
            return refused == topics

        wait_until(told, f"refusals of {topics - refused}")
    finally:
        client.close()
    return refused


def test_nobody_takes_a_workers_place(kafka: SecuredKafka) -> None:
    for thief, worker in (("notifier", "detector"), ("detector", "notifier"), ("feeder", "detector")):
        client = transactional_producer(kafka.kafka(thief), transactional_id=f"{PREFIX}senderwatch-{worker}-1")
        with pytest.raises(KafkaException, match="Transactional Id authorization failed"):
            client.init_transactions(10)
    member = consumer(kafka.kafka("subscriber"), group=f"{PREFIX}senderwatch-notifier")
    try:
        member.subscribe([NAMES.restrictions])
        refusal = wait_until(lambda: member.poll(0.1), "the refusal").error()
        assert refusal is not None
        assert refusal.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    finally:
        member.close()


def test_nobody_but_the_clusters_admin_gives_rights_and_removes_topics(kafka: SecuredKafka) -> None:
    more = _right("operator", AclOperation.READ)
    for login in ("operator", "admin", "detector"):
        client = admin(kafka.kafka(login))
        deleted = client.delete_topics([NAMES.verdicts], request_timeout=10)[NAMES.verdicts]
        given = client.create_acls([more], request_timeout=10)[more]
        for answer in (deleted, given):
            with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
                answer.result()


def _right(login: str, operation: AclOperation) -> AclBinding:
    """A right on the policies' topic."""
    return AclBinding(
        ResourceType.TOPIC, NAMES.policies, ResourcePatternType.LITERAL,
        f"User:{PREFIX}senderwatch-{login}", "*", operation, AclPermissionType.ALLOW,
    )  # fmt: skip


def test_a_worker_that_may_read_a_topic_but_not_write_it_ends_with_the_topics_name(kafka: SecuredKafka) -> None:
    """The client says of such a record only that it threw it away; by that alone, the worker would try again for ever."""
    settings, group = kafka.kafka("detector"), f"{PREFIX}senderwatch-detector"
    member = consumer(settings, group=group)
    try:
        transactions = Transactions(settings, Trusted(member), slot=None, group=group)
        with pytest.raises(TransactionImpossible, match=f"lacks the right Write on topic {NAMES.policies} "):
            transactions.run(
                [OutRecord(NAMES.journal, b"x"), OutRecord(NAMES.policies, b"x")], [Offset(NAMES.verdicts, 0, 0)]
            )
        transactions.discard()
    finally:
        member.close()


def test_a_password_that_is_empty_or_nowhere_is_told_by_its_file(kafka: SecuredKafka, tmp_path: Path) -> None:
    empty = tmp_path / f"{PREFIX}senderwatch-feeder"
    empty.touch()
    said = kafka.give_rights("--passwords", str(tmp_path))
    assert said.status == 2
    assert f"{empty} is empty" in said.text
    said = kafka.give_rights("--passwords", str(empty))
    assert said.status == 1
    assert f"cannot use {empty}" in said.text
    assert "Alter" not in said.text


def test_what_a_login_has_beyond_the_table_is_told(kafka: SecuredKafka) -> None:
    listed = kafka.give_rights("--dry-run")
    assert f"    Write topic {NAMES.verdicts}\n" in listed.text
    more = _right("feeder", AclOperation.DESCRIBE)
    root = admin(kafka.kafka("root"))
    root.create_acls([more], request_timeout=10)[more].result()
    try:
        said = kafka.give_rights()
        assert said.status == 0, said.text
        assert f"{PREFIX}senderwatch-subscriber: 4 rights\n" in said.text
        assert said.text.count("beyond the table") == 1
        assert f"has beyond the table: Describe topic {NAMES.policies}" in said.text
        feeder = Feeder(
            kafka.kafka("feeder"), NAMES.policies
        )  # sees the topic now, and may not write to it all the same
        with pytest.raises(FeedRefused, match=f"lacks the right Write on topic {NAMES.policies} "):
            feeder.send([b"key"], [b"value"])
        feeder.close()
    finally:
        filter_ = AclBindingFilter(
            more.restype, more.name, more.resource_pattern_type, more.principal, "*", more.operation, more.permission_type
        )  # fmt: skip
        root.delete_acls([filter_], request_timeout=10)[filter_].result()
