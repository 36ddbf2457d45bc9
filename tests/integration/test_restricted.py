"""`senderwatch restricted` on a real broker: who is restricted, his history, and commands with a worker that answers."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from processor.cli.main import run
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import RefusalReason, SenderAlerted
from tests.brokers import Broker, Cluster
from tests.command_worker import CommandWorker
from tests.conftest import Senderwatch
from tests.events_io import START_MS, EventWriter, a_block, the_unblock
from tests.processes import ROOT
from tests.topics_io import make_topics, read_all, values
from tests.waiting import wait_until

ANN = "ann@acme.example"
Restricted = Callable[..., int]


@pytest.fixture
def names(kafka: Broker, topic_prefix: str) -> TopicNames:
    return make_topics(kafka.bootstrap, topic_prefix)


@pytest.fixture
def writer(kafka: Broker, names: TopicNames, unique: str) -> EventWriter:
    return EventWriter(kafka.bootstrap, names, unique)


@pytest.fixture
def worker(kafka: Broker, names: TopicNames, writer: EventWriter) -> CommandWorker:
    return CommandWorker(kafka.bootstrap, names, writer)


@pytest.fixture
def common(kafka: Broker, topic_prefix: str) -> list[str]:
    return ["--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix]


@pytest.fixture
def restricted(common: list[str]) -> Restricted:
    """A command in this process; gives its exit status."""

    def started(name: str, *arguments: str) -> int:
        return run(["restricted", name, *common, *arguments])

    return started


def commands_in(kafka: Broker, topic: str) -> list[Command]:
    return [Command.from_record(Serde(None).decode(value)[1]) for value in values(read_all(kafka.bootstrap, topic))]


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# -- list ---------------------------------------------------------------------------------------------------------------


def test_the_list_has_who_is_restricted_now_sorted_and_counted(
    writer: EventWriter, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    bob, ann, gone = a_block(1, "bob@b.example", "b"), replace(a_block(2), previous_blocks=2), a_block(3, "x@x.example")
    writer.publish(bob, ann, gone, the_unblock(gone, 4))
    writer.abort(a_block(5, "aborted@x.example"))
    assert restricted("list") == 0
    head, first, second, total = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["SENDER", "TENANT"]
    assert first.split("  ")[0] == ANN
    for shown in (
        "acme.example", "2025-10-09T08:53:20Z", "2025-10-09T09:53:20Z", "spam_messages_per_hour 11 > 10", "default 1", ann.block_id
    ):  # fmt: skip
        assert shown in first
    assert [word for word in first.split("  ") if word][6] == "3"
    assert second.startswith("bob@b.example")
    assert total == "2 senders restricted"


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        (["--tenant", "b"], ["bob@b.example", "cy@sub.b.example"]),
        (["--domain", "B.example"], ["bob@b.example"]),
        (["--domain", "b.example", "--subdomains"], ["bob@b.example", "cy@sub.b.example"]),
        (["--domain", "acme.example", "--tenant", "b"], []),
    ],
)
def test_the_list_leaves_what_is_asked_for(
    writer: EventWriter,
    restricted: Restricted,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    shown: list[str],
) -> None:
    writer.publish(a_block(1), a_block(2, "cy@sub.b.example", "b"), a_block(3, "bob@b.example", "b"))
    assert restricted("list", "--json", *options) == 0
    assert [line["data"]["sender"] for line in json_lines(capsys.readouterr().out)] == shown


def test_nobody_restricted_is_said(
    names: TopicNames, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restricted("list") == 0
    assert capsys.readouterr().out == "nobody is restricted\n"


def test_a_list_of_nobody_says_that_there_are_others(
    writer: EventWriter, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    writer.publish(a_block(1))
    assert restricted("list", "--domain", "b.example") == 0
    assert capsys.readouterr() == ("nobody is restricted of whom that is asked; 1 other is\n", "")
    assert restricted("list", "--tenant", "ACME.example") == 0
    out, err = capsys.readouterr()
    assert out == "nobody is restricted of whom that is asked; 1 other is\n"
    assert err.startswith("senderwatch: there is acme.example, which is another tenant than ACME.example: ")


@pytest.mark.parametrize("options", [["--domain", "@b.example"], ["--domain", ""], ["--subdomains"], ["--tenant", ""]])
def test_a_list_of_what_cannot_be_is_refused(restricted: Restricted, options: list[str]) -> None:
    assert restricted("list", *options) == 2


def test_json_is_exact_and_can_do_nothing_to_a_terminal(
    writer: EventWriter, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "a\r\n\x1b[31m\x9bfdp.exe\u202e\u2066@evil.example"
    block = a_block(1, hostile)
    writer.publish(block)
    assert restricted("list", "--json") == 0
    out = capsys.readouterr().out
    assert all(" " <= character <= "~" for character in out.removesuffix("\n"))
    (line,) = json_lines(out)
    assert line["data"]["sender"] == hostile
    assert line["id"] == block.block_id
    assert restricted("show", hostile, "--json") == 0
    assert json.loads(capsys.readouterr().out)["sender"] == hostile


# -- show ---------------------------------------------------------------------------------------------------------------


def test_the_history_has_everything_in_order_of_time(
    kafka: Broker,
    names: TopicNames,
    common: list[str],
    worker: CommandWorker,
    restricted: Restricted,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    block, evidence = a_block(1), a_block(1).evidence
    assert evidence is not None
    alert = SenderAlerted(
        block.tenant_id, ANN, block.cause, START_MS - 5000, "alert", 0, replace(block.position, offset=0), evidence
    )
    worker.writer.publish(alert)
    worker.block(block, a_block(2, "bob@acme.example"))
    assert run(["notify", "--once", "--outbox", str(tmp_path / "mails"), *common]) == 0
    worker.refusals = {ANN: RefusalReason.SUPPORT_REQUIRED}
    with worker.running():
        assert restricted("unblock", ANN, "--comment", "c", "--issued-by", "eve@desk") == 1
        assert restricted("unblock", ANN, "--comment", "new\x1b[2J password", "--ticket", "T-1", "--as-support") == 0
    capsys.readouterr()
    assert restricted("show", ANN) == 0
    out, err = capsys.readouterr()
    assert "\x1b" not in out
    lines = out.splitlines()
    assert lines[0] == f"{ANN} is not restricted now"
    at = [
        next(number for number, line in enumerate(lines) if text in line)
        for text in (
            "limit exceeded, not blocked: spam_messages_per_hour 11 > 10",
            "blocked until 2025-10-09T09:53:20Z: spam_messages_per_hour 11 > 10",
            "command refused (SUPPORT_REQUIRED): says the worker",
            "unblocked by",
            "comment: new[U+001B][2J password",
            "ticket: T-1",
            "mails",
        )
    ]
    assert at == sorted(at)
    for fact in (
        "policy default, version 1",
        "window 2025-10-09T07:53:20Z to 2025-10-09T08:58:20Z",
        "hour: 14 messages, 11 of them spam; 2 internal recipients, 40 external",
        "tipped by message <m@acme.example>: SPAM, event v1",
        "to postmaster@acme.example: accepted",
        "Message-ID <",
    ):
        assert fact in out
    assert "bob@" not in out
    assert err == ""

    assert restricted("show", ANN, "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert (whole["restricted"], whole["in_force"]) == (False, None)
    assert [event["type"].removeprefix("senderwatch.") for event in whole["events"]] == [
        "SenderAlerted", "SenderBlocked", "CommandRefused", "SenderUnblocked"
    ]  # fmt: skip
    assert {mail["kind"] for mail in whole["mails"]} == {"ALERT", "BLOCKED"}
    assert [each["event_ids"] for each in whole["mails"] if each["kind"] == "BLOCKED"] == [[block.event_id]]
    (delivery,) = whole["mails"][0]["deliveries"]
    assert (delivery["recipient"], delivery["state"]) == ("postmaster@acme.example", "ACCEPTED")


def test_the_history_says_what_is_in_force(
    writer: EventWriter, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    writer.publish(a_block(1), the_unblock(a_block(1), 2), a_block(3))
    assert restricted("show", ANN) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{ANN} of tenant acme.example is restricted since 2025-10-09T08:53:20Z, until ")
    assert "the block ended by its own time" in out


def test_an_unknown_sender_is_said_and_one_that_differs_in_case_alone(
    writer: EventWriter, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    writer.publish(a_block(1))
    assert restricted("show", "Ann@acme.example") == 1
    out, err = capsys.readouterr()
    assert out == "Ann@acme.example is not restricted now\n"
    assert "nothing is known of Ann@acme.example" in err
    assert f"there is {ANN}, which is another sender" in err


# -- unblock ------------------------------------------------------------------------------------------------------------


def test_an_unblock_names_block_tenant_and_issuer_and_its_outcome_is_told(
    kafka: Broker, worker: CommandWorker, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    block = a_block(1)
    worker.block(block)
    with worker.running():
        assert restricted("unblock", ANN, "--comment", "password changed", "--ticket", "T-7") == 0
    out, err = capsys.readouterr()
    ((topic, command),) = worker.commands
    assert topic == worker.names.commands
    assert replace(command, command_id="", issued_by="") == Command(
        command_id="", kind=CommandKind.UNBLOCK, sender=ANN, tenant_id="acme.example", issued_by="",
        block_id=block.block_id, reason="password changed", ticket="T-7",
    )  # fmt: skip
    assert "@" in command.issued_by
    first, second, third = out.splitlines()
    assert first.startswith(f"{ANN} can send again since 20")
    assert "counters start at zero" in second
    assert command.command_id in third
    assert err == ""
    assert restricted("list") == 0
    assert capsys.readouterr().out == "nobody is restricted\n"


def test_support_writes_to_its_own_topic(worker: CommandWorker, restricted: Restricted) -> None:
    worker.block(a_block(1))
    with worker.running():
        assert restricted("unblock", ANN, "--comment", "c", "--as-support", "--issued-by", "desk") == 0
    assert [(topic, command.issued_by) for topic, command in worker.commands] == [
        (worker.names.support_commands, "desk")
    ]


def test_the_outcome_as_json_is_the_event_itself(
    worker: CommandWorker, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.block(a_block(1))
    with worker.running():
        assert restricted("unblock", ANN, "--comment", "c", "--json") == 0
    (line,) = json_lines(capsys.readouterr().out)
    ((_, command),) = worker.commands
    assert (line["command_id"], line["sender"], line["outcome"]) == (command.command_id, ANN, "unblocked")
    assert line["event"]["type"] == "senderwatch.SenderUnblocked"
    assert line["event"]["data"]["command_id"] == command.command_id


def test_a_refusal_says_why_and_what_to_do(
    worker: CommandWorker, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.block(a_block(1))
    worker.refusals = {ANN: RefusalReason.SUPPORT_REQUIRED}
    with worker.running():
        assert restricted("unblock", ANN, "--comment", "c") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "refused (SUPPORT_REQUIRED): says the worker: SUPPORT_REQUIRED" in err
    assert "--as-support --ticket" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["Ann@acme.example"], "Ann@acme.example is not restricted: nothing to lift, nothing is sent"),
        (["Ann@acme.example"], f"there is {ANN}, which is another sender than Ann@acme.example"),
        ([ANN, "--block-id", "other"], "that is in force is"),
        (["--block-id", "other"], "block other is not in force"),
        (["--domain", "other.example", "--yes"], "nobody of other.example is restricted"),
        (["--domain", "example", "--yes"], "nobody of example is restricted"),
    ],
)
def test_where_nothing_can_be_lifted_nothing_is_sent(
    kafka: Broker,
    names: TopicNames,
    writer: EventWriter,
    restricted: Restricted,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    told: str,
) -> None:
    writer.publish(a_block(1))
    assert restricted("unblock", *arguments, "--comment", "c") == 1
    assert told in capsys.readouterr().err
    assert commands_in(kafka, names.commands) == []


def test_a_block_can_be_named_by_its_id_alone(worker: CommandWorker, restricted: Restricted) -> None:
    block = a_block(1, "what\nnobody\u202ecan type")
    worker.block(block, a_block(2))
    with worker.running():
        assert restricted("unblock", "--block-id", block.block_id, "--comment", "c") == 0
    assert [command.sender for _, command in worker.commands] == [block.sender]


def test_when_nobody_answers_the_command_stands_and_that_is_said(
    kafka: Broker, worker: CommandWorker, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    worker.block(a_block(1))
    assert restricted("unblock", ANN, "--comment", "c", "--timeout", "0.5s") == 75
    (command,) = commands_in(kafka, worker.names.commands)
    err = capsys.readouterr().err
    assert "no worker has answered within 0.5s" in err
    assert "Is a detect worker running on these topics" in err
    assert f"command {command.command_id} for {ANN} stands in {worker.names.commands}" in err
    assert "It WILL apply" in err
    with worker.running():
        wait_until(lambda: worker.commands, "the worker to read the command")
    assert restricted("list", "--json") == 0
    assert capsys.readouterr().out == ""


def test_ctrl_c_while_waiting_says_that_the_command_stands(
    kafka: Broker, worker: CommandWorker, common: list[str], senderwatch: Senderwatch
) -> None:
    worker.block(a_block(1))
    process = senderwatch("restricted", "unblock", ANN, "--comment", "c", "--timeout", "60s", *common)
    wait_until(lambda: commands_in(kafka, worker.names.commands), "the command")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert "interrupted before the answer came" in err
    assert "It WILL apply" in err


# -- a whole domain -----------------------------------------------------------------------------------------------------


def test_a_domain_of_hundreds_is_unblocked_with_a_command_each(
    worker: CommandWorker, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    senders = [f"s{number:03}@acme.example" for number in range(300)]
    worker.block(*(a_block(number, sender) for number, sender in enumerate(senders)))
    worker.block(a_block(400, "x@sub.acme.example"), a_block(401, "x@notacme.example"))
    worker.refusals = {senders[7]: RefusalReason.SUPPORT_REQUIRED}
    with worker.running():
        assert restricted("unblock", "--domain", "acme.example", "--comment", "c", "--yes") == 1
        out, err = capsys.readouterr()
        assert {command.sender for _, command in worker.commands} == set(senders)
        assert len({command.command_id for _, command in worker.commands}) == 300
        assert out.splitlines()[-1] == "299 of 300 commands carried out, 1 refused"
        assert "300/300 " in out + err
        assert f"{senders[7]}: refused (SUPPORT_REQUIRED)" in err
        assert (
            restricted("unblock", "--domain", "acme.example", "--subdomains", "--as-support", "--comment", "c", "--yes")
            == 0
        )
    assert set(worker.blocked) == {"x@notacme.example"}


def test_without_a_terminal_a_domain_needs_a_yes(
    kafka: Broker, worker: CommandWorker, common: list[str], senderwatch: Senderwatch
) -> None:
    worker.block(a_block(1))
    process = senderwatch("restricted", "unblock", "--domain", "acme.example", "--comment", "c", *common)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert ANN in out
    assert "give --yes" in err
    assert commands_in(kafka, worker.names.commands) == []


@pytest.mark.parametrize(("answer", "status"), [("n", 1), ("y", 0)])
def test_on_a_terminal_a_domain_is_shown_and_asked_about(
    kafka: Broker, worker: CommandWorker, common: list[str], answer: str, status: int
) -> None:
    worker.block(a_block(1))
    with worker.running(), _terminal() as terminal:
        command = [
            sys.executable, "-m", "processor.cli.main", "restricted", "unblock", "--domain", "acme.example", "--comment", "c", *common
        ]  # fmt: skip
        os.write(terminal[0], f"{answer}\n".encode())
        process = subprocess.run(
            command, stdin=terminal[1], capture_output=True, text=True, cwd=ROOT, timeout=60, check=False
        )
    assert process.returncode == status, process.stderr
    assert "Unblock 1 sender of acme.example?" in process.stdout
    assert len(worker.commands) == (answer == "y")


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal."""
    ends = pty.openpty()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


# -- block --------------------------------------------------------------------------------------------------------------


def test_a_block_by_hand_has_reason_and_end(
    worker: CommandWorker, restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    eve = ("eve@acme.example", "--tenant", "acme", "--reason", "sells the address list")
    with worker.running():
        assert restricted("block", *eve, "--until", "9999-12-31 18:00") == 0
        assert restricted("block", *eve) == 1
    out, err = capsys.readouterr()
    assert "eve@acme.example is blocked since 20" in out
    assert "until 9999-12-31T18:00:00Z: block " in out
    assert "refused (ALREADY_RESTRICTED)" in err
    assert restricted("list") == 0
    assert "by hand by " in (out := capsys.readouterr().out)
    assert "sells the address list" in out
    (_, command), _ = worker.commands
    assert (command.kind, command.tenant_id, command.block_id) == (CommandKind.BLOCK, "acme", None)


# -- with a real worker -------------------------------------------------------------------------------------------------


@pytest.fixture
def detect(common: list[str], names: TopicNames, senderwatch: Senderwatch, tmp_path: Path) -> Callable[[], object]:
    """Starts a detector on this test's topics."""
    return lambda: senderwatch("detect", *common, output=tmp_path / "detect.log")


def test_a_real_worker_lifts_as_often_as_the_policy_says_and_support_with_a_ticket(
    detect: Callable[[], object], restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    detect()
    block = ("block", ANN, "--tenant", "acme.example", "--reason", "r", "--timeout", "60s")
    unblock = ("unblock", ANN, "--comment", "c", "--timeout", "60s")
    took_s = []
    for _ in range(3):
        assert restricted(*block) == 0
        begun_s = time.perf_counter()
        assert restricted(*unblock) == 0
        took_s.append(time.perf_counter() - begun_s)
    assert min(took_s) < 1.0, took_s
    assert restricted(*block) == 0
    capsys.readouterr()
    assert restricted(*unblock) == 1
    assert "refused (SUPPORT_REQUIRED)" in capsys.readouterr().err
    assert restricted(*unblock, "--as-support") == 1
    assert "refused (TICKET_REQUIRED)" in capsys.readouterr().err
    assert restricted(*unblock, "--as-support", "--ticket", "T-1") == 0
    capsys.readouterr()
    assert restricted("show", ANN, "--json") == 0
    whole = json.loads(capsys.readouterr().out)
    assert [event["type"].removeprefix("senderwatch.Sender") for event in whole["events"]] == [
        *["Blocked", "Unblocked"] * 3, "Blocked", *["senderwatch.CommandRefused"] * 2, "Unblocked"
    ]  # fmt: skip
    assert not whole["restricted"]


def test_a_command_that_nobody_answered_is_carried_out_when_a_worker_runs(
    detect: Callable[[], object], restricted: Restricted, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restricted("block", ANN, "--tenant", "acme", "--reason", "r", "--until", "3d", "--timeout", "0.1s") == 75
    detect()
    capsys.readouterr()

    def is_listed() -> bool:
        assert restricted("list", "--json") == 0
        return ANN in capsys.readouterr().out

    wait_until(is_listed, "the block", timeout_s=60)


# -- a console ----------------------------------------------------------------------------------------------------------


def test_the_console_of_the_page_on_restrictions_lifts_a_block(
    kafka: Broker, topic_prefix: str, worker: CommandWorker, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "restrictions.md").read_text(encoding="utf-8")
    (program,) = re.findall(r'^```python title="console\.py"\n(.*?)^```$', page, re.MULTILINE | re.DOTALL)
    (tmp_path / "console.py").write_text(program, encoding="utf-8")
    block = a_block(1)
    worker.block(block)
    command = [
        sys.executable, "-I", "console.py", "--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix,
        "--schemas", str(ROOT / "schemas"), "--sender", ANN, "--tenant", block.tenant_id, "--block-id", block.block_id,
        "--user", "eve@console", "--comment", "password changed",
    ]  # fmt: skip
    with worker.running():
        console = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert console.returncode == 0, console.stderr
    event = json.loads(console.stdout)
    assert (event["sender"], event["reason"], event["released_by"]) == (ANN, "RELEASED", "eve@console")


# -- what may go wrong --------------------------------------------------------------------------------------------------


def test_no_broker_is_status_69_and_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["restricted", "list", "--bootstrap-servers", "127.0.0.1:1"]) == 69
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "no broker answers at 127.0.0.1:1" in err


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("list", []),
        ("show", [ANN]),
        ("unblock", [ANN, "--comment", "c"]),
        ("block", [ANN, "--tenant", "t", "--reason", "r"]),
    ],
)
def test_missing_topics_say_how_to_make_them(
    restricted: Restricted, name: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert restricted(name, *arguments) == 1
    assert "senderwatch topics create" in capsys.readouterr().err


def test_who_may_not_write_commands_is_told_so(tmp_path: Path, unique: str, capsys: pytest.CaptureFixture[str]) -> None:
    guarded = Cluster(
        tmp_path,
        brokers=1,
        settings=[
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found=true",
        ],
    )
    try:
        guarded.start()
        names = make_topics(guarded.bootstrap, "")
        _only(guarded.bootstrap, names.commands, AclOperation.READ)
        EventWriter(guarded.bootstrap, names, unique).publish(a_block(1))
        assert run(["restricted", "unblock", ANN, "--comment", "c", "--bootstrap-servers", guarded.bootstrap]) == 1
    finally:
        guarded.sigkill()
    err = capsys.readouterr().err
    assert f"{ANN}: not sent: " in err
    assert f"lacks the right Write on topic {names.commands}" in err
    assert "Nothing has changed" in err


def _only(bootstrap: str, topic: str, operation: AclOperation) -> None:
    """From now on everybody may do this with the topic, and nothing else."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    allowed = AclBinding(
        ResourceType.TOPIC, topic, ResourcePatternType.LITERAL, "User:*", "*", operation, AclPermissionType.ALLOW
    )
    for answer in admin.create_acls([allowed]).values():
        answer.result(10)


def test_an_unblock_takes_less_than_a_second(worker: CommandWorker, restricted: Restricted) -> None:
    """From the command to its printed outcome, with a worker that answers at once; the best of some tries."""
    took_s = []
    with worker.running():
        for number in range(4):
            worker.block(a_block(number))
            begun_s = time.perf_counter()
            assert restricted("unblock", ANN, "--comment", "c") == 0
            took_s.append(time.perf_counter() - begun_s)
    assert min(took_s) < 1.0, took_s
