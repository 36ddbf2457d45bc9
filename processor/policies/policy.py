"""A policy of the outbound spam policies, and the set of them that is in force (design, section 5)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from processor.policies.addresses import comparable
from processor.policies.limits import DEFAULT_SPAM_PERCENT_MIN_MESSAGES, LIMITS
from processor.policies.matching import Matcher
from processor.policies.recipients import (
    DEFAULT_DIGEST_DELAY_MS,
    DEFAULT_LANGUAGE,
    DEFAULT_TIME_ZONE,
    DEFAULT_UNBLOCKS_WITHOUT_SUPPORT,
    Notify,
    recipients_of,
)

DEFAULT_POLICY_NAME = "default"
BUILT_IN_VERSION = "built-in"
DEFAULT_BRAKE_BLOCKS = 100


class Action(StrEnum):
    """What happens to a sender who passes a limit."""

    ALERT = "alert"
    BLOCK = "block"
    BLOCK_UNTIL_TOMORROW = "block_until_tomorrow"


@dataclass(frozen=True, slots=True)
class Conditions:
    """Which senders: what is given must all hold, of the values within one any; as exceptions, any that holds excludes.

    Names are in the form in which they are compared (`addresses.comparable`), those of groups as they are. An empty set is not given.
    """

    senders: frozenset[str] = frozenset()
    sender_domains: frozenset[str] = frozenset()
    tenants: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    include_subdomains: bool = True


@dataclass(frozen=True, slots=True)
class NotifySettings:
    """The part of a policy that says who is told, and how."""

    recipients: tuple[str, ...] = ()
    fallback: tuple[str, ...] = ()
    language: str = DEFAULT_LANGUAGE
    time_zone: str = DEFAULT_TIME_ZONE
    digest_delay_ms: int = DEFAULT_DIGEST_DELAY_MS
    readers_are_staff: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits, action and notification that apply to some senders. A limit that is None does not apply.

    Priority 0 is the highest. The default policy has neither priority nor conditions.
    """

    name: str = DEFAULT_POLICY_NAME
    limits: Mapping[str, float | None] = field(
        default_factory=lambda: {limit.name: float(limit.default) for limit in LIMITS}
    )
    spam_percent_min_messages: int = DEFAULT_SPAM_PERCENT_MIN_MESSAGES
    action: Action = Action.BLOCK_UNTIL_TOMORROW
    bulk_is_spam: bool = False
    notify: NotifySettings = NotifySettings()
    unblocks_without_support: int = DEFAULT_UNBLOCKS_WITHOUT_SUPPORT
    priority: int = 0
    conditions: Conditions = Conditions()
    exceptions: Conditions = Conditions()


@dataclass(frozen=True)
class PolicySet:
    """The policies in force, the version that events name, and what holds for all of them.

    The policies stand in the order in which they are tried, the default one last. `groups` and `contacts` hold names in the form in
    which they are compared: the senders of each group, the contacts of each tenant.
    """

    policies: tuple[Policy, ...] = (Policy(),)
    version: str = BUILT_IN_VERSION
    contacts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    brake_blocks: int = DEFAULT_BRAKE_BLOCKS
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def matcher(self) -> Matcher:
        """The index of these policies; made once, when first asked for."""
        return Matcher(self)

    def named(self, name: str | None) -> Policy:
        """The policy of that name; the default one where it is gone or none is named."""
        return next((policy for policy in self.policies if policy.name == name), self.policies[-1])

    def notify_for(self, tenant_id: str, sender: str, policy: str | None) -> Notify:
        """Whom to tell about a sender of a tenant to whom `policy` applied; None for the one that applies now."""
        chosen = self.policies[self.matcher.row_of(sender, tenant_id)] if policy is None else self.named(policy)
        settings = chosen.notify
        return Notify(
            recipients=recipients_of(settings.recipients, self.contacts.get(comparable(tenant_id), ()), sender),
            fallback=settings.fallback,
            language=settings.language,
            time_zone=settings.time_zone,
            digest_delay_ms=settings.digest_delay_ms,
            unblocks_without_support=chosen.unblocks_without_support,
            readers_are_staff=settings.readers_are_staff,
        )
