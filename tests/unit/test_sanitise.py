"""What an attacker names an account is shown on one line, in one direction, within bounds."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from processor.notification.sanitise import header_text, readable
from tests.hostile import hostile_texts

lengths = st.integers(1, 300)
DIRECTIONS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
plain_texts = st.text(st.characters(categories=("Lu", "Ll", "Lo", "Nd", "Po", "So", "Sc")), max_size=100)


@given(hostile_texts, lengths)
def test_nothing_invisible_and_no_direction_character_remains(text: str, longest: int) -> None:
    shown = readable(text, longest)
    assert not DIRECTIONS & set(shown)
    assert {unicodedata.category(character) for character in shown} & {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"} == set()
    assert {character for character in shown if unicodedata.category(character) == "Cf"} <= set("\u200c\u200d")


@given(hostile_texts, lengths)
def test_what_is_shown_keeps_the_bound(text: str, longest: int) -> None:
    assert len(readable(text, longest)) <= longest
    assert len(header_text(text, longest)) <= longest


@given(hostile_texts, lengths)
def test_what_is_shown_can_be_encoded_and_is_one_line(text: str, longest: int) -> None:
    shown = readable(text, longest)
    shown.encode("utf-8")
    assert len(shown.splitlines()) <= 1


@given(plain_texts)
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert readable(text, 100) == text


@given(hostile_texts, lengths)
def test_showing_twice_changes_nothing_more(text: str, longest: int) -> None:
    once = readable(text, longest)
    assert readable(once, longest) == once


@given(hostile_texts, lengths)
def test_no_header_text_looks_like_an_encoded_word(text: str, longest: int) -> None:
    assert "=?" not in header_text(text, longest)


def test_a_reversed_file_name_is_written_out() -> None:
    assert readable("invoice\u202efdp.exe", 100) == "invoice[U+202E]fdp.exe"


def test_emoji_sequences_and_persian_joiners_stay() -> None:
    for text in ("\U0001f9d1\u200d\U0001f4bb", "می\u200cخواهم"):
        assert readable(text, 100) == text


def test_a_stack_of_combining_marks_is_cut_off() -> None:
    assert readable("a" + "\u0301" * 100 + "b", 100) == "a" + "\u0301" * 4 + "b"
