"""Policies on a real broker: versions that are published, read, compared and shown, and records that are none."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from processor.cli.main import run
from processor.kafka.clients import POLICY_MAX_BYTES, ClientSettings
from processor.kafka.policy_log import (
    PolicyUnusable,
    PublishedVersion,
    PublishingFailed,
    UnknownVersion,
    UnusableVersion,
    latest_policies,
    publish,
    read_versions,
    version_at,
)
from processor.kafka.reading import UnknownTopic
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.content import to_content
from processor.policies.policy import PolicySet
from tests.brokers import Broker
from tests.events_io import a_block, the_unblock
from tests.topics_io import make_topics, write_all

SERDE = Serde(None)
SET = "default"


def never() -> bool:
    return False


def in_force(settings: ClientSettings, topic: str) -> PolicySet | None:
    return latest_policies(settings, topic, SERDE, SET, should_stop=never)


@pytest.fixture
def settings(kafka: Broker) -> ClientSettings:
    return ClientSettings(kafka.bootstrap)


@pytest.fixture
def names(kafka: Broker, topic_prefix: str) -> TopicNames:
    return make_topics(kafka.bootstrap, topic_prefix)


def published(settings: ClientSettings, topic: str, policies: PolicySet, comment: str | None = None) -> str:
    return publish(settings, topic, SERDE, SET, policies, published_by="ann@desk", comment=comment)


def record(content: str, name: str = SET, topic: str = "") -> bytes:
    fields = {"name": name, "content": content, "published_by": "somebody", "comment": None}
    return SERDE.encode(topic, "OutboundPolicies", fields)


def test_a_version_is_read_as_it_was_published_and_its_number_is_its_offset(
    settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    assert in_force(settings, topic) is None
    first, second = PolicySet(brake_blocks=7), PolicySet(groups={"vips": frozenset({"ann@x.example"})})
    assert [published(settings, topic, first, "first"), published(settings, topic, second)] == ["0", "1"]
    assert in_force(settings, topic) == replace(second, version="1")
    assert version_at(settings, topic, SERDE, SET, "0") == replace(first, version="0")
    one, other = read_versions(settings, topic, SERDE, SET, should_stop=never)
    assert isinstance(one, PublishedVersion)
    assert isinstance(other, PublishedVersion)
    assert (one.published_by, one.comment, other.comment) == ("ann@desk", "first", None)
    assert 0 < one.published_at_ms <= other.published_at_ms
    assert (one.policies, other.policies) == (replace(first, version="0"), replace(second, version="1"))


def test_sets_of_policies_share_a_topic_and_know_nothing_of_each_other(
    settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    other = publish(settings, topic, SERDE, "other", PolicySet(brake_blocks=5), published_by="x", comment=None)
    own = published(settings, topic, PolicySet(brake_blocks=7))
    assert (other, own) == ("0", "1")
    assert [each.version for each in read_versions(settings, topic, SERDE, SET, should_stop=never)] == ["1"]
    with pytest.raises(UnknownVersion, match="no version 0 of the policies default"):
        version_at(settings, topic, SERDE, SET, "0")


@pytest.mark.parametrize("version", ["1", "-1", "x", "", "99999999999999999999", "sha256:0123456789ab"])
def test_a_version_that_is_not_there_is_unknown(settings: ClientSettings, names: TopicNames, version: str) -> None:
    published(settings, names.policies, PolicySet())
    with pytest.raises(UnknownVersion):
        version_at(settings, names.policies, SERDE, SET, version)


def test_records_that_cannot_be_used_change_nothing_that_is_in_force(
    kafka: Broker, settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    published(settings, topic, PolicySet(brake_blocks=7))
    wrong_limit = json.loads(to_content(PolicySet()))
    wrong_limit["default"]["limits"]["recipients_per_day"] = -1
    unusable = [
        (b"nonsense", "wrong magic"),
        (None, "null value"),
        (SERDE.encode(topic, "SenderUnblocked", UNBLOCK.to_record()), "a record SenderUnblocked, not OutboundPolicies"),
        (record("{}", name="other"), "its key and its record name two sets"),
        (record("{"), "content: given what is not JSON"),
        (record("{}"), "default.limits: given nothing, expected every limit"),
        (
            record(json.dumps(wrong_limit)),
            "default.limits.recipients_per_day: given -1, expected a number of 0 or more",
        ),
        (record(json.dumps({f"k{n}": 1 for n in range(9)})), "and 7 more"),
    ]
    write_all(kafka.bootstrap, topic, [(SET.encode(), value) for value, _ in unusable])
    assert in_force(settings, topic) == PolicySet(version="0", brake_blocks=7)
    _, *found = read_versions(settings, topic, SERDE, SET, should_stop=never)
    for each, (_, reason) in zip(found, unusable, strict=True):
        assert isinstance(each, UnusableVersion)
        assert reason in each.reason
        with pytest.raises(PolicyUnusable, match=f"version {each.version} of the policies cannot be used"):
            version_at(settings, topic, SERDE, SET, each.version)


UNBLOCK = the_unblock(a_block(1), 2)


def test_sixteen_megabytes_go_through_and_more_are_refused_before_they_are_sent(
    settings: ClientSettings, names: TopicNames
) -> None:
    topic = names.policies
    room = POLICY_MAX_BYTES - 4096 - len(to_content(PolicySet()))
    # Of digits that do not compress to nothing.
    senders = frozenset(f"{number * 7919 % 10**20:020d}@x.example" for number in range(room // 33))
    large = PolicySet(groups={"all": senders})
    assert len(to_content(large)) > POLICY_MAX_BYTES - 8192
    version = published(settings, topic, large)
    assert in_force(settings, topic) == replace(large, version=version)
    larger = PolicySet(groups={"all": senders | {f"more-{number}@x.example" for number in range(1000)}})
    with pytest.raises(PublishingFailed, match=r"not published: the policies are 16,[0-9,]+ bytes"):
        published(settings, topic, larger)


def test_without_the_topic_nothing_is_made_and_it_is_said_what_makes_it(
    settings: ClientSettings, topic_prefix: str
) -> None:
    topic = TopicNames(topic_prefix).policies
    for act in (
        lambda: published(settings, topic, PolicySet()),
        lambda: version_at(settings, topic, SERDE, SET, "0"),
        lambda: in_force(settings, topic),
    ):
        with pytest.raises(UnknownTopic, match="senderwatch topics create"):
            act()


Told = tuple[int, str, str]
"""Exit status, standard output, standard error."""


class Desk:
    """`senderwatch policy ...` in this process, on the test's own topics."""

    def __init__(self, bootstrap: str, prefix: str, folder: Path, captured: pytest.CaptureFixture[str]) -> None:
        self._where = ["--bootstrap-servers", bootstrap, "--topic-prefix", prefix]
        self.file = folder / "policies.yaml"
        self._captured = captured
        self.topic = TopicNames(prefix).policies

    def __call__(self, command: str, *arguments: str) -> Told:
        status = run(["policy", command, *arguments, *self._where])
        told = self._captured.readouterr()
        return status, told.out, told.err

    def done(self, command: str, *arguments: str) -> str:
        status, out, err = self(command, *arguments)
        assert (status, err) == (0, ""), err
        return out

    def check(self) -> Told:
        """Without a broker, and so without its address."""
        status = run(["policy", "check", str(self.file)])
        told = self._captured.readouterr()
        return status, told.out, told.err

    def of(self, command: str, text: str, *arguments: str) -> Told:
        self.file.write_text(text)
        return self(command, str(self.file), *arguments)


@pytest.fixture
def desk(
    kafka: Broker, names: TopicNames, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Desk:
    return Desk(kafka.bootstrap, topic_prefix, tmp_path, capsys)


FIRST = "policies: [{name: vips, priority: 1, conditions: {groups: vips}, action: alert}]\ngroups: {vips: [ann@x.example]}\n"
SECOND = FIRST.replace("[ann@x.example]", "[bob@x.example]") + "brake_blocks: 5\n"
CHANGES = '+ group "vips": 1 sender added: bob@x.example\n- group "vips": 1 of 1 sender removed: ann@x.example\n~ brake_blocks: 100 -> 5\n'


def test_what_is_applied_is_in_force_and_the_same_again_is_no_new_version(desk: Desk) -> None:
    assert desk.done("list").startswith(
        "the built-in policies: no version of the policies default has been published\n"
    )
    status, out, _ = desk.of("apply", FIRST, "--comment", "the first", "--issued-by", "ann")
    assert (status, out.splitlines()) == (0, [
        '+ policy "vips": priority 1; conditions.groups vips; action alert',
        '+ group "vips": 1 sender: ann@x.example',
        "published: version 0 of the policies default, after the built-in policies",
    ])  # fmt: skip
    reordered = (
        "# a comment\ngroups: {vips: [ANN@x.example]}\n"
        "policies: [{conditions: {groups: [vips]}, action: alert, priority: 1, name: vips}]"
    )
    assert desk.of("apply", reordered) == (
        0,
        f"nothing published: {desk.file} says the same as version 0, which is in force\n",
        "",
    )
    assert desk.of("diff", reordered) == (0, f"{desk.file} says the same as version 0, which is in force\n", "")
    assert desk.of("diff", SECOND) == (1, CHANGES, "")
    assert desk.of("apply", SECOND)[1] == f"{CHANGES}published: version 1 of the policies default, after version 0\n"
    listed = desk.done("list").splitlines()
    assert listed[0].startswith("version 1 of the policies default, published 20")
    assert [line.split() for line in listed[1:]] == [
        ["PRIORITY", "POLICY", "ACTION", "FOR"],
        ["1", "vips", "alert", "groups", "vips"],
        ["default", "block_until_tomorrow", "everybody", "else"],
    ]


def test_what_is_shown_can_be_applied_again(desk: Desk) -> None:
    desk.of("apply", FIRST)
    desk.of("apply", SECOND)
    first = desk.done("show", "--version", "0")
    assert first.startswith("# version 0 of the policies default\n")
    assert desk.of("diff", desk.done("show"))[0] == 0
    assert desk.of("apply", first)[1].endswith("published: version 2 of the policies default, after version 1\n")
    assert desk.of("diff", FIRST)[0] == 0
    assert "name: vips\n    priority: 1" in desk.done("show", "vips")
    status, _, err = desk("show", "vip")
    assert (status, err) == (1, 'senderwatch: there is no policy "vip" in version 2; is it "vips"?\n')
    assert desk("show", "--version", "9")[::2] == (
        1, f"senderwatch: there is no version 9 of the policies default in {desk.topic}: see `senderwatch policy history`\n"
    )  # fmt: skip


def test_history_tells_who_when_why_and_what_changed_and_what_was_none(kafka: Broker, desk: Desk) -> None:
    assert "no version of the policies default has been published" in desk.done("history")
    desk.of("apply", FIRST, "--comment", "the first\n# and its reason", "--issued-by", "ann")
    write_all(kafka.bootstrap, desk.topic, [(b"other", b"of another set"), (SET.encode(), b"nonsense")])
    desk.of("apply", SECOND)
    lines = desk.done("history").splitlines()
    assert re.fullmatch(r"0  20\S+Z by ann: the first\[U\+000A\]# and its reason", lines[0])
    assert lines[1].startswith('    + policy "vips": priority 1')
    assert re.fullmatch(r"2  20\S+Z  cannot be used: wrong magic.*", lines[3])
    assert re.fullmatch(r"3  20\S+Z by \S+@\S+", lines[4])
    assert "".join(f"{line.strip()}\n" for line in lines[5:]) == CHANGES
    records = [json.loads(line) for line in desk.done("history", "--json").splitlines()]
    assert [each["version"] for each in records] == ["0", "2", "3"]
    assert records[0]["comment"] == "the first\n# and its reason"
    assert records[2]["changes"][2] == {"sign": "~", "subject": "brake_blocks", "detail": "100 -> 5"}


def test_an_explanation_is_of_what_is_in_force_or_of_another_version_or_of_a_file(desk: Desk) -> None:
    desk.of("apply", FIRST)
    desk.of("apply", SECOND)
    assert desk.done("explain", "ann@x.example").startswith('ann@x.example has the policy "default" of version 1\n')
    assert desk.done("explain", "ann@x.example", "--version", "0").splitlines()[:3] == [
        'ann@x.example has the policy "vips" of version 0',
        "  because  the sender is in vips",
        "  action   alert",
    ]
    desk.file.write_text(FIRST)
    record = json.loads(desk.done("explain", "ANN@x.example", "--file", str(desk.file), "--json"))
    assert (record["policy"], record["recipients"]) == ("vips", ["postmaster@x.example"])
    assert desk("explain", "a", "--file", "x", "--version", "0")[0] == 2


@pytest.mark.parametrize("wrong", ["brake_blocks: 0", "polices: []", "", "a: b: c", "policies: [{name: default}]"])
def test_a_wrong_file_never_changes_what_is_in_force(desk: Desk, wrong: str) -> None:
    desk.of("apply", FIRST)
    before = desk.done("history")
    for command in ("apply", "diff", "check"):
        desk.file.write_text(wrong)
        status, out, err = desk(command, str(desk.file)) if command != "check" else desk.check()
        assert (status, out) == (2, "")
        assert err.startswith(f"senderwatch: {desk.file}:")
        assert "Traceback" not in err
    assert desk.done("history") == before
    assert desk.of("diff", FIRST)[0] == 0


def test_programs_get_json(desk: Desk) -> None:
    _, out, _ = desk.of("apply", FIRST, "--json")
    assert (json.loads(out)["version"], json.loads(out)["published"]) == ("0", True)
    _, out, _ = desk.of("apply", FIRST, "--json")
    assert json.loads(out) == {"version": "0", "published": False, "changes": []}
    status, out, _ = desk.of("diff", SECOND, "--json")
    assert (status, len(json.loads(out)["changes"])) == (1, 3)
    assert json.loads(desk.done("list", "--json"))["policies"][0]["name"] == "vips"
    assert json.loads(desk.done("show", "--json")) == json.loads(desk.done("list", "--json"))


def test_without_the_topic_every_command_says_what_makes_it(
    kafka: Broker, topic_prefix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(kafka.bootstrap, topic_prefix, tmp_path, capsys)
    for command, *arguments in (("list",), ("show",), ("history",), ("explain", "ann")):
        status, _, err = desk(command, *arguments)
        assert (status, err.count("\n")) == (1, 1)
        assert "`senderwatch topics create`" in err
    assert [desk.of(command, FIRST)[0] for command in ("apply", "diff")] == [1, 2]


def test_without_a_broker_the_status_is_69(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk("127.0.0.1:1", "", tmp_path, capsys)
    for told in (desk("list"), desk.of("apply", FIRST), desk.of("diff", FIRST)):
        assert told[0] == 69
        assert told[2].startswith("senderwatch: no broker answers at 127.0.0.1:1")
