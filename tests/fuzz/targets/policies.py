"""Whoever reads policies: the file, a version's content, and the file of tenants. Each gives a value or says where it is wrong."""

from pathlib import Path
from tempfile import TemporaryDirectory

from processor.policies import content, file
from processor.policies.policy import DEFAULT_POLICY_NAME, PolicySet
from processor.policies.problems import PolicyFileError
from processor.verdicts.tenants import TenantsFileError, load_tenants
from tests.fuzz.target import Target

_FILE = b"""\
default:
  limits: {spam_messages_per_hour: 10, spam_percent_per_day: null}
  action: block_until_tomorrow
  notify: {recipients: [abuse@a.example], language: nl, time_zone: Europe/Amsterdam, digest_delay: 60s}
policies:
  - name: schools
    priority: 1
    conditions: {sender_domains: [school.example], groups: [staff], include_subdomains: false}
    exceptions: {senders: "head@school.example"}
    limits:
      external_recipients_per_hour: 1_000
    bulk_is_spam: true
groups:
  staff: [ann@a.example, bob]
contacts:
  a.example: [postmaster@a.example]
brake_blocks: 100
"""
_WORDS = (
    b"&a ", b"*a", b"<<: *a", b"!!python/object/apply:os.system ", b"!!binary ", b"!<x> ", b"%YAML 1.1\n---\n", b"--- ", b"...\n",
    b"? ", b"- ", b": ", b"{", b"}", b"[", b"]", b"|\n", b">-\n ", b"'", b'"', b"\t", b"#", b"\\U99999999", b"\\x00", b"\xef\xbb\xbf",
    b"\xff", b"\x85", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"9" * 400, b"1e999", b"-0", b".inf", b"0x1F", b"0o7", b"~", b"null", b"yes",
    b"2026-11-26", b"12:30:45", b"default:\n", b"policies:\n", b"  name: x\n", b"\r", b"\n  ", b"a: &a [*a,*a]\n", b"[" * 200,
    b"{a: " * 50, b"- " * 200, b"? " * 200,
)  # fmt: skip


def _check_file(given: bytes) -> str:
    try:
        policies = file.parse(file.decoded(given))
    except PolicyFileError as error:
        return _told(error, given.count(b"\n") + given.count(b"\r") + 4)
    _hold(policies)
    assert content.from_content(content.to_content(policies), policies.version) == policies
    return "good"


def _check_content(given: bytes) -> str:
    try:
        text = given.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    try:
        policies = content.from_content(text, "7")
    except PolicyFileError as error:
        return _told(error, text.count("\n") + 4)
    _hold(policies)
    assert content.from_content(content.to_content(policies), "7") == policies
    return "good"


def _told(error: PolicyFileError, lines: int) -> str:
    assert error.problems, "refused for nothing"
    for problem in error.problems:
        assert 1 <= problem.line <= lines, problem
        assert problem.column >= 1, problem
        assert problem.given, problem
        assert problem.expected, problem
        assert len(str(problem)) < 10_000, "a problem longer than anybody reads"
        str(problem).encode()
    fields = {problem.field.partition(".")[0].partition("[")[0] for problem in error.problems}
    return "refused in " + min(fields & {"", "default", "policies", "groups", "contacts", "brake_blocks"} or {"other"})


def _hold(policies: PolicySet) -> None:
    *others, default = policies.policies
    assert default.name == DEFAULT_POLICY_NAME
    assert len({policy.name for policy in others} - {DEFAULT_POLICY_NAME}) == len(others)
    for policy in policies.policies:
        assert all(bound is None or 0 <= bound < float("inf") for bound in policy.limits.values())


def _check_tenants(given: bytes) -> str:
    outcome = ""
    with TemporaryDirectory() as folder:
        for name in ("tenants.yaml", "tenants.toml"):
            path = Path(folder) / name
            path.write_bytes(given)
            try:
                tenants = load_tenants(path)
            except TenantsFileError as error:
                assert len(str(error)) < 20_000, "a message longer than anybody reads"
                outcome = "refused"
            else:
                tenants.of_sender("ann@a.example")
                outcome = "good"
    return outcome


def _content() -> list[bytes]:
    return [content.to_content(file.parse(text)).encode() for text in ("", _FILE.decode().replace("1_000", "1000"))]


_JSON_WORDS = (
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"NaN", b"Infinity", b"1e999", b"-0", b"9" * 5000, b"\\ud800", b"\\u0000",
    b'"default":', b'"limits":{', b"[" * 3000, b'{"a":' * 1500, b'"name":"x",',
)  # fmt: skip

TARGETS = (
    Target(
        "policies",
        "any bytes are a set of policies, or PolicyFileError with lines and columns",
        _check_file,
        lambda: [_FILE, _FILE.replace(b"1_000", b"1000"), b""],
        words=_WORDS,
        limit_s=4,
    ),
    Target(
        "policy-content",
        "any text of a version is a set of policies, or PolicyFileError",
        _check_content,
        _content,
        words=_JSON_WORDS,
        longest=20_000,
    ),
    Target(
        "tenants",
        "any file of tenants is a map, or TenantsFileError",
        _check_tenants,
        lambda: [b"a.example: a\n'*': rest\n", b'"a.example" = "a"\n'],
        words=(
            *_WORDS,
            b"? [*a, *a]\n: x\n",
            b'"a.b" = "c"\n',
            b"a.b = 1\n",
            b"0x",
            b"!!set ",
            b"!!omap ",
            b"!!timestamp ",
        ),
        limit_s=4,
    ),
)
