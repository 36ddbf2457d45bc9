"""`senderwatch what-if` on a real filter's recordings and on made-up files, without any broker."""

import email
import gzip
import json
from dataclasses import replace
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from processor.cli.main import run
from processor.cli.what_if_words import NOTE, bar
from processor.policies.policy import PolicySet
from processor.verdicts import jsonl
from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.files import Form, VerdictFile
from processor.verdicts.generator import Traffic, generate
from processor.verdicts.writing import write_avro, write_jsonl
from processor.workers import trying
from processor.workers.trying import FileLog, Trying
from tests.verdict_strategies import DAY, START_MS

RECORDINGS = Path(__file__).parents[1] / "recordings"
RECORDED_DAY = ("--input", str(RECORDINGS / "rspamd-day-timed.jsonl"), "--format", "rspamd")
COMPROMISED = {"bram.visser@org108.test", "gwen.bakker@org100.test", "joost.bakker@org106.test"}
"""By the recordings' README."""


def _records(capsys: pytest.CaptureFixture[str], *arguments: str | Path, status: int = 0) -> list[dict[str, Any]]:
    assert run(["what-if", *map(str, arguments), "--json"]) == status
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def _of(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["type"] == kind]


def _spam(number: int, at_ms: int = START_MS, sender: str = "ann@a.test") -> MessageVerdict:
    return MessageVerdict(
        event_id=f"e{number}",
        occurred_at_ms=at_ms + number,
        tenant_id="a.test",
        sender=sender,
        internal_recipients=0,
        external_recipients=1,
        verdict=Verdict.SPAM,
    )


def _written(path: Path, verdicts: list[MessageVerdict]) -> Path:
    path.write_bytes(b"".join(map(jsonl.line_of, verdicts)))
    return path


@pytest.fixture
def half_and_half(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve of ann's spam messages, six in each of two files."""
    spam = [_spam(number) for number in range(12)]
    return _written(tmp_path / "a.jsonl", spam[:6]), _written(tmp_path / "b.jsonl", spam[6:])


@pytest.mark.parametrize("spread", [(), ("--spread", "24h")])
def test_the_accounts_that_turned_bad_in_a_recording_come_out(
    spread: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    records = _records(capsys, *RECORDED_DAY, *spread)
    assert {block["sender"] for block in _of(records, "SenderBlocked")} == COMPROMISED
    (told,) = _of(records, "input")
    assert (told["records"], told["senders"], told["note"]) == (2000, 60, NOTE)
    (outcome,) = _of(records, "outcome")
    assert outcome["blocks"] == 3
    assert 200 < outcome["stopped_spam_messages"] < outcome["stopped_messages"]


def test_for_people_each_block_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["what-if", *RECORDED_DAY]) == 0
    told = capsys.readouterr().out
    assert "2,000 records of 60 senders, 2026-11-24T01:59:50Z to 2026-11-24T02:00:08Z: 322 spam, 0 bulk" in told
    assert "the built-in policies (built-in): 3 blocks of 3 senders; 363 messages would have been stopped, 280" in told
    (line,) = (line for line in told.splitlines() if line.startswith("gwen.bakker@org100.test"))
    assert "spam_messages_per_hour 11 > 10" in line
    assert line.endswith("rspamd-day-timed.jsonl:637")
    assert told.endswith(f"note: {NOTE}\n")


def test_what_stood_in_the_file_is_what_the_event_says(capsys: pytest.CaptureFixture[str]) -> None:
    records = _records(capsys, *RECORDED_DAY)
    lines = (RECORDINGS / "rspamd-day-timed.jsonl").read_bytes().splitlines()
    for block in _of(records, "SenderBlocked"):
        posted = json.loads(lines[block["line"] - 1])
        assert posted["user"] == block["sender"]
        assert posted["event_id"] == block["trigger"]["event_id"]
        assert block["position"] == {
            "topic": "rspamd-day-timed.jsonl",
            "partition": 0,
            "offset": block["line"] - 1,
        }


@pytest.mark.parametrize("size", [1, 7, 5_000])
def test_twice_the_same_files_give_the_same_output_whatever_the_batches(
    size: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = _records(capsys, *RECORDED_DAY, "--spread", "24h")
    monkeypatch.setattr(trying, "_BATCH", size)
    assert _records(capsys, *RECORDED_DAY, "--spread", "24h") == expected


def test_several_files_are_one_log_and_a_block_names_the_file(
    half_and_half: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = half_and_half
    records = _records(capsys, "--input", first, second)
    assert records == _records(capsys, "--input", first, "--input", second)
    (block,) = _of(records, "SenderBlocked")
    assert (block["file"], block["line"], block["stopped_messages"]) == (str(second), 5, 1)
    assert block["position"] == {"topic": "a.jsonl", "partition": 0, "offset": 10}
    assert _of(_records(capsys, "--input", first), "SenderBlocked") == []


def test_lines_out_of_order_are_taken_up_as_they_stand_and_late_ones_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = _written(tmp_path / "a.jsonl", [_spam(0), _spam(1, START_MS - 2 * DAY), _spam(2)])
    assert _of(_records(capsys, "--input", file), "input")[0]["late"] == 1
    assert run(["what-if", "--input", str(file)]) == 0
    assert "1 record came more than a day after newer ones, and is not counted" in capsys.readouterr().out


def test_lines_that_an_import_would_refuse_are_refused_and_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    future = replace(_spam(0), occurred_at_ms=250_000_000_000_000)
    file = _written(tmp_path / "a.jsonl", [_spam(0), future])
    file.write_bytes(file.read_bytes() + b"nonsense\n")
    (told,) = _of(_records(capsys, "--input", file, status=1), "input")
    assert told["records"] == 1
    assert {(each["field"], each["problem"], each["lines"]) for each in told["refused"]} == {
        ("line", "is not JSON", 1),
        ("occurred_at", "is more than 5 minutes in the future", 1),
    }
    assert run(["what-if", "--input", str(file)]) == 1
    assert f"{file}:3: line: is not JSON" in capsys.readouterr().out


def test_mail_of_nobody_is_skipped_unless_its_network_is_trusted(capsys: pytest.CaptureFixture[str]) -> None:
    cases = ("--input", RECORDINGS / "rspamd-cases-stock.jsonl", "--format", "rspamd")
    (told,) = _of(_records(capsys, *cases), "input")
    assert (told["records"], told["skipped"]) == (31, {"no authenticated user": 2})
    trusting = ("--trust-envelope-from", "192.0.2.0/24,203.0.113.8/32")
    assert _of(_records(capsys, *cases, *trusting), "input")[0]["records"] == 33


@pytest.mark.parametrize("name", ["a.jsonl", "a.avro", "a.jsonl.gz"])
def test_generated_traffic_in_any_form_gives_the_same_blocks(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traffic = Traffic(records=5_000, end_ms=START_MS, seed=3, senders=100, tenants=5, skew=0.5, compromised=2, hours=24)
    file = tmp_path / name
    with file.open("wb") as stream:
        (write_avro if name.endswith("avro") else write_jsonl)(generate(traffic), stream)
    if name.endswith("gz"):
        file.write_bytes(gzip.compress(file.read_bytes()))
    blocks = _of(_records(capsys, "--input", file), "SenderBlocked")
    assert len(blocks) >= 2
    plain = tmp_path / "plain.jsonl"
    with plain.open("wb") as stream:
        write_jsonl(generate(traffic), stream)
    expected = _of(_records(capsys, "--input", plain), "SenderBlocked")
    told = ("sender", "blocked_at", "limit_name", "stopped_messages", "line")
    assert [[each[key] for key in told] for each in blocks] == [[each[key] for key in told] for each in expected]


def test_two_policy_files_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    strict, lax = tmp_path / "strict.yaml", tmp_path / "lax.yaml"
    strict.write_text("default: {limits: {spam_messages_per_hour: 5}}\n")
    lax.write_text(
        "policies: [{name: o, priority: 1, conditions: {tenants: [org108.test]}, limits: "
        "{spam_messages_per_hour: null, spam_messages_per_day: null, spam_percent_per_day: null, "
        "external_recipients_per_hour: null, recipients_per_day: null}}]\n"
    )
    compare = (*RECORDED_DAY, "--policies", strict, "--against", lax)
    records = _records(capsys, *compare)
    only = [each["sender"] for each in _of(records, "compared") if each["found"] == "only_policies"]
    assert "bram.visser@org108.test" in only
    different = [each for each in _of(records, "compared") if each["found"] == "different"]
    assert {each["sender"] for each in different} == COMPROMISED - {"bram.visser@org108.test"}
    assert all(each["later_ms"] > 0 for each in different)
    assert _of(records, "comparison")[0]["only_against"] == 0
    assert [each["policies"] for each in _of(records, "outcome")] == [str(strict), str(lax)]
    assert run(["what-if", *map(str, compare)]) == 0
    told = capsys.readouterr().out
    assert f"only {lax} blocks 0 senders\n" in told
    assert "both block 2 senders, but differently:" in told


def test_a_policy_file_does_not_differ_from_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies = tmp_path / "p.yaml"
    policies.write_text("default: {limits: {spam_messages_per_hour: 5}}\n")
    records = _records(capsys, *RECORDED_DAY, "--policies", policies, "--against", policies)
    assert _of(records, "compared") == []
    assert _of(records, "comparison")[0]["alike"] >= 3


def test_a_sweep_is_a_line_for_each_value_and_marks_the_one_in_force(capsys: pytest.CaptureFixture[str]) -> None:
    sweep = (*RECORDED_DAY, "--sweep", "spam_messages_per_hour=0..20:5")
    rows = _of(_records(capsys, *sweep), "sweep")
    assert [row["limit"] for row in rows] == [0, 5, 10, 15, 20]
    assert [row["is_own"] for row in rows] == [False, False, True, False, False]
    (plain,) = _of(_records(capsys, *RECORDED_DAY), "outcome")
    assert all(rows[2][key] == plain[key] for key in ("senders", "blocks", "stopped_messages", "stopped_spam_messages"))
    senders = [row["senders"] for row in rows]
    assert senders == sorted(senders, reverse=True)
    assert senders[0] > senders[2]
    assert run(["what-if", *sweep]) == 0
    told = capsys.readouterr().out
    assert "spam_messages_per_hour of the default policy, all else as it is; now 10" in told
    assert told.count("█" * 16) >= 3


def test_a_bar_shows_what_is_more_than_nothing_and_never_more_than_the_whole() -> None:
    assert (bar(0, 0), bar(0, 5), bar(5, 5), bar(1, 10_000)) == ("", "", "█" * 16, "▏")
    assert (bar(5, 10), bar(5, 10, is_plain=True), bar(1, 99, is_plain=True)) == ("█" * 8, "#" * 8, "#")


def test_a_file_where_the_mails_should_go_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "policies.yaml"
    there.write_text("")
    assert run(["what-if", *RECORDED_DAY, "--mails", str(there)]) == 2
    said = capsys.readouterr()
    assert f"--mails {there}: that is a file; name a folder for the mails" in said.err
    assert not said.out


def test_the_mails_would_have_told_the_admins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policies, folder = tmp_path / "p.yaml", tmp_path / "mails"
    policies.write_text("contacts: {org100.test: [it@org100.test]}\ndefault: {notify: {time_zone: Europe/Amsterdam}}\n")
    options = ("--policies", policies, "--spread", "24h", "--mails", folder)
    records = _records(capsys, *RECORDED_DAY, *options)
    (told,) = _of(records, "mails")
    mails = [email.message_from_bytes(file.read_bytes(), policy=default) for file in sorted(folder.glob("*.eml"))]
    assert told["mails"] == len(mails) == 6
    assert {str(mail["To"]) for mail in mails} == {"it@org100.test", "postmaster@org106.test", "postmaster@org108.test"}
    subjects = " ".join(str(mail["Subject"]) for mail in mails)
    assert all(subjects.count(sender) == 2 for sender in COMPROMISED), "once for the block, once for its end"
    blocked = {mail["Message-ID"] for mail in mails if "is blocked" in str(mail["Subject"])}
    assert {mail["In-Reply-To"] for mail in mails if "can send again" in str(mail["Subject"])} == blocked
    page = (folder / "index.html").read_text()
    for file in folder.glob("00*"):
        assert f'href="{file.name}"' in page
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    _records(capsys, *RECORDED_DAY, *options)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_events_of_which_nobody_would_be_told_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _written(tmp_path / "a.jsonl", [_spam(number, sender="ann") for number in range(12)])
    assert run(["what-if", "--input", str(file), "--mails", str(tmp_path / "mails")]) == 0
    told = capsys.readouterr().out
    assert "0 mails; all of them:" in told
    assert "nobody is named who would be told of 1 event" in told


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["day.jsonl"], 2, "day.jsonl: records are given with --input"),
        (["--spread", "24h"], 2, "--spread is for files: name them with --input"),
        (["--against", "nowhere.yaml"], 2, "--against on the topics needs --policies"),
        ([*RECORDED_DAY, "--from", "7d"], 2, "--from is for the topics"),
        (["--bootstrap-servers", "127.0.0.1:1"], 69, "--input"),
        (["--input", "nowhere.jsonl"], 2, "cannot read nowhere.jsonl: No such file or directory"),
        (["--input", "-", "--spread", "24h"], 2, "--spread reads a file twice"),
        (["--input", "-", "-"], 2, "standard input can be read once only"),
        ([*RECORDED_DAY, "--policies", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        ([*RECORDED_DAY, "--against", "nowhere.yaml"], 2, "nowhere.yaml: cannot be read"),
        (
            [*RECORDED_DAY, "--sweep", "spam=1"],
            2,
            "--sweep spam=1: spam is no limit; the limits are: spam_messages_per_hour",
        ),
        ([*RECORDED_DAY, "--sweep", "p/spam_messages_per_day=1"], 2, "there is no policy p; there are: default"),
        (
            [*RECORDED_DAY, "--sweep", "spam_messages_per_day=1", "--against", "x"],
            2,
            "--sweep and --against do not go together",
        ),
        (
            [*RECORDED_DAY, "--sweep", "spam_messages_per_day=1", "--mails", "x"],
            2,
            "--sweep and --mails do not go together",
        ),
        ([*RECORDED_DAY, "--config", "x.toml"], 2, "--config is for --mails"),
        ([*RECORDED_DAY, "--mails", "x", "--config", "x.toml"], 2, "cannot read the settings file x.toml"),
        ([*RECORDED_DAY, "--mails", "/dev/null/x"], 1, "cannot write to /dev/null/x: Not a directory"),
        ([*RECORDED_DAY, "--ending", "soon"], 2, "--ending"),
        (RECORDED_DAY[:2], 1, "not one line was taken up: is --format the file's own"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    arguments: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["what-if", *arguments]) == status
    assert told in capsys.readouterr().err


def test_a_run_that_is_stopped_ends_before_the_end_of_the_file() -> None:
    file = VerdictFile(RECORDINGS / "rspamd-day-timed.jsonl", Form.RSPAMD)
    log = FileLog(Trying([file], lambda _: 0, 1 << 60), [PolicySet()], lambda _file, _taken: None, lambda: True)
    assert not log.read()
