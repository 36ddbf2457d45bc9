"""Which policy applies, said as plainly as the rule is (design, section 5): every policy in turn, no index, on the file as written."""

from typing import Any


def applying(document: dict[str, Any], sender: str, tenant: str) -> str:
    """The name of the policy for a sender of a tenant, in a policy file that is valid."""

    def holds(scope: dict[str, Any], key: str) -> bool:
        names, domain = scope[key], _ascii(sender.rpartition("@")[2]) if "@" in sender else None
        if key == "groups":
            return any(_ascii(sender) == _ascii(member) for name in names for member in document["groups"][name])
        if key == "sender_domains":
            below = tuple(f".{_ascii(name)}" for name in names) if scope.get("include_subdomains", True) else ()
            return domain is not None and (domain in map(_ascii, names) or domain.endswith(below))
        return _ascii({"senders": sender, "tenants": tenant}[key]) in map(_ascii, names)

    for policy in sorted(document["policies"], key=lambda policy: policy["priority"]):  # equal ones stay as they are
        conditions, exceptions = policy["conditions"], policy.get("exceptions", {})
        if all(holds(conditions, key) for key in conditions if key != "include_subdomains") and not any(
            holds(exceptions, key) for key in exceptions if key != "include_subdomains"
        ):
            return str(policy["name"])
    return "default"


def _ascii(name: str) -> str:
    local, at, domain = name.casefold().rpartition("@")
    return local + at + domain.encode("idna").decode()
