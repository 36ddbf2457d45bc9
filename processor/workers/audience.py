"""Whom to tell of an event, and how: as the policy says that applied when it happened (design, section 5)."""

from typing import Protocol

from processor.notification.kinds import Kind, kind_of
from processor.policies.policy import DEFAULT_POLICY_NAME, PolicySet
from processor.policies.recipients import Notify
from processor.restrictions.events import Evidence, RestrictionEvent, SenderUnblocked


class Policies(Protocol):
    """Where the policies come from. `version` gives None for one that is not to be had, and raises where nobody knows."""

    @property
    def newest(self) -> PolicySet: ...
    def version(self, version: str) -> PolicySet | None: ...


class OnePolicySet:
    """The policies of a file: there is no other version of them."""

    def __init__(self, policies: PolicySet) -> None:
        self.newest = policies

    def version(self, version: str) -> PolicySet | None:
        return self.newest if version == self.newest.version else None


class Audience:
    """`operators` are told of the brake, which is nobody's policy."""

    def __init__(self, policies: Policies, operators: Notify) -> None:
        self._policies = policies
        self._operators = operators

    def of(self, event: RestrictionEvent) -> Notify:
        """Whom to tell. Raises what the source of the policies raises: to guess then would tell the wrong people."""
        if kind_of(event) is Kind.BRAKE:
            return self._operators
        evidence = None if isinstance(event, SenderUnblocked) else event.evidence
        if evidence is None:
            return self._policies.newest.notify_for(event.tenant_id, event.sender, None)
        applied = self._policies.version(evidence.policy_version)
        if applied is not None:
            return applied.notify_for(event.tenant_id, event.sender, evidence.policy)
        return self._by_the_newest(event, evidence)

    def _by_the_newest(self, event: RestrictionEvent, evidence: Evidence) -> Notify:
        """What the policy has become that applied; where it is gone, or none did but the default, what would apply now."""
        newest = self._policies.newest
        is_there = evidence.policy != DEFAULT_POLICY_NAME and newest.named(evidence.policy).name == evidence.policy
        return newest.notify_for(event.tenant_id, event.sender, evidence.policy if is_there else None)
