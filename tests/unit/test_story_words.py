"""A story in words, as a picture and as a page: all of it is there, and a hostile name can do nothing."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.audit.replay import Fault, LogFault
from processor.audit.spark import BLOCKS, PLAIN, ramp_for, spark
from processor.audit.story import Relived, Story, held_against
from processor.audit.story_page import page
from processor.audit.story_rows import story_row
from processor.cli.audit_files import page_templates
from processor.cli.story_lines import lines
from processor.restrictions.events import Cause
from tests.audit_samples import HOSTILE, TOPIC
from tests.mail_pages import Page, flat
from tests.story_samples import course, story


@given(st.lists(st.integers(0, 1000), max_size=50), st.sampled_from([BLOCKS, PLAIN]))
def test_a_spark_line_shows_what_is_not_nothing_and_its_order(values: list[int], ramp: str) -> None:
    line = spark(values, ramp)
    assert len(line) == len(values)
    heights = [f" {ramp}".index(character) for character in line]
    assert all((height > 0) == (value > 0) for height, value in zip(heights, values, strict=True))
    ordered = [height for _, height in sorted(zip(values, heights, strict=True))]
    assert ordered == sorted(ordered)
    if any(values):
        assert max(heights) == len(ramp)


@pytest.mark.parametrize(
    ("encoding", "ramp"), [("utf-8", BLOCKS), ("ascii", PLAIN), ("latin-1", PLAIN), (None, PLAIN), ("x", PLAIN)]
)
def test_a_terminal_gets_the_characters_that_it_has(encoding: str | None, ramp: str) -> None:
    assert ramp_for(encoding) == ramp
    assert PLAIN.isascii()


def test_everything_is_told_in_order() -> None:
    text = "\n".join(lines(story()))
    for part in (
        "anna@school.example of tenant school, blocked at 2026-11-24T06:35:00Z until",
        "spam_messages_per_hour 11, allowed 10",
        f"caused by {TOPIC}, partition 0, offset 0",
        "it follows from the log, field by field",
        "1,234 verdicts of its partition decided on again, from the beginning",
        "messages, per hour",
        "messages, per 5 minutes",
        "11 110 % of it, exceeded first",
        "score 17.5",
        "in the 30 days before:",
        "2026-11-22T06:35:00Z blocked: spam_messages_per_hour 11, allowed 10",
        "13 verdicts on his mail until it ended: 12 SPAM, 1 CLEAN",
        "command refused (SUPPORT_REQUIRED)",
        "unblocked: by anna@school.example, ticket T-77, for anna@school.example",
        "limit exceeded, not blocked: external_recipients_per_hour 1,234, allowed 500",
        "2026-11-25T02:35:00Z blocked",
    ):
        place = flat(text).find(part.replace("11 110", "11 10 110"))
        assert place >= 0, part


def test_the_limit_s_window_is_marked_below_the_day() -> None:
    told = list(lines(story()))
    (spam, *_) = [line for line in told if "spam among them" in line]
    (mark, *_) = [line for line in told if "window of the limit" in line]
    assert [place for place, character in enumerate(mark) if character == "^"] == [spam.rindex("|") - 1]


def test_the_story_falls_back_to_ascii() -> None:
    assert "\n".join(lines(story(), PLAIN)).isascii()


def test_a_block_by_hand_tells_who_and_why() -> None:
    by_hand = course(cause=Cause.MANUAL, evidence=None, issued_by="ann", reason="phished", command_id="c-1")
    text = flat("\n".join(lines(Story(by_hand, (), None, None, None))))
    assert "blocked by hand: by: ann reason: phished command: c-1" in text


def test_what_could_not_be_recomputed_is_told_with_the_block_s_own_evidence() -> None:
    text = flat("\n".join(lines(story(relived=None, why_not="retention has taken it"))))
    assert "it could not be recomputed: retention has taken it" in text
    assert "its own evidence: limit: spam_messages_per_hour: 11, allowed 10" in text


def test_a_difference_and_a_fault_are_told() -> None:
    told = course()
    other = replace(told.block, record={**told.block.record, "observed": 12.0})
    fault = LogFault(Fault.VERDICTS_DIFFER, 0, 0, 10, "one of them has changed")
    found = story(findings=held_against(told, other), relived=Relived(0, 1, other, None, None, (fault,)))
    text = flat("\n".join(lines(found)))
    assert "it was published otherwise than it follows from the log" in text
    assert "observed 11 12" in text
    assert "verdicts 0 to 9: verdicts are not those that were decided on: one of them has changed" in text
    assert '<td>observed</td><td class="trouble"><bdi>11</bdi></td>' in page(found, page_templates())
    assert not found.is_clean


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_can_do_nothing(name: str) -> None:
    for line in lines(story(name)):
        assert line.isprintable()
    content = page(story(name), page_templates())
    assert {"script", "img", "a", "link", "iframe", "object"}.isdisjoint(Page(content).elements)
    assert Page(content).elements.count("style") == 1
    assert "\x1b" not in content
    assert "\u202e" not in content
    assert json.loads(json.dumps(story_row(story(name))))["sender"] == name


def test_the_page_has_the_picture_with_the_window_and_the_mark() -> None:
    content = page(story(), page_templates())
    found = Page(content)
    assert found.elements.count("svg") == 2
    assert content.count('class="window"') == 2
    assert content.count('class="tipping"') == 2
    assert "http" not in content.replace("http-equiv", "")
    assert "13 verdicts on his mail until it ended" in flat(found.text)
    assert page(story(), page_templates()) == content


def test_the_object_has_every_part() -> None:
    row = story_row(story())
    assert row["outcome"] == "MATCHED"
    assert [each["limit_name"] for each in row["limits"]["limits"] if each["exceeded_first"]] == [
        "spam_messages_per_hour"
    ]
    assert (
        sum(pane["spam_messages"] for pane in row["timeline"]["panes"]) == row["timeline"]["day"]["spam_messages"] == 11
    )
    assert row["while_blocked"]["verdicts"] == {"CLEAN": 1, "SPAM": 12}
    assert [each["event"] for each in row["after"]][:2] == ["CommandRefused", "SenderUnblocked"]
