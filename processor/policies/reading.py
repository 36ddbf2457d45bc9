"""From the sections of a policy file to a set of policies (design, section 5), whatever the file is written in.

What a policy does not give is as in the default policy; what that does not give is as in the built-in one. Not `notify.recipients`:
whoever is told of the default policy's senders need not be told of others.
"""

from collections.abc import Collection
from dataclasses import replace

from processor.policies.addresses import comparable
from processor.policies.fields import (
    NAME_EXPECTED,
    address,
    domain,
    duration_ms,
    flag,
    is_name,
    is_spoken,
    known_group,
    language,
    limit_bound,
    one_of,
    sender,
    tenant,
    time_zone,
    unused_name,
    whole_number,
)
from processor.policies.limits import LIMITS
from processor.policies.policy import (
    DEFAULT_BRAKE_BLOCKS,
    DEFAULT_POLICY_NAME,
    Action,
    Conditions,
    NotifySettings,
    Policy,
    PolicySet,
)
from processor.policies.section import Section

_BOUNDS = {limit.name: limit_bound(100 if limit.percent else None) for limit in LIMITS}
_FROM_0, _FROM_1, _ACTION = whole_number(0), whole_number(1), one_of(Action)
_SCOPE = ("senders", "sender_domains", "tenants", "groups")
_NO_SCOPE = "none: the default policy is for all to whom no other applies, its scope cannot be set"


def policy_set(top: Section, version: str, built_in: Policy) -> PolicySet:
    """The policies that `top` gives; what it leaves out is as in `built_in`. Problems go into the section's list."""
    default_section, sections, group_section = top.section("default"), top.sections("policies"), top.section("groups")
    for key in ("name", "priority", "conditions", "exceptions"):
        default_section.forbid(key, _NO_SCOPE)
    default = _policy(default_section, built_in)
    default_section.end()
    groups = _groups(group_section)
    policies, names = [], set[str]()
    for section in sections:
        policy = _scoped(section, default, names, group_section.given())
        policies.append(policy)
        names.add(policy.name)
    contacts = _contacts(top.section("contacts"))
    brake_blocks = top.value("brake_blocks", _FROM_1, DEFAULT_BRAKE_BLOCKS)
    top.end()
    policies.sort(key=lambda policy: policy.priority)
    return PolicySet((*policies, default), version, contacts, brake_blocks, groups)


def _scoped(section: Section, default: Policy, names: Collection[str], groups: Collection[str]) -> Policy:
    """A policy that is not for all."""
    name = section.required("name", unused_name(names, DEFAULT_POLICY_NAME), "")
    priority = section.required("priority", _FROM_0, 0)
    scope = section.section("conditions")
    conditions = _conditions(scope, groups)
    if scope.is_empty:
        section.miss("conditions", f"at least one of {', '.join(_SCOPE)}")
    exceptions = _conditions(section.section("exceptions"), groups)
    inherited = replace(default, name=name, priority=priority, conditions=conditions, exceptions=exceptions)
    policy = _policy(section, replace(inherited, notify=replace(default.notify, recipients=())))
    section.end()
    return policy


def _conditions(section: Section, groups: Collection[str]) -> Conditions:
    conditions = Conditions(
        senders=frozenset(section.several("senders", sender, "sender")),
        sender_domains=frozenset(section.several("sender_domains", domain, "domain")),
        tenants=frozenset(section.several("tenants", tenant, "tenant")),
        groups=frozenset(section.several("groups", known_group(groups), "group")),
        include_subdomains=section.value("include_subdomains", flag, True),
    )
    given = section.given()
    if "include_subdomains" in given and "sender_domains" not in given:
        section.refuse_key("include_subdomains", "no sender_domains beside it", "both or neither")
    section.end()
    return conditions


def _policy(section: Section, base: Policy) -> Policy:
    """`base` with what the section gives; the section is not ended."""
    limits = section.section("limits")
    bounds = {name: limits.value(name, read, base.limits[name]) for name, read in _BOUNDS.items()}
    limits.end()
    return replace(
        base,
        limits=bounds,
        spam_percent_min_messages=section.value("spam_percent_min_messages", _FROM_1, base.spam_percent_min_messages),
        action=section.value("action", _ACTION, base.action),
        bulk_is_spam=section.value("bulk_is_spam", flag, base.bulk_is_spam),
        notify=_notify(section.section("notify"), base.notify),
        unblocks_without_support=section.value("unblocks_without_support", _FROM_0, base.unblocks_without_support),
    )


def _notify(section: Section, base: NotifySettings) -> NotifySettings:
    given = section.given()
    recipients = section.several("recipients", address, "address", at_least_one=False)
    fallback = section.several("fallback", address, "address", at_least_one=False)
    settings = NotifySettings(
        recipients=recipients if "recipients" in given else base.recipients,
        fallback=fallback if "fallback" in given else base.fallback,
        language=section.value("language", language, base.language),
        time_zone=section.value("time_zone", time_zone, base.time_zone),
        digest_delay_ms=section.value("digest_delay", duration_ms, base.digest_delay_ms),
        readers_are_staff=section.value("readers_are_staff", flag, base.readers_are_staff),
    )
    section.end()
    return settings


def _groups(section: Section) -> dict[str, frozenset[str]]:
    for name in section.given():
        if not is_name(name):
            section.refuse_key(name, "what is no name", NAME_EXPECTED)
    return {name: frozenset(section.several(name, sender, "sender")) for name in section.given()}


def _contacts(section: Section) -> dict[str, tuple[str, ...]]:
    contacts: dict[str, tuple[str, ...]] = {}
    for given in section.given():
        addresses, name = section.several(given, address, "address", at_least_one=False), comparable(given)
        if not is_spoken(given):
            section.refuse_key(given, "no name" if given == "" else "what is no name", "a tenant's id")
        elif name in contacts:
            section.refuse_key(given, "a second time, as case does not matter", "each tenant once")
        contacts[name] = addresses
    return {name: addresses for name, addresses in contacts.items() if addresses}
