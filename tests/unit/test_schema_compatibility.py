"""Old readers read new data and new readers old data: every schema against all its released versions."""

import copy
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor import avro, resources
from tests.event_strategies import values_of
from tests.schema_resolution import invalid_defaults, problems

Json = dict[str, Any]

EVERY_RELEASE = [(name, version) for name in avro.names() for version in avro.released_versions(name)]


def without_docs(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: without_docs(value) for key, value in node.items() if key != "doc"}
    return [without_docs(each) for each in node] if isinstance(node, list) else node


@pytest.mark.parametrize("name", avro.names())
def test_the_newest_released_version_is_the_schema_in_use(name: str) -> None:
    """Whoever changes a schema adds a version, or the data written meanwhile would be data of a schema nobody knows."""
    versions = avro.released_versions(name)
    assert versions, f"copy schemas/{name}.avsc to schemas/released/{name}/1.avsc"
    assert list(versions) == list(range(1, len(versions) + 1))
    newest = versions[len(versions)]
    assert without_docs(json.loads(newest)) == without_docs(json.loads(avro.raw_schema(name))), (
        f"schemas/{name}.avsc has changed: keep it as schemas/released/{name}/{len(versions) + 1}.avsc"
    )


def test_no_schema_is_ever_withdrawn() -> None:
    released = {folder.name for folder in (resources.folder("schemas") / "released").iterdir()}
    assert released <= set(avro.names())


@pytest.mark.parametrize(("name", "version"), EVERY_RELEASE)
def test_what_was_written_with_a_released_version_can_be_read_today(name: str, version: int) -> None:
    assert problems(avro.released_versions(name)[version], avro.raw_schema(name)) == []


@pytest.mark.parametrize(("name", "version"), EVERY_RELEASE)
def test_what_is_written_today_can_be_read_with_a_released_version(name: str, version: int) -> None:
    assert problems(avro.raw_schema(name), avro.released_versions(name)[version]) == []


@pytest.mark.parametrize("name", avro.names())
def test_every_default_is_of_its_fields_type(name: str) -> None:
    assert invalid_defaults(avro.raw_schema(name)) == []


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize(("name", "version"), EVERY_RELEASE)
def test_records_survive_between_a_released_version_and_today(name: str, version: int, data: st.DataObject) -> None:
    released = avro.parse(avro.released_versions(name)[version])
    today = avro.schema(name)
    old_record = data.draw(values_of(released))
    read_today = read(write(released, old_record), released, today)
    assert shared(old_record, read_today, frozenset()) == old_record
    new_record = data.draw(values_of(today))
    read_then = read(write(today, new_record), today, released)
    newer = symbols(avro.raw_schema(name)) - symbols(avro.released_versions(name)[version])
    assert shared(read_then, new_record, newer) == read_then


def shared(wanted: Any, given: Any, newer: frozenset[str]) -> Any:
    """`given` as far as `wanted` has its fields, at any depth; a symbol that `wanted` could not know is its UNKNOWN."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        return {key: shared(wanted[key], value, newer) for key, value in given.items() if key in wanted}
    if isinstance(wanted, list) and isinstance(given, list):
        assert len(wanted) == len(given)
        return [shared(each, value, newer) for each, value in zip(wanted, given, strict=True)]
    return "UNKNOWN" if isinstance(given, str) and given in newer and wanted == "UNKNOWN" else given


def symbols(schema: str) -> frozenset[str]:
    """The symbols of all enums of a schema."""
    found: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.update(node.get("symbols", ()))
            node = list(node.values())
        if isinstance(node, list):
            for each in node:
                walk(each)

    walk(json.loads(schema))
    return frozenset(found)


def write(schema: Any, record: Json) -> bytes:
    body = BytesIO()
    fastavro.schemaless_writer(body, schema, record)
    return body.getvalue()


def read(body: bytes, writer: Any, reader: Any) -> Json:
    value = fastavro.schemaless_reader(BytesIO(body), writer, reader)
    assert isinstance(value, dict)
    return value


# The check itself, seen to fail. Each change is made to a copy of a real schema.


def field(schema: Json, name: str) -> Json:
    found: Json = next(each for each in schema["fields"] if each["name"] == name)
    return found


def changed(name: str, change: Callable[[Json], object]) -> tuple[str, str]:
    before = json.loads(avro.raw_schema(name))
    after = copy.deepcopy(before)
    change(after)
    assert after != before
    return json.dumps(before), json.dumps(after)


def add_required_field(schema: Json) -> None:
    schema["fields"].append({"name": "subject", "type": "string"})


def remove_required_field(schema: Json) -> None:
    schema["fields"].remove(field(schema, "tenant_id"))


def rename_required_field(schema: Json) -> None:
    field(schema, "tenant_id")["name"] = "tenant"


def rename_record(schema: Json) -> None:
    schema["name"] += "2"


def change_text_to_number(schema: Json) -> None:
    field(schema, "tenant_id")["type"] = "int"


def widen_number(schema: Json) -> None:
    counted = next(each for each in schema["fields"] if each["type"] == "int")
    counted["type"] = "long"


def make_required_field_optional(schema: Json) -> None:
    field(schema, "tenant_id")["type"] = ["null", "string"]
    field(schema, "tenant_id")["default"] = None


def make_optional_field_required(schema: Json) -> None:
    optional = next(each for each in schema["fields"] if each["type"] == ["null", "string"])
    optional["type"] = "string"
    del optional["default"]


def add_union_branch(schema: Json) -> None:
    optional = next(each for each in schema["fields"] if each["type"] == ["null", "string"])
    optional["type"].append("long")


def first_enum(schema: Json) -> Json:
    found: Json = next(
        each["type"] for each in schema["fields"] if isinstance(each["type"], dict) and each["type"]["type"] == "enum"
    )
    return found


def insert_enum_symbol(schema: Json) -> None:
    first_enum(schema)["symbols"].insert(1, "BETWEEN")


def rename_enum(schema: Json) -> None:
    first_enum(schema)["name"] += "2"


def change_time_unit(schema: Json) -> None:
    timed = next(each for each in schema["fields"] if isinstance(each["type"], dict) and "logicalType" in each["type"])
    timed["type"]["logicalType"] = "timestamp-micros"


BREAKING = [
    add_required_field,
    remove_required_field,
    rename_required_field,
    rename_record,
    change_text_to_number,
    widen_number,
    make_required_field_optional,
    make_optional_field_required,
    add_union_branch,
    insert_enum_symbol,
    rename_enum,
    change_time_unit,
]


@pytest.mark.parametrize("name", ["MessageVerdict", "SenderBlocked"])
@pytest.mark.parametrize("change", BREAKING)
def test_a_breaking_change_is_found(name: str, change: Callable[[Json], None]) -> None:
    before, after = changed(name, change)
    assert problems(before, after) + problems(after, before)


def test_a_breaking_change_deep_inside_is_found() -> None:
    before, after = changed("SenderBlocked", lambda schema: add_required_field(field(schema, "trigger")["type"][1]))
    assert any(".trigger.subject" in problem for problem in problems(before, after))


def test_a_symbol_that_a_reader_without_a_default_lacks_is_found() -> None:
    before, after = changed("MessageVerdict", lambda schema: first_enum(schema)["symbols"].append("NEW"))
    strict = before.replace('"default": "UNKNOWN"', '"unused": ""')
    assert strict != before
    assert problems(after, strict)


def test_a_wrong_default_is_found() -> None:
    _, after = changed("MessageVerdict", lambda schema: field(schema, "score").update(default=1.0))
    assert invalid_defaults(after)


def add_optional_field(schema: Json) -> None:
    schema["fields"].append({"name": "subject", "type": ["null", "string"], "default": None})


def remove_optional_field(schema: Json) -> None:
    schema["fields"].remove(next(each for each in schema["fields"] if each["type"] == ["null", "string"]))


def append_enum_symbol(schema: Json) -> None:
    first_enum(schema)["symbols"].append("NEWER")


def move_field(schema: Json) -> None:
    schema["fields"].append(schema["fields"].pop(0))


def reword_doc(schema: Json) -> None:
    schema["doc"] = "Something else."


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize("name", ["MessageVerdict", "SenderBlocked"])
@pytest.mark.parametrize(
    "change", [add_optional_field, remove_optional_field, append_enum_symbol, move_field, reword_doc]
)
def test_an_allowed_change_passes_and_its_records_survive(
    name: str, change: Callable[[Json], None], data: st.DataObject
) -> None:
    before, after = changed(name, change)
    assert problems(before, after) == []
    assert problems(after, before) == []
    for writer, reader in ((avro.parse(before), avro.parse(after)), (avro.parse(after), avro.parse(before))):
        record = data.draw(values_of(writer))
        got = read(write(writer, record), writer, reader)
        for key in record.keys() & got.keys():
            assert got[key] == record[key] or (record[key] == "NEWER" and got[key] == "UNKNOWN")
