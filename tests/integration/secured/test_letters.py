"""`dead-letters` by logins that may do some of it: each is told what is missing, and does what it may.

Topics of their own, so that no other test meets the letters that stay.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from processor.kafka.clients import admin
from processor.kafka.reading import high_watermarks
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import RECORD as COMMAND
from processor.restrictions.commands import Command, CommandKind
from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.letters import Origin, Refused, letters_of
from tests.engines import payload_of
from tests.secured import PREFIX, Said, SecuredKafka
from tests.waiting import wait_until

READ, WRITE, DESCRIBE = AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE


@pytest.fixture
def names(kafka: SecuredKafka, unique: str) -> TopicNames:
    """All topics once more, with no letter yet, and no right on them for anybody."""
    prefix = f"{unique}-"
    said = kafka.run("root", "topics", "create", "--topic-prefix", prefix)
    assert said.status == 0, said.text
    return TopicNames(prefix)


def right(login: str, operation: AclOperation, name: str, kind: ResourceType = ResourceType.TOPIC) -> AclBinding:
    who = f"User:{PREFIX}senderwatch-{login}"
    return AclBinding(kind, name, ResourcePatternType.LITERAL, who, "*", operation, AclPermissionType.ALLOW)


def begins(login: str, names: TopicNames) -> AclBinding:
    return right(login, WRITE, f"{names.prefix}senderwatch-dead-letters", ResourceType.TRANSACTIONAL_ID)


@contextmanager
def given(kafka: SecuredKafka, *rights: AclBinding) -> Iterator[None]:
    """These rights too, for a while, from the moment on when the broker knows of them."""
    root = admin(kafka.kafka("root"))
    these = {each: _alone(each) for each in rights}
    for each in rights:
        root.create_acls([each], request_timeout=10)[each].result()
        wait_until(partial(_is_known, root, these[each]), "the right")
    try:
        yield
    finally:
        for one in these.values():
            root.delete_acls([one], request_timeout=10)[one].result()


def _is_known(client: AdminClient, one: AclBindingFilter) -> bool:
    return bool(client.describe_acls(one, request_timeout=10).result())


def _alone(each: AclBinding) -> AclBindingFilter:
    return AclBindingFilter(
        each.restype, each.name, each.resource_pattern_type, each.principal, "*", each.operation, each.permission_type
    )


def refused(kafka: SecuredKafka, names: TopicNames, topic: str, value: bytes) -> None:
    """A letter, as a detector keeps it, whose record can be read by now."""
    settings = kafka.kafka("root")
    client = Producer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties})
    for each in letters_of(Refused(Origin(topic, 0, 7), 0, "unknown schema", b"zoe@school.test", value, [])):
        client.produce(names.dead_letters, each.value, each.key, 0, headers=list(each.headers))
    assert client.flush(20) == 0


def refused_verdict(kafka: SecuredKafka, names: TopicNames) -> None:
    verdict = MessageVerdict("z", time.time_ns() // 1_000_000, "school", "zoe@school.test", 0, 1, Verdict.CLEAN)
    refused(kafka, names, names.verdicts, payload_of(verdict))


def replayed(kafka: SecuredKafka, login: str, names: TopicNames) -> Said:
    words = ("dead-letters", "replay", "--all", "--yes", "--patience", "20", "--topic-prefix", names.prefix)
    return kafka.run(login, *words)


def test_who_may_not_read_letters_is_told_so_also_where_there_are_none(kafka: SecuredKafka, names: TopicNames) -> None:
    """Of an empty topic nothing is ever fetched: who only sees it would take it for one without letters."""
    with given(kafka, right("operator", DESCRIBE, names.dead_letters)):
        said = kafka.run("operator", "dead-letters", "list", "--topic-prefix", names.prefix)
    assert said.status == 1, said.text
    assert f"lacks the right Read on topic {names.dead_letters} " in said.text


def test_who_may_not_put_letters_back_is_told_which_right_is_missing(kafka: SecuredKafka, names: TopicNames) -> None:
    """The client says of a record that it may not write only that it threw it away: the broker is not gone."""
    refused_verdict(kafka, names)
    sees = (right("letters", READ, names.dead_letters), right("letters", DESCRIBE, names.verdicts))
    with given(kafka, *sees):
        said = replayed(kafka, "letters", names)
        assert said.status == 1, said.text
        assert f"lacks the right Write on transactional id {names.prefix}senderwatch-dead-letters " in said.text
        with given(kafka, begins("letters", names)):
            said = replayed(kafka, "letters", names)
    assert said.status == 1, said.text
    assert f"lacks the right Write on topic {names.verdicts}, {names.dead_letters} " in said.text
    assert "0 records put back" in said.text


def test_a_command_among_the_letters_holds_no_verdict_back(kafka: SecuredKafka, names: TopicNames) -> None:
    """The login for letters sees no topic of commands."""
    command = Command("c1", CommandKind.BLOCK, "zoe@school.test", "school", "root", reason="x")
    refused(kafka, names, names.commands, Serde(None).encode(names.commands, COMMAND, command.to_record()))
    refused_verdict(kafka, names)
    may = partial(right, "letters")
    work = (may(READ, names.dead_letters), may(WRITE, names.dead_letters), may(WRITE, names.verdicts))
    with given(kafka, *work, begins("letters", names)):
        said = replayed(kafka, "letters", names)
    assert said.status == 1, said.text
    assert f"{names.commands}, partition 0, offset 7): this login lacks the right Describe on topic" in said.text
    assert "1 record put back" in said.text
    assert sum(high_watermarks(kafka.kafka("root"), names.verdicts, [0, 1]).values()) > 0
