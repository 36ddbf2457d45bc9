"""Refused records as letters, what can be read of them, and what goes back into the input: the same bytes."""

import string
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from processor import avro
from processor.avro import Undecodable
from processor.cli.letter_words import REMEDIES, Tally, dump, letter_json, lines, row, story
from processor.cli.printing import json_line
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.commands import RECORD as COMMAND
from processor.restrictions.commands import Command, CommandKind
from processor.verdicts import letters as letters_module
from processor.verdicts.dissecting import Broken, Field, dissected
from processor.verdicts.letters import (
    Headers,
    Joining,
    Letter,
    Note,
    Origin,
    Refused,
    Selection,
    Stored,
    Unknown,
    letters_of,
    note_of,
)
from processor.workers.letter_judging import Judge, Ready, Unready
from processor.workers.letter_reading import pieces
from tests.decoding import FIELDS, NOW_MS, PREFIX, Counted, judged, parts_of, payloads, records
from tests.detecting import verdict
from tests.engines import payload_of
from tests.hostile import hostile_names

NAMES = TopicNames()
PARTITIONS = 8
OUR_HEADERS = [value for name, value in vars(letters_module).items() if name.endswith("_HEADER")]

_contents = st.none() | st.binary(max_size=20) | st.sampled_from([b"1", b"2/3", b"1/1", b"message-verdicts"])
_headers = st.lists(st.tuples(st.sampled_from(OUR_HEADERS) | st.text(max_size=8), _contents), max_size=8)
_small_values = st.none() | st.binary(max_size=40) | payloads()
_large_values = st.builds(
    lambda size, byte: bytes([byte]) * size,
    st.sampled_from([524_287, 999_000, 1_000_000, 1_000_001, 1_048_576, 1_048_577, 2_000_000]),
    st.integers(0, 255),
)
_origins = st.builds(Origin, st.sampled_from([NAMES.verdicts, NAMES.commands]), st.integers(0, 7), st.integers(0, 9))
_refused = st.builds(
    Refused,
    origin=_origins,
    timestamp_ms=st.integers(-1, 2**45),
    reason=st.sampled_from(Undecodable).map(str),
    key=st.none() | st.binary(max_size=20),
    value=_small_values,
    headers=_headers,
)


def kept(stored: Sequence[Stored], first_offset: int = 0) -> list[Stored]:
    """The records as the topic gives them back."""
    return [replace(each, offset=first_offset + at, timestamp_ms=NOW_MS) for at, each in enumerate(stored)]


def read(stored: Sequence[Stored]) -> list[Letter | Note | Unknown]:
    joining = Joining()
    return [found for each in stored if (found := joining.take(each)) is not None] + list(joining.left())


def letter_of(value: bytes | None, topic: str = NAMES.verdicts, reason: Undecodable = Undecodable.UNREADABLE) -> Letter:
    refused = Refused(Origin(topic, 3, 17), NOW_MS, reason.value, b"ann@a.test", value, [("from", b"filter-1")])
    (letter,) = read(kept(letters_of(refused)))
    assert isinstance(letter, Letter)
    return letter


def judge(now_ms: int = NOW_MS + 3_600_000, serde: Serde | None = None) -> Judge:
    return Judge(NAMES, serde or Serde(None), lambda _: PARTITIONS, lambda: now_ms)


# --- letters and notes --------------------------------------------------------


@given(_refused)
def test_a_letter_gives_back_what_was_refused_byte_for_byte(refused: Refused) -> None:
    (letter,) = read(kept(letters_of(refused), first_offset=5))
    assert letter == Letter(refused, partition=0, offset=5, refused_at_ms=NOW_MS)


@given(_refused, _large_values)
@example(Refused(Origin("t", 0, 0), 0, "unreadable", b"k" * 64 * 1024, None, [("h", b"x" * 10)]), b"v" * 1_000_000)
def test_so_does_a_large_one_in_parts(refused: Refused, value: bytes) -> None:
    large = replace(refused, value=value)
    (letter,) = read(kept(letters_of(large)))
    assert isinstance(letter, Letter)
    if letter.refused.left_out is not None:
        large = replace(large, key=None, headers=[], left_out=letter.refused.left_out)
        assert len(refused.key or b"") > 60_000, "only what is very large is left out"
    assert letter.refused == large
    assert letter.missing == 0


@given(st.lists(_refused, max_size=4), st.lists(_origins, max_size=3), st.randoms(use_true_random=False))
def test_letters_in_parts_notes_and_strangers_may_stand_between_each_other(
    refused: list[Refused], noted: list[Origin], random: "st.DataObject"
) -> None:
    different = {each.origin: replace(each, value=b"%d" % at * 600_000) for at, each in enumerate(refused)}
    logs = [letters_of(each) for each in different.values()]
    logs += [[note_of(origin, "ann@desk")] for origin in noted] + [[Stored(b"k", b"v", [("other", b"")])]]
    mixed: list[Stored] = []
    while logs:
        log = random.choice(logs)  # type: ignore[attr-defined]
        mixed.append(log.pop(0))
        logs = [each for each in logs if each]
    found = read(kept(mixed))
    letters = [each.refused for each in found if isinstance(each, Letter)]
    assert sorted(letters, key=lambda each: str(each.origin)) == sorted(
        different.values(), key=lambda each: str(each.origin)
    )
    assert sorted(str(each.origin) for each in found if isinstance(each, Note)) == sorted(map(str, noted))
    assert sum(isinstance(each, Unknown) for each in found) == 1


@given(_origins, _refused, hostile_names)
def test_a_feeder_cannot_forge_a_note_nor_another_origin(origin: Origin, refused: Refused, name: str) -> None:
    forged = [*note_of(origin, name).headers]
    other = letters_of(replace(refused, origin=Origin("restriction-commands-support", 0, 1)))[0].headers
    for headers in (forged, [*other, *forged], [*forged, *other]):
        as_it_came = replace(refused, headers=headers)
        (letter,) = read(kept(letters_of(as_it_came)))
        assert isinstance(letter, Letter)
        assert letter.refused == as_it_came


def test_a_letter_of_which_retention_took_parts_says_so_and_stays() -> None:
    refused = Refused(Origin(NAMES.verdicts, 0, 1), NOW_MS, "unreadable", None, b"v" * 2_000_000, [])
    parts = kept(letters_of(refused))
    assert len(parts) == 4
    (letter,) = read(parts[1:])
    assert isinstance(letter, Letter)
    assert (letter.offset, letter.parts, letter.missing) == (1, 4, 1)
    judgement = judge().judged(letter)
    assert isinstance(judgement, Unready)
    assert "1 of its 4 parts are gone" in judgement.why


def test_a_letter_that_was_written_twice_is_read_twice() -> None:
    refused = Refused(Origin(NAMES.verdicts, 0, 1), NOW_MS, "unreadable", None, b"v" * 2_000_000, [])
    found = read(kept([*letters_of(refused), *letters_of(refused)]))
    assert [each.refused for each in found if isinstance(each, Letter)] == [refused, refused]


@given(st.lists(st.tuples(st.sampled_from(OUR_HEADERS) | st.text(max_size=8), _contents), max_size=10))
def test_no_record_of_the_topic_stops_its_reader(headers: Headers) -> None:
    read(kept([Stored(b"k", b"v", headers)]))


def test_a_selection_leaves_out_what_is_not_asked_for() -> None:
    letter = replace(letter_of(b""), refused_at_ms=1_000)
    for asked in (
        Selection(),
        Selection(
            letters={(0, 0)}, reasons={"unreadable"}, topic=NAMES.verdicts, partition=3, since_ms=1_000, until_ms=1_001
        ),
    ):
        assert asked.includes(letter)
    for asked in (
        Selection(letters={(0, 1)}),
        Selection(reasons={"truncated"}),
        Selection(topic=NAMES.commands),
        Selection(partition=0),
        Selection(since_ms=1_001),
        Selection(until_ms=1_000),
    ):
        assert not asked.includes(letter)


# --- what goes back -----------------------------------------------------------


@given(records, _headers, st.none() | st.binary(max_size=20))
def test_what_can_be_read_goes_back_as_it_came_and_to_its_senders_partition(
    record: dict[str, object], headers: list[tuple[str, bytes | None]], key: bytes | None
) -> None:
    value = PREFIX + b"".join(parts_of(record))
    refused = Refused(Origin(NAMES.verdicts, 3, 17), NOW_MS, "wrong partition", key, value, headers)
    (letter,) = read(kept(letters_of(refused)))
    assert isinstance(letter, Letter)
    judgement, expected = judge(NOW_MS).judged(letter), judged(value)
    if isinstance(expected, Undecodable):
        assert isinstance(judgement, Unready)
        assert expected.value in judgement.why
        return
    assert isinstance(judgement, Ready)
    back = judgement.record
    assert (back.topic, back.value, back.key, list(back.headers)) == (NAMES.verdicts, value, key, headers)
    by_hand = _murmur2(expected.sender) % PARTITIONS
    assert back.partition == by_hand


def _murmur2(key: bytes) -> int:
    """Kafka's own, from `org.apache.kafka.common.utils.Utils`."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(key)
    for at in range(0, len(key) // 4 * 4, 4):
        k = int.from_bytes(key[at : at + 4], "little") * m & mask
        k = (k ^ k >> 24) * m & mask
        h = (h * m & mask) ^ k
    tail = key[len(key) // 4 * 4 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


def test_a_key_that_was_left_out_is_the_sender() -> None:
    letter = letter_of(payload_of(verdict(1)))
    letter = replace(letter, refused=replace(letter.refused, key=None, left_out="key and headers, 70000 bytes"))
    judgement = judge(now_ms=2**45).judged(letter)
    assert isinstance(judgement, Ready)
    assert judgement.record.key == b"ann@a.test"


def test_time_heals_a_time_in_the_future() -> None:
    letter = letter_of(payload_of(verdict(1, at_ms=NOW_MS)))
    early = judge(now_ms=NOW_MS - 300_001).judged(letter)
    assert isinstance(early, Unready)
    assert "time in the future" in early.why
    assert isinstance(judge(now_ms=NOW_MS - 300_000).judged(letter), Ready)


def test_commands_are_read_as_the_worker_reads_them() -> None:
    command = Command("c1", CommandKind.UNBLOCK, "ann@a.test", "a.test", issued_by="ann")
    good = Serde(None).encode(NAMES.commands, COMMAND, command.to_record())
    judgement = judge().judged(letter_of(good, NAMES.commands))
    assert isinstance(judgement, Ready)
    assert judgement.record.partition == _murmur2(b"ann@a.test") % PARTITIONS
    nobody = Serde(None).encode(NAMES.commands, COMMAND, {**command.to_record(), "sender": ""})
    for value, why in (
        (nobody, "empty required field"),
        (payload_of(verdict(1)), "unknown schema"),
        (None, "null value"),
    ):
        unready = judge().judged(letter_of(value, NAMES.support_commands))
        assert isinstance(unready, Unready)
        assert why in unready.why


def test_nothing_goes_into_a_topic_that_is_no_input() -> None:
    for topic in (NAMES.policies, NAMES.changelog, "others-message-verdicts", ""):
        judgement = judge().judged(letter_of(payload_of(verdict(1)), topic))
        assert isinstance(judgement, Unready)
        assert "no input of this installation" in judgement.why


# --- what is shown ------------------------------------------------------------


@given(payloads())
def test_a_dissection_ends_where_and_why_the_decoder_refuses(payload: bytes) -> None:
    if not payload.startswith(PREFIX):
        return
    found, expected = list(dissected(payload, len(PREFIX))), judged(payload)
    broken = found[-1]
    if isinstance(expected, Counted) or expected is Undecodable.TIME_IN_THE_FUTURE:
        assert [each.name for each in found] == [field["name"] for field in FIELDS]
        assert all(isinstance(each, Field) for each in found)
    else:
        assert isinstance(broken, Broken)
        assert broken.reason is expected
    at = len(PREFIX)
    for each in found:
        assert each.start == at
        at = each.end if isinstance(each, Field) else at


def test_a_dissection_says_what_stands_in_the_fields() -> None:
    payload = payload_of(replace(verdict(1), score=0.5, message_id="<1@a.test>"))
    said = {each.name: each.value for each in dissected(payload, 10) if isinstance(each, Field)}
    record = avro.decode_body("MessageVerdict", payload[10:])
    assert said == record


def test_every_reason_has_words_and_a_remedy() -> None:
    assert set(REMEDIES) == set(Undecodable)


@given(_refused, hostile_names, st.none() | st.binary(max_size=60) | payloads())
def test_nothing_hostile_reaches_the_terminal(refused: Refused, name: str, value: bytes | None) -> None:
    hostile = replace(
        refused,
        origin=replace(refused.origin, topic=name),
        key=name.encode(),
        headers=[(name, name.encode()), ("h", b"\x1b[2J\xff\x00"), *refused.headers],
        reason=name,
        value=value,
    )
    (letter,) = read(kept(letters_of(hostile)))
    assert isinstance(letter, Letter)
    judgement = judge().judged(letter)
    assert isinstance(judgement, Unready)
    tally = Tally()
    tally.add(letter, put_back=False)
    shown = [
        *lines([row(letter, put_back=False)], [(hostile.reason, tally)], 1, oldest=False),
        *story(letter, "not put back", pieces(Serde(None), letter.refused.value), judgement.why),
        json_line(letter_json(letter, put_back=True, with_value=True)),
    ]
    for line in shown:
        assert "\n" not in line
        assert "\x1b" not in line
        assert "\u202e" not in line
        assert all(ord(each) >= 32 and ord(each) != 127 for each in line)


def test_a_dump_has_each_byte_in_hexadecimal_and_what_is_printable_as_text() -> None:
    content = bytes(range(256))
    told = list(dump(content))
    assert len(told) == 16
    assert told[4] == "00000040  40 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|"
    assert bytes.fromhex("".join(line[10:57].replace(" ", "") for line in told)) == content
    assert set("".join(line[60:-1] for line in told)) <= set(string.printable)
