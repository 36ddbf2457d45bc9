"""What `senderwatch restricted` prints: harmless whatever the names, in columns, with the exit status that goes with it."""

import json
import unicodedata
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from processor.cli.printing import json_line
from processor.cli.restricted_history import event_lines, history_json, mail_lines, standing
from processor.cli.restricted_outcomes import Outcomes, nobody_answered
from processor.cli.restricted_table import names_alike, table
from processor.kafka.command_log import Unsent
from processor.kafka.event_log import LoggedEvent
from processor.kafka.sender_history import Mail
from processor.notification.kinds import Kind
from processor.notification.notices import Delivery, Notification, Stage, State
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import CommandRefused, Position, Published, RefusalReason, SenderBlocked
from processor.restrictions.selection import alike, is_of_domain
from tests.event_strategies import blocks_by_hand, blocks_by_limit, positions, restriction_events, times_ms
from tests.events_io import START_MS, a_block, the_unblock
from tests.hostile import hostile_names

JOINERS = "\u200c\u200d"
COMMAND = Command("c-1", CommandKind.UNBLOCK, "ann@acme.example", "acme.example", "eve@desk")

refusals = st.builds(
    CommandRefused,
    command_id=hostile_names,
    tenant_id=hostile_names,
    sender=hostile_names,
    reason=st.sampled_from(RefusalReason),
    message=hostile_names,
    refused_at_ms=times_ms,
    position=positions,
)
blocks = st.builds(
    lambda block, sender, by: replace(block, sender=sender, issued_by=by, reason=by, tenant_id=sender),
    blocks_by_limit | blocks_by_hand,
    hostile_names,
    hostile_names,
)


def logged(event: Published) -> LoggedEvent:
    attributes = {"id": event.event_id, "type": f"senderwatch.{type(event).__name__}"}
    return LoggedEvent(0, 0, attributes, type(event).__name__, event.to_record())


def assert_harmless(lines: list[str]) -> None:
    """Nothing in it moves the cursor, turns the reading direction, or begins a line of its own."""
    for line in lines:
        for character in line:
            assert character in JOINERS or unicodedata.category(character) not in {"Cc", "Cf", "Zl", "Zp", "Cs"}, line


# -- tables and histories ---------------------------------------------------------------------------------------------------


@given(st.lists(blocks, max_size=4))
def test_no_name_harms_the_terminal_in_a_table(of_some: list[SenderBlocked]) -> None:
    lines = list(table(of_some))
    assert len(lines) == (len(of_some) + 1 if of_some else 0)
    assert_harmless(lines)


@given(restriction_events | refusals | blocks)
def test_no_name_harms_the_terminal_in_a_history(event: Published) -> None:
    assert_harmless(list(event_lines(logged(event))))


@given(hostile_names, hostile_names)
def test_no_name_harms_the_terminal_elsewhere(name: str, other: str) -> None:
    assert_harmless([standing(name, None), *names_alike(name, [other]), json_line({name: other})])


@given(hostile_names)
def test_json_is_exact(name: str) -> None:
    block = replace(a_block(1), sender=name)
    whole = json.loads(history_json(name, logged(block), [logged(block)], None))
    assert whole["sender"] == whole["events"][0]["data"]["sender"] == name
    assert whole["restricted"]
    assert whole["mails"] is None


def test_columns_stand_below_each_other_also_with_wide_letters() -> None:
    rows = [a_block(1, "用户@例子.广告"), a_block(2, "ann@other.example"), a_block(3, "x" * 200)]
    head, *lines = table(rows)
    at = {cell_len(line[: line.index("acme.example  ")]) for line in lines[:2]}
    assert at == {cell_len(head[: head.index("TENANT")])}


def test_a_block_by_hand_has_no_policy_and_says_who_and_why() -> None:
    block = replace(a_block(1), evidence=None, issued_by="eve@desk", reason="sells the list", blocked_until_ms=None)
    _, line = table([block])
    assert "until lifted" in line
    assert "by hand by eve@desk: sells the list" in line
    assert next(event_lines(logged(block))).endswith("blocked until it is lifted: by hand by eve@desk: sells the list")


def test_an_event_of_a_newer_kind_is_named() -> None:
    (line,) = event_lines(LoggedEvent(0, 0, {}, "SenderForgiven", {}))
    assert "SenderForgiven: an event that is newer than this senderwatch" in line


def a_mail(**changes: Any) -> Mail:
    notification = Notification(
        "n", Kind.BLOCKED, "acme.example", ("it@acme.example",), (), "en", "UTC", False, "<n@mail.example>",
        START_MS, START_MS + 60_000, **changes,
    )  # fmt: skip
    return Mail(notification, ("e",), ())


def test_a_mail_that_still_gathers_says_until_when_and_to_whom() -> None:
    first, *more = mail_lines(a_mail())
    assert first == "2025-10-09T08:53:20Z  blocked: 1 event of this sender"
    assert [line.strip() for line in more] == [
        "Message-ID <n@mail.example>",
        "gathers further accounts until 2025-10-09T08:54:20Z",
        "to it@acme.example: not yet",
    ]


def test_each_delivery_of_a_mail_says_how_it_stands() -> None:
    mail = a_mail(stage=Stage.SENDING, addressed=("a@x.example", "b@x.example"), closed_at_ms=START_MS)
    tried: dict[str, Any] = {"attempts": 2, "last_attempt_ms": START_MS, "reply": "450 greylisted\x1b[2J"}
    deliveries = (
        Delivery("n", "a@x.example", START_MS + 60_000, **tried),
        Delivery("n", "f@x.example", None, State.ACCEPTED, is_fallback=True, attempts=1, last_attempt_ms=START_MS),
    )
    _, _, *more = mail_lines(replace(mail, deliveries=deliveries))
    assert_harmless(more)
    assert [line.strip() for line in more] == [
        "to a@x.example: not yet 2025-10-09T08:53:20Z after 2 attempts: 450 greylisted[U+001B][2J; again 2025-10-09T08:54:20Z",
        "to f@x.example (fallback): accepted 2025-10-09T08:53:20Z after 1 attempt",
        "to b@x.example: not yet",
    ]


# -- outcomes ---------------------------------------------------------------------------------------------------------------


def lifted() -> LoggedEvent:
    return logged(replace(the_unblock(a_block(1), 2), command_id="c-1"))


def refused(reason: RefusalReason = RefusalReason.SUPPORT_REQUIRED) -> LoggedEvent:
    return logged(
        CommandRefused("c-1", "acme.example", "ann@acme.example", reason, "no", START_MS, Position("c", 0, 0))
    )


def outcomes(*, as_json: bool = False) -> Outcomes:
    return Outcomes([COMMAND], "restriction-commands", as_json=as_json)


def test_a_lifted_block_is_status_0(capsys: pytest.CaptureFixture[str]) -> None:
    told = outcomes()
    told.answered(lifted())
    told.ended([], "why", interrupted=False)
    assert told.status == 0
    assert told.waited_for == []
    assert capsys.readouterr().out.startswith("ann@acme.example can send again since 2025-10-09T09:53:20Z\n")


@pytest.mark.parametrize("reason", RefusalReason)
def test_a_refusal_is_status_1_and_repeats_the_worker_s_words(
    reason: RefusalReason, capsys: pytest.CaptureFixture[str]
) -> None:
    told = outcomes()
    told.answered(refused(reason))
    told.ended([], "why", interrupted=False)
    assert told.status == 1
    assert f"refused ({reason.value}): no" in capsys.readouterr().err


def test_no_answer_is_status_75_or_130_after_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    for interrupted, status in ((False, 75), (True, 130)):
        told = outcomes()
        told.ended([], nobody_answered("30s", "restriction-commands"), interrupted=interrupted)
        assert told.status == status
        err = capsys.readouterr().err
        assert "command c-1 for ann@acme.example stands in restriction-commands" in err
        assert "It WILL apply" in err


def test_a_command_that_the_broker_has_not_confirmed_may_stand(capsys: pytest.CaptureFixture[str]) -> None:
    told = outcomes()
    told.ended([Unsent(COMMAND, "timed out", is_certain=False)], "why", interrupted=False)
    assert told.status == 75
    assert "may stand in restriction-commands (timed out)" in capsys.readouterr().err


@pytest.mark.parametrize(("interrupted", "status"), [(False, 1), (True, 130)])
def test_a_command_that_was_not_sent_has_changed_nothing(
    interrupted: bool, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    told = outcomes(as_json=True)
    told.not_sent(Unsent(COMMAND, "Topic authorization failed", is_certain=True))
    assert told.waited_for == []
    told.ended([], "why", interrupted=interrupted)
    assert told.status == status
    out, err = capsys.readouterr()
    assert json.loads(out)["outcome"] == "not sent"
    assert "Nothing has changed" in err


def test_each_command_is_a_line_of_json_whatever_came_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    for event, outcome in ((lifted(), "unblocked"), (refused(), "refused"), (None, "unanswered")):
        told = outcomes(as_json=True)
        if event is not None:
            told.answered(event)
        told.ended([], "why", interrupted=False)
        line = json.loads(capsys.readouterr().out)
        assert (line["command_id"], line["outcome"]) == ("c-1", outcome)


@given(refusals)
def test_no_refusal_harms_the_terminal(refusal: CommandRefused) -> None:
    # What complain() prints is split at line ends first: harmless lines have none.
    from processor.cli.restricted_outcomes import _told

    assert_harmless(list(_told(logged(refusal), brief=True)))


# -- whom somebody means ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "domain", "subdomains", "is_of"),
    [
        ("a@acme.example", "ACME.example", False, True),
        ("a@mail.acme.example", "acme.example", False, False),
        ("a@mail.acme.example", "acme.example", True, True),
        ("a@notacme.example", "acme.example", True, False),
        ("a@bücher.example", "xn--bcher-kva.example", False, True),
        ("acme.example", "acme.example", True, False),
        ("a@b@acme.example", "acme.example", False, True),
    ],
)
def test_a_domain_means_its_own_senders(sender: str, domain: str, subdomains: bool, is_of: bool) -> None:
    assert is_of_domain(sender, domain, subdomains=subdomains) is is_of


def test_a_name_is_alike_when_case_or_idna_form_alone_differ() -> None:
    names = ["ANN@acme.example", "ann@acme.example", "ann@ACME.example", "anna@acme.example"]
    assert alike("ann@acme.example", names) == ["ANN@acme.example", "ann@ACME.example"]


def test_names_of_any_length_leave_the_table_as_wide_as_it_may_be() -> None:
    long = replace(a_block(0), sender="x" * 10_000 + "@acme.example", tenant_id="t" * 300, reason="r" * 900)
    head, line, short = table([long, a_block(1)])
    assert max(map(cell_len, (head, line, short))) < 350
    assert line.index(long.block_id) == head.index("BLOCK ID") == short.index(a_block(1).block_id)
