"""Why a policy applies and the others do not, in words."""

import json
from typing import Any

from hypothesis import given

from processor.policies.explaining import explained
from processor.policies.file import parse
from tests.hostile import hostile_texts
from tests.policy_strategies import documents, senders, tenants

POLICIES = parse("""
policies:
- {name: robots, priority: 1, conditions: {senders: [scanner@x.example, printer@x.example]}}
- {name: vips, priority: 2, conditions: {groups: vips}, exceptions: {tenants: [school, kiosk], senders: bob@x.example}}
- {name: exact, priority: 3, conditions: {sender_domains: x.example, include_subdomains: false}}
- {name: shop, priority: 4, conditions: {tenants: [shop, store], sender_domains: [x.example, y.example]}}
groups: {vips: [ann@mail.x.example, bob@x.example]}
""")


def _reasons(sender: str, tenant: str) -> dict[str, str]:
    return {
        each.policy.name: ("*" if each.applies else "") + each.reason for each in explained(POLICIES, sender, tenant)
    }


def test_the_one_that_applies_says_what_holds() -> None:
    assert _reasons("Ann@mail.X.example", "shop") == {
        "robots": "is for 2 other senders",
        "vips": "*the sender is in vips",
        "exact": "the domain, mail.x.example, is not of x.example without subdomains",
        "shop": 'the domain mail.x.example is of x.example; the tenant is shop; but "vips" comes first',
        "default": 'is for those to whom no other applies, and "vips" does',
    }


def test_an_exception_is_named() -> None:
    found = _reasons("bob@x.example", "SCHOOL")
    assert found["vips"] == "the sender is in vips; but excepted: names the sender bob@x.example; the tenant is school"
    assert found["exact"] == "*the domain x.example is of x.example"


def test_all_that_does_not_hold_is_named() -> None:
    assert _reasons("scanner", "") == {
        "robots": "is for 2 other senders",
        "vips": "the sender is not in vips",
        "exact": "the domain, none, is not of x.example without subdomains",
        "shop": "the domain, none, is not of x.example, y.example; the tenant, none given, is not shop, store",
        "default": "*no other policy applies",
    }


@given(documents, senders, tenants)
def test_exactly_the_policy_that_applies_is_said_to(document: dict[str, Any], sender: str, tenant: str) -> None:
    policies = parse(json.dumps(document, ensure_ascii=False))
    found = explained(policies, sender, tenant)
    assert [each.policy for each in found] == list(policies.policies)
    assert [row for row, each in enumerate(found) if each.applies] == [policies.matcher.row_of(sender, tenant)]
    assert all(each.reason for each in found)


@given(documents, hostile_texts, hostile_texts)
def test_what_is_said_is_one_harmless_line(document: dict[str, Any], sender: str, tenant: str) -> None:
    policies = parse(json.dumps(document, ensure_ascii=False))
    for each in explained(policies, sender, tenant):
        assert each.reason.isprintable()
        assert len(each.reason) < 1000
