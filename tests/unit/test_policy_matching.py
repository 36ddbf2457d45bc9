"""Which policy applies: the first that matches, as a plain model says, however many there are."""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.policies.addresses import comparable, comparable_domain, is_domain
from processor.policies.content import as_document, from_content, to_content
from processor.policies.file import parse
from processor.policies.matching import Matcher
from processor.policies.policy import Conditions, Policy, PolicySet
from tests import policy_model
from tests.hostile import hostile_texts
from tests.policy_strategies import documents, senders, tenants


def _parsed(document: dict[str, Any]) -> PolicySet:
    return parse(json.dumps(document, ensure_ascii=False))


def _name(policies: PolicySet, sender: str, tenant: str) -> str:
    return policies.policies[policies.matcher.row_of(sender, tenant)].name


@given(documents, st.lists(st.tuples(senders, tenants), min_size=1, max_size=10))
def test_the_index_finds_what_the_plain_model_finds(document: dict[str, Any], questions: list[tuple[str, str]]) -> None:
    policies = _parsed(document)
    for sender, tenant in questions:
        assert _name(policies, sender, tenant) == policy_model.applying(document, sender, tenant)


@given(documents, senders, tenants)
def test_a_version_read_back_matches_as_the_file_did(document: dict[str, Any], sender: str, tenant: str) -> None:
    policies = _parsed(document)
    assert from_content(to_content(policies), "7").matcher.row_of(sender, tenant) == policies.matcher.row_of(
        sender, tenant
    )


@given(documents, senders, tenants, tenants)
def test_the_tenant_decides_only_where_a_policy_names_tenants(
    document: dict[str, Any], sender: str, one: str, other: str
) -> None:
    matcher = _parsed(document).matcher
    if not matcher.by_tenant:
        assert matcher.row_of(sender, one) == matcher.row_of(sender, other)
    assert matcher.by_tenant == ('"tenants"' in json.dumps(document["policies"]))


@given(documents, hostile_texts, hostile_texts)
def test_any_text_has_a_policy(document: dict[str, Any], sender: str, tenant: str) -> None:
    policies = _parsed(document)
    assert 0 <= policies.matcher.row_of(sender, tenant) < len(policies.policies)


@given(hostile_texts)
def test_the_form_in_which_names_are_compared_is_its_own(text: str) -> None:
    assert comparable(comparable(text)) == comparable(text)
    assert comparable_domain(comparable_domain(text)) == comparable_domain(text)


@given(st.text(st.sampled_from("aZ0-.ßüσΣ一"), min_size=1))
def test_a_u_label_is_its_a_label_and_nothing_else(domain: str) -> None:
    if is_domain(domain):
        form = comparable_domain(domain)
        assert form.isascii()
        assert b".".join(label.encode() for label in form.split(".")).decode() == form
        for label, a_label in zip(domain.split("."), form.split("."), strict=True):
            plain = a_label.removeprefix("xn--").encode().decode("punycode") if not label.isascii() else a_label
            assert plain == label.lower()


def test_sharp_s_is_no_double_s_in_a_domain() -> None:
    policies = parse("policies: [{name: p, priority: 0, conditions: {sender_domains: [straße.example]}}]")
    assert _name(policies, "a@straße.example", "") == "p"
    assert _name(policies, "a@xn--strae-oqa.example", "") == "p"
    assert _name(policies, "a@strasse.example", "") == "default"


@pytest.mark.parametrize("domain", ["x.example" * 1000, "." * 60_000, f"{'x' * 60_000}.x.example", "é" * 60_000])
def test_what_no_domain_can_be_is_below_none(domain: str) -> None:
    policies = parse("policies: [{name: p, priority: 0, conditions: {sender_domains: [example]}}]")
    assert _name(policies, f"a@{domain}", "") == "default"


def test_many_policies_with_large_lists_lead_to_few_that_are_checked() -> None:
    """However they are written: what a lookup looks at does not grow with the number of policies."""
    everybody = frozenset(f"user-{number}@x.example" for number in range(5000))
    by = [
        lambda number: Conditions(groups=frozenset({"everybody"}), tenants=frozenset({f"tenant-{number}"})),
        lambda number: Conditions(sender_domains=frozenset({"x.example"}), senders=frozenset({f"user-{number}@x.example"})),
        lambda number: Conditions(tenants=frozenset({"school"}), sender_domains=frozenset({f"d{number}.example"})),
        lambda number: Conditions(senders=everybody, sender_domains=frozenset({f"d{number}.x.example"})),
    ]  # fmt: skip
    rows = [Policy(name=f"p{number}", conditions=by[number % 4](number)) for number in range(100)]
    matcher = Matcher(PolicySet((*rows, Policy()), groups={"everybody": everybody}))
    for number in range(100):
        who = matcher.identity_of(f"user-{number}@x.example", f"tenant-{number}")
        assert len(matcher._rows_for(who)) <= 3


def test_a_sender_in_thousands_of_groups_does_not_fill_the_memory() -> None:
    groups = {f"group-{number}": frozenset({"ann@x.example"}) for number in range(2000)}
    policies = PolicySet((Policy("p", conditions=Conditions(groups=frozenset(groups))), Policy()), groups=groups)
    tracemalloc.start()
    try:
        assert policies.matcher.row_of("ann@x.example", "t") == 0
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_the_built_in_policies_are_the_default_alone() -> None:
    assert PolicySet().matcher.only_default
    assert not PolicySet().matcher.by_tenant
    assert not parse("policies: [{name: p, priority: 0, conditions: {senders: a}}]").matcher.only_default


def test_without_a_policy_named_the_one_that_applies_tells_whom_to_notify() -> None:
    policies = parse(
        "default: {notify: {recipients: all@x.example, language: nl}}\n"
        "policies:\n"
        "- {name: own, priority: 1, conditions: {senders: ann@x.example}, notify: {recipients: own@x.example}}\n"
        "- {name: none, priority: 2, conditions: {tenants: School}}\n"
        "contacts: {SCHOOL: it@school.example}\n"
    )
    assert policies.notify_for("school", "ann@x.example", None).recipients == ("own@x.example",)
    assert policies.notify_for("school", "bob@x.example", None).recipients == ("it@school.example",)
    assert policies.notify_for("shop", "bob@x.example", "none").recipients == ("postmaster@x.example",)
    assert policies.notify_for("shop", "bob@x.example", None).recipients == ("all@x.example",)
    assert policies.notify_for("school", "bob@x.example", None).language == "nl"


@given(documents)
def test_priorities_order_the_policies_and_equal_ones_stay_as_the_file_has_them(document: dict[str, Any]) -> None:
    shown = as_document(_parsed(document))["policies"]
    in_order = sorted(document["policies"], key=lambda policy: policy["priority"])
    assert [policy["name"] for policy in shown] == [policy["name"] for policy in in_order]
