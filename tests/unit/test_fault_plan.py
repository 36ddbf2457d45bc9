"""The pieces of a fault campaign that need no broker: the plan, the moment that a gate looks for, and checks that can fail."""

import json
import struct
from collections import Counter
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.notification.kinds import Kind
from processor.notification.notices import Account, Delivery, Notification, Stage, State
from tests.faults.__main__ import main
from tests.faults.checks import Verdict, compared, unshown
from tests.faults.load import Load, Traffic
from tests.faults.mails import MailLedger, check_mails
from tests.faults.plan import KINDS, SLOW, drawn
from tests.faults.proxy import Requests
from tests.faults.stories import STORIES
from tests.mail_sink import Arrived

SEEDS = st.integers(0, 1000)


@given(SEEDS)
def test_a_seed_is_a_plan_and_each_kind_comes_up(seed: int) -> None:
    plan = drawn(seed, 150.0, None, 1000.0)
    assert plan == drawn(seed, 150.0, None, 1000.0)
    assert {step["kind"] for steps in json.loads(plan.to_json())["strands"].values() for step in steps} == set(KINDS)
    assert set(KINDS) == set(STORIES)


@given(SEEDS)
def test_a_short_plan_leaves_out_what_takes_all_its_time(seed: int) -> None:
    strands = drawn(seed, 40.0, None, 1000.0).strands
    assert {step.kind for steps in strands.values() for step in steps} == set(KINDS) - SLOW


@given(st.lists(st.tuples(st.integers(0, 70), st.binary(max_size=40)), max_size=8), st.data())
def test_requests_are_found_however_their_bytes_are_cut(requests: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(struct.pack(">ih", len(body) + 2, key) + body for key, body in requests)
    seen, found = Requests(), list[int]()
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        found += seen.begun(stream[:size])
        stream = stream[size:]
    assert found == [key for key, _ in requests]


@given(SEEDS, st.sampled_from([35.0, 600.0, 7200.0]))
def test_the_events_time_passes_a_midnight_and_is_never_ahead_of_the_clock(seed: int, duration_s: float) -> None:
    start_ms = 1_760_000_000_000
    load = Load("", seed, 1000.0, start_ms, duration_s).across_midnight()
    moments = [start_ms + round(part * 11 * duration_s) for part in range(101)]
    assert len({load.event_time_ms(each) // 86_400_000 for each in moments}) > 1
    assert all(load.event_time_ms(each) <= each for each in moments)


def test_the_load_is_the_same_for_a_seed() -> None:
    load = Load("", 3, 1000.0, 1_760_000_000_000, 60.0)
    one, other = Traffic(load), Traffic(load)
    assert [one.next(load.start_ms + each) for each in range(500)] == [
        other.next(load.start_ms + each) for each in range(500)
    ]


# -- what is counted, and what is found ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["worker-kill-in-commit", "notifier-kill-in-commit", "cut-in-commit"])
@pytest.mark.parametrize("comes", [True, False])
def test_a_fault_counts_as_one_in_a_commit_only_where_one_came(kind: str, comes: bool) -> None:
    noted = list[str]()
    lane = SimpleNamespace(
        at_commit=lambda *_, **__: SimpleNamespace(has_acted=comes), unwatch=lambda: None, gates=[], silence_here=None
    )
    worker = SimpleNamespace(runs=True, pid=0)
    stage = SimpleNamespace(
        fleet=_Fleet(w=worker, n=worker),
        lanes={"w": lane, "n": lane},
        detectors=("w",),
        notifiers=("n",),
        session_s=0.0,
        note=lambda kind, _: noted.append(kind),
    )
    for _ in STORIES[kind](cast("Any", stage), Random(1)):
        pass
    assert noted == [kind if comes else kind.removesuffix("-in-commit")]


class _Fleet(dict[str, Any]):
    """Workers that can be killed and wanted back, as far as a story needs them."""

    @property
    def wanted(self) -> set[str]:
        return set()

    def kill(self, name: str) -> None: ...
    def want(self, name: str) -> None: ...


def test_a_lost_an_invented_and_a_changed_event_are_each_found() -> None:
    event = ("SenderBlocked", {"sender": "a"})
    verdict = Verdict()
    assert compared({"1": event}, {"1": event}, verdict) == []
    assert compared({"1": event}, {}, verdict) == [f"lost: {event}"]
    assert verdict.lost == 1
    assert compared({}, {"1": event}, verdict) == [f"unexpected: {event}"]
    other = ("SenderBlocked", {"sender": "b"})
    assert compared({"1": event}, {"1": other}, verdict) == [f"different: {other}, expected {event}"]


def test_a_campaign_in_which_nothing_happened_shows_nothing() -> None:
    verdict = Verdict(events=Counter(SenderBlocked=1), verdicts=1, mails=1)
    assert unshown(1, verdict) == []
    assert len(unshown(0, verdict)) == 1
    assert len(unshown(0, Verdict())) == 4


# -- every mail is there -----------------------------------------------------------------------------------------------

ANN = "ann@acme.example"
MAIL = Arrived("noreply@host.example", ANN, b"Message-ID: <n1@host.example>\r\n\r\nblocked\r\n", smtputf8=False)
OTHER = Arrived("noreply@host.example", ANN, b"Message-ID: <n1@host.example>\r\n\r\nblocked!\r\n", smtputf8=False)


def ledger(state: State = State.ACCEPTED, events: tuple[str, ...] = ("e1",)) -> MailLedger:
    notification = Notification(
        "n1", Kind.BLOCKED, "acme", (ANN,), (), "en", "UTC", False, "<n1@host.example>", 0, 0, Stage.FINISHED, (ANN,)
    )  # fmt: skip
    accounts = [Account("n1", event, place, "bob@acme.example", event, 3, b"") for place, event in enumerate(events)]
    return MailLedger({"n1": notification}, accounts, [Delivery("n1", ANN, None, state)])


def test_a_mail_for_each_event_is_all_that_is_asked_for() -> None:
    found = check_mails(ledger(), ["e1"], [MAIL], Counter())
    assert (found.problems, found.mails, found.doubled) == ([], 1, 0)


def test_a_repeat_that_was_counted_is_allowed() -> None:
    found = check_mails(ledger(), ["e1"], [MAIL, MAIL], Counter({("n1", ANN): 1}))
    assert (found.problems, found.doubled) == ([], 1)


def test_whatever_is_wrong_with_mails_is_found() -> None:
    counted = Counter({("n1", ANN): 1})
    wrong = {
        "an event that no mail tells of": check_mails(ledger(), ["e1", "e2"], [MAIL], counted),
        "an event that nobody published": check_mails(ledger(events=("e1", "e9")), ["e1"], [MAIL], counted),
        "a mail that nobody accepted": check_mails(ledger(State.REJECTED), ["e1"], [], counted),
        "a mail that never arrived": check_mails(ledger(), ["e1"], [], counted),
        "a repeat that was not counted": check_mails(ledger(), ["e1"], [MAIL, MAIL], Counter()),
        "a repeat that is another mail": check_mails(ledger(), ["e1"], [MAIL, OTHER], counted),
        "a mail out of nowhere": check_mails(MailLedger({}, [], []), [], [MAIL], counted),
    }
    assert [name for name, found in wrong.items() if not found.problems] == []


@pytest.mark.parametrize(
    "words",
    [
        ["--duration", "0"],
        ["--duration", "nan"],
        ["--rate", "-1"],
        ["--kinds", "nothing"],
        ["--kinds", ","],
        ["--keep", "FILE/x"],
    ],
)
def test_wrong_words_are_refused_before_anything_starts(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as ended:
        main([word.replace("FILE", str(tmp_path / "file")) for word in words])
    assert ended.value.code == 2
    assert words[-1].removeprefix("FILE") in capsys.readouterr().err
