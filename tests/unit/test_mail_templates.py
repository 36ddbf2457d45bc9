"""The folder of templates: languages are folders, an operator's file stands over ours, and what is wrong is said at the start."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from processor import resources
from processor.notification.context import MailContext
from processor.notification.facts import AccountFacts, LimitFacts
from processor.notification.kinds import Kind
from processor.notification.language import BrokenLanguage, Language
from processor.notification.rendering import BrokenTemplates, Templates
from processor.notification.samples import scenes
from processor.notification.template_check import check
from processor.workers.mail_templates import copy_templates, load_templates
from tests.mail_pages import SURROUNDINGS, TEMPLATES
from tests.mail_samples import NOW_MS, blocked, sending
from tests.processes import ROOT


def sources() -> dict[str, str]:
    folder = resources.folder("templates")
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }


def written(folder: Path, **files: str) -> Path:
    """A folder with these files; `__` in a name stands for a slash, `_` for a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


# -- languages ---------------------------------------------------------------------------------------------------------


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


# -- the operator's own ------------------------------------------------------------------------------------------------


def test_a_file_of_the_operator_stands_over_the_built_in_one_of_the_same_name(tmp_path: Path) -> None:
    own = load_templates(written(tmp_path, en__blocked_subject_txt="Stop: {{ first.short_name }}\n"))
    notification, entries = sending(blocked())
    ours, theirs = (each.render(notification, entries, SURROUNDINGS) for each in (TEMPLATES, own))
    assert theirs.subject == "Stop: anna@school.example"
    assert (theirs.text, theirs.html) == (ours.text, ours.html)


def test_a_new_folder_is_a_new_language(tmp_path: Path) -> None:
    copy_templates(tmp_path / "own")
    (tmp_path / "own" / "nl").rename(tmp_path / "own" / "fy")
    for path in (tmp_path / "own" / "fy").iterdir():
        path.write_text(path.read_text().replace('"nl/', '"fy/'))
    assert load_templates(tmp_path / "own").languages == ["en", "fy", "nl"]


def test_a_language_may_have_a_senders_name_of_its_own(tmp_path: Path) -> None:
    language = sources()["nl/language.toml"]
    own = load_templates(written(tmp_path, nl__language_toml=f'sender_name = "Spamwacht"\n{language}'))
    for code, name in (("nl", "Spamwacht"), ("en", None)):
        scene = next(scenes(code, NOW_MS))
        assert own.render(scene.notification, scene.entries, SURROUNDINGS).sender_name == name


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("en__blocked_text_txt", "fine\n{% if %}\n", "en/blocked.text.txt:2: Expected an expression"),
        ("en__blocked_text_txt", "fine\n\n{{ no_such_fact }}\n", "en/blocked.text.txt:3: 'no_such_fact' is not known here"),
        (
            "en__unblocked_page_html",
            "{% if first.overtaken and count == 77 %}\n{{ frist }}{% endif %}",
            "en/unblocked.page.html:2: 'frist' is not known here",
        ),
        ("en__accounts_txt", "{% macro details(a, b, c, d) %}\n{{ a.nmae }}\n{% endmacro %}", "en/accounts.txt:2: .*'nmae'"),
        ("en__brake_text_txt", "{{ count }}\n{{ words.momnet(1) }}", "en/brake.text.txt:2: .*'momnet'"),
        ("en__alert_text_txt", "{{ 'a' + 1 }}", "en/alert.text.txt:1: "),
        ("en__alert_text_txt", "{% include 'en/none.txt' %}", "en/alert.text.txt:1: there is no template en/none.txt"),
        ("en__alert_text_txt", "{{ count|nonsense }}", "en/alert.text.txt:1: No filter named 'nonsense'"),
        ("en__alert_text_txt", "{{ ''.__class__.__mro__ }}", "en/alert.text.txt:1: .*unsafe"),
        ("layout__page_html", "{{ tenant.upper( }}", "layout/page.html:1: "),
        ("en__bloked_text_txt", "hello", "en/bloked.text.txt: no mail uses this file"),
        ("fr__more__language_toml", "", "fr/more/language.toml: no mail uses this file"),
        ("fr__blocked_text_txt", "bonjour", "fr/blocked.text.txt: no mail uses this file"),
        ("en__language_toml", "decimal = ", "en/language.toml: "),
        ("en__alert_subject_txt", "\n", r"en/alert.subject.txt: it writes nothing \(the mail alert-one of the preview\)"),
        ("en__blocked_text_txt", "{% if first.by %}by hand{% endif %}", "en/blocked.text.txt: it writes nothing"),
        ("en__brake_page_html", "", "en/brake.page.html: it writes nothing"),
        ("my english__language_toml", "decimal = ", "my english/language.toml: its folder must be named as a language is"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_folder_is_said_at_the_start_with_file_and_line(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    with pytest.raises((BrokenTemplates, BrokenLanguage), match=complaint) as caught:
        load_templates(written(tmp_path, **{name: text}))
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("was", "becomes", "complaint"),
    [
        ('moment = "{weekday}', 'moment = "{weekdya}', "moment: {weekdya} is not known here; there is clock, day"),
        ('percent = "{number}%"', 'percent = "{number.__class__}"', "percent: {number.__class__} is not known here"),
        (
            'observed = "{amount} recipients',
            'observed = "{amuont} recipients',
            "limits.recipients_per_day.observed: {amuont}",
        ),
        ('subject = "[Test] {subject}"', 'subject = "{0}"', "test.subject: {0} is not known"),
        ('"Sun"]', "]", "weekdays must be 7 names"),
        ('decimal = "."', 'decimal = "."\nsendername = "x"', "the key 'sendername' is not known here"),
        ("[test]", '[test]\nsender_name = "x"', "the key 'test.sender_name' is not known here"),
        ("[test]", "[tset]", "the key 'test' is missing"),
        ('"Sun"]', "7]", "must be texts"),
    ],
)
def test_a_language_that_could_not_write_a_mail_is_refused(was: str, becomes: str, complaint: str) -> None:
    with pytest.raises(BrokenLanguage) as caught:
        Language.parse("en", sources()["en/language.toml"].replace(was, becomes))
    assert complaint in str(caught.value)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BrokenTemplates, match=f"{tmp_path}/none: there is no such folder"):
        load_templates(tmp_path / "none")


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en" / "blocked.text.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(BrokenTemplates, match=r"blocked\.text\.txt: it is not UTF-8"):
        load_templates(tmp_path)


def test_every_unknown_name_is_told_at_once() -> None:
    broken = {"en/blocked.text.txt": "{{ one }}", "nl/alert.subject.txt": "{{ two }}"}
    with pytest.raises(BrokenTemplates) as caught:
        check(Templates({**sources(), **broken}))
    assert str(caught.value).splitlines() == [
        "en/blocked.text.txt:1: 'one' is not known here",
        "nl/alert.subject.txt:1: 'two' is not known here",
    ]


def test_every_name_that_a_template_can_ask_for_is_on_the_page_on_notifications() -> None:
    page = (ROOT / "docs" / "notifications.md").read_text().split("What a template can ask for:")[1]
    names = {field.name for kind in (MailContext, AccountFacts, LimitFacts) for field in fields(kind)}
    assert names <= set(re.findall(r"`(\w+)`", page))


def test_the_samples_show_every_kind_and_are_the_same_each_time() -> None:
    shown = list(scenes("en", NOW_MS))
    assert {scene.kind for scene in shown} == set(Kind)
    assert len({scene.name for scene in shown}) == len(shown)
    assert [each.notification for each in scenes("en", NOW_MS)] == [each.notification for each in shown]
