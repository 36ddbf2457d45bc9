"""The parts of the demo by themselves: its story, its mail server, what it shows."""

import io
import smtplib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from processor import avro
from processor.cli.demo_lines import Lines, summary
from processor.cli.demo_screen import Screen
from processor.detection.engine import Engine
from processor.notification.message import Mail, enveloped
from processor.policies.policy import PolicySet
from processor.restrictions.events import RestrictionEvent, SenderBlocked
from processor.telemetry import COMMIT_SECONDS, RECORDS, Metrics
from processor.verdicts.batches import Decoder
from processor.verdicts.generator import Compromised, Traffic, compromised, generate
from processor.workers.demo import Output
from processor.workers.demo_board import Block, Board, Scene, Stage
from processor.workers.demo_mailbox import Mailbox, TakenMail
from processor.workers.demo_story import Story
from processor.workers.warming import _NoWriters

NOW_MS = 1_795_508_630_000
PREFIX = avro.single_object_prefix("MessageVerdict")


# -- the story ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "rate", "seed"), [(60, 3_000, 1), (60, 1_000, 2), (5, 1_000, 3), (8, 3_000, 4)])
def test_every_campaign_is_stopped_before_the_end_and_nobody_else(seconds: float, rate: int, seed: int) -> None:
    story = Story(seconds, rate, seed)
    live = story.live(NOW_MS)
    events = _decided([story.history(NOW_MS), live])
    blocked = {event.sender: event.blocked_at_ms for event in events if isinstance(event, SenderBlocked)}
    assert blocked.keys() == {account.sender for account in compromised(live)}
    assert all(account.from_ms <= blocked[account.sender] <= live.end_ms for account in compromised(live))


def _decided(traffics: list[Traffic]) -> list[RestrictionEvent]:
    engine, decoder = Engine("message-verdicts", 0, 1, PolicySet(), seed=1), Decoder(_NoWriters(), seed=1)
    events: list[RestrictionEvent] = []
    offset = 0
    for traffic in traffics:
        for batch in generate(traffic, PREFIX):
            offsets = np.arange(offset, offset + len(batch.values), dtype=np.int64)
            events += engine.take(decoder.batch(batch.values, offsets, batch.occurred_at_ms))
            offset += len(batch.values)
    return events


def test_history_and_live_traffic_are_of_the_same_accounts_and_share_no_identifier() -> None:
    story = Story(5, 1_000, seed=7)
    history, live = (
        [avro.decode_body("MessageVerdict", value) for batch in generate(traffic) for value in batch.values]
        for traffic in (story.history(NOW_MS), story.live(NOW_MS))
    )
    tenants = {record["sender"]: record["tenant_id"] for record in history}
    known = [record for record in live if record["sender"] in tenants]
    assert len(known) > len(live) / 2
    assert all(tenants[record["sender"]] == record["tenant_id"] for record in known)
    assert not {record["event_id"] for record in history} & {record["event_id"] for record in live}


# -- the mail server and its folder ------------------------------------------------------------------------------------


@pytest.fixture
def taken() -> list[TakenMail]:
    return []


@pytest.fixture
def mailbox(tmp_path: Path, taken: list[TakenMail]) -> Iterator[Mailbox]:
    with Mailbox(tmp_path, taken.append, lambda: NOW_MS) as running:
        yield running


def _mail(subject: str, text: str) -> Mail:
    return Mail(
        message_id="<6f1c@mailhost.test>",
        date_ms=NOW_MS,
        sender_address="noreply@mailhost.test",
        sender_name="Outbound spam protection",
        to=("postmaster@school.test",),
        subject=subject,
        text=text,
        html=f"<p>{text}</p>\n",
        language="en",
    )


def test_a_mail_is_left_as_it_came_and_as_it_is_read(mailbox: Mailbox, taken: list[TakenMail], tmp_path: Path) -> None:
    content = enveloped(_mail("Geblokkeerd: Zoë", "Zoë is geblokkeerd.\n"), "postmaster@school.test").content
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as client:
        client.sendmail("noreply@mailhost.test", "postmaster@school.test", content)
    (mail,) = taken
    assert (mail.at_ms, mail.recipient, mail.subject) == (NOW_MS, "postmaster@school.test", "Geblokkeerd: Zoë")
    assert "Zoë is geblokkeerd." in mail.text
    assert mail.html_file == tmp_path / "01-postmaster@school.test.html"
    assert mail.html_file.read_text("utf-8") == "<p>Zoë is geblokkeerd.\n</p>\n"
    assert mail.html_file.with_suffix(".eml").read_bytes() == content


def test_a_mail_that_cannot_be_written_is_refused_for_now(
    mailbox: Mailbox, taken: list[TakenMail], tmp_path: Path
) -> None:
    tmp_path.rmdir()
    content = enveloped(_mail("s", "t"), "postmaster@school.test").content
    with smtplib.SMTP("127.0.0.1", mailbox.port, timeout=10) as client, pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("noreply@mailhost.test", "postmaster@school.test", content)
    assert refused.value.smtp_code == 452
    assert taken == []


def test_a_demo_clears_away_the_mails_of_the_one_before_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "mails").mkdir()
    own = tmp_path / "mails" / "01-somebody@school.test.eml"
    own.write_text("kept: no demo was here")
    output = Output(tmp_path)
    output.prepare()
    assert own.exists()
    output.log.touch()
    (tmp_path / "mails" / "notes.txt").touch()
    output.prepare()
    assert [file.name for file in output.mails.iterdir()] == ["notes.txt"]


# -- what is known and shown -------------------------------------------------------------------------------------------


def test_the_board_counts_what_the_metrics_say() -> None:
    metrics, clock = Metrics(), iter([NOW_MS, NOW_MS + 1_000])
    board = Board(metrics, lambda: next(clock), NOW_MS, stage=Stage.LIVE)
    metrics.add(RECORDS, 10, partition=0)
    board.fed = 100
    first = board.scene()
    assert (first.taken, first.unread, first.rate_in, first.commit_ms) == (10, 90, 0.0, None)
    metrics.add(RECORDS, 50, partition=1)
    metrics.observe(COMMIT_SECONDS, 0.002)
    metrics.observe(COMMIT_SECONDS, 0.004)
    board.fed = 300
    second = board.scene()
    assert (second.taken, second.unread, second.rate_in, second.rate_out) == (60, 240, 200.0, 50.0)
    assert second.commit_ms == pytest.approx(3.0)


def test_rates_of_a_stage_are_of_that_stage_alone() -> None:
    clock = iter([NOW_MS, NOW_MS + 1_000, NOW_MS + 1_100, NOW_MS + 2_100])
    board = Board(Metrics(), lambda: next(clock), NOW_MS, stage=Stage.HISTORY)
    board.scene()
    board.fed = 100_000
    assert board.scene().rate_in == 100_000.0
    board.stage = Stage.LIVE
    board.scene()
    board.fed += 3_000
    assert board.scene().rate_in == 3_000.0


def _mail_taken(sender: str) -> TakenMail:
    return TakenMail(
        NOW_MS, f"postmaster@{sender}", f"Outbound spam: {sender} is blocked", f"... {sender} ...", Path("m.html")
    )


SCENE = Scene(
    stage=Stage.LIVE,
    now_ms=NOW_MS,
    kafka="embedded broker, 127.0.0.1:40000",
    accounts=20_000,
    fed=1_000,
    taken=900,
    campaigns=tuple(Compromised(f"user{n}@school.test", "school.test", NOW_MS - n * 1_000) for n in range(5)),
    blocks=(Block("user4@school.test", NOW_MS, "11 spam messages per hour, limit 10", NOW_MS - 4_000),),
    mails=(_mail_taken("user4@school.test"),),
)


def test_all_is_settled_when_every_block_is_told_of_and_nothing_is_unread() -> None:
    assert not SCENE.is_settled
    read = replace(SCENE, taken=1_000)
    assert read.is_settled
    assert not replace(read, mails=()).is_settled


def _drawn(scene: Scene, width: int, height: int) -> str:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(Screen(console).draw(scene))
    return capture.get()


@given(st.sampled_from(Stage), st.integers(60, 200), st.integers(24, 60), st.integers(0, 40), st.integers(0, 40))
@settings(max_examples=40, deadline=None)
def test_no_scene_is_larger_than_the_terminal(stage: Stage, width: int, height: int, blocks: int, mails: int) -> None:
    block = SCENE.blocks[0]
    scene = replace(
        SCENE,
        stage=stage,
        blocks=tuple(replace(block, sender=f"honest{n}@school.test", campaign_from_ms=None) for n in range(blocks)),
        mails=SCENE.mails * mails,
    )
    lines = _drawn(scene, width, height).splitlines()
    assert len(lines) < height
    assert max(map(len, lines)) <= width


def test_who_is_blocked_who_is_not_yet_and_who_was_honest_is_told_apart() -> None:
    honest = Block("[red]@school.test", NOW_MS, "501 external recipients per hour, limit 500", None)
    drawn = _drawn(replace(SCENE, blocks=(*SCENE.blocks, honest)), 130, 40)
    rows = {line.split()[0]: line for line in drawn.splitlines() if "@school.test" in line and "Outbound" not in line}
    assert "after 4.0 s" in rows["user4@school.test"]
    assert "11 spam messages per hour, limit 10" in rows["user4@school.test"]
    assert "not yet, 3 s" in rows["user3@school.test"]
    assert "(honest!)" in rows["[red]@school.test"]
    assert "Outbound spam: user4@school.test is blocked" in drawn


def test_lines_tell_everything_once() -> None:
    told: list[str] = []
    lines = Lines(told.append)
    for scene in (replace(SCENE, blocks=(), mails=()), SCENE, SCENE):
        lines.show(scene)
    assert [line.partition(" ")[2] for line in told if "user4" in line] == [
        "user4@school.test is compromised and starts to send spam",
        "user4@school.test is blocked, 4.0 s after its first spam: 11 spam messages per hour, limit 10",
        "mail to postmaster@user4@school.test: Outbound spam: user4@school.test is blocked",
    ]


def test_the_summary_counts_right_and_wrong_blocks_and_what_is_untold() -> None:
    honest = Block("honest@school.test", NOW_MS, "...", None)
    text = "\n".join(summary(replace(SCENE, blocks=(*SCENE.blocks, honest)), Output(Path("out"))))
    assert "verdicts     900 counted, 100 left unread" in text
    assert "compromised  1 of 5 are blocked, 4.0 s after their first spam (4.0 s at most)" in text
    assert "honest       1 of 19,995 are blocked" in text
    assert "mails        1 in out/mails" in text
    assert "1 blocks had not been told of" in text
