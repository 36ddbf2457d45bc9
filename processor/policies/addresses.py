"""Which texts are mail addresses that a notification may go to (RFC 5321, section 4.1.2; RFC 6531 beyond ASCII).

Stricter than the RFCs where that costs nobody anything: no quoted local parts, no address literals, no comments.
"""

import re
import unicodedata

ADDRESS_MAX_OCTETS = 254
"""RFC 5321, section 4.5.3.1.3, less the angle brackets."""
_LOCAL_PART_MAX_OCTETS = 64
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.\u0080-\U0010ffff-]+")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9\u0080-\U0010ffff-]{1,63}(?<!-)")
_UNWANTED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs"})


def domain_of(address: str) -> str | None:
    """What stands after the last `@`, or None where there is no `@` or nothing after it."""
    _, at, domain = address.rpartition("@")
    return domain if at and domain else None


def is_domain(text: str) -> bool:
    """Whether `text` is a host name in ASCII or a U-label form that IDNA can turn into one."""
    if not all(_LABEL.fullmatch(label) for label in text.split(".")):
        return False
    try:
        return len(text.encode("idna")) <= 253
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
