"""JSON Lines: one verdict a line, an object whose keys are the fields of the Avro schema `MessageVerdict`.

`occurred_at` is epoch milliseconds or an RFC 3339 string; `message_id`, `client_ip` and `score` may be null or absent. A key
that is no field is refused by name: a misspelt `client_ip` would otherwise be lost in silence.
"""

import json
from typing import Any

from processor.verdicts.event import MessageVerdict
from processor.verdicts.reading import BadField, Refused, found, verdict_of


def _no_constant(name: str) -> float:
    """JSON knows no NaN and no Infinity (RFC 8259, section 6); Python's reader takes them unless told."""
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def parse(line: bytes) -> MessageVerdict | Refused:
    """The verdict of one line, or why it is none."""
    try:
        return verdict_of(json_object(line))
    except BadField as error:
        return error.refused


def json_object(line: bytes) -> dict[str, Any]:
    """The JSON object of a line; raises BadField.

    Bytes that are not UTF-8 are let through as lone surrogates: mail filters copy raw header bytes into fields that nobody
    reads here, and those that are read are checked one by one.
    """
    try:
        value = _DECODER.decode(line.decode(errors="surrogateescape"))
    except RecursionError:
        raise BadField("line", "is nested too deeply") from None
    except ValueError as error:
        raise BadField("line", "is not JSON", str(error)) from None
    if not isinstance(value, dict):
        raise BadField("line", "is not a JSON object", found(value))
    return value


def line_of(verdict: MessageVerdict) -> bytes:
    """The verdict as one line that `parse` reads back, with its line end."""
    return json.dumps(verdict.to_record(), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
