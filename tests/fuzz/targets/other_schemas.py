"""Verdicts of other writers: the slow path, whose records are read by fastavro, against fastavro with the writer's schema alone."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any, cast

import fastavro

from processor import avro
from processor.avro import Undecodable
from processor.verdicts.event import MessageVerdict, Verdict
from tests.decoding import NOW_MS, PREFIX, Counted, decoded, judged
from tests.engines import payload_of
from tests.fuzz.payloads import words
from tests.fuzz.target import Target
from tests.writers import DESCRIBED, NEWER, OLDER, OURS, KnownWriters, body_of, fingerprinted, registered

_GOOD = MessageVerdict("e1", NOW_MS, "a.example", "ann@a.example", 1, 2, Verdict.SPAM, "<m@a>", "203.0.113.7", 0.5)
_BY_ID = {1: OURS, 2: OLDER, 3: NEWER, 5: DESCRIBED}
_FRAMES = {**{registered(number): text for number, text in _BY_ID.items()}, fingerprinted(OLDER): OLDER}
_WRITERS = KnownWriters(_BY_ID, released=(OLDER,))
_DEFAULTS = {"message_id": None, "client_ip": None, "score": None}


def _check(payload: bytes) -> str:
    good = payload_of(_GOOD)
    rows = decoded([good, payload, good], writers=_WRITERS)
    assert rows[0] == rows[2] == judged(good), "a neighbour is another"
    found = rows[1]
    frame = next((frame for frame in _FRAMES if payload.startswith(frame)), None)
    if frame is None:
        assert found == judged(payload), f"{found}, and without the other schemas it is {judged(payload)}"
    else:
        _hold_against_fastavro(found, _FRAMES[frame], payload[len(frame) :])
    return "good" if isinstance(found, Counted) else found.value


def _hold_against_fastavro(found: Counted | Undecodable, text: str, body: bytes) -> None:
    """What fastavro reads and writes back byte for byte is one record; what it refuses or leaves bytes of is none."""
    writer = avro.parse(text)
    try:
        stream = BytesIO(body)
        record = cast("dict[str, Any]", fastavro.schemaless_reader(stream, writer, None))
        is_whole = stream.tell() == len(body)
        again = BytesIO()
        fastavro.schemaless_writer(again, writer, record)
    except Exception:  # noqa: BLE001
        assert isinstance(found, Undecodable), f"{found}, and fastavro cannot read it"
        return
    if not is_whole:
        assert isinstance(found, Undecodable), f"{found}, and bytes are left over"
        return
    expected = _judged_record(record)
    if again.getvalue() == body or isinstance(found, Counted):
        assert found == expected, f"{found}, and fastavro says {expected}"


def _judged_record(record: Mapping[str, Any]) -> Counted | Undecodable:
    ours = {**_DEFAULTS, **record}
    ours.pop("subject", None)
    body = BytesIO()
    fastavro.schemaless_writer(body, avro.schema("MessageVerdict"), ours)
    return judged(PREFIX + body.getvalue())


def _begin() -> list[bytes]:
    return [frame + body_of(text, _GOOD.to_record()) for frame, text in _FRAMES.items()]


TARGETS = (
    Target(
        "other-schemas",
        "a payload of another schema is what fastavro reads by that schema, or refused; its neighbours stay",
        _check,
        _begin,
        words=(*_FRAMES, *words()),
        longest=70_000,
    ),
)
