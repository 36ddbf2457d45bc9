"""Small texts that a worker finds: the metadata beside a committed offset, and a file of pins."""

from processor.kafka.audit_source import Pins, PinsUnusable
from processor.kafka.changelog import CommitMark, RestoreFailed
from tests.fuzz.target import Target

_WORDS = (
    b'"changelog_start":', b'"commit":', b"-1", b"1.5", b"true", b'"7"', b"null", b"1e999", b"Infinity", b"NaN", b"9" * 30, b"9" * 5000,
    b"{", b"}", b"[", b"]", b"[" * 2000, b'{"a":' * 1000, b"\\ud800", b"\xff", b"\x00",
)  # fmt: skip


def _check_mark(given: bytes) -> str:
    text = given.decode(errors="surrogateescape")
    try:
        mark = CommitMark.from_metadata(text)
    except RestoreFailed as failed:
        assert len(str(failed)) < 2_000, "a message longer than anybody reads"
        return "refused"
    if mark is None:
        assert not text
        return "none"
    assert type(mark.changelog_start) is int
    assert type(mark.commit) is int
    assert min(mark.changelog_start, mark.commit) >= 0
    assert CommitMark.from_metadata(mark.to_metadata()) == mark
    return "good"


def _check_pins(given: bytes) -> str:
    try:
        pins = Pins.from_json(given.decode(errors="replace"))
    except PinsUnusable as failed:
        assert len(str(failed)) < 2_000, "a message longer than anybody reads"
        return "refused"
    pins.to_json()
    return "good"


TARGETS = (
    Target(
        "commit-marks",
        "any metadata is a mark of two numbers, none, or RestoreFailed",
        _check_mark,
        lambda: [CommitMark(0, 1).to_metadata().encode(), CommitMark(10**12, 10**9).to_metadata().encode(), b""],
        words=_WORDS,
    ),
    Target(
        "pins",
        "any file is pins, or PinsUnusable",
        _check_pins,
        lambda: [b'{"group":"g","committed":{"0":[5,1]},"bounds":{"message-verdicts":{"0":[0,9]}}}'],
        words=_WORDS,
    ),
)
