"""Events to bytes and back, and every way in which bytes are not a record."""

import json
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.restrictions.events import RestrictionEvent, SenderAlerted, SenderBlocked, SenderUnblocked
from processor.verdicts.event import MessageVerdict, Verdict
from tests import events_page
from tests.event_strategies import message_verdicts, restriction_events, values_of

EVENT_TYPES: dict[str, type[SenderBlocked | SenderUnblocked | SenderAlerted]] = {
    each.__name__: each for each in (SenderBlocked, SenderUnblocked, SenderAlerted)
}


@given(event=restriction_events)
def test_an_event_comes_back_from_its_bytes_as_it_was(event: RestrictionEvent) -> None:
    name = type(event).__name__
    record = avro.decode_body(name, avro.encode_body(name, event.to_record()))
    assert record == event.to_record()
    assert EVENT_TYPES[name].from_record(record) == event


@given(event=restriction_events)
def test_an_event_has_exactly_the_fields_of_its_schema(event: RestrictionEvent) -> None:
    schema = json.loads(avro.raw_schema(type(event).__name__))
    assert set(event.to_record()) == {field["name"] for field in schema["fields"]}


@given(verdict=message_verdicts)
def test_a_verdict_comes_back_from_its_bytes_as_it_was(verdict: MessageVerdict) -> None:
    record = avro.decode_body("MessageVerdict", avro.encode_body("MessageVerdict", verdict.to_record()))
    assert record == verdict.to_record()


def test_the_numbers_of_the_verdicts_are_their_places_in_the_schema() -> None:
    fields = json.loads(avro.raw_schema("MessageVerdict"))["fields"]
    (symbols,) = [field["type"]["symbols"] for field in fields if field["name"] == "verdict"]
    assert symbols == [verdict.name for verdict in sorted(Verdict)]


def test_a_record_with_a_field_that_the_schema_lacks_is_not_written() -> None:
    with pytest.raises(ValueError, match="field"):
        avro.encode_body("MessageVerdict", {"subject": "hello"})


# --- schemas -----------------------------------------------------------------


@pytest.mark.parametrize("name", avro.names())
def test_every_field_and_type_is_documented(name: str) -> None:
    def undocumented(node: Any, at: str) -> list[str]:
        if isinstance(node, list):
            return [found for each in node for found in undocumented(each, at)]
        if not isinstance(node, dict):
            return []
        here = [at] if ("name" in node and not node.get("doc", "").strip()) else []
        return here + [
            found
            for part in (*node.get("fields", ()), node.get("type"), node.get("items"), node.get("values"))
            for found in undocumented(part, f"{at}/{part['name']}" if isinstance(part, dict) and "name" in part else at)
        ]

    assert undocumented(json.loads(avro.raw_schema(name)), name) == []


@pytest.mark.parametrize("name", avro.names())
def test_a_schema_is_named_as_its_file_and_its_enums_have_defaults(name: str) -> None:
    schema = json.loads(avro.raw_schema(name))
    assert (schema["namespace"], schema["name"]) == (avro.NAMESPACE, name)
    named = fastavro.parse_schema(schema)
    assert isinstance(named, dict)
    enums = [each for each in named["__named_schemas"].values() if each["type"] == "enum"]
    assert all("default" in each for each in enums)


@pytest.mark.parametrize(
    ("text", "fingerprint"),
    [('"null"', 0x63DD24E7CC258F8A), ('"int"', 0x7275D51A3F395C8F), ('{"type": "string"}', 0x8F014872634503C7)],
)
def test_fingerprints_are_those_of_avros_own_test_suite(text: str, fingerprint: int) -> None:
    """From share/test/data/schema-tests.txt of Apache Avro; little-endian as single-object encoding wants them."""
    assert avro.fingerprint_of(avro.parse(text)) == fingerprint.to_bytes(8, "little")


@pytest.mark.parametrize("name", avro.names())
def test_every_released_schema_is_found_by_its_fingerprint(name: str) -> None:
    writers = avro.writers_by_fingerprint()
    assert avro.record_name(writers[avro.fingerprint(name)]) == name
    for text in avro.released_versions(name).values():
        assert avro.record_name(writers[avro.fingerprint_of(avro.parse(text))]) == name


@pytest.mark.parametrize("text", ["{}", "[]x", '{"type": "nothing"}', '{"type": "enum", "name": "E"}', "7"])
def test_what_is_no_schema_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        avro.parse(text)


# --- bytes -------------------------------------------------------------------

EVERY_TYPE = avro.parse(
    json.dumps(
        {
            "type": "record",
            "name": "Everything",
            "fields": [
                {"name": "flag", "type": "boolean"},
                {"name": "small", "type": "int"},
                {"name": "big", "type": {"type": "long", "logicalType": "timestamp-millis"}},
                {"name": "single", "type": "float"},
                {"name": "double", "type": "double"},
                {"name": "raw", "type": "bytes"},
                {"name": "text", "type": ["null", "string"]},
                {"name": "digest", "type": {"type": "fixed", "name": "Digest", "size": 3}},
                {"name": "again", "type": "Digest"},
                {"name": "list", "type": {"type": "array", "items": ["null", "int", "string"]}},
                {"name": "table", "type": {"type": "map", "values": "long"}},
                {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["A", "B", "C"]}},
            ],
        }
    )
)


def written(schema: Any, value: Any) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, value)
    return body.getvalue()


def refusal(body: bytes, writer: Any) -> tuple[Undecodable, str]:
    with pytest.raises(UndecodableRecord) as caught:
        avro.decode_body("MessageVerdict", body, writer)
    return caught.value.reason, caught.value.detail


def record_of(kind: Any) -> Any:
    return avro.parse(json.dumps({"type": "record", "name": "One", "fields": [{"name": "it", "type": kind}]}))


@given(value=values_of(EVERY_TYPE))
def test_what_fastavro_writes_has_the_layout_of_its_schema(value: dict[str, Any]) -> None:
    """The record cannot be resolved to ours, and that is the only thing wrong with it."""
    reason, detail = refusal(written(EVERY_TYPE, value), EVERY_TYPE)
    assert (reason, "Schema mismatch" in detail or "SchemaResolutionError" in detail) == (Undecodable.UNREADABLE, True)


@given(value=values_of(EVERY_TYPE), data=st.data())
def test_no_record_is_whole_without_its_last_bytes(value: dict[str, Any], data: st.DataObject) -> None:
    body = written(EVERY_TYPE, value)
    cut = data.draw(st.integers(0, len(body) - 1))
    assert refusal(body[:cut], EVERY_TYPE)[0] is Undecodable.TRUNCATED


@given(value=values_of(EVERY_TYPE), more=st.binary(min_size=1, max_size=9))
def test_no_record_may_be_followed_by_anything(value: dict[str, Any], more: bytes) -> None:
    assert refusal(written(EVERY_TYPE, value) + more, EVERY_TYPE)[0] is Undecodable.TRAILING_BYTES


@given(body=st.binary(max_size=60))
@example(body=b"\x02" * 60)
def test_any_bytes_are_a_verdict_or_refused(body: bytes) -> None:
    try:
        record = avro.decode_body("MessageVerdict", body)
    except UndecodableRecord:
        return
    assert set(record) == {field["name"] for field in json.loads(avro.raw_schema("MessageVerdict"))["fields"]}


@pytest.mark.parametrize(
    ("kind", "body", "reason"),
    [
        ("boolean", "02", Undecodable.UNREADABLE),
        ("long", "80" * 9 + "02", Undecodable.VARINT_OUT_OF_RANGE),  # bit 64
        ("long", "80" * 10 + "00", Undecodable.VARINT_OUT_OF_RANGE),  # eleven bytes
        ("int", "8080808010", Undecodable.VARINT_OUT_OF_RANGE),  # 2**31
        ("int", "8180808010", Undecodable.VARINT_OUT_OF_RANGE),  # -2**31 - 1
        ("string", "01", Undecodable.BAD_LENGTH),  # -1
        ("string", "04ff41", Undecodable.INVALID_UTF8),
        ("string", "06eda080", Undecodable.INVALID_UTF8),  # a surrogate
        ("string", "fe" + "ff" * 8 + "01" + "41", Undecodable.BAD_LENGTH),  # 2**63 - 1
        ("string", "fe" + "ff" * 3 + "0f" + "41", Undecodable.TRUNCATED),  # 2**31 - 1
        ("bytes", "03", Undecodable.BAD_LENGTH),  # -2
        (["null", "int"], "04", Undecodable.BAD_UNION_INDEX),
        (["null", "int"], "01", Undecodable.BAD_UNION_INDEX),  # -1: fastavro would take the last branch
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "02", Undecodable.BAD_ENUM_INDEX),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "01", Undecodable.BAD_ENUM_INDEX),
        ({"type": "array", "items": "null"}, "feffffffff0f00", Undecodable.BAD_LENGTH),  # 2**34 nulls in seven bytes
        ({"type": "array", "items": "int"}, "01ff0f", Undecodable.BAD_LENGTH),  # a block of -1024 bytes
        ({"type": "array", "items": "int"}, "017e0000", Undecodable.BAD_LENGTH),  # a block of 63 bytes in two
    ],
)
def test_what_the_specification_forbids_is_refused(kind: Any, body: str, reason: Undecodable) -> None:
    assert refusal(bytes.fromhex(body), record_of(kind))[0] is reason


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("int", "feffffff0f"),  # 2**31 - 1
        ("int", "ffffffff0f"),  # -2**31
        ("long", "ff" * 9 + "01"),  # -2**63
        ("long", "8080808080808080" + "8000"),  # a zero in ten bytes
        ({"type": "array", "items": "int"}, "010202" + "0204" + "00"),  # two blocks, one with its size before it
    ],
)
def test_what_the_specification_allows_has_the_right_layout(kind: Any, body: str) -> None:
    assert "SchemaResolutionError" in refusal(bytes.fromhex(body), record_of(kind))[1]


def test_a_record_inside_itself_is_read_to_a_depth_and_refused_beyond() -> None:
    chain = avro.parse(
        '{"type": "record", "name": "Link", "fields": [{"name": "next", "type": ["null", "Link"], "default": null}]}'
    )
    assert "SchemaResolutionError" in refusal(b"\x02" * 20 + b"\x00", chain)[1]
    assert refusal(b"\x02" * 100_000 + b"\x00", chain) == (Undecodable.UNREADABLE, "nested too deeply")


# --- other writers -------------------------------------------------------------


def verdict_schema(**changes: Any) -> Any:
    """Our schema as another team might have it: fields replaced by name (None: left out), or added at the end."""
    schema = json.loads(avro.raw_schema("MessageVerdict"))
    kept = [field for field in schema["fields"] if field["name"] not in changes]
    schema["fields"] = kept + [{"name": name, **field} for name, field in changes.items() if field is not None]
    return avro.parse(json.dumps(schema))


@given(verdict=message_verdicts)
def test_a_newer_writers_record_is_read_without_what_we_do_not_know(verdict: MessageVerdict) -> None:
    newer = verdict_schema(
        subject={"type": ["null", "string"], "default": None},
        verdict={"type": {"type": "enum", "name": "Verdict", "symbols": ["UNKNOWN", *(f"V{n}" for n in range(9))]}},
    )
    record = verdict.to_record() | {"subject": "hello", "verdict": "V7"}
    assert avro.decode_body("MessageVerdict", written(newer, record), newer) == verdict.to_record() | {
        "verdict": "UNKNOWN"
    }


@given(verdict=message_verdicts)
def test_an_older_writers_record_gets_our_defaults(verdict: MessageVerdict) -> None:
    older = verdict_schema(score=None, client_ip=None)
    record = avro.decode_body("MessageVerdict", written(older, verdict.to_record()), older)
    assert record == verdict.to_record() | {"score": None, "client_ip": None}


@given(verdict=message_verdicts)
def test_a_writer_that_lacks_a_required_field_is_refused(verdict: MessageVerdict) -> None:
    lacking = verdict_schema(sender=None)
    assert refusal(written(lacking, verdict.to_record()), lacking)[0] is Undecodable.UNREADABLE


@pytest.mark.parametrize(
    "other",
    [{"type": "fixed", "name": "Verdict", "size": 1}, {"type": "record", "name": "Verdict", "fields": []}],
    ids=lambda other: other["type"],
)
def test_a_writer_whose_enum_is_something_else_of_its_name_is_refused(other: dict[str, Any]) -> None:
    """What came out of it was of no type that ours has, and ended whoever looked at it."""
    odd = verdict_schema(verdict={"type": other})
    record = MessageVerdict("e", 0, "t", "s", 0, 1, Verdict.SPAM).to_record() | {
        "verdict": b"x" if other["type"] == "fixed" else {}
    }
    assert refusal(written(odd, record), odd)[0] is Undecodable.UNREADABLE


def test_the_events_page_says_what_the_schemas_say() -> None:
    assert events_page.PAGE.read_text(encoding="utf-8") == events_page.page(), "run: python -m tests.events_page"
