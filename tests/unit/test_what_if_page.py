"""What what-if leaves: pages that hold whatever happens, a plot that is true to the numbers, tables that are the rows of --json."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.policy_comparison import compared as compared_outcomes
from processor.audit.sweep import Sweep
from processor.audit.sweep_picture import Lines, picture
from processor.audit.sweep_words import value_of
from processor.audit.what_if import Outcome, Stopped, TriedBlock
from processor.audit.what_if_page import Named, Told, compared_page, swept_page, tried_page
from processor.audit.what_if_tables import INPUT_KEY, tables
from processor.cli import audit_files
from processor.cli.audit_files import page_templates
from processor.cli.main import run
from processor.cli.what_if_words import block_table
from processor.policies.policy import PolicySet
from processor.restrictions.events import Cause, Position, SenderBlocked
from tests.audit_samples import HOSTILE, block
from tests.mail_pages import Page
from tests.mail_samples import alerted, unblocked
from tests.page_tables import rows_of
from tests.verdict_strategies import START_MS
from tests.what_if_runs import RECORDED_DAY, Left, compared, hostile, left_by, swept, tried

TEMPLATES = page_templates()
TOLD = Told(["7 records of 2 senders"], lambda position: f"{position.topic}:{position.offset}")
BY_HAND = block(7, cause=Cause.MANUAL, evidence=None, issued_by="ann", reason="phished", command_id="c-1")


def outcome(*blocks: SenderBlocked) -> Outcome:
    return Outcome(PolicySet(), (*blocks, alerted()), tuple(TriedBlock(each, None, Stopped(7, 5)) for each in blocks))


def stopping(messages: int, spam: int, senders: int) -> Outcome:
    """So much mail stopped, of so many senders."""
    blocks = [block(place, f"{place}@a.test") for place in range(senders)]
    shares = [Stopped(messages, spam)] + [Stopped()] * (senders - 1)
    return Outcome(
        PolicySet(), (), tuple(TriedBlock(each, None, share) for each, share in zip(blocks, shares, strict=True))
    )


@pytest.mark.parametrize("run_of", [tried, compared, swept, hostile])
def test_tables_hold_what_json_holds(run_of: Callable[[Path], Left], tmp_path: Path) -> None:
    left = run_of(tmp_path)
    kinds = {
        "blocks": "SenderBlocked", "alerts": "SenderAlerted", "unblocks": "SenderUnblocked", "outcomes": "outcome",
        "compared": "compared", "comparison": "comparison", "sweep": "sweep",
    }  # fmt: skip
    read = {path.stem: pyarrow.parquet.read_table(path) for path in left.tables.iterdir()}
    assert sorted(read) == sorted(kinds)
    for name, table in read.items():
        assert json.loads(table.schema.metadata[INPUT_KEY]) == left.of("input")
        rows = left.of(kinds[name])
        assert [_as_json(row) for row in table.to_pylist()] == [
            {column: row.get(column) for column in table.column_names} for row in rows
        ]
        for row in rows:
            assert set(row) - {"type"} == set(table.column_names)


def _as_json(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a table as --json has it: times in milliseconds, lists as lists."""
    return {
        name: round(value.timestamp() * 1000)
        if hasattr(value, "timestamp")
        else json.loads(value)
        if name.startswith("blocks") and isinstance(value, str)
        else value
        for name, value in row.items()
    }


def test_rows_without_a_file_are_rows_too() -> None:
    """A range of the topics is no file."""
    record = {"type": "SenderBlocked", "policies": "p", **block(3).to_record(), "unblocked_at": None}
    (row,) = tables([record, {"type": "range", "first": 1}])["blocks"].to_pylist()
    assert (row["file"], row["line"], row["position"]["offset"]) == (None, None, 3)


@pytest.mark.parametrize("run_of", [tried, compared, swept, hostile])
def test_the_same_log_leaves_the_same_bytes(run_of: Callable[[Path], Left], tmp_path: Path) -> None:
    first = run_of(tmp_path)
    files = [first.page, *sorted(first.tables.iterdir())]
    before = [file.read_bytes() for file in files]
    run_of(tmp_path)
    assert [file.read_bytes() for file in files] == before


def test_a_run_leaves_no_table_of_the_run_before(tmp_path: Path) -> None:
    swept(tmp_path)
    left = tried(tmp_path)
    assert pyarrow.parquet.read_table(left.tables / "sweep.parquet").num_rows == 0


@pytest.mark.parametrize("run_of", [tried, compared, swept, hostile])
def test_the_page_has_nothing_that_could_ask_for_something(run_of: Callable[[Path], Left], tmp_path: Path) -> None:
    content = run_of(tmp_path).page.read_text()
    shown = Page(content)
    forbidden = {"script", "img", "link", "iframe", "object", "embed", "base", "form", "a", "image", "use"}
    assert not forbidden & set(shown.elements)
    assert not {name for name, _ in shown.attributes} & {"src", "href", "xlink:href", "srcset", "action", "background"}
    assert not {name for name, _ in shown.attributes if name.startswith("on")}
    assert "default-src 'none'" in content


def test_hostile_names_of_files_policies_and_notes_are_text() -> None:
    name = " ".join(HOSTILE)
    told = Told([f"refused line of {name}"], lambda _: name)
    one, two = Named(name, outcome(block(1, name))), Named(name, outcome(BY_HAND))
    for content in (
        tried_page(told, one, TEMPLATES),
        compared_page(told, one, two, compared_outcomes(one.outcome, two.outcome), TEMPLATES),
        swept_page(told, Sweep("default", "spam_messages_per_day", (1, 2)), 1, [one.outcome] * 2, name, TEMPLATES),
    ):
        shown = Page(content)
        assert not {"script", "img"} & set(shown.elements)
        assert shown.elements.count("style") == 1
        assert HOSTILE[0] in shown.text
        assert "\u202e" not in shown.text
        assert "\x1b" not in shown.text


def test_a_block_by_hand_says_by_whom() -> None:
    (row,) = rows_of(tried_page(TOLD, Named("p", outcome(BY_HAND)), TEMPLATES), "blocks")
    assert row[2] == "by hand by ann"
    assert row[3:] == ["5", "2", "message-verdicts:7"]


def test_a_block_that_was_lifted_shows_when() -> None:
    told = block(1)
    ended = replace(unblocked(told), unblocked_at_ms=told.blocked_at_ms + 61_000)
    lifted = Outcome(PolicySet(), (told,), (TriedBlock(told, ended, Stopped()),))
    ((_, times, *_),) = rows_of(tried_page(TOLD, Named("p", lifted), TEMPLATES), "blocks")
    assert times == "2026-11-24T06:35:00Z 2026-11-24T06:36:01Z"
    _, line = block_table(lifted.blocks, TOLD.place)
    assert "2026-11-24T06:35:00Z  2026-11-24T06:36:01Z" in line  # as on the terminal


def test_a_log_in_which_nobody_would_be_blocked_has_a_page() -> None:
    nothing = Outcome(PolicySet(), (), ())
    content = tried_page(TOLD, Named("p", nothing), TEMPLATES)
    assert "nobody would have been blocked" in content
    assert "<figure" not in content
    compared_page(TOLD, Named("p", nothing), Named("q", nothing), compared_outcomes(nothing, nothing), TEMPLATES)
    swept_page(TOLD, Sweep("default", "spam_messages_per_day", (1, 2)), None, [nothing] * 2, "p", TEMPLATES)


def test_of_thousands_of_blocks_the_first_are_shown_and_the_rest_counted() -> None:
    many = outcome(*(block(offset, f"{offset}@a.test") for offset in range(1200)))
    content = tried_page(TOLD, Named("p", many), TEMPLATES)
    assert len(rows_of(content, "blocks")) == 500
    assert "And 700 blocks more: --json has all." in content


_values = st.lists(st.integers(0, 10**6), min_size=2, max_size=100, unique=True).map(sorted)


@given(_values, st.data())
def test_points_stand_within_the_axes_and_as_high_as_their_numbers(values: list[int], data: st.DataObject) -> None:
    outcomes = [
        stopping(spam + other, spam, senders)
        for spam, other, senders in data.draw(
            st.lists(
                st.tuples(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 3)),
                min_size=len(values),
                max_size=len(values),
            )
        )
    ]
    own = data.draw(st.none() | st.integers(0, 10**6))
    drawn = picture(Sweep("default", "recipients_per_day", tuple(map(float, values))), outcomes, own)
    assert drawn is not None
    spam, other = drawn.mail.lines
    numbers = {
        "spam": [each.stopped.spam_messages for each in outcomes],
        "other": [each.stopped.messages - each.stopped.spam_messages for each in outcomes],
    }
    most = max(map(max, numbers.values()))
    for line in (spam, other):
        _are_true_to(drawn.mail, [(at.x, at.y) for at in line.points], numbers[line.look], most)
    _are_true_to(
        drawn.senders,
        [(at.x, at.y) for at in drawn.senders.lines[0].points],
        [len(each.blocked_senders) for each in outcomes],
        3,
    )
    is_within = own is not None and values[0] <= own <= values[-1]
    assert (drawn.mail.own is not None) == is_within
    if is_within and own in values:
        assert drawn.mail.own == spam.points[values.index(own)].x


def _are_true_to(plot: Lines, points: list[tuple[float, float]], numbers: list[int], most: int) -> None:
    xs = [x for x, _ in points]
    assert xs == sorted(xs)
    assert plot.left <= xs[0]
    assert xs[-1] <= plot.right
    assert all(plot.top <= y <= plot.floor for _, y in points)
    heights = [plot.floor - y for _, y in points]
    if most:
        scale = max(heights) / max(numbers) if max(numbers) else 0
        assert heights == pytest.approx([number * scale for number in numbers], abs=0.02)


@given(_values)
def test_no_two_ticks_of_a_sweep_are_written_over_each_other(values: list[int]) -> None:
    drawn = picture(
        Sweep("default", "recipients_per_day", tuple(map(float, values))), [stopping(1, 1, 1)] * len(values), None
    )
    assert drawn is not None
    ticks = drawn.mail.across
    assert ticks
    assert all(after.at - before.at >= 6 * max(len(before.text), len(after.text)) for before, after in pairwise(ticks))


def test_one_value_has_no_plot_and_uneven_values_are_said_to_be() -> None:
    def shown(*values: float) -> str:
        outcomes = [stopping(3, 2, 1)] * len(values)
        return swept_page(TOLD, Sweep("default", "spam_percent_per_day", values), 50, outcomes, "p", TEMPLATES)

    assert "<figure" not in shown(7)
    assert "not equally far apart" in shown(5, 10, 100)
    assert "not equally far apart" not in shown(0.1, 0.2, 0.3)
    assert "spam_percent_per_day (% of the messages)" in shown(5, 10)


@given(st.lists(st.integers(0, 10**17), min_size=2, max_size=2, unique=True))
def test_two_values_of_a_sweep_never_look_alike(pair: list[int]) -> None:
    one, two = (value / 1000 for value in pair)
    if one != two and max(one, two) < 10**12:
        assert value_of(one) != value_of(two)


def _told(*options: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert run(["what-if", *RECORDED_DAY, *options]) == 2
    return capsys.readouterr().err


def test_what_cannot_be_written_is_told_before_a_record_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "day.jsonl"
    other.write_text('{"a": 1}\n')
    for options, told in (
        (["--html", str(tmp_path)], "that is a folder; name a file for the page"),
        (["--html", "-"], "--html -: name a file"),
        (["--html", str(tmp_path / "none" / "a.html")], "there is no folder"),
        (["--html", str(other)], "that file is there, and is no page: name another, or remove it"),
        (["--parquet", str(other)], "that is a file; name a folder for the tables"),
        (["--parquet", str(other / "below")], "cannot write there: Not a directory"),
    ):
        assert told in _told(*options, capsys=capsys)
    assert other.read_text() == '{"a": 1}\n'
    monkeypatch.setattr(audit_files, "find_spec", lambda _: None)
    assert "pip install 'senderwatch[parquet]'" in _told("--parquet", str(tmp_path / "t"), capsys=capsys)
    assert not list(tmp_path.glob("*.html"))


def test_an_older_page_is_written_over_and_an_empty_file_too(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("")
    for _ in range(2):
        left = tried(tmp_path)
        assert left.page == page
        assert page.read_text().startswith("<!DOCTYPE html>")


def test_a_page_that_cannot_be_written_in_the_end_costs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["what-if", *RECORDED_DAY, "--html", "/dev/full"]) == 2
    captured = capsys.readouterr()
    assert "3 blocks of 3 senders" in captured.out
    assert captured.err == "senderwatch: --html /dev/full: cannot write there: No space left on device\n"


def test_a_terminal_that_lacks_the_letters_of_a_name_ends_nothing(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    spam = {
        "event_id": "e",
        "tenant_id": "t",
        "sender": "ann\u6f22@x.test",
        "internal_recipients": 0,
        "external_recipients": 1,
    }
    log.write_text((json.dumps({**spam, "occurred_at": START_MS, "verdict": "SPAM"}) + "\n") * 12)
    command = [sys.executable, "-m", "processor.cli.main", "what-if", "--input", str(log)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert "ann\\u6f22@x.test" in told.stdout


def test_lines_that_were_refused_are_on_the_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log, page = tmp_path / "a.jsonl", tmp_path / "page.html"
    log.write_text("nonsense\n")
    assert run(["what-if", "--input", str(log), "--html", str(page)]) == 1
    capsys.readouterr()
    assert "line: is not JSON" in page.read_text()


def test_positions_of_a_log_that_is_no_file_are_shown() -> None:
    told = Told(
        ["a range"], lambda position: f"{position.topic}, partition {position.partition}, offset {position.offset}"
    )
    placed = replace(block(1), position=Position("message-verdicts", 3, 99))
    ((*_, place),) = rows_of(tried_page(told, Named("p", outcome(placed)), TEMPLATES), "blocks")
    assert place == "message-verdicts, partition 3, offset 99"
    assert re.search("<p>The log: <bdi>a range</bdi></p>", tried_page(told, Named("p", outcome(placed)), TEMPLATES))


def test_the_mails_and_the_page_go_together(tmp_path: Path) -> None:
    left = left_by(tmp_path, *("--input", str(_written(tmp_path))), "--mails", str(tmp_path / "mails"))
    assert left.of("mails")


def _written(folder: Path) -> Path:
    (folder / "empty.jsonl").write_text("")
    return folder / "empty.jsonl"
