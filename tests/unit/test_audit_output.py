"""What an audit tells: the same facts as lines, JSON, tables and a page; the same bytes for the same report; harmless whatever it holds."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.findings import Comparison, Event, Finding, Kind, Outcome
from processor.audit.pictures import BY_HAND, OTHERS, by_limit, by_partition, over_time
from processor.audit.plots import bin_hours, ceiling, columns
from processor.audit.replay import Fault, LogFault
from processor.audit.report import AuditReport
from processor.audit.report_page import page
from processor.audit.tables import SUMMARY_KEY, tables
from processor.audit.words import facts, verdict
from processor.cli import audit_files
from processor.cli.audit_files import page_templates, prepare_files, write_page, write_tables
from processor.cli.audit_lines import json_lines, lines
from processor.cli.common import CommandFailed
from processor.policies.policy import PolicySet
from tests.audit_samples import HOSTILE, PINS, block, clean, compared, event_of, hostile, partition, troubled
from tests.auditing import replayed, work_through
from tests.histories import Step, histories
from tests.mail_pages import Page
from tests.mail_samples import HOUR_MS
from tests.verdict_strategies import policy_sets

REPORTS = (clean, troubled, hostile)
TEMPLATES = page_templates()


def html(report: AuditReport, **options: Any) -> str:
    return page(report, TEMPLATES, **options)


def parsed(report: AuditReport) -> list[dict[str, Any]]:
    return [json.loads(line) for line in json_lines(report)]


def one(comparison: Comparison, **changes: Any) -> AuditReport:
    return AuditReport(PINS, (partition(0, comparison, **changes),))


def found(*findings: Finding) -> AuditReport:
    return one(Comparison(0, 0, findings))


def unexpected(event: Event) -> Finding:
    return Finding(Outcome.UNEXPECTED, event, None)


def test_the_last_line_says_that_everything_matches() -> None:
    assert list(lines(clean()))[-1] == "everything matches: 123 events, 4,000,000 verdicts"


def test_the_last_line_says_how_many_findings_there_are_of_what_kind() -> None:
    (*_, last) = lines(troubled())
    assert last == (
        "7 findings (1 different, 4 missing, 2 unexpected) and 7 faults of the logs; 125 events of 3,600,000 verdicts matched; "
        "not everything could be audited"
    )


def test_what_could_not_be_audited_is_no_match() -> None:
    report = one(Comparison(3, 0, ()), unaudited="verdicts 0 to 9: retention has removed them")
    assert verdict(report) == "what could be audited matches: 3 events, 2,000,000 verdicts; not everything could be"
    assert '<div class="verdict part"' in html(report)


def test_a_gap_that_retention_tore_is_told_and_is_no_finding() -> None:
    report = one(Comparison(3, 0, ()), faults=[LogFault(Fault.RETENTION_GAP, 0, 5, 9, "never counted")])
    told = list(lines(report))
    assert told[-1].startswith("everything matches")
    assert (
        "GAP  partition 0, offsets 5 to 8: taken by retention before they were read (no finding): never counted" in told
    )


def test_a_finding_is_told_with_its_evidence_and_each_field_that_differs() -> None:
    text = "\n".join(lines(troubled()))
    finding = text[text.index("DIFFERENT") : text.index("MISSING")]
    assert re.findall(r"^ {6}(\S.*)$", finding, re.MULTILINE) == [
        "FIELD               PUBLISHED  FROM THE LOG",
        "blocked_until       nothing    2026-11-24T17:35:00.000Z",
        "hour.spam_messages  9          11",
        "observed            9          11",
    ]
    for piece in (
        "spam_messages_per_hour: 11, allowed 10",
        "2026-11-24T05:40:00Z to 2026-11-24T06:40:00Z",
        "40 messages, 11 of them spam; 3 internal recipients, 400 external",
        "default, version 3f2a9c1b, action block_until_tomorrow",
        "message <20261124063412.8812@school.example> from 203.0.113.77: HIGH_CONFIDENCE_SPAM, event evt-1",
        "message-verdicts, partition 0, offset 100000",
    ):
        assert piece in finding


def test_lines_and_page_give_the_same_facts() -> None:
    report = troubled()
    told, shown = "\n".join(lines(report)), Page(html(report)).text
    for finding in report.findings:
        for label, text in facts(finding.recomputed or finding.event):
            assert re.search(rf"^    {label}: +{re.escape(text)}$", told, re.MULTILINE)
            assert text in shown
    for fault in report.faults:
        assert fault.message in told
        assert fault.message in shown


def test_thousands_of_findings_are_told_first_some_then_how_many_more() -> None:
    report = found(*(unexpected(event_of(block(offset))) for offset in range(3000)))
    told = list(lines(report))
    assert sum(line.startswith("UNEXPECTED") for line in told) == 50
    assert "and 2,950 findings more: --json has all" in told
    shown = html(report)
    assert shown.count('class="card finding"') == 500
    assert "And 2,500 findings more" in shown
    assert sum(row["kind"] == "finding" for row in parsed(report)) == 3000
    assert tables(report)["findings"].num_rows == 3000


def test_of_many_partitions_those_with_something_to_say_are_told() -> None:
    comparison = compared([], [])
    quiet = [partition(number, comparison) for number in range(200)]
    quiet[170] = partition(170, comparison, unaudited="the journal begins later")
    (head, *rows) = list(lines(AuditReport(PINS, tuple(quiet))))
    assert head.startswith("PARTITION")
    assert "170" in [row.partition(" ")[0] for row in rows]
    assert "and 150 partitions more, all of which match" in rows


def test_json_has_a_line_for_everything_and_the_pins_last() -> None:
    report = troubled()
    rows = parsed(report)
    assert [row["kind"] for row in rows] == ["partition"] * 2 + ["fault"] * 8 + ["finding"] * 7 + ["summary"]
    summary = rows[-1]
    assert summary["pins"] == PINS
    assert summary["findings"] == {"DIFFERENT": 1, "MISSING": 4, "UNEXPECTED": 2}
    assert (summary["matched"], summary["not_yet_processed"], summary["clean"], summary["complete"]) == (
        125,
        1,
        False,
        False,
    )
    findings = [row for row in rows if row["kind"] == "finding"]
    for row, finding in zip(findings, report.findings, strict=True):
        assert row["published"] == (finding.published and finding.published.record)
        assert row["recomputed"] == (finding.recomputed and finding.recomputed.record)


@pytest.mark.parametrize("report", REPORTS)
def test_the_same_report_gives_the_same_bytes(report: Callable[[], AuditReport], tmp_path: Path) -> None:
    first, second = report(), report()
    # As another process may have put it together.
    second = replace(
        second, pins=dict(reversed(list(second.pins.items()))), partitions=tuple(reversed(second.partitions))
    )
    assert list(json_lines(first)) == list(json_lines(second))
    for name, each in (("a", first), ("b", second)):
        write_tables(each, tmp_path / name)
        write_page(each, tmp_path / f"{name}.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_tables_hold_what_json_holds(tmp_path: Path) -> None:
    report = troubled()
    write_tables(report, tmp_path)
    read = {path.stem: pyarrow.parquet.read_table(path) for path in tmp_path.iterdir()}
    assert sorted(read) == ["faults", "findings", "partitions"]
    rows = parsed(report)
    assert json.loads(read["findings"].schema.metadata[SUMMARY_KEY]) == {
        name: value for name, value in rows[-1].items() if name != "kind"
    }
    for table, row in zip(read["findings"].to_pylist(), (row for row in rows if row["kind"] == "finding"), strict=True):
        assert (table["outcome"], table["event_id"], table["sender"]) == (
            row["outcome"],
            row["event_id"],
            row["sender"],
        )
        assert round(table["at"].timestamp() * 1000) == row["at_ms"]
        assert json.loads(table["recomputed"] or "null") == row["recomputed"]
        assert [each["field"] for each in table["differences"]] == [each["field"] for each in row["differences"]]
        assert table["limit_name"] == (row["recomputed"] or row["published"]).get("limit_name")
    assert [row["message"] for row in read["faults"].to_pylist()] == [fault.message for fault in report.faults]
    assert [row["records"] for row in read["partitions"].to_pylist()] == [2_000_000, 1_600_000]


def test_hostile_names_do_nothing_to_a_terminal() -> None:
    for line in [*lines(hostile()), *json_lines(hostile())]:
        assert line.isprintable()
        assert "\u202e" not in line


def test_hostile_names_are_text_on_the_page() -> None:
    shown = Page(html(hostile()))
    assert not {"script", "img", "link"} & set(shown.elements)
    assert shown.elements.count("style") == 1
    assert HOSTILE[0] in shown.text


@pytest.mark.parametrize("report", REPORTS)
def test_the_page_has_nothing_that_could_ask_for_something(report: Callable[[], AuditReport]) -> None:
    content = html(report())
    shown = Page(content)
    assert not {"script", "img", "link", "iframe", "object", "embed", "base", "form", "a", "image", "use"} & set(
        shown.elements
    )
    assert not {name for name, _ in shown.attributes} & {
        "src",
        "href",
        "xlink:href",
        "srcset",
        "action",
        "data",
        "background",
    }
    style = content[content.index("<style>") : content.index("</style>")]
    assert not re.search(r"url\(|@import|@font-face|https?:", style)
    assert "default-src 'none'" in content


def test_a_forged_event_that_lacks_what_a_real_one_has_is_told_all_the_same(tmp_path: Path) -> None:
    whole = event_of(block(5))
    record = {
        name: value
        if name in {"position", "sender", "tenant_id", "blocked_at", "cause", "action", "limit_name"}
        else None
        for name, value in whole.record.items()
    }
    record["previous_blocks"] = 0
    report = found(
        unexpected(Event("e", "SenderBlocked", record)),
        unexpected(Event("f", "SenderBlocked", {**record, "blocked_at": (1 << 63) - 1, "limit": float("nan")})),
        unexpected(Event("g", "SenderForgiven", {"position": record["position"]})),
    )
    told = "\n".join(lines(report))
    assert "nothing, allowed nothing" in told
    assert "9223372036854775807 ms" in told
    assert "SenderForgiven: ? of tenant ?" in told
    assert parsed(report)[2]["published"]["limit"] == "nan"
    assert "SenderForgiven" in html(report)
    write_tables(report, tmp_path)


def test_pictures_count_what_matched_by_time_and_limit() -> None:
    report = troubled()
    time = over_time(report)
    assert time is not None
    assert time.hours == 1
    assert time.outside == 0
    assert [(row.name, row.matched, row.findings) for row in by_limit(report)] == [
        ("spam_messages_per_hour", 118, 3),
        ("recipients_per_day", 7, 0),
        (BY_HAND, 0, 1),
    ]
    partitions = by_partition(report)
    assert partitions is not None
    assert [bar.title for bar in partitions.bars] == [
        "partition 0: 2,000,000 verdicts",
        "partition 1: 1,600,000 verdicts",
    ]


def test_a_forged_time_does_not_make_a_dot_of_the_picture() -> None:
    history = [block(offset) for offset in range(0, 100_000, 10_000)]
    forged = replace(block(5), blocked_at_ms=1 << 60)
    time = over_time(one(compared([*history, forged], history)))
    assert time is not None
    assert (time.hours, time.outside) == (1, 1)
    assert len(time.matched.bars) == 10
    assert time.findings is not None
    assert len(time.findings.bars) == 1


def test_limits_of_a_forger_s_invention_are_shown_together() -> None:
    matched_by = {Kind(0, "SenderBlocked", f"limit {number:02}"): 1 for number in range(30)}
    rows = by_limit(one(Comparison(30, 0, (), matched_by)))
    assert len(rows) == 21
    assert (rows[-1].name, rows[-1].matched) == (OTHERS, 10)


def test_a_report_without_events_has_no_picture_of_them() -> None:
    report = one(Comparison(0, 0, ()))
    assert over_time(report) is None
    assert by_limit(report) == ()
    assert by_partition(report) is None
    assert "<figure" not in html(report)


@given(st.lists(st.integers(0, 1 << 40), min_size=1, max_size=200))
def test_bars_stand_within_the_axes_and_grow_with_their_values(values: list[int]) -> None:
    plot = columns(values, [str(value) for value in values], {0: "first"}, 150)
    assert [int(bar.title) for bar in plot.bars] == [value for value in values if value]
    for bar in plot.bars:
        assert plot.left <= bar.x + 0.01
        assert bar.x + bar.width <= plot.right + 0.02
        assert bar.y >= 0
        assert bar.y + bar.height == pytest.approx(plot.floor, abs=0.02)
        assert bar.height >= 2
    heights = [bar.height for bar in sorted(plot.bars, key=lambda bar: int(bar.title))]
    assert heights == sorted(heights)


@given(st.integers(1, 1 << 62))
def test_an_axis_ends_at_a_round_number_not_far_above(value: int) -> None:
    end = ceiling(value)
    assert value <= end <= max(2 * value, 2)
    assert re.fullmatch(r"(1|2|4|5|10)0*", str(end))


@given(st.integers(0, 1 << 42), st.integers(0, 1 << 42))
def test_there_are_never_more_bars_than_can_be_told_apart(first_ms: int, length_ms: int) -> None:
    hours = bin_hours(first_ms, first_ms + length_ms)
    assert length_ms // HOUR_MS + 1 <= hours * 120


@given(policy_sets(), histories(40), st.data())
def test_whatever_a_worker_did_and_somebody_changed_can_be_told(
    policies: PolicySet, history: list[Step], data: st.DataObject
) -> None:
    written = work_through(policies, history, 7, 2)
    again = replayed(written, 11)
    published = data.draw(st.lists(st.sampled_from(written.events), unique_by=id)) if written.events else []
    comparison = compared(published, again.events)
    report = one(comparison, faults=again.faults)
    assert (
        len([line for line in lines(report, 1000) if line.startswith("MISSING")])
        == len(written.events) - comparison.matched
    )
    assert sum(row["kind"] == "finding" for row in parsed(report)) == len(report.findings)
    assert html(report, most=1000).count('class="card finding"') == len(report.findings)
    assert sum(comparison.matched_by.values()) == comparison.matched
    tables(report)


def test_without_pyarrow_a_run_that_should_write_tables_does_not_begin(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(audit_files, "find_spec", lambda _: None)
    prepare_files(tmp_path / "audit.html", None)
    with pytest.raises(CommandFailed, match=r"pip install 'senderwatch\[parquet\]'") as failed:
        prepare_files(None, tmp_path / "tables")
    assert failed.value.status == 2


def test_files_that_cannot_be_written_are_told_before_the_run_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for page_at, tables_at, told in (
        (tmp_path, None, "that is a folder"),
        (tmp_path / "none" / "audit.html", None, "there is no folder"),
        (None, tmp_path / "file", "that is a file"),
        (None, tmp_path / "file" / "below", "cannot write there"),
    ):
        with pytest.raises(CommandFailed, match=told):
            prepare_files(page_at, tables_at)
    with pytest.raises(CommandFailed, match="cannot write there"):
        write_page(clean(), tmp_path / "none" / "audit.html")
