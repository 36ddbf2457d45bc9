"""A set of policies as a policy file: YAML that people can read, change and apply again."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from processor.policies.content import as_document
from processor.policies.policy import PolicySet

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/+-]*(?:[@.][A-Za-z0-9_/+-]+)*")
"""Texts that any reader of YAML takes for texts, quotes or no quotes, but for the words below."""
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_STEP = "  "
_KEY_MAX_CHARACTERS = 1000
"""YAML 1.2, section 7.4.2: a longer key needs its question mark."""


def as_yaml(policies: PolicySet) -> str:
    """The policies as a file with everything written out. Read again, it gives the same set, but for the version."""
    return to_yaml({key: value for key, value in as_document(policies).items() if value not in ([], {})})


def to_yaml(document: Mapping[str, Any]) -> str:
    """Mappings, lists, texts, numbers, flags and None as YAML."""
    return "".join(f"{line}\n" for line in _entries(document, ""))


def _entries(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        name = _scalar(key)
        head = f"{indent}{name}:" if len(name) < _KEY_MAX_CHARACTERS else f"{indent}? {name}\n{indent}:"
        yield from _placed(head, value, indent + _STEP)


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict) and value:
            first, *others = _entries(value, indent + _STEP)
            yield f"{indent}- {first.lstrip()}"
            yield from others
        else:
            yield from _placed(f"{indent}-", value, indent + _STEP)


def _placed(head: str, value: Any, indent: str) -> Iterator[str]:
    """What comes after `key:` or `-`: on the same line, or below it."""
    if value in ([], {}):
        yield f"{head} {'{}' if value == {} else '[]'}"
    elif isinstance(value, dict):
        yield head
        yield from _entries(value, indent)
    elif isinstance(value, list):
        yield head
        yield from _items(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return repr(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return f'"{"".join(map(_escaped, value))}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\x{ord(character):02x}" if ord(character) < 0x100 else f"\\U{ord(character):08x}"
