"""The page of an audit in a real browser: it shows what the run found, light and dark, and asks nobody for anything."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from processor.audit.report import AuditReport
from processor.cli.audit_files import write_page
from tests.audit_samples import HOSTILE, clean, hostile, troubled
from tests.chromium import Browser, Scheme
from tests.mail_pages import Page, flat

REPORTS = (clean, troubled, hostile)


def written(report: AuditReport, folder: Path) -> Path:
    path = folder / "audit.html"
    write_page(report, path)
    return path


@pytest.mark.parametrize("scheme", Scheme)
def test_it_shows_what_the_run_found(tmp_path: Path, scheme: Scheme) -> None:
    dom = Browser(written(troubled(), tmp_path), tmp_path, scheme).dom()
    text = flat(Page(dom).text)
    assert "7 findings (1 different, 4 missing, 2 unexpected) and 7 faults of the logs" in text
    assert "MISSING blocked by hand: carol@school.example" in text
    assert '<td>hour.spam_messages</td><td class="trouble"><bdi>9</bdi></td><td><bdi>11</bdi></td>' in dom
    assert "verdicts 0 to 499999: retention has removed them" in text
    for picture in ("over-time", "by-limit", "by-partition"):
        assert f'id="{picture}"' in dom
    assert len(re.findall(r'<rect class="found"', dom)) == 6  # two findings fell in the same hour


def test_a_clean_run_says_so(tmp_path: Path) -> None:
    dom = Browser(written(clean(), tmp_path), tmp_path).dom()
    assert '<div class="verdict good" id="verdict">everything matches: 123 events, 4,000,000 verdicts</div>' in dom


def test_its_background_is_that_which_the_reader_prefers(tmp_path: Path) -> None:
    path = written(clean(), tmp_path)
    light, dark = (Browser(path, tmp_path, scheme).background() for scheme in (Scheme.LIGHT, Scheme.DARK))
    assert min(light) > 200
    assert max(dark) < 60


@pytest.mark.parametrize("report", REPORTS)
def test_it_asks_nobody_for_anything(tmp_path: Path, report: Callable[[], AuditReport]) -> None:
    assert Browser(written(report(), tmp_path), tmp_path).requests() == []


def test_a_request_would_be_seen(tmp_path: Path) -> None:
    path = tmp_path / "asking.html"
    path.write_text("<!DOCTYPE html><img src='http://evil.example/a.png'>")
    assert Browser(path, tmp_path).requests() == ["http://evil.example/a.png"]


def test_what_would_ask_all_the_same_is_stopped_by_the_page_s_own_policy(tmp_path: Path) -> None:
    path = written(clean(), tmp_path)
    path.write_text(path.read_text().replace("<main>", "<main><img src='http://evil.example/a.png'>"))
    assert Browser(path, tmp_path).requests() == []


def test_hostile_names_are_text(tmp_path: Path) -> None:
    page = Page(Browser(written(hostile(), tmp_path), tmp_path).dom())
    assert not {"script", "img", "iframe", "object", "link"} & set(page.elements)
    assert page.elements.count("style") == 1
    assert HOSTILE[0] in page.text
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
