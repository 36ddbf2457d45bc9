"""A version's content means the same for ever; a set of policies survives being written, shown and read again."""

import json
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from processor.policies.content import as_document, from_content, to_content
from processor.policies.file import parse
from processor.policies.limits import LIMITS
from processor.policies.policy import Policy, PolicySet
from processor.policies.problems import PolicyFileError
from processor.policies.writing import as_yaml, to_yaml
from tests.hostile import hostile_names
from tests.policy_strategies import documents


def _parsed(document: dict[str, Any]) -> PolicySet:
    return parse(json.dumps(document, ensure_ascii=False))


@given(documents)
def test_what_is_published_is_what_is_read(document: dict[str, Any]) -> None:
    policies = _parsed(document)
    assert from_content(to_content(policies), policies.version) == policies


@given(documents)
def test_what_is_shown_can_be_applied_again(document: dict[str, Any]) -> None:
    policies = _parsed(document)
    again = parse(as_yaml(policies))
    assert replace(again, version=policies.version) == policies
    assert to_content(again) == to_content(policies)


@given(documents)
def test_a_content_is_a_policy_file_too(document: dict[str, Any]) -> None:
    policies = _parsed(document)
    assert replace(parse(to_content(policies)), version=policies.version) == policies


@given(documents, st.randoms())
def test_the_order_of_keys_groups_and_senders_is_no_difference(document: dict[str, Any], random: Any) -> None:
    shuffled = {key: _shuffled(value, random) if key == "groups" else value for key, value in document.items()}
    assert to_content(_parsed(_shuffled(shuffled, random))) == to_content(_parsed(document))


def _shuffled(mapping: dict[str, Any], random: Any) -> dict[str, Any]:
    keys = random.sample(list(mapping), len(mapping))
    return {
        key: mapping[key][::-1] if isinstance(mapping[key], list) and key != "policies" else mapping[key]
        for key in keys
    }


def test_every_limit_and_every_setting_is_written_out() -> None:
    document = as_document(parse("policies: [{name: p, priority: 0, conditions: {tenants: t}}]"))
    for policy in (document["default"], document["policies"][0]):
        assert policy["limits"] == {limit.name: limit.default for limit in LIMITS}
        assert policy["notify"] == {
            "recipients": [],
            "fallback": [],
            "language": "en",
            "time_zone": "UTC",
            "digest_delay": "1m",
            "readers_are_staff": False,
        }
        assert {"action", "bulk_is_spam", "spam_percent_min_messages", "unblocks_without_support"} < policy.keys()


def test_a_limit_that_came_later_does_not_apply_to_a_version_without_it() -> None:
    document = as_document(parse("policies: [{name: p, priority: 0, conditions: {tenants: t}}]"))
    for policy in (document["default"], document["policies"][0]):
        del policy["limits"]["recipients_per_day"]
    for policy in from_content(json.dumps(document), "3").policies:
        assert policy.limits == {**Policy().limits, "recipients_per_day": None}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "what is not JSON (Expecting value), expected JSON"),
        ('{"default": {', "what is not JSON (Expecting property name enclosed in double quotes), expected JSON"),
        ("[" * 100_000, "nesting without end"),
        ("1", "given 1, expected keys and values"),
        ('"x"', 'given "x", expected keys and values'),
        ("{}", "default.limits: given nothing, expected every limit"),
        ('{"default": {"limits": {}}}', "default.limits: given nothing, expected every limit"),
        ('{"default": {"limits": {"recipients_per_day": NaN}}}', "default.limits.recipients_per_day: given NaN, expected a number"),
        ('{"default": {"limits": {"recipients_per_day": 1e999}}}', "default.limits.recipients_per_day: given 1e999, expected a number"),
        ('{"default": {"limits": {"recipients_per_day": "5"}}}', 'default.limits.recipients_per_day: given "5", expected a number'),
        ('{"brake_blocks": 5, "brake_blocks": 6}', "brake_blocks: given a second time, expected each key once"),
        ('{"policies": [{"name": "\\ud800"}]}', 'policies[1].name: given "\\ud800", expected a name'),
        ('{"default": {"action": null}}', "default.action: given nothing, expected one of alert"),
        ('{"default": {"bulk_is_spam": 1}}', "default.bulk_is_spam: given 1, expected true or false"),
        ('{"newer": 5}', "newer: given an unknown key"),
    ],
)  # fmt: skip
def test_a_content_that_cannot_be_used_says_why(content: str, problem: str) -> None:
    with pytest.raises(PolicyFileError) as refused:
        from_content(content, "3")
    assert problem in str(refused.value)


_KEYS = st.sampled_from(
    ["default", "policies", "groups", "contacts", "limits", "name", "conditions", "senders"]
) | st.text(max_size=3)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=20,
)


@given(_values)
def test_any_json_is_policies_or_refused(value: Any) -> None:
    with suppress(PolicyFileError):
        from_content(json.dumps(value), "3")


@given(st.dictionaries(hostile_names, st.lists(hostile_names, max_size=3) | hostile_names, max_size=4))
def test_any_text_can_be_written_as_yaml(texts: dict[str, Any]) -> None:
    assert (YAML(typ="safe", pure=True).load(to_yaml(texts)) or {}) == texts


@pytest.mark.parametrize(
    "text", ["null", "true", "No", "1", "1.5", "1e3", "0x1", "~", "", "-", "2025-01-01", "a: b", "#", "a #b", "*a", "y"]
)
def test_a_text_that_yaml_could_take_for_something_else_is_quoted(text: str) -> None:
    assert to_yaml({"key": text}) == f'key: "{text}"\n'


def test_thousands_of_problems_are_found_in_a_moment() -> None:
    """A worker reads what anybody wrote who may write to the topic: to guess what each name means would hold it up for hours."""
    document = as_document(PolicySet())
    document["groups"] = {f"group-{number}": ["ann@a.test"] for number in range(3000)}
    document["policies"] = [
        {"name": f"p{number}", "priority": 0, "conditions": {"groups": [f"grupo-{number}"]}, f"kew{number}": 1}
        for number in range(3000)
    ]
    began_s = time.process_time()
    with pytest.raises(PolicyFileError) as refused:
        from_content(json.dumps(document), "1")
    assert time.process_time() - began_s < 20, "200 s where each is guessed"
    assert len(refused.value.problems) == 6000
    assert sum(each.expected.startswith("the group group-") for each in refused.value.problems) > 5, "of the first few"
