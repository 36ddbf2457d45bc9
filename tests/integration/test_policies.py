"""Policies on a real broker: versions that are published, read, compared and shown, and records that are none."""

import json
from dataclasses import replace

import pytest

from processor.kafka.clients import POLICY_MAX_BYTES, ClientSettings
from processor.kafka.policy_log import (
    PolicyUnusable,
    PublishedVersion,
    PublishingFailed,
    UnknownVersion,
    UnusableVersion,
    latest_policies,
    publish,
    read_versions,
    version_at,
)
from processor.kafka.reading import UnknownTopic
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.content import to_content
from processor.policies.policy import PolicySet
from tests.brokers import Broker
from tests.events_io import a_block, the_unblock
from tests.topics_io import make_topics, write_all

SERDE = Serde(None)
SET = "default"


def never() -> bool:
    return False


def in_force(settings: ClientSettings, topic: str) -> PolicySet | None:
    return latest_policies(settings, topic, SERDE, SET, should_stop=never)


@pytest.fixture
def settings(kafka: Broker) -> ClientSettings:
    return ClientSettings(kafka.bootstrap)


@pytest.fixture
def names(kafka: Broker, topic_prefix: str) -> TopicNames:
    return make_topics(kafka.bootstrap, topic_prefix)


def published(settings: ClientSettings, topic: str, policies: PolicySet, comment: str | None = None) -> str:
    return publish(settings, topic, SERDE, SET, policies, published_by="ann@desk", comment=comment)


def record(content: str, name: str = SET, topic: str = "") -> bytes:
    fields = {"name": name, "content": content, "published_by": "somebody", "comment": None}
    return SERDE.encode(topic, "OutboundPolicies", fields)


def test_a_version_is_read_as_it_was_published_and_its_number_is_its_offset(
    settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    assert in_force(settings, topic) is None
    first, second = PolicySet(brake_blocks=7), PolicySet(groups={"vips": frozenset({"ann@x.example"})})
    assert [published(settings, topic, first, "first"), published(settings, topic, second)] == ["0", "1"]
    assert in_force(settings, topic) == replace(second, version="1")
    assert version_at(settings, topic, SERDE, SET, "0") == replace(first, version="0")
    one, other = read_versions(settings, topic, SERDE, SET, should_stop=never)
    assert isinstance(one, PublishedVersion)
    assert isinstance(other, PublishedVersion)
    assert (one.published_by, one.comment, other.comment) == ("ann@desk", "first", None)
    assert 0 < one.published_at_ms <= other.published_at_ms
    assert (one.policies, other.policies) == (replace(first, version="0"), replace(second, version="1"))


def test_sets_of_policies_share_a_topic_and_know_nothing_of_each_other(
    settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    other = publish(settings, topic, SERDE, "other", PolicySet(brake_blocks=5), published_by="x", comment=None)
    own = published(settings, topic, PolicySet(brake_blocks=7))
    assert (other, own) == ("0", "1")
    assert [each.version for each in read_versions(settings, topic, SERDE, SET, should_stop=never)] == ["1"]
    with pytest.raises(UnknownVersion, match="no version 0 of the policies default"):
        version_at(settings, topic, SERDE, SET, "0")


@pytest.mark.parametrize("version", ["1", "-1", "x", "", "99999999999999999999", "sha256:0123456789ab"])
def test_a_version_that_is_not_there_is_unknown(settings: ClientSettings, names: TopicNames, version: str) -> None:
    published(settings, names.policies, PolicySet())
    with pytest.raises(UnknownVersion):
        version_at(settings, names.policies, SERDE, SET, version)


def test_records_that_cannot_be_used_change_nothing_that_is_in_force(
    kafka: Broker, settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    published(settings, topic, PolicySet(brake_blocks=7))
    wrong_limit = json.loads(to_content(PolicySet()))
    wrong_limit["default"]["limits"]["recipients_per_day"] = -1
    unusable = [
        (b"nonsense", "wrong magic"),
        (None, "null value"),
        (SERDE.encode(topic, "SenderUnblocked", UNBLOCK.to_record()), "a record SenderUnblocked, not OutboundPolicies"),
        (record("{}", name="other"), "its key and its record name two sets"),
        (record("{"), "content: given what is not JSON"),
        (record("{}"), "default.limits: given nothing, expected every limit"),
        (
            record(json.dumps(wrong_limit)),
            "default.limits.recipients_per_day: given -1, expected a number of 0 or more",
        ),
        (record(json.dumps({f"k{n}": 1 for n in range(9)})), "and 7 more"),
    ]
    write_all(kafka.bootstrap, topic, [(SET.encode(), value) for value, _ in unusable])
    assert in_force(settings, topic) == PolicySet(version="0", brake_blocks=7)
    _, *found = read_versions(settings, topic, SERDE, SET, should_stop=never)
    for each, (_, reason) in zip(found, unusable, strict=True):
        assert isinstance(each, UnusableVersion)
        assert reason in each.reason
        with pytest.raises(PolicyUnusable, match=f"version {each.version} of the policies cannot be used"):
            version_at(settings, topic, SERDE, SET, each.version)


UNBLOCK = the_unblock(a_block(1), 2)


def test_sixteen_megabytes_go_through_and_more_are_refused_before_they_are_sent(
    settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    room = POLICY_MAX_BYTES - 4096 - len(to_content(PolicySet()))
    # Of digits that do not compress to nothing.
    senders = frozenset(f"{number * 7919 % 10**20:020d}@x.example" for number in range(room // 33))
    large = PolicySet(groups={"all": senders})
    assert len(to_content(large)) > POLICY_MAX_BYTES - 8192
    version = published(settings, topic, large)
    assert in_force(settings, topic) == replace(large, version=version)
    larger = PolicySet(groups={"all": senders | {f"more-{number}@x.example" for number in range(1000)}})
    with pytest.raises(PublishingFailed, match=r"not published: the policies are 16,[0-9,]+ bytes"):
        published(settings, topic, larger)


def test_without_the_topic_nothing_is_made_and_it_is_said_what_makes_it(
    settings: ClientSettings, topic_prefix: str
) -> None:
    topic = TopicNames(topic_prefix).policies
    for act in (
        lambda: published(settings, topic, PolicySet()),
        lambda: version_at(settings, topic, SERDE, SET, "0"),
        lambda: in_force(settings, topic),
    ):
        with pytest.raises(UnknownTopic, match="senderwatch topics create"):
            act()
