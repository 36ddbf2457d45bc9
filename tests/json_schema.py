"""As much of JSON Schema (draft 7) as the schema of policy files uses. A keyword that is not known here is an error."""

import re
from collections.abc import Iterator
from typing import Any

_TYPES: dict[str, Any] = {
    "object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int, "number": (int, float),
}  # fmt: skip
_SAYS_NOTHING = {"$schema", "title", "description", "default", "definitions", "type"}


def violations(schema: dict[str, Any], value: Any, root: dict[str, Any] | None = None, path: str = "") -> Iterator[str]:
    """Each place of `value` where it is not as the schema wants it."""
    root = schema if root is None else root
    types = [schema["type"]] if isinstance(schema.get("type"), str) else schema.get("type", list(_TYPES))
    if not any(isinstance(value, _TYPES[each]) and (each == "boolean") >= isinstance(value, bool) for each in types):
        yield f"{path}: not of {types}"
        return
    for keyword, operand in schema.items():
        if keyword not in _SAYS_NOTHING:
            yield from _KEYWORDS[keyword](operand, value, schema, root, path)


def _ref(operand: str, value: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    yield from violations(root["definitions"][operand.removeprefix("#/definitions/")], value, root, path)


def _properties(operand: Any, value: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for key in operand.keys() & (value or {}).keys():
        yield from violations(operand[key], value[key], root, f"{path}.{key}")


def _additional(operand: Any, value: Any, schema: Any, root: Any, path: str) -> Iterator[str]:
    for key in (value or {}).keys() - schema.get("properties", {}).keys():
        yield from (
            [f"{path}.{key}: unknown"] if operand is False else violations(operand, value[key], root, f"{path}.{key}")
        )


def _property_names(operand: Any, value: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for key in value or ():
        yield from violations(operand, key, root, f"{path}.{key}")


def _any_of(operand: Any, value: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    if all(list(violations(each, value, root, path)) for each in operand):
        yield f"{path}: none of the choices"


def _items(operand: Any, value: Any, _: Any, root: Any, path: str) -> Iterator[str]:
    for number, item in enumerate(value or ()):
        yield from violations(operand, item, root, f"{path}[{number}]")


def _dependencies(operand: Any, value: Any, _s: Any, _r: Any, path: str) -> Iterator[str]:
    for key in operand.keys() & (value or {}).keys():
        yield from (f"{path}: {key} without {other}" for other in operand[key] if other not in value)


def _enum(operand: Any, value: Any, _s: Any, _r: Any, path: str) -> Iterator[str]:
    if value not in operand:
        yield f"{path}: {value!r} is none of {operand}"


def _says(holds: Any) -> Any:
    def check(operand: Any, value: Any, _s: Any, _r: Any, path: str) -> Iterator[str]:
        if value is not None and not holds(operand, value):
            yield f"{path}: {value!r} against {operand!r}"

    return check


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


_KEYWORDS = {
    "$ref": _ref,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": _property_names,
    "anyOf": _any_of,
    "items": _items,
    "dependencies": _dependencies,
    "required": _says(lambda operand, value: set(operand) <= set(value)),
    "enum": _enum,
    "minimum": _says(lambda operand, value: value >= operand),
    "maximum": _says(lambda operand, value: value <= operand),
    "minItems": _says(lambda operand, value: len(value) >= operand),
    "minLength": _says(lambda operand, value: not _is_text(value) or len(value) >= operand),
    "maxLength": _says(lambda operand, value: not _is_text(value) or len(value) <= operand),
    "pattern": _says(lambda operand, value: not _is_text(value) or re.search(operand, value) is not None),
}
