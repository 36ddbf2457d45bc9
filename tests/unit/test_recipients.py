"""Who is told: the policy's recipients, else the tenant's contacts, else the domain's postmaster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.policies.addresses import ADDRESS_MAX_OCTETS, domain_of, is_address
from processor.policies.recipients import recipients_of
from tests.hostile import hostile_texts

addresses = st.lists(st.sampled_from(["a@x.example", "b@x.example", "c@y.example"]), max_size=4)


@given(addresses, addresses)
def test_the_first_that_names_somebody_decides(policy: list[str], contacts: list[str]) -> None:
    chosen = recipients_of(policy, contacts, "anna@school.example")
    assert list(chosen) == list(dict.fromkeys(policy or contacts or ["postmaster@school.example"]))


def test_a_bare_login_name_has_no_postmaster() -> None:
    assert recipients_of([], [], "anna") == ()


@given(hostile_texts)
def test_a_hostile_sender_names_no_strange_recipient(sender: str) -> None:
    for recipient in recipients_of([], [], sender):
        assert is_address(recipient)
        assert recipient == f"postmaster@{domain_of(sender)}"


@given(hostile_texts)
def test_an_address_is_one_word_of_bounded_length(text: str) -> None:
    if is_address(text):
        assert len(text.encode()) <= ADDRESS_MAX_OCTETS
        assert not any(character.isspace() or character in '<>",;:\\()[]' for character in text)


@pytest.mark.parametrize(
    "text",
    [
        "postmaster@school.example",
        "o'brien+spam@a-b.example",
        "пользователь@пример.рф",
        "x@localhost",
        "a/b=c@d.example",
    ],
)
def test_addresses_of_all_scripts_are_addresses(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "a@", "@b", "a b@c.example", "a@b@c.example", ".a@b.example", "a..b@c.example", "a@-b.example", "a@b..example",
        "a@b.example\r\nBcc: x", '"a"@b.example', "a<b>@c.example", "a" * 65 + "@b.example", "a@" + "b." * 130 + "example",
        "a\u202e@b.example", "a@b.example.",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not is_address(text)
