"""Which tenant a sender belongs to, and which recipients are inside it.

The mail filter says neither. A file maps domains to tenants; a domain covers its subdomains unless one of them is listed too.
Without an entry the sender's own domain, with its subdomains, is the tenant. `*` names the tenant of every sender whose domain
is not listed, and of those who log in with a bare name.
"""

import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from processor.verdicts.reading import found

EVERYONE_ELSE = "*"
_EXPECTED = "expected lines of `domain: tenant`, such as `example.org: example`"
_SAID_MAX, _DEPTH_MAX = 500, 4


class TenantsFileError(ValueError):
    """The file of `--tenants` cannot be used; the message says where and why."""


class Tenants:
    """A map of domains to tenants; an empty one leaves every sender to the own domain."""

    def __init__(self, tenant_of_domain: Mapping[str, str] | None = None) -> None:
        self._tenant_of = {
            domain if domain == EVERYONE_ELSE else canonical_domain(domain): tenant
            for domain, tenant in (tenant_of_domain or {}).items()
        }

    def of_sender(self, sender: str) -> str | None:
        """The tenant of an account; None when it has no domain and nobody is named for those."""
        domain = domain_of(sender)
        return (self._listed(domain) if domain else None) or self._tenant_of.get(EVERYONE_ELSE) or domain or None

    def is_internal(self, recipient_domain: str, tenant: str, sender_domain: str) -> bool:
        """Whether mail of this sender to that domain stays inside. Both domains in canonical form."""
        if not recipient_domain:
            return False
        listed = self._listed(recipient_domain)
        if listed is not None:
            return listed == tenant
        return bool(sender_domain) and (
            recipient_domain == sender_domain or recipient_domain.endswith("." + sender_domain)
        )

    def _listed(self, domain: str) -> str | None:
        while True:
            tenant = self._tenant_of.get(domain)
            if tenant is not None:
                return tenant
            _, dot, domain = domain.partition(".")
            if not dot:
                return None


def domain_of(address: str) -> str:
    """The canonical domain of an address or account name; empty when it has none."""
    _, at, domain = address.rpartition("@")
    return canonical_domain(domain) if at else ""


def canonical_domain(domain: str) -> str:
    """Lower case, no final dot, and each label that is not ASCII in its `xn--` form (RFC 5890), so that both forms are one."""
    if domain.isascii():
        return domain.lower().rstrip(".")
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", domain).lower()).rstrip(".")
    return ".".join(
        label if label.isascii() else "xn--" + label.encode("punycode", "replace").decode()
        for label in folded.split(".")
    )


def load_tenants(path: Path) -> Tenants:
    """Read a YAML or TOML (by its name) file of `domain: tenant`; raises TenantsFileError."""
    try:
        content = path.read_text(encoding="utf-8")
        loaded: object = tomllib.loads(content) if path.suffix == ".toml" else _yaml(content)
    except Exception as error:  # noqa: BLE001 - ruamel lets some slip that are not its own, such as OverflowError
        said = str(error) or type(error).__name__
        raise TenantsFileError(f"{path}: {said if len(said) < _SAID_MAX else said[:_SAID_MAX] + '...'}") from None
    if not isinstance(loaded, dict) or not loaded:
        raise TenantsFileError(f"{path}: {_EXPECTED}")
    for domain, tenant in loaded.items():
        key = found(domain).removeprefix("found ")
        if isinstance(tenant, dict):
            raise TenantsFileError(f'{path}: {key}: in TOML a domain needs quotes: "….…" = "tenant"')
        if not isinstance(domain, str) or not domain or not isinstance(tenant, str) or not tenant:
            raise TenantsFileError(f"{path}: {key}: a domain and its tenant must both be text that is not empty")
    return Tenants(loaded)


def _yaml(content: str) -> object:
    """What the text says, if it is as flat as a map is. Without anchors: an alias can make a few lines mean gigabytes."""
    depth = 0
    for event in YAML(typ="safe", pure=True).parse(content):
        if getattr(event, "anchor", None) is not None:
            raise TenantsFileError("anchors and aliases are not taken: write each tenant where it belongs")
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEPTH_MAX:
            raise TenantsFileError(f"nested too deeply: {_EXPECTED}")
    return YAML(typ="safe", pure=True).load(content)
