"""Can data of one schema be read with another? Strictly by the Avro specification, "Schema Resolution".

Two rules of ours go beyond it: a logical type may not change (milliseconds read as microseconds resolve, and are
wrong), and an enum's symbols may only be added at the end, so that a symbol's number never changes.
"""

import json
from typing import Any

_PROMOTIONS = {
    ("int", "long"), ("int", "float"), ("int", "double"), ("long", "float"), ("long", "double"), ("float", "double"),
    ("string", "bytes"), ("bytes", "string"),
}  # fmt: skip
_NAMED = ("record", "enum", "fixed")
_LITERALS: dict[str, type | tuple[type, ...]] = {
    "null": type(None), "boolean": bool, "int": int, "long": int, "float": (int, float), "double": (int, float),
    "string": str, "bytes": str, "enum": str, "fixed": str, "array": list, "map": dict, "record": dict,
}  # fmt: skip


def problems(writer_text: str, reader_text: str) -> list[str]:
    """What stands in the way of reading the writer's data with the reader's schema; empty when nothing does."""
    writer, reader = json.loads(writer_text), json.loads(reader_text)
    return _Resolution(_definitions(writer), _definitions(reader)).compare(writer, reader, "")


def invalid_defaults(text: str) -> list[str]:
    """The fields whose default is not of their type (of a union: not of its first branch)."""
    definitions = _definitions(json.loads(text))
    fields = [
        f"{record['name']}.{field['name']}: default {field['default']!r}"
        for record in definitions.values()
        for field in record.get("fields", ())
        if "default" in field and not _is_of(field["default"], field["type"], definitions)
    ]
    enums = [
        f"{enum['name']}: default {enum['default']!r}"
        for enum in definitions.values()
        if enum["type"] == "enum" and enum.get("default", enum["symbols"][0]) not in enum["symbols"]
    ]
    return fields + enums


def _definitions(schema: Any) -> dict[str, dict[str, Any]]:
    """The named types of a schema by name without namespace, which is what resolution compares."""
    found: dict[str, dict[str, Any]] = {}
    if isinstance(schema, list):
        for each in schema:
            found |= _definitions(each)
    elif isinstance(schema, dict):
        if schema["type"] in _NAMED:
            found[_short(schema["name"])] = schema
        for part in ([field["type"] for field in schema.get("fields", ())], schema.get("items"), schema.get("values")):
            found |= _definitions(part)
        if not isinstance(schema["type"], str):
            found |= _definitions(schema["type"])
    return found


def _short(name: str) -> str:
    return name.rsplit(".", 1)[-1]


def _resolve(schema: Any, definitions: dict[str, dict[str, Any]]) -> Any:
    """A name's definition; anything else with its type at hand: a list, or a dict that has a `type` of one word."""
    if isinstance(schema, str):
        return definitions.get(_short(schema), {"type": schema})
    if isinstance(schema, dict) and not isinstance(schema["type"], str):
        return _resolve(schema["type"], definitions)
    return schema


def _is_of(default: Any, schema: Any, definitions: dict[str, dict[str, Any]]) -> bool:
    schema = _resolve(schema, definitions)
    if isinstance(schema, list):
        return _is_of(default, schema[0], definitions)
    return isinstance(default, _LITERALS[schema["type"]]) and not (
        isinstance(default, bool) and schema["type"] != "boolean"
    )


class _Resolution:
    def __init__(self, writers: dict[str, dict[str, Any]], readers: dict[str, dict[str, Any]]) -> None:
        self._writers = writers
        self._readers = readers
        self._open: set[tuple[str, str]] = set()

    def compare(self, writer: Any, reader: Any, at: str) -> list[str]:
        writer, reader = _resolve(writer, self._writers), _resolve(reader, self._readers)
        if isinstance(writer, list):
            return [problem for branch in writer for problem in self.compare(branch, reader, at)]
        if isinstance(reader, list):
            tries = [self.compare(writer, branch, at) for branch in reader]
            return [] if [] in tries else [f"{at}: no branch of the reader's union takes {writer['type']}", *tries[-1]]
        if writer.get("logicalType") != reader.get("logicalType"):
            return [f"{at}: logical type {writer.get('logicalType')} read as {reader.get('logicalType')}"]
        kinds = (writer["type"], reader["type"])
        if kinds[0] != kinds[1]:
            return [] if kinds in _PROMOTIONS else [f"{at}: {kinds[0]} read as {kinds[1]}"]
        return self._same_kind(writer, reader, at)

    def _same_kind(self, writer: Any, reader: Any, at: str) -> list[str]:
        kind = writer["type"]
        if kind in _NAMED and _short(writer["name"]) != _short(reader["name"]):
            return [f"{at}: {kind} {writer['name']} read as {reader['name']}"]
        match kind:
            case "array":
                return self.compare(writer["items"], reader["items"], f"{at}[]")
            case "map":
                return self.compare(writer["values"], reader["values"], f"{at}{{}}")
            case "fixed":
                return [] if writer["size"] == reader["size"] else [f"{at}: another size"]
            case "enum":
                return self._enums(writer, reader, at)
            case "record":
                return self._records(writer, reader, at)
        return []

    @staticmethod
    def _enums(writer: Any, reader: Any, at: str) -> list[str]:
        found = []
        unknown = [symbol for symbol in writer["symbols"] if symbol not in reader["symbols"]]
        if unknown and "default" not in reader:
            found.append(f"{at}: the reader has no default for {unknown}")
        shorter = min(len(writer["symbols"]), len(reader["symbols"]))
        if writer["symbols"][:shorter] != reader["symbols"][:shorter]:
            found.append(f"{at}: symbols have changed places")
        return found

    def _records(self, writer: Any, reader: Any, at: str) -> list[str]:
        pair = (writer["name"], reader["name"])
        if pair in self._open:
            return []
        self._open.add(pair)
        written = {field["name"]: field for field in writer["fields"]}
        found = []
        for field in reader["fields"]:
            place = f"{at}.{field['name']}"
            source = next((written[n] for n in (field["name"], *field.get("aliases", ())) if n in written), None)
            if source is not None:
                found += self.compare(source["type"], field["type"], place)
            elif "default" not in field:
                found.append(f"{place}: not written, and the reader has no default")
        self._open.discard(pair)
        return found
