"""Why a policy applies to a sender and why the others do not, in words."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from processor.policies.matching import Identity, in_domains, is_excepted, meets
from processor.policies.policy import Conditions, Policy, PolicySet
from processor.policies.problems import shown

_NAMED = 3
"""Of a long list, so many are named."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one policy has to do with a sender; exactly one of a set `applies`."""

    policy: Policy
    applies: bool
    reason: str


def explained(policies: PolicySet, sender: str, tenant_id: str) -> list[Explanation]:
    """Each policy in the order in which they are tried."""
    who = policies.matcher.identity_of(sender, tenant_id)
    row = policies.matcher.row_of(sender, tenant_id)
    first, default = policies.policies[row], policies.policies[-1]
    found = [
        Explanation(policy, place == row, _reason(policy, who, first if place > row else None))
        for place, policy in enumerate(policies.policies[:-1])
    ]
    last = "no other policy applies"
    if first is not default:
        last = f"is for those to whom no other applies, and {_named(first)} does"
    return [*found, Explanation(default, first is default, last)]


def _reason(policy: Policy, who: Identity, earlier: Policy | None) -> str:
    if not meets(policy.conditions, who):
        return "; ".join(fails for holds, _, fails in _findings(policy.conditions, who) if not holds)
    reason = "; ".join(is_so for _, is_so, _ in _findings(policy.conditions, who))
    if is_excepted(policy.exceptions, who):
        excepted = "; ".join(is_so for holds, is_so, _ in _findings(policy.exceptions, who) if holds)
        return f"{reason}; but excepted: {excepted}"
    return reason if earlier is None else f"{reason}; but {_named(earlier)} comes first"


def _findings(scope: Conditions, who: Identity) -> Iterator[tuple[bool, str, str]]:
    """For each condition that is given: whether it holds, and the words for either."""
    sender = shown(who.sender) or "(no name)"
    if scope.senders:
        yield (
            who.sender in scope.senders,
            f"names the sender {sender}",
            f"is for {_count(scope.senders, 'other sender')}",
        )
    if scope.groups:
        theirs = who.groups & scope.groups
        yield bool(theirs), f"the sender is in {_some(theirs)}", f"the sender is not in {_some(scope.groups)}"
    if scope.sender_domains:
        domain = shown(who.domains[0]) if who.domains else "none"
        below = "" if scope.include_subdomains else " without subdomains"
        yield (
            in_domains(scope, who),
            f"the domain {domain} is of {_some(_met(scope, who))}",
            (f"the domain, {domain}, is not of {_some(scope.sender_domains)}{below}"),
        )
    if scope.tenants:
        tenant = shown(who.tenant) or "none given"
        yield (
            who.tenant in scope.tenants,
            f"the tenant is {tenant}",
            f"the tenant, {tenant}, is not {_some(scope.tenants)}",
        )


def _met(scope: Conditions, who: Identity) -> Collection[str]:
    return scope.sender_domains.intersection(who.domains)


def _some(names: Collection[str]) -> str:
    found = sorted(names)
    more = f" or {len(found) - _NAMED} others" if len(found) > _NAMED else ""
    return " or ".join([", ".join(map(shown, found[:_NAMED]))]) + more


def _count(names: Collection[str], what: str) -> str:
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'}"


def _named(policy: Policy) -> str:
    return f'"{shown(policy.name)}"'
