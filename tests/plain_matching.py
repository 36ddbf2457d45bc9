"""Which policy applies, every one asked in turn and no index: for the reference model, on policies as they are in memory.

tests/policy_model.py says the same of a policy file as it is written; the matcher is held against that.
"""

from processor.policies.addresses import comparable
from processor.policies.policy import Conditions, Policy, PolicySet


def policy_of(policies: PolicySet, sender: str, tenant_id: str) -> Policy:
    """The first policy whose conditions all hold and of whose exceptions none does."""
    name, tenant = comparable(sender), comparable(tenant_id)

    def held(scope: Conditions) -> list[bool]:
        """For each condition that is given, whether any of its values fits."""
        domain = name.rpartition("@")[2] if "@" in name else ""
        below = [f".{wanted}" for wanted in scope.sender_domains if scope.include_subdomains]
        given = [
            (scope.senders, name in scope.senders),
            (scope.sender_domains, domain in scope.sender_domains or any(map(f".{domain}".endswith, below))),
            (scope.tenants, tenant in scope.tenants),
            (scope.groups, any(name in policies.groups.get(group, ()) for group in scope.groups)),
        ]
        return [holds for values, holds in given if values]

    for policy in policies.policies[:-1]:
        if all(held(policy.conditions)) and not any(held(policy.exceptions)):
            return policy
    return policies.policies[-1]
