"""What a comparison of two sets of policies says: everything that changed, in lines that can be read."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from processor.policies.content import to_content
from processor.policies.differences import differences
from processor.policies.file import parse
from processor.policies.policy import PolicySet
from tests.policy_strategies import documents

OLD = """
default: {limits: {spam_messages_per_hour: 10}}
policies:
- {name: newsletters, priority: 10, conditions: {senders: [a@x.example, b@x.example]}, limits: {spam_messages_per_hour: 10}}
- {name: staff, priority: 20, conditions: {sender_domains: x.example}, action: alert}
- {name: school, priority: 20, conditions: {tenants: school}, exceptions: {groups: vips}}
groups: {vips: [ann, bob, carl, dave, eve, fred, gina], robots: [scanner]}
contacts: {school: it@school.example}
"""


def _parsed(document: dict[str, Any]) -> PolicySet:
    return parse(json.dumps(document, ensure_ascii=False))


@given(documents, documents)
def test_there_is_no_difference_exactly_between_sets_that_mean_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    old, new = _parsed(one), _parsed(other)
    assert (differences(old, new) == []) == (to_content(old) == to_content(new))
    assert differences(old, old) == []


@given(documents)
def test_each_new_value_of_a_set_is_told(document: dict[str, Any]) -> None:
    """From nothing to anything and back: as many lines, each with its sign turned."""
    policies = _parsed(document)
    come, gone = differences(PolicySet(), policies), differences(policies, PolicySet())
    turned = {"+": "-", "-": "+", "~": "~"}
    assert sorted(turned[each.sign] + each.subject for each in come) == sorted(
        each.sign + each.subject for each in gone
    )


@pytest.mark.parametrize(
    ("written", "instead", "lines"),
    [
        ("priority: 10,", "priority: 10, action: block_until_tomorrow,", []),
        ("senders: [a@x.example, b@x.example]", "senders: [B@x.example, A@x.example]", []),
        ("}, limits: {spam_messages_per_hour: 10}}", "}, limits: {spam_messages_per_hour: null}}",
         ['~ policy "newsletters": limits.spam_messages_per_hour 10 -> null']),
        ("default: {limits: {spam_messages_per_hour: 10}}", "default: {limits: {spam_messages_per_hour: 2.5}}",
         ["~ default: limits.spam_messages_per_hour 10 -> 2.5", '~ policy "staff": limits.spam_messages_per_hour 10 -> 2.5',
          '~ policy "school": limits.spam_messages_per_hour 10 -> 2.5']),
        ("[a@x.example, b@x.example]", "[a@x.example, c@x.example, d@x.example]",
         ['+ policy "newsletters": conditions.senders: 2 added: c@x.example, d@x.example',
          '- policy "newsletters": conditions.senders: 1 of 2 removed: b@x.example']),
        ("sender_domains: x.example", "sender_domains: x.example, include_subdomains: false",
         ['~ policy "staff": conditions.include_subdomains true -> false']),
        (", exceptions: {groups: vips}", "", ['- policy "school": exceptions.groups: 1 of 1 removed: vips']),
        ("action: alert", "action: block, notify: {recipients: [p@x.example, q@x.example], language: nl}",
         ['~ policy "staff": action alert -> block', '~ policy "staff": notify.recipients none -> p@x.example, q@x.example',
          '~ policy "staff": notify.language en -> nl']),
        ("name: staff, priority: 20", "name: staff, priority: 5", ['~ policy "staff": priority 20 -> 5']),
        ("name: staff, priority: 20, conditions: {sender_domains: x.example}", "name: all, priority: 3, conditions: {tenants: [t, s]}",
         ['+ policy "all": priority 3; conditions.tenants s, t; action alert', '- policy "staff"']),
        ("[ann, bob, carl, dave, eve, fred, gina]", "[gina]",
         ['- group "vips": 6 of 7 senders removed: ann, bob, carl, dave, eve, and 1 more']),
        ("robots: [scanner]", "printers: [scanner, plotter]", ['+ group "printers": 2 senders: plotter, scanner', '- group "robots"']),
        ("{school: it@school.example}", "{school: [a@x.example, it@school.example]}",
         ['~ contacts of "school": it@school.example -> a@x.example, it@school.example']),
        ("{school: it@school.example}", "{shop: it@school.example}\nbrake_blocks: 50",
         ['- contacts of "school"', '+ contacts of "shop": it@school.example', "~ brake_blocks: 100 -> 50"]),
    ],
)  # fmt: skip
def test_a_change_is_told_by_where_it_is_what_was_and_what_is(written: str, instead: str, lines: list[str]) -> None:
    old, new = parse(OLD), parse(OLD.replace(written, instead))
    assert [str(each) for each in differences(old, new)] == lines


def test_another_order_within_a_priority_is_told() -> None:
    old = parse(OLD)
    newsletters, staff, school, default = old.policies
    new = replace(old, policies=(newsletters, school, staff, default))
    assert [str(each) for each in differences(old, new)] == [
        "~ order within priority 20: staff, school -> school, staff"
    ]


def test_names_cannot_break_out_of_their_line() -> None:
    new = parse(
        'policies: [{name: "a\\"b", priority: 1, conditions: {senders: "x\\u202ey"}}]\ngroups: {"a b": "\\u200b"}'
    )
    for line in map(str, differences(PolicySet(), new)):
        assert line.isprintable()
