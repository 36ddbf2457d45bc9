"""What people start from: the example file says what its comments say, and the schema knows the keys that the reader knows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from ruamel.yaml import YAML

from processor.cli.main import run
from processor.policies.file import parse
from processor.policies.policy import Action, Policy, PolicySet
from processor.policies.problems import PolicyFileError
from processor.policies.schema import json_schema
from processor.policies.writing import as_yaml
from processor.workers.policy_file import load
from tests.json_schema import violations
from tests.policy_strategies import documents
from tests.processes import ROOT

EXAMPLE = ROOT / "deploy" / "policies.example.yaml"
SCHEMA = ROOT / "deploy" / "policies.schema.json"


CASES = [
    ("scanner@provider.example", "provider", "service accounts"),
    ("a.visser@provider.example", "provider", "board"),
    ("office@provider.example", "Provider", "board"),
    ("a.visser@provider.example", "school-1.example", "schools"),
    ("a.visser@provider.example", "other", "default"),
    ("weekly@news.shop.example", "shop", "newsletters"),
    ("weekly@eu.news.shop.example", "shop", "newsletters"),
    ("j.jansen@news.shop.example", "shop", "default"),
    ("pupil@school-3.example", "school-3.example", "schools"),
    ("W.deGroot@school-1.example", "school-1.example", "default"),
    ("lists@mailings.example", "customer", "large senders"),
    ("lists@eu.mailings.example", "customer", "default"),
    ("shop@xn--bcher-kva.example", "customer", "large senders"),
    ("ann@example.org", "", "default"),
]


@pytest.fixture(scope="module")
def example() -> PolicySet:
    return load(EXAMPLE)


@pytest.mark.parametrize(("sender", "tenant", "policy"), CASES)
def test_the_example_applies_to_whom_its_comments_say(
    example: PolicySet, sender: str, tenant: str, policy: str
) -> None:
    assert example.policies[example.matcher.row_of(sender, tenant)].name == policy


def test_every_policy_of_the_example_applies_to_somebody(example: PolicySet) -> None:
    assert {policy.name for policy in example.policies} == {policy for _, _, policy in CASES}


def test_the_default_of_the_example_has_the_built_in_limits(example: PolicySet) -> None:
    default, built_in = example.policies[-1], Policy()
    assert default.limits == built_in.limits
    assert (default.action, default.bulk_is_spam) == (built_in.action, built_in.bulk_is_spam)
    assert default.unblocks_without_support == built_in.unblocks_without_support
    assert example.brake_blocks == PolicySet().brake_blocks


def test_the_example_tells_whom_it_says(example: PolicySet) -> None:
    def told(sender: str, tenant: str) -> tuple[str, ...]:
        return example.notify_for(tenant, sender, None).recipients

    assert told("a.visser@provider.example", "provider")[0] == "security@provider.example"
    assert told("pupil@school-2.example", "school-2.example") == ("anna@school-2.example", "helpdesk@provider.example")
    assert told("pupil@school-3.example", "school-3.example") == ("postmaster@school-3.example",)
    assert told("scanner@provider.example", "provider") == ("helpdesk@provider.example",)
    board = next(policy for policy in example.policies if policy.name == "board")
    assert board.action is Action.ALERT
    assert board.notify.fallback == ("abuse@provider.example",)


def test_the_example_names_its_schema_to_editors() -> None:
    assert EXAMPLE.read_text("utf-8").startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")


def test_the_schema_file_is_what_the_code_makes() -> None:
    """If this fails: senderwatch policy schema > deploy/policies.schema.json."""
    assert SCHEMA.read_text("utf-8") == f"{json.dumps(json_schema(), indent=2, ensure_ascii=False)}\n"


def _loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


def test_the_example_is_valid_by_the_schema_and_gives_every_key() -> None:
    document = _loaded(EXAMPLE.read_text("utf-8"))
    assert list(violations(json_schema(), document)) == []
    assert document["default"].keys() == json_schema()["properties"]["default"]["properties"].keys()
    assert document.keys() == json_schema()["properties"].keys()


@given(documents)
def test_what_the_reader_takes_the_schema_takes(document: dict[str, Any]) -> None:
    assert list(violations(json_schema(), document)) == []
    assert list(violations(json_schema(), _loaded(as_yaml(parse(json.dumps(document)))))) == []


def test_the_page_shows_a_file_and_what_is_said_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "policies.md").read_text("utf-8")
    (yaml,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    ((arguments, said),) = re.findall(
        r"\$ senderwatch (policy explain .*) --file policies.yaml\n(.*?)```", page, re.DOTALL
    )
    path = tmp_path / "policies.yaml"
    path.write_text(yaml)
    assert run([*arguments.split(), "--file", str(path)]) == 0
    told = capsys.readouterr().out
    shown = [re.escape(line).replace(r"\.\.\.", ".*") for line in said.splitlines()]
    assert re.fullmatch("\n".join(shown) + "\n", told)


def _mappings(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], set[str]]]:
    """The path of each mapping that has known keys, and these."""
    if "properties" in schema:
        yield path, set(schema["properties"])
        for key, below in schema["properties"].items():
            yield from _mappings(below, (*path, key))
    if "items" in schema:
        yield from _mappings(schema["items"], (*path, "0"))


MAPPINGS = list(_mappings(json_schema()))


@pytest.mark.parametrize(("path", "keys"), MAPPINGS, ids=[".".join(path) for path, _ in MAPPINGS])
def test_the_reader_knows_the_same_keys_as_the_schema(path: tuple[str, ...], keys: set[str]) -> None:
    document: Any = {"xyzzy": 1}
    for step in reversed(path):
        document = [document] if step == "0" else {step: document}
    with pytest.raises(PolicyFileError) as refused:
        parse(json.dumps(document))
    (told,) = re.findall(r"xyzzy: given an unknown key, expected one of (.*)", str(refused.value))
    assert set(told.split(", ")) == keys


def test_the_schema_has_seen_every_mapping() -> None:
    assert len(MAPPINGS) == 9


_POLICY = {"name": "p", "priority": 0, "conditions": {"senders": "a"}}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"default": 1},
        {"default": {"limits": {"recipients_per_day": -1}}},
        {"default": {"limits": {"recipients_per_day": "many"}}},
        {"default": {"limits": {"spam_percent_per_day": 101}}},
        {"default": {"action": "stop"}},
        {"default": {"action": None}},
        {"default": {"bulk_is_spam": "yes"}},
        {"default": {"notify": {"digest_delay": "2d"}}},
        {"default": {"notify": {"digest_delay": 86_401}}},
        {"default": {"notify": {"language": "Dutch!"}}},
        {"default": {"notify": {"recipients": ["ann"]}}},
        {"default": {"spam_percent_min_messages": 0}},
        {"default": {"conditions": {"senders": "a"}}},
        {"policies": {"name": "p"}},
        *({"policies": [{key: value for key, value in _POLICY.items() if key != without}]} for without in _POLICY),
        {"policies": [{**_POLICY, "priority": 1.5}]},
        {"policies": [{**_POLICY, "priority": True}]},
        {"policies": [{**_POLICY, "conditions": {}}]},
        {"policies": [{**_POLICY, "conditions": {"senders": []}}]},
        {"policies": [{**_POLICY, "conditions": {"senders": "a", "include_subdomains": True}}]},
        {"policies": [{**_POLICY, "exceptions": {"include_subdomains": True}}]},
        {"policies": [{**_POLICY, "name": "x" * 101}]},
        {"policies": [{**_POLICY, "conditions": {"sender_domains": "*.x.example"}}]},
        {"groups": {"vips": []}},
        {"groups": {"": "a"}},
        {"contacts": {"school": "ann"}},
        {"brake_blocks": 0},
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(document: Any) -> None:
    assert list(violations(json_schema(), document))
    with pytest.raises(PolicyFileError):
        parse(json.dumps(document))


def test_check_says_how_much_there_is_and_what_is_probably_not_meant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["policy", "check", str(EXAMPLE)]) == 0
    told = "valid: 5 policies beside the default one, 4 groups of 8 senders, contacts of 3 tenants"
    assert capsys.readouterr().out == f"{EXAMPLE}: {told}\n"
    path = tmp_path / "policies.yaml"
    path.write_text("groups: {vips: [ann]}")
    assert run(["policy", "check", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: valid: 0 policies beside the default one, 1 group of 1 sender",
        f'{path}: note: no policy names the group "vips"',
    ]
    path.write_text(
        "policies: [{name: a, priority: 1, conditions: {senders: ['*@x.example', '@y.example'], tenants: school-*}, "
        "notify: {language: nl-BE}}]\ngroups: {vips: ['*']}\ndefault: {notify: {language: xx}}"
    )
    assert run(["policy", "check", str(path)]) == 0
    assert [line.partition("note: ")[2] for line in capsys.readouterr().out.splitlines()[1:]] == [
        'no policy names the group "vips"',
        'the sender "*" is that one name, no pattern: for whole domains there is sender_domains',
        'the sender "*@x.example" is that one name, no pattern: for whole domains there is sender_domains',
        'the sender "@y.example" is that one name, no pattern: for whole domains there is sender_domains',
        'the tenant "school-*" is that one name, no pattern',
        'the language "xx" is none of en, nl: mails are in English where notifier.templates has no such folder',
    ]


def test_check_reads_no_more_than_a_policy_file_can_have(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "check", "/dev/zero"]) == 2
    assert capsys.readouterr().err == "senderwatch: /dev/zero: is longer than 16 MiB\n"


def test_the_schema_command_prints_the_file_that_editors_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["policy", "schema"]) == 0
    assert capsys.readouterr().out == SCHEMA.read_text("utf-8")
