"""docs/events.md, made from the schemas: `python -m tests.events_page` writes it, a test holds it to them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from processor import avro

PAGE = Path(__file__).parents[1] / "docs" / "events.md"

FOR_OTHERS = (
    "MessageVerdict",
    "RestrictionCommand",
    "SenderBlocked",
    "SenderUnblocked",
    "SenderAlerted",
    "CommandRefused",
)
"""What others write for senderwatch or read from it; all other records are its own."""

INTRODUCTION = """\
# Events

Every record that senderwatch reads or writes, field by field. This page is made from `schemas/*.avsc`
(`python -m tests.events_page`); the schemas are the contract. They only ever change so that old readers read new data
and new readers old data, and each released version stays in `schemas/released/`. How to subscribe:
[subscribing.md](subscribing.md).

Times are UTC, in milliseconds since 1970 (`timestamp-millis`). A type with `?` may be null, which is then its default.
"""


INTERNAL = """
# Internal records

What senderwatch keeps in Kafka for itself and for audits. The same promise holds for them, since a newer version has
to read what an older one wrote; but they may be replaced by others, so build nothing on them.
"""


def page() -> str:
    """The whole page."""
    own = [name for name in avro.names() if name not in FOR_OTHERS]
    return INTRODUCTION + _sections(FOR_OTHERS) + INTERNAL + _sections(own)


def _sections(names: Iterable[str]) -> str:
    return "".join(_record_section(json.loads(avro.raw_schema(name))) for name in names)


def _record_section(schema: dict[str, Any]) -> str:
    nested: list[dict[str, Any]] = []
    text = f"\n## {schema['name']}\n\n{schema['doc']}\n\n{_table(schema, nested)}"
    for each in nested:  # grows while it is walked: a nested record may hold others
        text += f"\n### {schema['name']}: {each['name']}\n\n{each['doc']}\n"
        if each["type"] == "record":
            text += f"\n{_table(each, nested)}"
        else:
            text += "\nSymbols: " + ", ".join(f"`{symbol}`" for symbol in each["symbols"]) + ".\n"
    return text


def _table(record: dict[str, Any], nested: list[dict[str, Any]]) -> str:
    rows = "".join(
        f"| `{field['name']}` | {_type(field['type'], nested)} | {field['doc'].replace('|', chr(92) + '|')} |\n"
        for field in record["fields"]
    )
    return f"| field | type | meaning |\n|---|---|---|\n{rows}"


def _type(node: Any, nested: list[dict[str, Any]]) -> str:
    if isinstance(node, list):
        kinds = [_type(branch, nested) for branch in node if branch != "null"]
        return " or ".join(kinds) + ("?" if "null" in node else "")
    if isinstance(node, str):
        return node.rsplit(".", 1)[-1]
    if "name" in node:
        nested.append(node)
        return f"{node['type']} {node['name']}"
    match node["type"]:
        case "array":
            return f"array of {_type(node['items'], nested)}"
        case "map":
            return f"map of {_type(node['values'], nested)}"
        case other:
            return str(node.get("logicalType", other))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
