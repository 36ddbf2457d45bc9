"""The pages of what-if in a real browser: they show what the run found, light and dark, and ask nobody for anything."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from processor.audit.words import moment
from tests.audit_samples import HOSTILE
from tests.chromium import Browser, Scheme
from tests.mail_pages import Page, flat
from tests.page_tables import rows_of
from tests.what_if_runs import Left, compared, hostile, swept, tried

RUNS = (tried, compared, swept, hostile)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[Callable[[Path], Left], Left]:
    """Each run once."""
    return {each: each(tmp_path_factory.mktemp(each.__name__)) for each in RUNS}


Runs = dict[Callable[[Path], Left], Left]


def stopped(row: dict[str, Any]) -> list[str]:
    """Spam and other mail, as a page has them."""
    spam = row["stopped_spam_messages"]
    return [f"{spam:,}", f"{row['stopped_messages'] - spam:,}"]


def block_cells(row: dict[str, Any]) -> list[str]:
    until_ms = row["blocked_until"] if row["unblocked_at"] is None else row["unblocked_at"]
    why = f"{row['limit_name']} {row['observed']:.2f}".rstrip("0").rstrip(".") + f" > {row['limit']:g}"
    return [
        f"{row['sender']} tenant {row['tenant_id']}",
        f"{moment(row['blocked_at'])} {moment(until_ms)}",
        f"{why} policy {row['policy']}",
        *stopped(row),
        f"{Path(row['file']).name}:{row['line']}",
    ]


def figures(dom: str) -> dict[str, str]:
    return dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", dom))


@pytest.mark.parametrize("scheme", Scheme)
def test_it_shows_who_would_have_been_blocked_when_and_why(runs: Runs, tmp_path: Path, scheme: Scheme) -> None:
    left = runs[tried]
    dom = Browser(left.page, tmp_path, scheme).dom()
    blocks, alerts = left.of("SenderBlocked"), left.of("SenderAlerted")
    assert rows_of(dom, "blocks") == list(map(block_cells, blocks)) != []
    assert [row[1] for row in rows_of(dom, "alerts")] == [moment(row["alerted_at"]) for row in alerts] != []
    (outcome,) = left.of("outcome")
    spam, other = stopped(outcome)
    assert figures(dom) == {
        "senders blocked": f"{outcome['senders']:,}",
        "blocks": f"{outcome['blocks']:,}",
        "spam stopped": spam,
        "other mail stopped": other,
        "alerts without a block": f"{outcome['alerts']:,}",
    }
    assert left.of("input")[0]["note"] in flat(Page(dom).text)


@pytest.mark.parametrize("scheme", Scheme)
def test_it_shows_whom_one_set_of_policies_blocks_and_whom_the_other(
    runs: Runs, tmp_path: Path, scheme: Scheme
) -> None:
    left = runs[compared]
    dom = Browser(left.page, tmp_path, scheme).dom()
    senders = left.of("compared")
    only = [block for row in senders if row["found"] == "only_policies" for block in row["blocks"]]
    assert rows_of(dom, "only-first") == list(map(block_cells, only)) != []
    assert rows_of(dom, "only-second") == []
    (different,) = (row for row in senders if row["found"] == "different")
    first, second = rows_of(dom, "different")
    assert first[0] == f"{different['sender']} tenant {different['blocks'][0]['tenant_id']}"
    assert (first[2], first[4]) == (moment(different["blocks"][0]["blocked_at"]), str(len(different["blocks"])))
    assert second[1].startswith(moment(different["blocks_against"][0]["blocked_at"]))
    both = left.of("outcome")
    numbers = re.findall(r'<td class="number">([^<]*)</td>', dom[dom.index('id="measures"') : dom.index("</figure>")])
    assert numbers[:8] == [
        *(str(row[name]) for name in ("senders", "blocks") for row in both),
        *(stopped(row)[place] for place in (0, 1) for row in both),
    ]


@pytest.mark.parametrize("scheme", Scheme)
def test_it_shows_a_sweep_value_by_value(runs: Runs, tmp_path: Path, scheme: Scheme) -> None:
    left = runs[swept]
    rows = left.of("sweep")
    assert rows_of(Browser(left.page, tmp_path, scheme).dom(), "values") == [
        [
            f"{row['limit']:g}",
            "now" if row["is_own"] else "",
            f"{row['senders']:,}",
            f"{row['blocks']:,}",
            *stopped(row),
        ]
        for row in rows
    ]
    assert len(rows) == 11


def heights(dom: str, look: str) -> Iterator[tuple[str, float]]:
    """What each point says, and how high it stands."""
    floor = max(float(y) for y in re.findall(r'<line [^>]*y1="([\d.]+)" y2="\1"', dom[dom.index('id="mail"') :]))
    for tag, title in re.findall(rf'<(\w+ class="point {look}"[^>]*)><title>(at [^<]*)</title>', dom):
        (y,) = re.findall(r' c?y="([\d.]+)"', tag)
        yield title, floor - float(y) - (3.5 if look == "other" else 0)


def test_the_plot_of_a_sweep_is_as_high_as_the_numbers_are(runs: Runs, tmp_path: Path) -> None:
    left = runs[swept]
    dom = Browser(left.page, tmp_path).dom()
    rows = left.of("sweep")
    spam = [row["stopped_spam_messages"] for row in rows]
    other = [row["stopped_messages"] - row["stopped_spam_messages"] for row in rows]
    scale = next(heights(dom, "spam"))[1] / spam[0]
    for look, what, numbers in (("spam", "spam", spam), ("other", "other", other)):
        points = list(heights(dom, look))
        assert [title for title, _ in points] == [
            f"at {row['limit']:g}: {number:,} {what} messages stopped"
            for row, number in zip(rows, numbers, strict=True)
        ]
        assert [height for _, height in points] == pytest.approx([scale * number for number in numbers], abs=0.05)
    assert dom.count('class="own"') == 2
    assert flat(Page(dom).text).count("now 10 ") >= 2


@pytest.mark.parametrize("run", RUNS)
def test_its_background_is_that_which_the_reader_prefers(
    runs: Runs, run: Callable[[Path], Left], tmp_path: Path
) -> None:
    light, dark = (Browser(runs[run].page, tmp_path, scheme).background() for scheme in (Scheme.LIGHT, Scheme.DARK))
    assert min(light) > 200
    assert max(dark) < 60


@pytest.mark.parametrize("run", RUNS)
def test_it_asks_nobody_for_anything(runs: Runs, run: Callable[[Path], Left], tmp_path: Path) -> None:
    assert Browser(runs[run].page, tmp_path).requests() == []


def test_hostile_names_are_text(runs: Runs, tmp_path: Path) -> None:
    dom = Browser(runs[hostile].page, tmp_path).dom()
    page = Page(dom)
    assert not {"script", "img", "iframe", "object", "link", "a"} & set(page.elements)
    assert page.elements.count("style") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert len(rows_of(dom, "blocks")) == len(HOSTILE)
    assert HOSTILE[0] in page.text
    assert "onerror" in page.text
    assert "\u202e" not in page.text
    assert "\x1b" not in page.text
