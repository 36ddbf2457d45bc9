"""The page of one block's story in a real browser: what led to it, light and dark, and nobody is asked for anything."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.audit.story import Story
from processor.audit.story_page import page
from processor.audit.words import moment
from processor.cli.audit_files import page_templates, write_html
from tests.audit_samples import HOSTILE
from tests.chromium import Browser, Scheme
from tests.mail_pages import Page, flat
from tests.page_tables import rows_of
from tests.story_samples import DAY, story


def by_attacker() -> Story:
    """A story in which every name is an attacker's."""
    return story(" ".join(HOSTILE))


STORIES = (story, by_attacker)


def written(told: Story, folder: Path) -> Path:
    path = folder / "story.html"
    write_html(page(told, page_templates()), path)
    return path


@pytest.mark.parametrize("scheme", Scheme)
def test_it_shows_what_led_to_the_block(tmp_path: Path, scheme: Scheme) -> None:
    told = story()
    assert told.standings is not None
    dom = Browser(written(told, tmp_path), tmp_path, scheme).dom()
    text = flat(Page(dom).text)
    assert told.course.block.event_id in text
    assert "anna@school.example" in text
    assert [row[0] for row in rows_of(dom, "standings")] == [each.limit.name for each in told.standings.each]
    messages = dom[dom.index('id="messages"') : dom.index('id="recipients"')]
    bars = re.findall(r'<rect class="matched"[^>]*><title>([^<]*)</title>', messages)
    assert bars == [
        f"{moment(pane * 300_000)}: {each.messages:,}, of them {each.spam_messages:,} spam"
        for pane, each in DAY.panes.items()
    ]
    assert dom.count('class="tipping"') == 2
    assert dom.count('class="window"') == 2


@pytest.mark.parametrize("told", STORIES)
def test_its_background_is_that_which_the_reader_prefers(told: Callable[[], Story], tmp_path: Path) -> None:
    path = written(told(), tmp_path)
    light, dark = (Browser(path, tmp_path, scheme).background() for scheme in (Scheme.LIGHT, Scheme.DARK))
    assert min(light) > 200
    assert max(dark) < 60


@pytest.mark.parametrize("told", STORIES)
def test_it_asks_nobody_for_anything(told: Callable[[], Story], tmp_path: Path) -> None:
    assert Browser(written(told(), tmp_path), tmp_path).requests() == []


def test_hostile_names_are_text(tmp_path: Path) -> None:
    shown = Page(Browser(written(by_attacker(), tmp_path), tmp_path).dom())
    assert not {"script", "img", "iframe", "object", "link", "a"} & set(shown.elements)
    assert shown.elements.count("style") == 1
    assert HOSTILE[0] in shown.text
    assert "\u202e" not in shown.text
    assert "\x1b" not in shown.text
