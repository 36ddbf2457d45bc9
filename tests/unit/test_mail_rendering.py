"""What a mail says: the facts of each kind, in each language, in text and in HTML."""

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.notification.context import DETAILED_MAX, NAMED_MAX
from processor.notification.language import Words, zone_of
from processor.restrictions.events import Cause, RestrictionEvent, SenderBlocked, UnblockReason
from tests.mail_pages import POLICY, SURROUNDINGS, TEMPLATES, WITH_CONSOLE, Page, flat, render
from tests.mail_samples import HOUR_MS, NOW_MS, alerted, blocked, evidence, sending, unblocked

LANGUAGES = st.sampled_from(["en", "nl"])
BY_HAND = blocked(
    cause=Cause.MANUAL, evidence=None, issued_by="jdoe", reason="stolen laptop", blocked_until_ms=None, action="block"
)
RELEASED: dict[str, Any] = {
    "reason": UnblockReason.RELEASED,
    "released_by": "helpdesk",
    "ticket": "T-4711",
    "comment": "fixed",
}


# -- the facts ---------------------------------------------------------------------------------------------------------

OF_A_LIMIT = {
    "en": [
        "10", "11", "06:40 – 07:40 CET", "default, version 3f2a9c1b", "<20261124063412.8812@school.example>", "203.0.113.77",
        "spam, high confidence",
    ],
    "nl": [
        "10", "11", "06:40 – 07:40 CET", "default, versie 3f2a9c1b", "<20261124063412.8812@school.example>", "203.0.113.77",
        "spam, zeer zeker",
    ],
}  # fmt: skip
STEPS = {
    "en": [
        "Change the password", "Find out how it was compromised", "Take precautions", "weakness is not used again",
        "outbound queue is cleared of the offending messages", "Contact support through the usual channel", "which user is blocked",
        "that the problem has been dealt with", "open a ticket with what you give them", "escalate",
        "to have the address or domain unblocked", "After the unblocking, if there are no other problems, you get a message",
    ],
    "nl": [
        "Wijzig het wachtwoord", "Zoek uit hoe het gehackt is", "Neem maatregelen", "zwakke plek niet opnieuw",
        "ongewenste berichten uit de uitgaande wachtrij", "contact op met support", "via de gebruikelijke weg",
        "welke gebruiker geblokkeerd is", "dat het probleem is verholpen", "opent met wat u aanlevert een ticket",
        "laat het adres of domein deblokkeren", "Na het deblokkeren krijgt u bericht, als er geen andere problemen zijn",
    ],
}  # fmt: skip
ALWAYS = {
    "en": [
        "automated message of the spam analysis of this system",
        "do not reply: nobody reads noreply@mail.example.org",
    ],
    "nl": ["automatisch bericht van de spamanalyse van dit systeem", "niemand leest noreply@mail.example.org"],
}
TO_A_TENANT = {
    "en": ["Thank you for your help", "Support: support@provider.example", "your organisation (school)"],
    "nl": ["Dank voor uw hulp", "Support: support@provider.example", "uw organisatie (school)"],
}
SENTENCES: dict[str, tuple[RestrictionEvent, dict[str, list[str]]]] = {
    "blocked": (blocked(), {
        "en": [
            "anna@school.example is blocked from sending", "can still receive mail", "11 messages marked as spam in an hour",
            "the limit is 10", "Tue 24 Nov 2026, 07:35 CET", "Wed 25 Nov 2026, 00:35 CET", "1 time in the last 30 days",
            "probably compromised", "High volumes of mail marked as spam, or other suspicious behaviour", *STEPS["en"],
            *OF_A_LIMIT["en"], *TO_A_TENANT["en"],
        ],
        "nl": [
            "geblokkeerd voor", "ntvangen", "11 als spam aangemerkte berichten in een uur", "de limiet is 10",
            "di 24 november 2026, 07:35 CET", "wo 25 november 2026, 00:35 CET", "1 keer in de afgelopen 30 dagen",
            "waarschijnlijk gehackt", "grote hoeveelheden als spam aangemerkte e-mail, of ander verdacht gedrag", *STEPS["nl"],
            *OF_A_LIMIT["nl"], *TO_A_TENANT["nl"],
        ],
    }),
    "blocked by hand": (BY_HAND, {
        "en": [
            "blocked by hand by jdoe", "stolen laptop", "is lifted", "can still receive mail", "Ask who blocked the account",
            *STEPS["en"], *TO_A_TENANT["en"],
        ],
        "nl": [
            "handmatig geblokkeerd door jdoe", "stolen laptop", "tot de blokkade wordt opgeheven", "ntvangen",
            "Vraag wie het account heeft geblokkeerd", *STEPS["nl"], *TO_A_TENANT["nl"],
        ],
    }),
    "unblocked": (unblocked(blocked(), **RELEASED), {
        "en": [
            "anna@school.example can send mail again", "Wed 25 Nov 2026, 00:35 CET", "the block was lifted by helpdesk, ticket T-4711",
            "fixed", "Its counters start at zero", "What to watch", "whether the outbound queue still holds offending messages",
            "If the password was not changed yet, change it now", "was told of the block", *TO_A_TENANT["en"],
        ],
        "nl": [
            "weer", "wo 25 november 2026, 00:35 CET", "de blokkade is opgeheven door helpdesk, ticket T-4711", "fixed",
            "De tellers beginnen op nul", "Waar u op let", "ongewenste berichten in de uitgaande wachtrij",
            "Is het wachtwoord nog niet gewijzigd, wijzig het dan nu", *TO_A_TENANT["nl"],
        ],
    }),
    "expired": (unblocked(blocked()), {
        "en": ["anna@school.example can send mail again", "the block has expired", "counters start at zero"],
        "nl": ["anna@school.example kan", "de blokkade is verlopen", "tellers beginnen op nul"],
    }),
    "alert": (alerted(), {
        "en": [
            "anna@school.example exceeded a limit", "Nothing is blocked: your policy asks for an alert only", "can still send",
            "1,234 external recipients in an hour; the limit is 500", "Tue 24 Nov 2026, 07:35 CET", "not in the last 30 days",
            "the owner of the account meant to send", "the account is probably compromised", "Take precautions",
            "outbound queue is cleared", "contact support", *OF_A_LIMIT["en"][2:], *TO_A_TENANT["en"],
        ],
        "nl": [
            "anna@school.example heeft een limiet", "Er is niets geblokkeerd: uw beleid vraagt alleen om een melding",
            "kan nog verzenden", "1.234 externe ontvangers in een uur; de limiet is 500", "di 24 november 2026, 07:35 CET",
            "niet in de afgelopen 30 dagen", "de eigenaar van het account deze e-mail wilde verzenden", "waarschijnlijk gehackt",
            "Neem maatregelen", "uitgaande wachtrij", "contact op met support", *OF_A_LIMIT["nl"][2:], *TO_A_TENANT["nl"],
        ],
    }),
    "brake": (alerted(cause=Cause.BRAKE), {
        "en": [
            "held 1 block back", "not blocked", "its counters start at zero", "What it means",
            "the filter that judges their mail", "Find out which filter went wrong", "in the log of the filter, by their message ids",
            "switch that rule off, or take the change back", "senderwatch restricted list", "brake_blocks",
            "External recipients in an hour: 1 of 1", "spam, high confidence: 1 of 1", *OF_A_LIMIT["en"][2:],
        ],
        "nl": [
            "1 blokkade tegen", "niet geblokkeerd", "de tellers beginnen op nul", "Wat het betekent",
            "het filter dat hun e-mail beoordeelt", "Zoek uit welk filter fout zit", "op hun message-id",
            "zet die regel uit, of draai de wijziging terug", "senderwatch restricted list", "brake_blocks",
            "Externe ontvangers in een uur: 1 van 1", "spam, zeer zeker: 1 van 1", *OF_A_LIMIT["nl"][2:],
        ],
    }),
}  # fmt: skip


@pytest.mark.parametrize("language", ["en", "nl"])
@pytest.mark.parametrize("sort", SENTENCES)
def test_a_mail_says_all_the_facts_of_its_kind_in_text_and_in_html(sort: str, language: str) -> None:
    event, facts = SENTENCES[sort]
    mail = render(event, notify=replace(POLICY, language=language))
    for part in (mail.text, Page(mail.html).text):
        said = flat(part).lower()
        assert [fact for fact in (*facts[language], *ALWAYS[language]) if fact.lower() not in said] == []


def test_a_block_by_hand_speaks_of_no_limit_and_presumes_nobody_guilty() -> None:
    mail = render(BY_HAND)
    for part in (mail.text, Page(mail.html).text):
        assert "limit" not in part.lower()
        assert "probably compromised" not in part


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_first_screen_says_what_happened_how_bad_it_is_and_what_to_do(language: str) -> None:
    mail = render(blocked(), notify=replace(POLICY, language=language))
    wanted = {
        "en": ("anna@school.example", "07:35 CET", "11 messages marked as spam", "probably compromised", "Change the password"),
        "nl": ("anna@school.example", "07:35 CET", "11 als spam aangemerkt", "waarschijnlijk gehackt", "Wijzig het wachtwoord"),
    }[language]  # fmt: skip
    for head in (flat(mail.text[:650]), flat(Page(mail.html).text)[:2200]):
        assert [fact for fact in wanted if fact not in head] == []


# -- subjects ----------------------------------------------------------------------------------------------------------

TWO = ("anna@school.example", "bram@school.example")


@pytest.mark.parametrize(
    ("events", "english", "dutch"),
    [
        ([blocked()], "anna@school.example is blocked from sending", "anna@school.example is geblokkeerd voor verzenden"),
        (
            [blocked(name) for name in TWO],
            "anna@school.example and 1 more account are blocked from sending",
            "anna@school.example en nog 1 account zijn geblokkeerd voor verzenden",
        ),
        (
            [blocked(f"user{number}@school.example") for number in range(1_235)],
            "user0@school.example and 1,234 more accounts are blocked from sending",
            "user0@school.example en nog 1.234 accounts zijn geblokkeerd voor verzenden",
        ),
        ([unblocked(blocked())], "anna@school.example can send again", "anna@school.example kan weer verzenden"),
        (
            [unblocked(blocked(name)) for name in TWO],
            "anna@school.example and 1 more account can send again",
            "anna@school.example en nog 1 account kunnen weer verzenden",
        ),
        ([alerted()], "anna@school.example exceeded a limit, not blocked", "anna@school.example over een limiet, niet geblokkeerd"),
        (
            [alerted(name) for name in TWO],
            "anna@school.example and 1 more account exceeded a limit, not blocked",
            "anna@school.example en nog 1 account over een limiet, niet geblokkeerd",
        ),
        (
            [alerted(name, cause=Cause.BRAKE) for name in TWO],
            "the brake held 2 blocks back, is the filter wrong?",
            "de rem hield 2 blokkades tegen, klopt het filter?",
        ),
    ],
)  # fmt: skip
def test_the_subject_says_what_it_is_about_whom_and_how_many_more(
    events: list[RestrictionEvent], english: str, dutch: str
) -> None:
    assert render(*events).subject == f"Outbound spam: {english}"
    assert render(*events, notify=replace(POLICY, language="nl")).subject == f"Uitgaande spam: {dutch}"


# -- lifting a block oneself -------------------------------------------------------------------------------------------


def test_the_command_line_is_shown_to_staff_alone() -> None:
    for readers_are_staff in (False, True):
        mail = render(blocked(), notify=replace(POLICY, readers_are_staff=readers_are_staff))
        assert ("senderwatch restricted unblock anna@school.example" in mail.text) is readers_are_staff
        assert ("senderwatch restricted unblock anna@school.example" in Page(mail.html).text) is readers_are_staff


def test_the_console_is_named_where_there_is_one_and_unblocks_are_left() -> None:
    mail = render(blocked(previous_unblocks=1), surroundings=WITH_CONSOLE)
    assert ("href", "https://console.example.org/?a=1&b=2") in Page(mail.html).attributes
    assert "https://console.example.org/?a=1&b=2" in mail.text
    assert "console.example.org" not in render(blocked(previous_unblocks=3), surroundings=WITH_CONSOLE).text


def left(block: SenderBlocked, *, allowed: int = 3, language: str = "en") -> tuple[str, str]:
    notify = replace(POLICY, unblocks_without_support=allowed, language=language)
    mail = render(block, notify=notify, surroundings=WITH_CONSOLE)
    return flat(mail.text), flat(Page(mail.html).text)


@given(st.integers(0, 5), st.integers(0, 5))
@settings(max_examples=30)
def test_the_number_of_unblocks_left_is_what_the_policy_allows_less_those_that_were_used(
    used: int, allowed: int
) -> None:
    for part in left(blocked(previous_unblocks=used, previous_blocks=9), allowed=allowed):
        said = re.findall(r"(\d+) of (\d+) (?:self-service )?(?:unblocks )?in 30 days (?:is |are )?left", part)
        assert set(said) == ({(str(allowed - used), str(allowed))} if allowed > used else set())
        assert ("Lift the block yourself" in part) is (allowed > used)
        assert ("nly support can lift the block" in part) is (allowed <= used)


@pytest.mark.parametrize(
    ("language", "allowed", "said"),
    [
        ("en", 3, ["No self-service unblock is left", "open a ticket with what you give them", "name its number with the unblocking"]),
        ("en", 0, ["Only support can lift the block: the policy says so", "the policy leaves unblocking to support"]),
        ("nl", 3, ["Zelf opheffen kan niet meer", "opent met wat u aanlevert een ticket", "vermeldt daarbij het nummer ervan"]),
        ("nl", 0, ["Alleen support kan de blokkade opheffen: zo staat het in het beleid", "het beleid laat opheffen aan support over"]),
    ],
)  # fmt: skip
def test_past_the_last_unblock_the_mail_sends_to_support_and_speaks_of_the_ticket(
    language: str, allowed: int, said: list[str]
) -> None:
    for part in left(blocked(previous_unblocks=3), allowed=allowed, language=language):
        assert [each for each in said if each not in part] == []


def test_several_accounts_say_each_how_often_they_can_still_be_lifted() -> None:
    blocks = [blocked(f"user{used}@school.example", previous_unblocks=used) for used in (0, 3)]
    text = flat(render(*blocks, surroundings=WITH_CONSOLE).text)
    assert "Lift the blocks yourself" in text
    assert "3 of 3 unblocks in 30 days left" in text
    assert "none of 3 unblocks in 30 days left: only support can lift the block" in text


# -- what no longer holds, and what happened twice ---------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("language", "said", "step"),
    [
        ("en", "Nothing has to be lifted any more", "ontact support"),
        ("nl", "Er hoeft niets meer te worden opgeheven", "contact op met support"),
    ],
)
def test_nobody_is_sent_to_support_for_a_block_that_has_ended(language: str, said: str, step: str) -> None:
    event = blocked()
    notification, accounts = sending(event, notify=replace(POLICY, language=language), overtaken=(event.event_id,))
    late = TEMPLATES.render(notification, accounts, WITH_CONSOLE)
    for part in (flat(late.text), flat(Page(late.html).text)):
        assert said in part
        assert step not in part
        assert "console.example.org" not in part


@pytest.mark.parametrize(
    ("language", "said"),
    [("en", "usual channel (support@provider.example)"), ("nl", "met support (support@provider.example)")],
)
@pytest.mark.parametrize("event", [blocked(), blocked(previous_unblocks=3), alerted()])
def test_how_to_reach_support_stands_where_support_is_to_be_asked(
    language: str, said: str, event: RestrictionEvent
) -> None:
    mail = render(event, notify=replace(POLICY, language=language), surroundings=WITH_CONSOLE)
    assert said in flat(mail.text)
    assert said in flat(Page(mail.html).text)


@pytest.mark.parametrize("language", ["en", "nl"])
def test_an_account_that_was_blocked_twice_is_one_account_with_both_blocks_told_apart(language: str) -> None:
    again = blocked(previous_blocks=7, previous_unblocks=2, blocked_at_ms=NOW_MS + HOUR_MS)
    again = replace(again, position=replace(again.position, offset=1))
    mail = render(blocked(), again, notify=replace(POLICY, language=language), surroundings=WITH_CONSOLE)
    assert mail.subject == render(blocked(), notify=replace(POLICY, language=language)).subject
    for part in (flat(mail.text), flat(Page(mail.html).text)):
        for fact in {
            "en": ["since Tue 24 Nov 2026, 08:35 CET", "Tue 24 Nov 2026, 07:35 CET; it ended before this one began", "7 times"],
            "nl": ["sinds di 24 november 2026, 08:35 CET", "di 24 november 2026, 07:35 CET; die eindigde voordat deze begon", "7 keer"],
        }[language]:  # fmt: skip
            assert fact in part.replace("Since", "since").replace("Sinds", "sinds")


def test_an_account_that_was_lifted_twice_can_send_since_the_later_time() -> None:
    first = unblocked(blocked())
    second = unblocked(
        blocked(position=replace(first.position, offset=5)), unblocked_at_ms=NOW_MS + 20 * HOUR_MS, **RELEASED
    )
    text = flat(render(first, second).text)
    assert "again since Wed 25 Nov 2026, 03:35 CET: the block was lifted by helpdesk" in text
    assert "could send again from Wed 25 Nov 2026, 00:35 CET, and was blocked once more" in text


@pytest.mark.parametrize("language", ["en", "nl"])
def test_an_account_over_two_limits_is_one_account_with_the_facts_of_both(language: str) -> None:
    second = alerted()
    second = replace(second, evidence=evidence(limit_name="recipients_per_day", limit=1000.0, observed=1320.0))
    mail = render(alerted(), second, notify=replace(POLICY, language=language))
    assert mail.subject == render(alerted(), notify=replace(POLICY, language=language)).subject
    for part in (flat(mail.text), flat(Page(mail.html).text)):
        for fact in {
            "en": ["1,234 external recipients", "Recipients in a day: 1,000, observed 1,320", "06:40 – 07:40 CET; policy default"],
            "nl": ["1.234 externe ontvangers", "Ontvangers op een dag: 1.000, waargenomen 1.320", "06:40 – 07:40 CET; beleid default"],
        }[language]:  # fmt: skip
            assert fact in part


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


def test_a_digest_of_alerts_over_every_limit_stays_bounded_too() -> None:
    limits = TEMPLATES.language("en").limits
    alerts = [
        replace(alerted(f"user{number}@school.example"), evidence=evidence(limit_name=name))
        for number in range(600)
        for name in limits
    ]
    mail = render(*alerts)
    assert mail.subject.startswith("Outbound spam: user0@school.example and 599 more accounts")
    assert len(mail.html.encode()) < 102_000
    assert all(f"user{number}@school.example" in mail.text for number in range(DETAILED_MAX + NAMED_MAX))


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
