"""What a mail says, and that hostile names change neither its meaning nor its form."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor import resources
from processor.notification.kinds import Kind
from processor.notification.language import BrokenLanguage, Language, Words, zone_of
from processor.notification.rendering import (
    DETAILED_MAX,
    NAMED_MAX,
    SUBJECT_MAX,
    BrokenTemplates,
    Rendered,
    Surroundings,
    Templates,
)
from processor.policies.recipients import Notify
from processor.restrictions.events import Cause, RestrictionEvent, UnblockReason
from processor.workers.mail_templates import load_templates
from tests.event_strategies import restriction_events
from tests.hostile import SAMPLES, hostile_names
from tests.mail_samples import NOW_MS, alerted, blocked, evidence, sending, unblocked

TEMPLATES = load_templates()
SURROUNDINGS = Surroundings("noreply@mail.example.org", "support@provider.example")
POLICY = Notify(("postmaster@school.example",), time_zone="Europe/Amsterdam")
LANGUAGES = st.sampled_from(["en", "nl"])
ELEMENTS_OF_OURS = {
    "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "th", "h1", "h2", "p", "ol", "li", "bdi", "a",
    "strong", "br", "code",
}  # fmt: skip


def render(*events: RestrictionEvent, notify: Notify = POLICY, surroundings: Surroundings = SURROUNDINGS) -> Rendered:
    notification, accounts = sending(*events, notify=notify)
    return TEMPLATES.render(notification, accounts, surroundings)


class Page(HTMLParser):
    """The elements, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


# -- the facts ---------------------------------------------------------------------------------------------------------

FACTS = {
    "en": [
        "is blocked from sending", "can still receive mail", "11 messages marked as spam in an hour", "the limit is 10",
        "Tue 24 Nov 2026, 07:35 CET", "Wed 25 Nov 2026, 00:35 CET", "06:40 – 07:40 CET", "default, version 3f2a9c1b",
        "<20261124063412.8812@school.example>", "203.0.113.77", "1 time in the last 30 days", "probably compromised",
        "Find out how it was compromised", "Take precautions", "outbound queue is cleared",
        "contact support", "which user is blocked", "opens? a ticket", "escalate", "automated message of the spam analysis",
        "High volumes of mail marked as spam, or other suspicious behaviour", "you get a message", "Thank you", "do not reply",
        "noreply@mail.example.org", "support@provider.example",
    ],
    "nl": [
        "geblokkeerd voor", "11 als spam aangemerkte berichten in een uur", "de limiet is 10", "di 24 november 2026, 07:35 CET",
        "wo 25 november 2026, 00:35 CET", "06:40 – 07:40 CET", "default, versie 3f2a9c1b",
        "<20261124063412.8812@school.example>", "203.0.113.77", "1 keer in de afgelopen 30 dagen", "waarschijnlijk gehackt",
        "ijzig het wachtwoord", "Zoek uit hoe het gehackt is", "Neem maatregelen", "uitgaande wachtrij",
        "contact op met support", "welke gebruiker geblokkeerd is", "ticket", "automatisch bericht van de spamanalyse",
        "krijgt u bericht", "Dank voor uw hulp", "Beantwoord dit bericht niet", "noreply@mail.example.org",
        "support@provider.example",
    ],
}  # fmt: skip


@pytest.mark.parametrize("language", FACTS)
def test_the_blocked_mail_says_all_the_facts_in_text_and_in_html(language: str) -> None:
    mail = render(blocked(), notify=replace(POLICY, language=language))
    for part in (mail.text, Page(mail.html).text):
        flat = re.sub(r"\s+", " ", part)
        missing = [fact for fact in FACTS[language] if not re.search(fact.replace(".", r"\."), flat, re.IGNORECASE)]
        assert missing == []


def test_the_subject_names_the_account_and_how_many_more() -> None:
    assert render(blocked()).subject == "Outbound spam: anna@school.example is blocked from sending"
    three = [blocked(f"user{number}@school.example") for number in range(3)]
    assert render(*three).subject == "Outbound spam: user0@school.example and 2 more accounts are blocked from sending"


def test_what_the_admin_must_know_stands_at_the_beginning() -> None:
    head = re.sub(r"\s+", " ", render(blocked()).text[:500])
    for fact in ("anna@school.example", "07:35 CET", "11 messages marked as spam", "Change the password"):
        assert fact in head


def test_the_command_line_is_shown_to_staff_alone() -> None:
    for readers_are_staff in (False, True):
        mail = render(blocked(), notify=replace(POLICY, readers_are_staff=readers_are_staff))
        assert ("senderwatch restricted unblock anna@school.example" in mail.text) is readers_are_staff
        assert ("senderwatch restricted unblock anna@school.example" in Page(mail.html).text) is readers_are_staff


def test_the_console_is_named_where_there_is_one_and_unblocks_are_left() -> None:
    surroundings = replace(SURROUNDINGS, console_url="https://console.example.org/?a=1&b=2")
    mail = render(blocked(previous_blocks=1), surroundings=surroundings)
    assert ("href", "https://console.example.org/?a=1&b=2") in Page(mail.html).attributes
    assert "https://console.example.org/?a=1&b=2" in mail.text
    assert "at least 2" in mail.text
    assert "console.example.org" not in render(blocked(previous_blocks=3), surroundings=surroundings).text


def test_a_block_by_hand_says_who_and_why_and_speaks_of_no_limit() -> None:
    event = blocked(cause=Cause.MANUAL, evidence=None, issued_by="jdoe", reason="stolen laptop", blocked_until_ms=None)
    mail = render(event)
    for part in (mail.text, Page(mail.html).text):
        assert "jdoe" in part
        assert "stolen laptop" in part
        assert "lifted" in part
        assert "limit" not in part.lower()


def test_the_unblocked_mail_says_since_when_and_why() -> None:
    event = unblocked(
        blocked(), reason=UnblockReason.RELEASED, released_by="helpdesk", ticket="T-4711", comment="fixed"
    )
    mail = render(event)
    for part in (mail.text, Page(mail.html).text):
        flat = re.sub(r"\s+", " ", part)
        for fact in ("can send", "Wed 25 Nov 2026, 00:35 CET", "helpdesk", "T-4711", "fixed", "counters start at zero"):
            assert fact in flat
    assert "expired" in render(unblocked(blocked())).text


def test_an_alert_says_in_its_subject_that_nobody_is_blocked() -> None:
    assert render(alerted()).subject.endswith("exceeded a limit, not blocked")
    assert "1,234 external recipients in an hour" in render(alerted()).text


def test_a_held_block_asks_the_operators_to_look_at_the_filter() -> None:
    mail = render(*(alerted(f"user{number}@x.example", cause=Cause.BRAKE) for number in range(3)))
    assert "the brake held 3 blocks back" in mail.subject
    assert "not blocked" in mail.text


@pytest.mark.parametrize(
    ("language", "event", "said"),
    [
        ("en", blocked(), "Meanwhile the block has ended again"),
        ("en", unblocked(blocked()), "Meanwhile the account has been blocked again"),
        ("nl", blocked(), "Intussen is de blokkade weer geëindigd"),
        ("nl", unblocked(blocked()), "Intussen is het account opnieuw geblokkeerd"),
    ],
)
def test_what_no_longer_holds_is_said(language: str, event: RestrictionEvent, said: str) -> None:
    policy = replace(POLICY, language=language)
    notification, accounts = sending(event, notify=policy, overtaken=(event.event_id,))
    late = TEMPLATES.render(notification, accounts, SURROUNDINGS)
    for part, plain in ((late.text, render(event, notify=policy).text), (late.html, render(event, notify=policy).html)):
        assert said in re.sub(r"\s+", " ", part)
        assert said not in re.sub(r"\s+", " ", plain)


def test_an_account_that_was_blocked_twice_is_one_account_with_its_last_block() -> None:
    again = blocked(previous_blocks=7)
    again = replace(again, position=replace(again.position, offset=1))
    mail = render(blocked(), again)
    assert mail.subject == "Outbound spam: anna@school.example is blocked from sending"
    assert "7 times in the last 30 days" in mail.text


# -- any event, any name -----------------------------------------------------------------------------------------------


@given(restriction_events, hostile_names, LANGUAGES)
def test_every_event_can_be_told_in_every_language(event: RestrictionEvent, name: str, language: str) -> None:
    event = replace(event, sender=name, tenant_id=name)
    mail = render(event, notify=replace(POLICY, language=language))
    assert mail.language == language
    assert len(mail.subject) <= SUBJECT_MAX
    assert len(mail.subject.splitlines()) == 1
    assert "=?" not in mail.subject


def hostile_events(text: str) -> list[RestrictionEvent]:
    """Events with `text` in every field that comes from outside."""
    proof = evidence(policy=text, policy_version=text, limit_name=text, trigger=replace(
        evidence().trigger, message_id=text, client_ip=text, verdict=text))  # fmt: skip
    block = blocked(text, tenant=text, evidence=proof)
    by_hand = blocked(text, tenant=text, cause=Cause.MANUAL, evidence=None, issued_by=text, reason=text)
    released = unblocked(block, reason=UnblockReason.RELEASED, released_by=text, ticket=text, comment=text)
    return [block, by_hand, released, replace(alerted(text, tenant=text), evidence=proof)]


@given(hostile_names, LANGUAGES)
@settings(max_examples=40)
def test_no_hostile_text_adds_an_element_or_an_attribute(text: str, language: str) -> None:
    for event in hostile_events(text):
        mail = render(event, notify=replace(POLICY, language=language, readers_are_staff=True))
        page, plain = (
            Page(mail.html),
            Page(render(*harmless_like(event), notify=replace(POLICY, language=language)).html),
        )
        assert set(page.elements) <= ELEMENTS_OF_OURS
        assert {name for name, _ in page.attributes} <= {name for name, _ in plain.attributes} | {"href"}
        assert not any(name.startswith("on") for name, _ in page.attributes)


def harmless_like(event: RestrictionEvent) -> list[RestrictionEvent]:
    harmless = {type(one): one for one in hostile_events("harmless")}
    return [harmless[type(event)]]


@given(hostile_names, LANGUAGES)
@settings(max_examples=40)
def test_no_direction_or_control_character_reaches_the_mail(text: str, language: str) -> None:
    for event in hostile_events(text):
        mail = render(event, notify=replace(POLICY, language=language))
        for part in (mail.subject, mail.text, mail.html):
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\x00-\x09\x0b-\x1f\x7f-\x9f]", part)


@pytest.mark.parametrize("text", SAMPLES)
def test_a_hostile_name_makes_no_line_of_its_own_in_the_text(text: str) -> None:
    """The text part with a hostile name has as many lines as one with a harmless name as long."""
    assert "Bcc: victim@example.org" not in render(blocked(text)).text.splitlines()


@given(hostile_names)
def test_a_command_to_copy_holds_nothing_for_a_shell_but_one_word(name: str) -> None:
    text = render(blocked(name), notify=replace(POLICY, readers_are_staff=True)).text
    for line in (line for line in text.splitlines() if "restricted unblock" in line):
        words = re.fullmatch(
            r"    senderwatch restricted unblock ('(?:[^']|'\"'\"')*'|[\w@%+=:,./-]+) --comment '\.\.\.'", line
        )
        assert words, line


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_digest_of_thousands_stays_bounded_and_counts_whom_it_does_not_name() -> None:
    few, many = (
        render(*(blocked(f"user{number}@school.example") for number in range(count))) for count in (1_000, 5_000)
    )
    assert abs(len(many.html) - len(few.html)) < 100
    assert len(many.html.encode()) < 102_000, "mail programs cut a page off there"
    assert f"user{DETAILED_MAX + NAMED_MAX - 1}@school.example" in many.text
    assert f"user{DETAILED_MAX + NAMED_MAX}@school.example" not in many.text
    assert "And 4,500 more" in many.text


@given(st.integers(1, 60), LANGUAGES)
@settings(max_examples=20)
def test_every_account_of_a_digest_up_to_the_bound_is_named_in_both_parts(count: int, language: str) -> None:
    names = [f"user{number}@school.example" for number in range(count)]
    mail = render(*map(blocked, names), notify=replace(POLICY, language=language))
    assert all(name in mail.text and name in mail.html for name in names)


# -- languages ---------------------------------------------------------------------------------------------------------


def test_english_and_dutch_are_there_and_an_unknown_language_is_english() -> None:
    assert TEMPLATES.languages == ["en", "nl"]
    for asked, given_ in (("nl-BE", "nl"), ("NL", "nl"), ("nl_NL", "nl"), ("tlh", "en"), ("", "en")):
        assert TEMPLATES.language(asked).code == given_


WORDS = {code: Words(TEMPLATES.language(code), zone_of("Europe/Amsterdam")) for code in ("en", "nl")}


@pytest.mark.parametrize(
    ("value", "english", "dutch"),
    [
        (11.0, "11", "11"), (1234567.0, "1,234,567", "1.234.567"), (50.5, "50.5", "50,5"), (50.004, "50", "50"),
        (0.0, "0", "0"), (-1234.25, "-1,234.25", "-1.234,25"), (100.0, "100", "100"), (float("inf"), "∞", "∞"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_language_does(value: float, english: str, dutch: str) -> None:
    assert (WORDS["en"].number(value), WORDS["nl"].number(value)) == (english, dutch)


@given(st.floats())
def test_every_number_can_be_written(value: float) -> None:
    assert WORDS["nl"].number(value)


def test_times_are_in_the_policys_time_zone_in_summer_and_winter() -> None:
    assert WORDS["en"].moment(NOW_MS) == "Tue 24 Nov 2026, 07:35 CET"
    assert WORDS["nl"].moment(NOW_MS - 150 * 86_400_000) == "za 27 juni 2026, 08:35 CEST"
    assert Words(TEMPLATES.language("en"), zone_of("Asia/Dubai")).moment(NOW_MS) == "Tue 24 Nov 2026, 10:35 UTC+04"


@given(
    st.integers(0, 253_402_300_799_999),
    st.sampled_from(["Pacific/Kiritimati", "America/Adak", "No/Such", "UTC", "../x"]),
)
def test_every_time_can_be_written_in_every_zone(time_ms: int, zone: str) -> None:
    words = Words(TEMPLATES.language("en"), zone_of(zone))
    assert words.moment(time_ms)
    assert words.period(time_ms, time_ms)


def test_a_period_within_a_day_names_the_day_once() -> None:
    assert WORDS["en"].period(NOW_MS, NOW_MS + 3_600_000) == "Tue 24 Nov 2026, 07:35 – 08:35 CET"
    assert WORDS["en"].period(NOW_MS - 86_400_000, NOW_MS) == "Mon 23 Nov 2026, 07:35 CET – Tue 24 Nov 2026, 07:35 CET"


def test_a_limit_that_a_language_has_no_words_for_goes_by_its_own_name() -> None:
    assert (
        "attachments per hour: 7"
        in render(blocked(evidence=evidence(limit_name="attachments_per_hour", observed=7.0))).text
    )


# -- the templates' folder ---------------------------------------------------------------------------------------------


def sources() -> dict[str, str]:
    folder = resources.folder("templates")
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }


def test_a_language_is_a_folder_and_needs_no_code() -> None:
    added = {name.replace("nl/", "fy/"): text.replace('"nl/', '"fy/') for name, text in sources().items()}
    assert Templates({**sources(), **added}).languages == ["en", "fy", "nl"]


@pytest.mark.parametrize("kind", Kind)
def test_a_language_without_one_of_its_templates_is_refused_by_name(kind: Kind) -> None:
    lacking = {name: text for name, text in sources().items() if name != f"nl/{kind.value}.text.txt"}
    with pytest.raises(BrokenTemplates, match=f"nl/{kind.value}.text.txt"):
        Templates(lacking)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"en/blocked.text.txt": "{% if %}"}, "en/blocked.text.txt"),
        ({"nl/language.toml": "decimal = "}, "nl/language.toml"),
        ({"nl/language.toml": "decimal = ','"}, "thousands"),
    ],
)
def test_what_is_wrong_in_a_template_is_said_when_it_is_loaded(change: dict[str, str], complaint: str) -> None:
    with pytest.raises((BrokenTemplates, BrokenLanguage), match=complaint):
        Templates({**sources(), **change})


def test_a_template_that_asks_for_what_is_not_there_fails_instead_of_leaving_it_out() -> None:
    templates = Templates({**sources(), "en/blocked.text.txt": "{{ no_such_fact }}"})
    notification, accounts = sending(blocked())
    with pytest.raises(BrokenTemplates, match="no_such_fact"):
        templates.render(notification, accounts, SURROUNDINGS)


def test_every_limit_has_words_in_every_language() -> None:
    tables: list[Any] = [TEMPLATES.language(code).limits for code in TEMPLATES.languages]
    assert all(set(table) == set(tables[0]) for table in tables)
    assert Language.parse("en", sources()["en/language.toml"]).limits == tables[0]
