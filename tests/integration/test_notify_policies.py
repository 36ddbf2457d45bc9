"""Whom the notifier tells when the policies stand in their topic: those whom the version names that applied."""

import itertools
from collections.abc import Iterator

import pytest

from processor.kafka.clients import ClientSettings
from processor.kafka.policy_log import publish
from processor.kafka.reading import UnknownTopic
from processor.kafka.serde import Serde
from processor.kafka.topic_deletion import delete
from processor.policies.file import parse
from processor.restrictions.events import Cause, SenderBlocked
from tests.brokers import Broker
from tests.mail_samples import blocked, evidence, unblocked
from tests.mail_sink import MailSink
from tests.notifying import PostOffice
from tests.topics_io import write_all
from tests.waiting import wait_until


@pytest.fixture
def office(kafka: Broker, topic_prefix: str) -> Iterator[PostOffice]:
    with MailSink() as sink:
        yield PostOffice.opened(kafka.bootstrap, topic_prefix, sink)


def published(office: PostOffice, recipient: str, *, set_name: str = "default") -> str:
    """A version in which the policy `schools`, for the tenant `school`, tells `recipient`; its number."""
    policies = parse(
        f"""
default: {{notify: {{digest_delay: 0s}}}}
policies:
  - name: schools
    priority: 0
    conditions: {{tenants: [school]}}
    notify: {{recipients: [{recipient}]}}
contacts: {{hospital: [of-hospital@x.example]}}
"""
    )
    settings = ClientSettings(office.bootstrap)
    return publish(
        settings, office.names.policies, Serde(None), set_name, policies, published_by="a test", comment=None
    )


def block_of(version: str, number: int) -> SenderBlocked:
    """Each of another account, so that each is an event of its own."""
    return blocked(
        f"u{number}@school.example", evidence=evidence(policy="schools", policy_version=version), previous_blocks=number
    )


def unusable(office: PostOffice) -> None:
    write_all(office.bootstrap, office.names.policies, [(b"default", b"\xc3\x01 no policies")])


def test_each_event_is_told_as_its_own_version_says_and_by_the_newest_usable_one_where_that_is_not_there(
    office: PostOffice,
) -> None:
    first = published(office, "of-first@x.example")
    published(office, "of-others@x.example", set_name="somebody-else")
    second = published(office, "of-second@x.example")
    unusable(office)
    office.publish(
        block_of(first, 1),
        block_of(second, 2),
        block_of("1", 3),  # another set's
        block_of("3", 4),  # unusable
        block_of("4711", 5),
        block_of("built-in", 6),
        blocked("by-hand@school.example", cause=Cause.MANUAL, evidence=None),
        unblocked(blocked("of-whom-nothing-is-known@h.example", tenant="hospital")),
    )
    assert office.once() == 0
    told = {str(mail.message["Subject"]).split("@")[0].split()[-1]: mail.recipient for mail in office.sink.arrived}
    assert told == {
        "u1": "of-first@x.example",
        **dict.fromkeys(("u2", "u3", "u4", "u5", "u6", "by-hand"), "of-second@x.example"),
        "of-whom-nothing-is-known": "of-hospital@x.example",
    }


def test_a_new_version_is_taken_up_by_a_notifier_that_runs_and_an_unusable_one_changes_nothing(
    office: PostOffice,
) -> None:
    """Events without a policy: for those with one, the version is read by its number."""
    numbers = itertools.count(1)

    def told(recipient: str) -> bool:
        count = next(numbers)
        office.publish(blocked(f"u{count}@school.example", cause=Cause.MANUAL, evidence=None))
        office.wait_for_mails(count)
        return office.sink.recipients()[-1] == recipient

    published(office, "first@x.example")
    with office.running():
        for recipient in ("second@x.example", "third@x.example"):
            published(office, recipient)
            unusable(office)
            wait_until(lambda recipient=recipient: told(recipient), f"a mail to {recipient}")  # type: ignore[misc]
        assert told("third@x.example")


def test_a_missing_topic_of_the_policies_is_said_with_what_to_do(office: PostOffice) -> None:
    delete(ClientSettings(office.bootstrap), [office.names.policies], [])
    with pytest.raises(UnknownTopic, match=r"no topic .*outbound-policies.*senderwatch topics create"):
        office.once()
