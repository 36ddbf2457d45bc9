"""The policy file: what is valid means what it says, and what is not is refused whole, every problem at its place."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.policies.addresses import comparable
from processor.policies.document import MAX_BYTES
from processor.policies.file import decoded, parse
from processor.policies.limits import LIMITS
from processor.policies.policy import Action, NotifySettings, Policy, PolicySet
from processor.policies.problems import PolicyFileError, Problem
from processor.workers.policy_file import PolicyFileUnusable, load
from tests.hostile import hostile_texts

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "deploy" / "policies.example.yaml"

_addresses = st.lists(
    st.sampled_from(["a@x.example", "b@x.example", "пользователь@пример.рф", "c@y.example"]), max_size=4, unique=True
).map(tuple)


def _bounds(*, percent: bool) -> st.SearchStrategy[float | None]:
    return st.none() | st.floats(0, 100 if percent else 1e300)


_policies = st.builds(
    Policy,
    limits=st.fixed_dictionaries({limit.name: _bounds(percent=limit.percent) for limit in LIMITS}),
    spam_percent_min_messages=st.integers(1, 1_000_000_000),
    action=st.sampled_from(Action),
    bulk_is_spam=st.booleans(),
    notify=st.builds(
        NotifySettings,
        recipients=_addresses,
        fallback=_addresses,
        language=st.sampled_from(["en", "nl", "no", "pt-BR"]),
        time_zone=st.sampled_from(["UTC", "Europe/Amsterdam", "America/Argentina/Ushuaia"]),
        digest_delay_ms=st.integers(0, 86_400_000),
        readers_are_staff=st.booleans(),
    ),
    unblocks_without_support=st.integers(0, 1_000_000_000),
)
_tenants = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1).map(comparable)
_contacts = st.dictionaries(_tenants, _addresses.filter(bool), max_size=3)


def _as_json(policy: Policy, contacts: dict[str, tuple[str, ...]], brake_blocks: int) -> str:
    """The file as JSON, which is YAML too."""
    notify = policy.notify
    content: dict[str, Any] = {
        "default": {
            "limits": policy.limits,
            "spam_percent_min_messages": policy.spam_percent_min_messages,
            "action": policy.action.value,
            "bulk_is_spam": policy.bulk_is_spam,
            "notify": {
                "recipients": notify.recipients,
                "fallback": notify.fallback,
                "language": notify.language,
                "time_zone": notify.time_zone,
                "digest_delay": notify.digest_delay_ms / 1000,
                "readers_are_staff": notify.readers_are_staff,
            },
            "unblocks_without_support": policy.unblocks_without_support,
        },
        "contacts": contacts,
        "brake_blocks": brake_blocks,
    }
    return json.dumps(content, ensure_ascii=False)


@given(_policies, _contacts, st.integers(1, 1_000_000_000))
def test_whatever_a_policy_may_say_can_be_written_in_the_file(
    policy: Policy, contacts: dict[str, tuple[str, ...]], brake_blocks: int
) -> None:
    text = _as_json(policy, contacts, brake_blocks)
    version = f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    assert parse(text) == PolicySet(policies=(policy,), version=version, contacts=contacts, brake_blocks=brake_blocks)


@pytest.mark.parametrize(
    "text", ["", "# only a comment\n", "---\n", "default:\n", "default:\n  limits:\n  notify:\ncontacts:\n"]
)
def test_what_is_not_given_has_its_default(text: str) -> None:
    found = parse(text)
    assert (found.policies, found.contacts, found.brake_blocks) == ((Policy(),), {}, PolicySet().brake_blocks)


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_every_limit_can_be_set_and_lifted(limit: Any) -> None:
    for written, bound in (
        ("7", 7.0),
        ("0", 0.0),
        ("12.5", 12.5),
        ("1e1", 10.0),
        ("null", None),
        ("~", None),
        ("", None),
    ):
        limits = parse(f"default:\n  limits:\n    {limit.name}: {written}\n").policies[0].limits
        assert limits == {**Policy().limits, limit.name: bound}


@pytest.mark.parametrize(
    ("written", "delay_ms"),
    [("60s", 60_000), ("5m", 300_000), ("1h", 3_600_000), ("24h", 86_400_000), ("90", 90_000), ("0", 0), ("0.25", 250),
     ("1.5 m", 90_000), ('"30s"', 30_000)],
)  # fmt: skip
def test_delays_have_units_or_are_seconds(written: str, delay_ms: int) -> None:
    assert parse(f"default: {{notify: {{digest_delay: {written}}}}}").policies[0].notify.digest_delay_ms == delay_ms


def test_one_address_is_a_list_of_one_and_a_second_time_the_same_is_once() -> None:
    found = parse("default: {notify: {recipients: a@x.example, fallback: [b@x.example, b@x.example]}}")
    assert found.policies[0].notify == NotifySettings(recipients=("a@x.example",), fallback=("b@x.example",))


def _problems(text: str) -> list[str]:
    with pytest.raises(PolicyFileError) as refused:
        parse(text)
    return [str(problem) for problem in refused.value.problems]


_NUMBER = "a number of 0 or more, or null for no limit"
_DELAY = "a time of at most 24 hours, such as 60s, 5m, 1h or a number of seconds"
_ADDRESS = "a mail address, local@domain"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("default: 1", "1:10: default: given 1, expected keys and values"),
        ("- a", "1:1: given a list, expected keys and values"),
        ("default: {limits: {recipients_per_day: ten}}", f"1:40: default.limits.recipients_per_day: given ten, expected {_NUMBER}"),
        ("default: {limits: {recipients_per_day: -1}}", f"1:40: default.limits.recipients_per_day: given -1, expected {_NUMBER}"),
        ("default: {limits: {recipients_per_day: '5'}}", f'1:40: default.limits.recipients_per_day: given "5", expected {_NUMBER}'),
        ("default: {limits: {recipients_per_day: .inf}}", f"1:40: default.limits.recipients_per_day: given .inf, expected {_NUMBER}"),
        ("default: {limits: {recipients_per_day: .nan}}", f"1:40: default.limits.recipients_per_day: given .nan, expected {_NUMBER}"),
        ("default: {limits: {recipients_per_day: 1e999}}", f"1:40: default.limits.recipients_per_day: given 1e999, expected {_NUMBER}"),
        ("default: {limits: {recipients_per_day: [5]}}", f"1:40: default.limits.recipients_per_day: given a list, expected {_NUMBER}"),
        ("default: {limits: {spam_percent_per_day: 100.1}}",
         "1:42: default.limits.spam_percent_per_day: given 100.1, expected a number from 0 to 100, or null for no limit"),
        ("default: {limits: {spam_messages_per_our: 5}}",
         "1:20: default.limits.spam_messages_per_our: given an unknown key, expected spam_messages_per_hour"),
        ("default: {spam_messages_per_hour: 5}",
         "1:11: default.spam_messages_per_hour: given an unknown key, expected spam_messages_per_hour below default.limits"),
        ("default: {Recipients: a@x.example}",
         "1:11: default.Recipients: given an unknown key, expected recipients below default.notify"),
        ("xyzzy: 5", "1:1: xyzzy: given an unknown key, expected one of default, policies, groups, contacts, brake_blocks"),
        ("default: {spam_percent_min_messages: 0}",
         "1:38: default.spam_percent_min_messages: given 0, expected a whole number from 1 to 1000000000"),
        ("default: {spam_percent_min_messages: 2.5}",
         "1:38: default.spam_percent_min_messages: given 2.5, expected a whole number from 1 to 1000000000"),
        ("default: {action: stop}", "1:19: default.action: given stop, expected one of alert, block, block_until_tomorrow"),
        ("default: {action: }", "1:18: default.action: given nothing, expected one of alert, block, block_until_tomorrow"),
        ("default: {bulk_is_spam: yes}", "1:25: default.bulk_is_spam: given yes, expected true or false"),
        ("default: {notify: {recipients: ann}}", f"1:32: default.notify.recipients: given ann, expected {_ADDRESS}"),
        ("default: {notify: {recipients: [a@x.example, ann]}}", f"1:46: default.notify.recipients[2]: given ann, expected {_ADDRESS}"),
        ("default: {notify: {language: Dutch!}}",
         "1:30: default.notify.language: given Dutch!, expected a language tag such as en or nl"),
        ("default: {notify: {time_zone: Europe/Amsterdan}}",
         "1:31: default.notify.time_zone: given Europe/Amsterdan, expected a time zone such as Europe/Amsterdam"),
        ("default: {notify: {time_zone: ../../etc/passwd}}",
         "1:31: default.notify.time_zone: given ../../etc/passwd, expected a time zone such as Europe/Amsterdam"),
        ("default: {notify: {digest_delay: 2d}}", f"1:34: default.notify.digest_delay: given 2d, expected {_DELAY}"),
        ("default: {notify: {digest_delay: 25h}}", f"1:34: default.notify.digest_delay: given 25h, expected {_DELAY}"),
        ("default: {notify: {digest_delay: -5}}", f"1:34: default.notify.digest_delay: given -5, expected {_DELAY}"),
        ("contacts: {school: }", f"1:19: contacts.school: given nothing, expected {_ADDRESS}, or a list of them"),
        ("contacts: {'': a@x.example}", "1:12: contacts.: given no name, expected a tenant's id"),
        ("contacts: {' a': a@x.example}", "1:12: contacts. a: given what is no name, expected a tenant's id"),
        ("contacts: {a: a@x.example, A: b@x.example}",
         "1:28: contacts.A: given a second time, as case does not matter, expected each tenant once"),
        ("brake_blocks: 0", "1:15: brake_blocks: given 0, expected a whole number from 1 to 1000000000"),
        ("brake_blocks: 5\nbrake_blocks: 6", "2:1: brake_blocks: given a second time after line 1, expected each key once"),
        ("? [a]\n: 5", "1:3: given a list as a key, expected a word as a key"),
        ("brake_blocks: &five 5", "1:15: brake_blocks: given the anchor &five, expected each value where it applies, no anchors"),
        ("brake_blocks: *five", "1:15: brake_blocks: given the alias *five, expected the value itself"),
        ("brake_blocks: !!python/object/apply:os.system [id]",
         "1:15: brake_blocks: given the tag tag:yaml.org,2002:python/object/apply:os.system, expected a value without a tag"),
        ("brake_blocks: 5\n---\nbrake_blocks: 5", "2:1: given a second document, expected one document in a file"),
        ("a: b: c", "1:5: given what is not YAML (mapping values are not allowed here), expected YAML 1.2"),
        ("a:\n\tb: c", "2:1: given what is not YAML (a tab: only spaces stand before a key or value), expected YAML 1.2"),
        ("a: 'x", "1:6: given what is not YAML (while scanning a quoted scalar found unexpected end of stream), expected YAML 1.2"),
        ("a:\r\n  - \x07", "2:5: given what is not YAML (the character U+0007), expected YAML 1.2"),
        ("[" * 100_000, f"1:18: {'[1]' * 17}: given nesting deeper than 16, expected no such depth"),
        ("#" * (MAX_BYTES + 1), f"1:1: given {MAX_BYTES + 1} bytes, expected at most {MAX_BYTES}"),
    ],
)  # fmt: skip
def test_each_problem_says_where_it_is_what_was_given_and_what_is_expected(text: str, problem: str) -> None:
    assert problem in _problems(text)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = "default:\n  action: stop\n  limits:\n    xyzzy: 1\nbrake_blocks: no\nbrake_blocks: &x 1\nx: *x\n"
    assert [line.split(" ", 2)[:2] for line in _problems(text)] == [
        ["2:11:", "default.action:"],
        ["4:5:", "default.limits.xyzzy:"],
        ["5:15:", "brake_blocks:"],
        ["6:1:", "brake_blocks:"],
        ["6:15:", "brake_blocks:"],
        ["7:1:", "x:"],
        ["7:4:", "x:"],
    ]


def test_aliases_cannot_make_a_small_file_large() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert len(_problems("\n".join(lines))) == 110


@given(st.data())
def test_a_key_with_a_typo_suggests_the_key(data: st.DataObject) -> None:
    path = data.draw(
        st.sampled_from([("default", "action"), ("default", "notify"), ("contacts",), ("brake_blocks",)])
        | st.sampled_from([("default", "limits", limit.name) for limit in LIMITS])
        | st.sampled_from([("default", "notify", "recipients"), ("default", "notify", "readers_are_staff")])
    )
    key = path[-1]
    at = data.draw(st.integers(0, len(key) - 1))
    typo = data.draw(
        st.sampled_from([key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.replace("_", "-") + "s"])
    )
    text = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate((*path[:-1], typo)))
    assert _problems(text) == [
        f"{len(path)}:{2 * len(path) - 1}: {'.'.join((*path[:-1], typo))}: given an unknown key, expected {key}"
    ]


_FRAGMENTS = ["default", "limits", "notify", "contacts", "recipients", "spam_messages_per_hour", ": ", ":", "\n", "\n  ", "\n    ",
              "- ", "[", "]", "{", "}", ", ", "5", "null", "a@b.example", "&a ", "*a", "!x ", "!!int ", '"', "'", "|\n", ">-\n", "# ",
              "---\n", "...\n", "%YAML 1.1\n", "%TAG ! x\n", "? ", "\t", "\r\n", "\ufeff", "\\x", "\\U00110000", "<<", "~", "=", "\x85",
              "\u2028", "\x00", "\ud800", "0x", "1_0", "-", "@", "`", "%", "é"]  # fmt: skip
_fragments = st.lists(st.sampled_from(_FRAGMENTS), max_size=30).map("".join)


@st.composite
def _edited_examples(draw: st.DrawFn) -> str:
    text = EXAMPLE.read_text("utf-8")
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 12))
        text = text[:start] + draw(_fragments | st.text(max_size=8)) + text[end:]
    return text


def _refusal(read: Callable[[], object]) -> tuple[Problem, ...]:
    """The problems that a reading ends with; none where it succeeds."""
    try:
        read()
    except PolicyFileError as error:
        return error.problems
    return ()


@given(hostile_texts | _fragments | _edited_examples())
def test_any_text_is_either_valid_or_refused_with_places_in_it(text: str) -> None:
    lines = re.split("\r\n|\r|\n", text)
    for problem in _refusal(lambda: parse(text)):
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        assert str(problem).isprintable()


@given(st.binary(max_size=60))
def test_any_bytes_are_either_text_or_refused_with_a_place(content: bytes) -> None:
    problems = _refusal(lambda: decoded(content))
    assert len(problems) == (content.decode(errors="replace").encode() != content)
    for problem in problems:
        assert 1 <= problem.line <= content.count(b"\n") + content.count(b"\r") + 1
        assert 1 <= problem.column <= len(content)


def test_the_documented_limits_are_those_that_there_are() -> None:
    page = (ROOT / "docs" / "policies.md").read_text("utf-8")
    documented = re.findall(r"^\| `(\w+_per_\w+)` \| ([\d.]+) \| \S", page, re.MULTILINE)
    assert documented == [(limit.name, f"{limit.default:g}") for limit in LIMITS]


def test_each_limit_has_a_bit_for_its_alerts_beside_that_of_the_brake() -> None:
    assert len(LIMITS) <= 15


def test_a_file_of_any_line_ends_has_the_hash_of_its_bytes_as_version(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    for content in (b"brake_blocks: 5\n", b"brake_blocks: 5\r\n", b"\xef\xbb\xbfbrake_blocks: 5"):
        path.write_bytes(content)
        found = load(path)
        assert found.version == f"sha256:{hashlib.sha256(content).hexdigest()[:12]}"
        assert found.brake_blocks == 5


def test_every_problem_of_a_file_names_the_file_the_line_and_the_column(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("brake_blocks: 0\ndefault: {action: stop}\n")
    with pytest.raises(PolicyFileUnusable) as refused:
        load(path)
    assert str(refused.value).splitlines() == [
        f"{path}:1:15: brake_blocks: given 0, expected a whole number from 1 to 1000000000",
        f"{path}:2:19: default.action: given stop, expected one of alert, block, block_until_tomorrow",
    ]


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileUnusable, match=r"none\.yaml: cannot be read: No such file or directory"):
        load(tmp_path / "none.yaml")
    with pytest.raises(PolicyFileUnusable, match="cannot be read: Is a directory"):
        load(tmp_path)
    (tmp_path / "latin1.yaml").write_bytes("brake_blocks: 5 # \xe9".encode("latin-1"))
    with pytest.raises(PolicyFileUnusable, match=r"latin1\.yaml:1:19: given the byte e9, which is not UTF-8"):
        load(tmp_path / "latin1.yaml")


def test_of_thousands_of_problems_the_first_are_told_and_the_rest_counted(tmp_path: Path) -> None:
    path = tmp_path / "policies.yaml"
    path.write_text("groups: {all: [" + "'', " * 1000 + "]}")
    with pytest.raises(PolicyFileUnusable) as refused:
        load(path)
    lines = str(refused.value).splitlines()
    assert (len(lines), lines[-1]) == (201, f"{path}: and 800 problems more")


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "\ufeff# nothing\n---\nnull\n", "---\n~\n..."])
def test_a_file_that_says_nothing_is_refused_since_it_would_take_every_policy_away(
    content: str, tmp_path: Path
) -> None:
    (tmp_path / "policies.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(PolicyFileUnusable, match="is empty"):
        load(tmp_path / "policies.yaml")
    (tmp_path / "policies.yaml").write_text("{} # the built-in policies\n")
    assert load(tmp_path / "policies.yaml").policies == PolicySet().policies
