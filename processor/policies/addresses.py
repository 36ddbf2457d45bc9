"""Which texts are mail addresses that a notification may go to (RFC 5321, section 4.1.2; RFC 6531 beyond ASCII), and in which
form senders, domains and tenants are compared.

Stricter than the RFCs where that costs nobody anything: no quoted local parts, no address literals, no comments.
"""

import re
import unicodedata

ADDRESS_MAX_OCTETS = 254
"""RFC 5321, section 4.5.3.1.3, less the angle brackets."""
_LOCAL_PART_MAX_OCTETS = 64
DOMAIN_MAX_OCTETS = 253
"""RFC 1035, section 2.3.4, less the length bytes at both ends."""
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+")
_ASCII_LABEL = "(?!-)[A-Za-z0-9-]{1,63}(?<!-)"
_ASCII_DOMAIN = re.compile(rf"{_ASCII_LABEL}(?:\.{_ASCII_LABEL})*")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9\u0080-\U0010ffff-]{1,63}(?<!-)")
_UNWANTED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def domain_of(address: str) -> str | None:
    """What stands after the last `@`, or None where there is no `@` or nothing after it."""
    _, at, domain = address.rpartition("@")
    return domain if at and domain else None


def is_domain(text: str) -> bool:
    """Whether `text` is a host name in ASCII or a U-label form that IDNA can turn into one."""
    if text.isascii():
        return len(text) <= DOMAIN_MAX_OCTETS and _ASCII_DOMAIN.fullmatch(text) is not None
    if not all(_LABEL.fullmatch(label) for label in text.split(".")):
        return False
    try:
        return len(text.encode("idna")) <= DOMAIN_MAX_OCTETS
    except UnicodeError:
        return False


def is_address(text: str) -> bool:
    """Whether a mail may be addressed to `text`: one `local@domain`, without quotes, spaces or invisible characters."""
    local, at, domain = text.rpartition("@")
    if not at or not _ATOM.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        return False
    if any(unicodedata.category(character) in _UNWANTED_CATEGORIES for character in text):
        return False
    if len(local.encode()) > _LOCAL_PART_MAX_OCTETS or len(text.encode()) > ADDRESS_MAX_OCTETS:
        return False
    return is_domain(domain)


def comparable(name: str) -> str:
    """A tenant's or sender's name as it is compared, without regard to case; the domain of an address in its ASCII form.

    A fixed point of itself. Any text has one, also what is no address.
    """
    if name.isascii():
        return name.lower()
    local, at, domain = name.rpartition("@")
    return f"{local.casefold()}@{comparable_domain(domain)}" if at else name.casefold()


def comparable_domain(domain: str) -> str:
    """A domain as it is compared: lower case, each label beyond ASCII as its A-label (RFC 5890, section 2.3.2.1).

    No IDNA of 2003, which would take `straße` for `strasse`: a U-label and its A-label are one name, and nothing else is.
    """
    if (
        domain.isascii() or len(domain) > DOMAIN_MAX_OCTETS
    ):  # no domain, and its forms may cost time by the square of its length
        return domain.lower()
    return ".".join(map(_a_label, domain.split(".")))


def _a_label(label: str) -> str:
    composed = unicodedata.normalize("NFC", label.lower())
    return composed if composed.isascii() else f"xn--{composed.encode('punycode').decode('ascii')}"
