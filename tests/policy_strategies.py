"""Policy files made up as the mappings that their YAML means, and senders to ask about.

Few names, in several spellings: what is drawn twice at random should often be the same one.
"""

from typing import Any

from hypothesis import strategies as st

from processor.policies.limits import LIMITS
from processor.policies.policy import Action

_LOCALS = ["ann", "ANN", "bob", "cécile", "CÉCILE"]
_DOMAINS = [
    "x.example", "X.Example", "mail.x.example", "a.mail.x.example", "yx.example", "example",
    "bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "shop.bücher.example",
]  # fmt: skip
_GROUPS = ["staff", "Staff", "vips"]
_addresses = st.builds("{}@{}".format, st.sampled_from(_LOCALS), st.sampled_from(_DOMAINS))
senders = _addresses | st.sampled_from(_LOCALS) | st.sampled_from(["x.example", "@x.example", "ann@"])
tenants = st.sampled_from(["school", "SCHOOL", "shop", "école", "École", ""])
_people = st.sampled_from(["a@x.example", "b@x.example", "пользователь@пример.рф"])


def _some(names: st.SearchStrategy[str], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(names, min_size=least, max_size=3)


def _some_of(keys: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keys)


_conditions = _some_of(
    {
        "senders": _some(senders),
        "sender_domains": _some(st.sampled_from(_DOMAINS)),
        "tenants": _some(tenants.filter(bool)),
        "groups": _some(st.sampled_from(_GROUPS)),
    }
)
scopes = st.builds(
    lambda scope, exact: scope | ({"include_subdomains": not exact} if "sender_domains" in scope else {}),
    _conditions.filter(bool),
    st.booleans(),
)
_delays = st.integers(0, 86_400_000).map(lambda span_ms: f"{span_ms / 1000:.3f}") | st.sampled_from(["5m", "24h", "0"])
_settings = {
    "limits": _some_of({each.name: st.none() | st.floats(0, 100 if each.percent else 1e300) for each in LIMITS}),
    "spam_percent_min_messages": st.integers(1, 1_000_000_000),
    "action": st.sampled_from(list(Action)),
    "bulk_is_spam": st.booleans(),
    "unblocks_without_support": st.integers(0, 1_000_000_000),
    "notify": _some_of(
        {
            "recipients": _some(_people, 0),
            "fallback": _some(_people, 0),
            "language": st.sampled_from(["en", "nl", "no", "pt-BR"]),
            "time_zone": st.sampled_from(["UTC", "Europe/Amsterdam", "America/Argentina/Ushuaia"]),
            "digest_delay": _delays,
            "readers_are_staff": st.booleans(),
        }
    ),
}
_policies = st.fixed_dictionaries(
    {
        "name": st.from_regex(r"[a-z]{1,3}( №[1-9])?", fullmatch=True),
        "priority": st.integers(0, 2),
        "conditions": scopes,
    },
    optional={"exceptions": scopes, **_settings},
)
documents = st.fixed_dictionaries(
    {
        "default": _some_of(_settings),
        "policies": st.lists(_policies, max_size=6, unique_by=lambda policy: policy["name"]),
        "groups": st.fixed_dictionaries({name: _some(senders) for name in _GROUPS}),
        "contacts": st.dictionaries(st.sampled_from(["school", "shop", "école"]), _some(_people, 0)),
        "brake_blocks": st.integers(1, 1_000_000_000),
    }
)
"""Whole files that are valid; `json.dumps` makes one of them, as JSON is YAML too."""
