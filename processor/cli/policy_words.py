"""Policies, their versions and what changed between them, as people read them on a terminal and programs in JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

from processor.cli.printing import columns
from processor.cli.times import shown as shown_time
from processor.kafka.policy_log import PublishedVersion, UnusableVersion
from processor.notification.sanitise import readable
from processor.policies.content import policy_document, scope_document
from processor.policies.differences import Difference
from processor.policies.explaining import Explanation
from processor.policies.policy import BUILT_IN_VERSION, Conditions, Policy, PolicySet
from processor.policies.problems import shown

_COLUMN_MAX = 40
_NAMED = 3
_WORDS_MAX = 200


def summary(policies: PolicySet) -> str:
    """How much there is in a set."""
    senders = sum(map(len, policies.groups.values()))
    parts = [
        f"{counted(len(policies.policies) - 1, 'policy', 'policies')} beside the default one",
        f"{counted(len(policies.groups), 'group')} of {counted(senders, 'sender')}" if policies.groups else "",
        f"contacts of {counted(len(policies.contacts), 'tenant')}" if policies.contacts else "",
    ]
    return ", ".join(filter(None, parts))


def published(version: PublishedVersion | None, set_name: str) -> str:
    """Which version it is, when it was published and by whom."""
    if version is None:
        return f"the built-in policies: no version of the policies {set_name} has been published"
    return f"version {version.version} of the policies {set_name}, published {_by(version)}"


def named(version: str) -> str:
    """A version in the middle of a sentence."""
    return "the built-in policies" if version == BUILT_IN_VERSION else f"version {version}"


def _by(version: PublishedVersion) -> str:
    comment = f": {readable(version.comment, _WORDS_MAX)}" if version.comment else ""
    return f"{shown_time(version.published_at_ms)} by {readable(version.published_by, _WORDS_MAX)}{comment}"


def policy_table(policies: PolicySet) -> Iterator[str]:
    """The policies in the order in which they are tried, a line each, in columns."""
    *others, default = policies.policies
    rows = [(str(policy.priority), shown(policy.name), policy.action, _whom(policy)) for policy in others]
    head, last = ("PRIORITY", "POLICY", "ACTION", "FOR"), ("", default.name, default.action, "everybody else")
    yield from columns([head, *rows, last], _COLUMN_MAX)


def _whom(policy: Policy) -> str:
    excepted = " or ".join(_conditions(policy.exceptions))
    return " and ".join(_conditions(policy.conditions)) + (f", not {excepted}" if excepted else "")


def _conditions(scope: Conditions) -> Iterator[str]:
    exact = "" if scope.include_subdomains else "exactly "
    for kind, names in (
        ("senders", scope.senders),
        ("groups", scope.groups),
        (f"{exact}domains", scope.sender_domains),
        ("tenants", scope.tenants),
    ):
        if names:
            first = ", ".join(shown(name) for name in sorted(names)[:_NAMED])
            yield f"{kind} {first}" + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def history_lines(version: PublishedVersion | UnusableVersion, changes: Sequence[Difference]) -> Iterator[str]:
    """A version: who, when, why, and what it changed."""
    if isinstance(version, UnusableVersion):
        when = shown_time(version.published_at_ms)
        yield f"{version.version}  {when}  cannot be used: {readable(version.reason, 4 * _WORDS_MAX)}"
        return
    yield f"{version.version}  {_by(version)}"
    for line in map(str, changes) if changes else ["no change"]:
        yield f"    {line}"


def history_record(version: PublishedVersion | UnusableVersion, changes: Sequence[Difference]) -> dict[str, Any]:
    """The same for programs."""
    if isinstance(version, UnusableVersion):
        return {"version": version.version, "published_at_ms": version.published_at_ms, "unusable": version.reason}
    return {
        "version": version.version,
        "published_at_ms": version.published_at_ms,
        "published_by": version.published_by,
        "comment": version.comment,
        "changes": [difference_record(change) for change in changes],
    }


def difference_record(change: Difference) -> dict[str, str]:
    """One change for programs."""
    return {"sign": change.sign, "subject": change.subject, "detail": change.detail}


def explanation_lines(
    policies: PolicySet, sender: str, tenant: str | None, found: Sequence[Explanation]
) -> Iterator[str]:
    """Which policy a sender has and what it means for him; then why he has none of the others."""
    (theirs,) = (each for each in found if each.applies)
    policy, whose = theirs.policy, f" of the tenant {readable(tenant, _WORDS_MAX)}" if tenant else ""
    notify = policies.notify_for(tenant or "", sender, policy.name)
    limits = policy_document(policy)["limits"].items()
    yield f'{readable(sender, _WORDS_MAX)}{whose} has the policy "{shown(policy.name)}" of {named(policies.version)}'
    yield from columns(
        [
            ("  because", theirs.reason),
            ("  action", policy.action),
            ("  limits", ", ".join(f"{name} {'none' if bound is None else bound}" for name, bound in limits)),
            ("  told", ", ".join(notify.recipients) or "nobody: no recipients, no contacts, and no domain"),
        ],
        _COLUMN_MAX,
    )
    if len(found) > 1:
        yield "the others do not apply"
        yield from columns([_other(each) for each in found if each is not theirs], _COLUMN_MAX)
    if not tenant and policies.matcher.by_tenant:
        yield "no tenant was given, and there are policies for tenants: see --tenant"


def _other(each: Explanation) -> tuple[str, ...]:
    is_default = each.policy.conditions == Conditions()
    return ("  " if is_default else f"  {each.policy.priority}", shown(each.policy.name), each.reason)


def explanation_record(
    policies: PolicySet, sender: str, tenant: str | None, found: Sequence[Explanation]
) -> dict[str, Any]:
    """The same for programs."""
    (theirs,) = (each for each in found if each.applies)
    return {
        "sender": sender,
        "tenant": tenant,
        "version": policies.version,
        "policy": theirs.policy.name,
        "recipients": list(policies.notify_for(tenant or "", sender, theirs.policy.name).recipients),
        **policy_document(theirs.policy),
        "policies": [
            {
                "name": each.policy.name,
                "priority": None if each.policy.conditions == Conditions() else each.policy.priority,
                "applies": each.applies,
                "reason": each.reason,
            }
            for each in found
        ],
    }


def counted(number: int, what: str, several: str | None = None) -> str:
    """So many of something, in English."""
    return f"{number:,} {what if number == 1 else several or f'{what}s'}"


def scoped(policy: Policy) -> dict[str, Any]:
    """One policy as the file has it."""
    if policy.conditions == Conditions():
        return {"default": policy_document(policy)}
    return {"policies": [{"name": policy.name, **scope_document(policy), **policy_document(policy)}]}
