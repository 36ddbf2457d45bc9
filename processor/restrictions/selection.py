"""Which senders somebody means who names one, or a whole domain."""

from collections.abc import Iterable

from processor.policies.addresses import comparable, comparable_domain, domain_of


def is_of_domain(sender: str, domain: str, *, subdomains: bool) -> bool:
    """Whether a sender's address is of a domain, or, with `subdomains`, of one below it; case and IDNA form do not matter."""
    own, asked = comparable_domain(domain_of(sender) or ""), comparable_domain(domain)
    return own == asked or (subdomains and own.endswith(f".{asked}"))


def alike(sender: str, names: Iterable[str]) -> list[str]:
    """The names, sorted, that are not the sender's, byte for byte, but would be without regard to case and IDNA form."""
    asked = comparable(sender)
    return sorted(name for name in names if name != sender and comparable(name) == asked)
