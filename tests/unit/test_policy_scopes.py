"""Policies for some senders, in the file: what they take over from the default one, and what is wrong with them."""

import json

import pytest

from processor.policies.file import parse
from processor.policies.policy import Action, Conditions, NotifySettings, Policy
from processor.policies.problems import PolicyFileError

INHERITING = """
default:
  limits: {spam_messages_per_hour: 5, recipients_per_day: null}
  action: alert
  bulk_is_spam: true
  notify: {recipients: all@x.example, fallback: other@x.example, language: nl, digest_delay: 5m}
  unblocks_without_support: 1
policies:
  - name: bare
    priority: 7
    conditions: {senders: Ann@X.example}
  - name: own
    priority: 7
    conditions: {sender_domains: [Bücher.example], include_subdomains: false, tenants: [School, shop], groups: vips}
    exceptions: {groups: [staff, vips]}
    limits: {spam_messages_per_hour: null, recipients_per_day: 9}
    action: block
    notify: {recipients: own@x.example, fallback: []}
groups:
  vips: [Bob@x.example, bob@X.example]
  staff: carl
"""


def test_a_policy_inherits_what_it_does_not_give_but_for_the_recipients() -> None:
    found = parse(INHERITING)
    bare, own, default = found.policies
    assert bare == Policy(
        name="bare",
        limits={**Policy().limits, "spam_messages_per_hour": 5.0, "recipients_per_day": None},
        action=Action.ALERT,
        bulk_is_spam=True,
        notify=NotifySettings(fallback=("other@x.example",), language="nl", digest_delay_ms=300_000),
        unblocks_without_support=1,
        priority=7,
        conditions=Conditions(senders=frozenset({"ann@x.example"})),
    )
    assert own.limits == {**Policy().limits, "spam_messages_per_hour": None, "recipients_per_day": 9.0}
    assert own.notify == NotifySettings(recipients=("own@x.example",), language="nl", digest_delay_ms=300_000)
    assert (own.action, own.bulk_is_spam) == (Action.BLOCK, True)
    assert default.notify.recipients == ("all@x.example",)
    assert (default.name, default.priority, default.conditions) == ("default", 0, Conditions())


def test_names_are_kept_in_the_form_in_which_they_are_compared() -> None:
    found = parse(INHERITING)
    assert found.policies[1].conditions == Conditions(
        sender_domains=frozenset({"xn--bcher-kva.example"}),
        tenants=frozenset({"school", "shop"}),
        groups=frozenset({"vips"}),
        include_subdomains=False,
    )
    assert found.policies[1].exceptions == Conditions(groups=frozenset({"staff", "vips"}))
    assert found.groups == {"vips": frozenset({"bob@x.example"}), "staff": frozenset({"carl"})}


@pytest.mark.parametrize("text", ["policies:", "policies: []", "policies: []\ngroups: {}\ncontacts: {a: []}"])
def test_no_policies_are_the_default_alone(text: str) -> None:
    found = parse(text)
    assert (found.policies, found.groups, found.contacts) == ((Policy(),), {}, {})


@pytest.mark.parametrize("exceptions", ["", "exceptions:", "exceptions: {}"])
def test_exceptions_may_be_absent_or_empty(exceptions: str) -> None:
    found = parse(f"policies:\n- name: p\n  priority: 0\n  conditions: {{senders: a}}\n  {exceptions}\n")
    assert found.policies[0].exceptions == Conditions()


def _problems(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as refused:
        parse(text)
    return [str(problem) for problem in refused.value.problems]


def _policy(**keys: object) -> str:
    """A file of one policy in one line, each key as given or as it should be."""
    policy = {"name": "p", "priority": 0, "conditions": {"senders": ["a"]}, **keys}
    return json.dumps(
        {"policies": [{key: value for key, value in policy.items() if value != ...}], "groups": {"vips": "a"}}
    )


_NAME = "a name of at most 100 characters on one line"
_SENDER = "a sender as the verdicts name it: not empty, without spaces around it and control characters"
_DOMAIN = "a domain such as school.example, without @ or *"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (_policy(name=...), f"policies[1].name: given nothing, expected {_NAME}"),
        (_policy(name=""), f'policies[1].name: given "", expected {_NAME}'),
        (_policy(name="a\nb"), f'policies[1].name: given "a\\nb", expected {_NAME}'),
        (_policy(name="x" * 101), f'policies[1].name: given "{"x" * 57}...", expected {_NAME}'),
        (_policy(name="default"),
         'policies[1].name: given "default", expected another name: default is the policy for those to whom no other applies'),
        (_policy(priority=...), "policies[1].priority: given nothing, expected a whole number from 0 to 1000000000"),
        (_policy(priority=1.5), "policies[1].priority: given 1.5, expected a whole number from 0 to 1000000000"),
        (_policy(priority=-1), "policies[1].priority: given -1, expected a whole number from 0 to 1000000000"),
        (_policy(priority="1"), 'policies[1].priority: given "1", expected a whole number from 0 to 1000000000'),
        (_policy(conditions=...),
         "policies[1].conditions: given nothing, expected at least one of senders, sender_domains, tenants, groups"),
        (_policy(conditions={}),
         "policies[1].conditions: given nothing, expected at least one of senders, sender_domains, tenants, groups"),
        (_policy(conditions="a"), 'policies[1].conditions: given "a", expected keys and values'),
        (_policy(conditions={"sender": "a"}), "policies[1].conditions.sender: given an unknown key, expected senders"),
        (_policy(sender_domains="a"),
         "policies[1].sender_domains: given an unknown key, expected sender_domains below policies[1].conditions"),
        (_policy(conditions={"senders": []}), "policies[1].conditions.senders: given an empty list, expected at least one sender"),
        (_policy(exceptions={"tenants": []}), "policies[1].exceptions.tenants: given an empty list, expected at least one tenant"),
        (_policy(conditions={"senders": ["a", ""]}), f'policies[1].conditions.senders[2]: given "", expected {_SENDER}'),
        (_policy(conditions={"senders": " a"}), f'policies[1].conditions.senders: given " a", expected {_SENDER}'),
        (_policy(conditions={"senders": ["a\u0085b"]}), f'policies[1].conditions.senders[1]: given "a\\x85b", expected {_SENDER}'),
        (_policy(conditions={"senders": [["a"]]}), f"policies[1].conditions.senders[1]: given a list, expected {_SENDER}"),
        (_policy(conditions={"senders": None}), f"policies[1].conditions.senders: given nothing, expected {_SENDER}"),
        (_policy(conditions={"tenants": ["\x00"]}), 'policies[1].conditions.tenants[1]: given "\\x00", expected a tenant\'s id'),
        *((_policy(conditions={"sender_domains": [domain]}),
           f'policies[1].conditions.sender_domains[1]: given "{domain}", expected {_DOMAIN}')
          for domain in ("@x.example", "*.x.example", "x..example", "-x.example", "x.example.", "a b.example", "x_y.example")),
        (_policy(conditions={"senders": "a", "include_subdomains": False}),
         "policies[1].conditions.include_subdomains: given no sender_domains beside it, expected both or neither"),
        (_policy(conditions={"groups": ["vip"]}), 'policies[1].conditions.groups[1]: given "vip", expected the group vips'),
        (_policy(exceptions={"groups": "unlike"}),
         'policies[1].exceptions.groups: given "unlike", expected the name of a group that stands under `groups`'),
        ("policies: {name: p}", "policies: given keys and values, expected a list"),
        ("policies: [p]", "policies[1]: given p, expected keys and values"),
        ("groups: {vips: []}", "groups.vips: given an empty list, expected at least one sender"),
        ("groups: {vips: }", f"groups.vips: given nothing, expected {_SENDER}"),
        ("groups: {'': a}", f"groups.: given what is no name, expected {_NAME}"),
        ("groups: [vips]", "groups: given a list, expected keys and values"),
        *((f"default: {{{key}: x}}", (f"default.{key}: given a key that cannot be set here, expected none: the default policy "
           "is for all to whom no other applies, its scope cannot be set"))
          for key in ("name", "priority", "conditions", "exceptions")),
    ],
)  # fmt: skip
def test_each_problem_says_what_was_given_and_what_is_expected(text: str, problem: str) -> None:
    (found,) = [each for each in _problems(text) if problem in each]
    assert found.partition(": ")[2].startswith(problem)


def test_what_is_missing_is_told_where_its_policy_begins() -> None:
    text = (
        "policies:\n  - name: a\n    action: block\n  -\n    name: a\n    priority: 0\n    conditions: {tenants: t}\n"
    )
    assert [problem.split(" given ")[0] for problem in _problems(text)] == [
        "2:5: policies[1].conditions:",
        "2:5: policies[1].priority:",
        "5:11: policies[2].name:",
    ]
    assert _problems(text)[2].endswith("given a, expected another name: a policy above has this one")
