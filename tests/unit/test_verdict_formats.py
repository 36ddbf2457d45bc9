"""Verdicts as JSON Lines and in Avro container files: what is written comes back, what is wrong is named."""

import gzip
import io
import json
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor import avro
from processor.verdicts import avro_file, jsonl
from processor.verdicts.event import INT_MAX, OCCURRED_AT_MAX_MS, MessageVerdict, Verdict
from processor.verdicts.files import Form, VerdictFile, guessed_form
from processor.verdicts.reading import FIELDS, Refused

SCHEMA: dict[str, Any] = json.loads(avro.raw_schema("MessageVerdict"))
RECORD: dict[str, Any] = {
    "event_id": "e1",
    "occurred_at": 1_795_485_590_972,
    "tenant_id": "org",
    "sender": "ann@org.test",
    "message_id": "1@org.test",
    "client_ip": "192.0.2.1",
    "internal_recipients": 1,
    "external_recipients": 2,
    "verdict": "SPAM",
    "score": 7.5,
}
_text = st.text(min_size=1, max_size=20)
verdicts = st.builds(
    MessageVerdict,
    event_id=_text,
    occurred_at_ms=st.integers(100_000_000_000, OCCURRED_AT_MAX_MS),
    tenant_id=_text,
    sender=_text.map(str.lower).filter(lambda sender: sender == sender.lower()),
    internal_recipients=st.integers(0, INT_MAX),
    external_recipients=st.integers(0, INT_MAX),
    verdict=st.sampled_from(Verdict),
    message_id=st.none() | st.text(max_size=20),
    client_ip=st.none() | st.text(max_size=20),
    score=st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False),
)


def _parsed(**changes: Any) -> MessageVerdict | Refused:
    record = {key: value for key, value in {**RECORD, **changes}.items() if value is not ...}
    return jsonl.parse(json.dumps(record).encode())


def _container(records: list[dict[str, Any]], schema: dict[str, Any] = SCHEMA, **options: Any) -> io.BytesIO:
    out = io.BytesIO()
    fastavro.writer(out, schema, records, **options)
    out.seek(0)
    return out


def _read(stream: io.BytesIO, first: int = 1) -> list[tuple[int, MessageVerdict | Refused]]:
    return list(avro_file.records(stream, first))


@given(verdicts)
def test_a_verdict_comes_back_from_its_line(verdict: MessageVerdict) -> None:
    assert jsonl.parse(jsonl.line_of(verdict)) == verdict


@given(st.lists(verdicts, max_size=5), st.sampled_from(["null", "deflate", "bzip2", "xz"]))
def test_verdicts_come_back_from_a_container_file(expected: list[MessageVerdict], codec: str) -> None:
    found = _read(_container([verdict.to_record() for verdict in expected], codec=codec))
    assert found == list(enumerate(expected, 1))


@given(st.binary(max_size=200))
def test_no_bytes_make_the_line_parser_raise(line: bytes) -> None:
    assert isinstance(jsonl.parse(line), Refused)


@given(st.data())
def test_no_damage_makes_the_container_reader_raise(data: st.DataObject) -> None:
    content = bytearray(_container([RECORD] * 5, sync_interval=150).getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    found = _read(io.BytesIO(bytes(content[: data.draw(st.integers(0, len(content)))])))
    numbers = [number for number, _ in found]
    assert numbers == sorted(numbers)
    assert len(found) < 1000


@pytest.mark.parametrize(
    ("written", "expected_ms"),
    [
        (1_795_485_590_972, 1_795_485_590_972),
        ("2026-11-24T01:59:50.972Z", 1_795_485_590_972),
        ("2026-11-24T02:59:50.972+01:00", 1_795_485_590_972),
        ("2026-11-24t01:59:50.972z", 1_795_485_590_972),
        ("2026-11-24 01:59:50.972999Z", 1_795_485_590_972),
        ("2026-11-24T01:59:50Z", 1_795_485_590_000),
        (0, 0),
    ],
)
def test_times_are_milliseconds_or_rfc_3339(written: object, expected_ms: int) -> None:
    verdict = _parsed(occurred_at=written)
    assert isinstance(verdict, MessageVerdict)
    assert verdict.occurred_at_ms == expected_ms


def test_the_sender_is_lower_cased_and_optional_fields_may_be_absent() -> None:
    verdict = _parsed(sender="Ann@Org.TEST", message_id=..., client_ip=..., score=...)
    assert isinstance(verdict, MessageVerdict)
    assert (verdict.sender, verdict.message_id, verdict.client_ip, verdict.score) == ("ann@org.test", None, None, None)


@pytest.mark.parametrize(
    ("changes", "field", "problem"),
    [
        ({"sendr": "x"}, "sendr", "is not a field of a message verdict"),
        ({"sender": ...}, "sender", "is missing"),
        ({"sender": None}, "sender", "must be a string"),
        ({"sender": ""}, "sender", "must not be empty"),
        ({"sender": "\ud800"}, "sender", "is not valid UTF-8"),
        ({"message_id": 5}, "message_id", "must be a string"),
        ({"internal_recipients": 1.0}, "internal_recipients", "must be an integer"),
        ({"internal_recipients": True}, "internal_recipients", "must be an integer"),
        ({"internal_recipients": -1}, "internal_recipients", f"must be between 0 and {INT_MAX}"),
        ({"external_recipients": INT_MAX + 1}, "external_recipients", f"must be between 0 and {INT_MAX}"),
        ({"verdict": "spam"}, "verdict", "must be one of " + ", ".join(verdict.name for verdict in Verdict)),
        ({"score": "7"}, "score", "must be a number"),
        ({"score": True}, "score", "must be a number"),
        ({"score": 1e39}, "score", "must be a finite number that a four-byte float can hold"),
        (
            {"occurred_at": 1_795_485_590},
            "occurred_at",
            "looks like seconds: write milliseconds since 1970 or an RFC 3339 time",
        ),
        ({"occurred_at": -1}, "occurred_at", "must be between the years 1970 and 9999"),
        ({"occurred_at": 10**18}, "occurred_at", "must be between the years 1970 and 9999"),
        ({"occurred_at": 1.5}, "occurred_at", "must be milliseconds since 1970 or an RFC 3339 time"),
        ({"occurred_at": "yesterday"}, "occurred_at", "is not an RFC 3339 time such as 2026-11-24T02:00:00Z"),
        ({"occurred_at": "2026-11-24"}, "occurred_at", "is not an RFC 3339 time such as 2026-11-24T02:00:00Z"),
        (
            {"occurred_at": "2026-11-24T02:00:00"},
            "occurred_at",
            "has no time zone: end it with Z or an offset such as +01:00",
        ),
    ],
)
def test_a_refusal_names_field_and_problem(changes: dict[str, Any], field: str, problem: str) -> None:
    refused = _parsed(**changes)
    assert isinstance(refused, Refused)
    assert (refused.field, refused.problem) == (field, problem)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"[]", "is not a JSON object"),
        (b'"text"', "is not a JSON object"),
        (b'{"score": NaN}', "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b"\xff", "is not JSON"),
    ],
)
def test_a_line_that_is_no_object_is_refused(line: bytes, problem: str) -> None:
    refused = jsonl.parse(line)
    assert isinstance(refused, Refused)
    assert (refused.field, refused.problem) == ("line", problem)


def test_a_number_too_long_for_python_is_refused_and_not_raised() -> None:
    refused = jsonl.parse(b'{"score": ' + b"9" * 5000 + b"}")
    assert isinstance(refused, Refused)


def test_fields_are_those_of_the_schema() -> None:
    assert {field["name"] for field in SCHEMA["fields"]} == FIELDS


def test_a_file_of_another_compatible_schema_is_resolved() -> None:
    other = {**SCHEMA, "fields": [field for field in SCHEMA["fields"] if field["name"] not in ("score", "client_ip")]}
    other["fields"] = [*reversed(other["fields"]), {"name": "subject", "type": "string"}]
    ((number, verdict),) = _read(_container([{**RECORD, "subject": "hello"}], other))
    assert number == 1
    assert isinstance(verdict, MessageVerdict)
    assert verdict.to_record() == {**RECORD, "score": None, "client_ip": None}


def test_microseconds_become_milliseconds() -> None:
    micros = json.loads(json.dumps(SCHEMA).replace("timestamp-millis", "timestamp-micros"))
    ((_, verdict),) = _read(_container([{**RECORD, "occurred_at": RECORD["occurred_at"] * 1000}], micros))
    assert isinstance(verdict, MessageVerdict)
    assert verdict.occurred_at_ms == RECORD["occurred_at"]


def test_a_file_of_something_else_is_refused_whole() -> None:
    other = {"type": "record", "name": "Other", "fields": [{"name": "sender", "type": "string"}]}
    ((number, refused),) = _read(_container([{"sender": "a"}, {"sender": "b"}], other))
    assert number == 1
    assert isinstance(refused, Refused)
    assert (refused.field, refused.problem) == ("file", "was written with a schema that MessageVerdict cannot read")


@pytest.mark.parametrize("content", [b"", b"no avro at all", b"Obj\x01"])
def test_what_is_no_container_file_is_refused_whole(content: bytes) -> None:
    ((_, refused),) = _read(io.BytesIO(content))
    assert isinstance(refused, Refused)
    assert refused.field == "file"


def test_an_invalid_record_is_refused_and_its_neighbours_are_not() -> None:
    found = _read(_container([RECORD, {**RECORD, "sender": ""}, RECORD]))
    assert [isinstance(entry, Refused) for _, entry in found] == [False, True, False]
    assert found[1] == (2, Refused("sender", "must not be empty"))


def test_after_an_undecodable_record_the_next_block_is_read_again() -> None:
    container = _container([{**RECORD, "event_id": f"event-{i:03}"} for i in range(12)], sync_interval=200)
    content = container.getvalue()
    at = content.index(b"event-001") - 1
    broken = content[:at] + b"\x01" + content[at + 1 :]  # a negative length
    found = _read(io.BytesIO(broken))
    assert [number for number, _ in found] == list(range(1, 13))
    refused = [number for number, entry in found if isinstance(entry, Refused)]
    assert refused[0] == 2
    assert refused == list(range(2, refused[-1] + 1))
    assert refused[-1] < 12


@given(st.integers(1, 14), st.integers(1, 600))
def test_reading_from_a_later_record_gives_the_rest(first: int, sync_interval: int) -> None:
    content = _container([{**RECORD, "event_id": str(i)} for i in range(12)], sync_interval=sync_interval)
    whole = _read(content)
    content.seek(0)
    assert _read(content, first) == whole[first - 1 :]


@pytest.mark.parametrize(("key", "field"), [("", '""'), ("x" * 100_000, "x" * 57 + "...")])
def test_a_key_that_is_no_field_is_named_in_short(key: str, field: str) -> None:
    refused = _parsed(**{key: 1})
    assert isinstance(refused, Refused)
    assert refused.field == field


def test_a_damaged_gzip_file_is_taken_for_lines_whose_reader_says_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "verdicts.gz"
    content = bytearray(gzip.compress(b"Obj\x01" * 40, mtime=0))
    content[10:14] = b"\xab\xff\xff\x07"
    path.write_bytes(content)
    assert guessed_form(path) is Form.JSONL
    assert [str(each.entry)[:20] for each in VerdictFile(path, Form.JSONL).entries(lambda: 0) if each is not None] == [
        "file: is damaged fro"
    ]
