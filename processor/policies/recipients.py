"""Who is told about a sender, and how: what the notifier needs to know of a policy (design, section 5)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from processor.policies.addresses import domain_of, is_address

DEFAULT_LANGUAGE = "en"
DEFAULT_TIME_ZONE = "UTC"
DEFAULT_DIGEST_DELAY_MS = 60_000
DEFAULT_UNBLOCKS_WITHOUT_SUPPORT = 3


@dataclass(frozen=True, slots=True)
class Notify:
    """The people to tell and their language; `fallback` where they cannot be reached or are blocked themselves.

    `digest_delay_ms` is how long further accounts may join a mail. `unblocks_without_support` counts the self-service
    unblocks allowed in 30 days. Only staff (`readers_are_staff`) are shown senderwatch's own command line.
    """

    recipients: tuple[str, ...]
    fallback: tuple[str, ...] = ()
    language: str = DEFAULT_LANGUAGE
    time_zone: str = DEFAULT_TIME_ZONE
    digest_delay_ms: int = DEFAULT_DIGEST_DELAY_MS
    unblocks_without_support: int = DEFAULT_UNBLOCKS_WITHOUT_SUPPORT
    readers_are_staff: bool = False


NotifyFor = Callable[[str, str, str | None], Notify]
"""`notify_for(tenant_id, sender, policy)`: whom to tell; policy None for a block by hand or an unblock."""


def recipients_of(policy_recipients: Sequence[str], tenant_contacts: Sequence[str], sender: str) -> tuple[str, ...]:
    """The policy's recipients; else the tenant's contacts; else `postmaster@` the sender's domain (design, section 5).

    Empty when nothing of that is an address: a sender that is a bare login name, with no contacts set.
    """
    for chosen in (policy_recipients, tenant_contacts):
        if chosen:
            return tuple(dict.fromkeys(chosen))
    domain = domain_of(sender)
    postmaster = f"postmaster@{domain}"
    return (postmaster,) if domain is not None and is_address(postmaster) else ()
