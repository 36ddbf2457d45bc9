"""Whom to tell: by the version of the policies that applied, and never by a guess."""

from dataclasses import dataclass, field, replace

import pytest

from processor.policies.policy import Conditions, NotifySettings, Policy, PolicySet
from processor.policies.recipients import Notify
from processor.restrictions.events import Cause, RestrictionEvent, SenderBlocked
from processor.workers.audience import Audience, OnePolicySet
from tests.mail_samples import alerted, blocked, evidence, unblocked

OPERATORS = Notify(("operators@host.example",))


def policies(version: str, **names: str) -> PolicySet:
    """A set with a policy for each name, whose conditions are the tenants in its value; told is who the policy and version say."""
    named = [
        Policy(
            name=name,
            notify=NotifySettings(recipients=(f"{name}-{version}@x.example",)),
            conditions=Conditions(tenants=frozenset(tenants.split())),
        )
        for name, tenants in names.items()
    ]
    default = Policy(notify=NotifySettings(recipients=(f"default-{version}@x.example",)))
    return PolicySet(policies=(*named, default), version=version)


@dataclass
class Published:
    """Versions that are there, the last one the newest."""

    versions: list[PolicySet]
    asked: list[str] = field(default_factory=list)

    @property
    def newest(self) -> PolicySet:
        return self.versions[-1]

    def version(self, version: str) -> PolicySet | None:
        self.asked.append(version)
        return next((each for each in self.versions if each.version == version), None)


PUBLISHED = [
    policies("5", schools="school", old="school"),
    policies("7", schools="school"),
    policies("8", schools="school", clinics="hospital"),
]


def told(event: RestrictionEvent) -> str:
    (recipient,) = Audience(Published(PUBLISHED), OPERATORS).of(event).recipients
    return recipient


def blocked_by(policy: str, version: str, tenant: str = "school") -> SenderBlocked:
    return blocked(tenant=tenant, evidence=evidence(policy=policy, policy_version=version))


@pytest.mark.parametrize("version", ["5", "7", "8"])
def test_the_policy_that_applied_says_whom_in_the_version_that_applied(version: str) -> None:
    assert told(blocked_by("schools", version)) == f"schools-{version}@x.example"
    assert told(blocked_by("default", version)) == f"default-{version}@x.example"


def test_an_alert_goes_by_its_version_like_a_block() -> None:
    alert = alerted()
    assert told(replace(alert, evidence=evidence(policy="schools", policy_version="5"))) == "schools-5@x.example"


@pytest.mark.parametrize("version", ["6", "99", "built-in", "sha256:3f2a9c1b"])
def test_of_a_version_that_is_not_to_be_had_the_policy_of_that_name_in_the_newest_counts(version: str) -> None:
    assert told(blocked_by("schools", version)) == "schools-8@x.example"


@pytest.mark.parametrize("policy", ["default", "old"])
def test_where_that_is_gone_too_or_none_but_the_default_applied_it_is_what_applies_now(policy: str) -> None:
    assert told(blocked_by(policy, "6", tenant="hospital")) == "clinics-8@x.example"
    assert told(blocked_by(policy, "6", tenant="other")) == "default-8@x.example"


def test_events_without_a_policy_go_by_what_applies_now() -> None:
    by_hand = blocked(tenant="hospital", cause=Cause.MANUAL, evidence=None)
    assert told(by_hand) == "clinics-8@x.example"
    assert told(unblocked(by_hand)) == "clinics-8@x.example"


def test_the_brake_is_told_to_the_operators_whatever_the_policies_say() -> None:
    published = Published(PUBLISHED)
    assert Audience(published, OPERATORS).of(alerted(cause=Cause.BRAKE)) == OPERATORS
    assert published.asked == []


def test_a_file_has_one_version() -> None:
    audience = Audience(OnePolicySet(PUBLISHED[0]), OPERATORS)
    assert audience.of(blocked_by("schools", "5")).recipients == ("schools-5@x.example",)
    assert audience.of(blocked_by("schools", "8")).recipients == ("schools-5@x.example",)


def test_what_the_source_raises_is_raised_and_nobody_is_told_instead() -> None:
    class Away(OnePolicySet):
        def version(self, version: str) -> PolicySet | None:
            raise ConnectionError(version)

    with pytest.raises(ConnectionError):
        Audience(Away(PUBLISHED[0]), OPERATORS).of(blocked_by("schools", "3"))
