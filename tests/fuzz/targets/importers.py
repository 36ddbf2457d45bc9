"""The importers: lines, rspamd's recordings, Avro container files, and a file of any form. A bad entry is a value, nothing more."""

import gzip
from io import BytesIO
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import fastavro

from processor import avro
from processor.verdicts import avro_file, jsonl, rspamd
from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.files import Form, VerdictFile, guessed_form
from processor.verdicts.reading import Arrived, Entry, Refused, Skipped
from processor.verdicts.tenants import Tenants
from tests.decoding import NOW_MS
from tests.engines import payload_of
from tests.fuzz.target import Target

_GOOD = MessageVerdict("e1", NOW_MS, "a.example", "ann@a.example", 1, 2, Verdict.SPAM, "<m@a>", "203.0.113.7", 0.5)
_RSPAMD = (
    b'{"action":"reject","qid":"4Xq","user":"Ann@a.example","ip":"2001:db8::7","from":"ann@a.example","rcpt":["b@a.example",'
    b'"c@x.example"],"score":15.5,"time":1760000000.5,"message_id":"m@a","symbols":[{"name":"CLAM_VIRUS","score":0,"group":'
    b'"antivirus","groups":["antivirus"]},{"name":"PHISHING","score":4.0,"groups":["phishing"]}],"rspamd_server":"mx1"}'
)
_READING = rspamd.Reading(
    tenants=Tenants({"a.example": "a", "*": "rest"}), trusted_networks=(ip_network("10.0.0.0/8"), ip_network("::/0"))
)
_WORDS = (
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"NaN", b"-Infinity", b"1e400", b"-1e400", b"9" * 400, b"9" * 5000,
    b"\\ud800", b"\\u0000", b"\xff", b"\xed\xa0\x80", b"[" * 990, b"[" * 40_000, b'{"a":' * 990, b"0.1e-400", b'"9999-12-31T23:59:60Z"',
    b'"0001-01-01T00:00:00+23:59"', b'"9999-12-31T23:59:59-23:59"', b"1760000000", b"\xef\xbb\xbf", b"\r\n", b"\x1f\x8b\x08", b"Obj\x01",
    '"\u0130\u017f\u1e9e"'.encode(), b'"fe80::1%eth0"', b'"unknown"', b'"score":', b'"rcpt":', b'"time":',
)  # fmt: skip


def _check_line(line: bytes) -> str:
    return _class_of(jsonl.parse(line))


def _check_rspamd(line: bytes) -> str:
    return _class_of(rspamd.parse(line, _READING, NOW_MS))


def _check_avro(given: bytes) -> str:
    numbers = 0
    last = "none"
    for number, entry in avro_file.records(BytesIO(given)):
        assert number >= numbers, "numbers go back"
        numbers = number
        last = _class_of(entry)
        assert number < 10_000_000, "more records than a file of that size can hold"
    return f"ends with {last}"


def _check_file(given: bytes) -> str:
    """The first byte picks the form that is asked for; the rest is the file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "verdicts"
        path.write_bytes(given[1:])
        form = (Form.JSONL, Form.RSPAMD, Form.AVRO, guessed_form(path))[(given[:1] or b"\x00")[0] % 4]
        last = "none"
        for numbered in VerdictFile(path, form, _READING).entries(lambda: NOW_MS):
            if numbered is not None:
                last = _class_of(numbered.entry)
    return f"{form} ends with {last}"


def _class_of(entry: Entry) -> str:
    """Also sees to it that a verdict can be written, and that what is said of any other can be printed."""
    match entry:
        case Refused():
            assert entry.field
            assert entry.problem
            assert len(str(entry)) < 1_000, "a refusal longer than anybody reads"
            return f"refused {entry.field}" if entry.field in avro_fields() else "refused"
        case Skipped():
            return "skipped"
        case Arrived():
            payload_of(entry.verdict)
            return "arrived"
        case _:
            payload_of(entry)
            return "good"


def avro_fields() -> frozenset[str]:
    """The fields that are named in an outcome's class; other names are the input's own."""
    return frozenset({"line", "file", "record", "occurred_at", "sender", "score", "verdict", "rcpt", "symbols", "time"})


def _avro_files() -> list[bytes]:
    files = []
    for codec in ("null", "deflate"):
        stream = BytesIO()
        schema = cast("Any", avro.schema("MessageVerdict"))
        fastavro.writer(
            stream, schema, [_GOOD.to_record()] * 5, codec=codec, sync_interval=100, sync_marker=b"0123456789abcdef"
        )
        files.append(stream.getvalue())
    return files


def _lines() -> list[bytes]:
    line = jsonl.line_of(_GOOD)
    return [line, line.replace(str(NOW_MS).encode(), b'"2026-11-24T02:00:00Z"')]


def _files() -> list[bytes]:
    lines = b"".join(_lines())
    return [
        b"\x00" + lines,
        b"\x00" + gzip.compress(lines, mtime=0),
        b"\x01" + _RSPAMD + b"\n",
        *(b"\x03" + file for file in _avro_files()),
        *(b"\x03" + gzip.compress(file, mtime=0) for file in _avro_files()),
    ]


TARGETS = (
    Target(
        "json-lines",
        "any line is a verdict that can be written, or a refusal",
        _check_line,
        _lines,
        words=_WORDS,
        longest=50_000,
    ),
    Target(
        "rspamd",
        "any line is a verdict that can be written, a refusal, or passed over for a reason",
        _check_rspamd,
        lambda: [_RSPAMD],
        words=_WORDS,
        longest=50_000,
    ),
    Target(
        "avro-files",
        "any container file gives verdicts and refusals in order, and ends",
        _check_avro,
        _avro_files,
        words=(*_WORDS, b"avro.schema", b"avro.codec", b"deflate", b"null", b"\xfe\xff\xff\xff\xff\x0f"),
    ),
    Target(
        "verdict-files",
        "any file of any form gives numbered entries, and ends",
        _check_file,
        _files,
        words=_WORDS,
        longest=50_000,
    ),
)
