"""A filter gone wrong: the brake holds, says so, and what was judged wrongly is nobody's fault afterwards (design, section 2)."""

from collections import Counter

import numpy as np
import pytest

from processor.policies.policy import PolicySet
from processor.restrictions.events import Cause, Published, SenderAlerted, SenderBlocked
from processor.verdicts.batches import Decoder
from processor.verdicts.event import MessageVerdict, Verdict
from tests.engines import LATE_CLOCK_MS, SEED, NoOtherWriters, new_engine, payload_of

SENDERS = 5_000
MINUTE_MS = 60_000
NOON_MS = 20_000 * 86_400_000 + 12 * 60 * MINUTE_MS


def day(wrong_from: int, wrong_to: int, minutes: int) -> list[tuple[int, str, Verdict]]:
    """Each sender sends a mail every ten minutes, and every 30 s while the filter calls everything spam."""
    return [
        (NOON_MS + tick * 30_000, f"s{number}@a.test", Verdict.SPAM if wrong else Verdict.CLEAN)
        for tick in range(2 * minutes)
        for wrong in [wrong_from <= tick // 2 < wrong_to]
        for number in range(SENDERS)
        if wrong or number % 20 == tick % 20
    ]


def published(policies: PolicySet, log: list[tuple[int, str, Verdict]]) -> list[Published]:
    engine, decoder = new_engine(policies), Decoder(NoOtherWriters(), SEED)
    events: list[Published] = []
    for start in range(0, len(log), 20_000):
        part = log[start : start + 20_000]
        payloads = [
            payload_of(MessageVerdict(f"{start + n}", at_ms, "t", sender, 0, 1, verdict))
            for n, (at_ms, sender, verdict) in enumerate(part)
        ]
        offsets = np.arange(start, start + len(part))
        events += engine.take(decoder.batch(payloads, offsets, np.full(len(part), LATE_CLOCK_MS, np.int64)))
    return events


@pytest.mark.parametrize("brake_blocks", [1, 100])
def test_ten_minutes_of_everything_is_spam_block_no_more_than_the_brake_allows(brake_blocks: int) -> None:
    log = day(wrong_from=20, wrong_to=30, minutes=100)
    events = published(PolicySet(brake_blocks=brake_blocks), log)
    blocks = [event for event in events if isinstance(event, SenderBlocked)]
    held = [event for event in events if isinstance(event, SenderAlerted)]
    mended_ms = NOON_MS + 30 * MINUTE_MS
    assert len(blocks) == brake_blocks
    assert all(event.blocked_at_ms < mended_ms for event in blocks), "nobody is blocked for those minutes afterwards"
    assert {event.cause for event in held} == {Cause.BRAKE}
    assert all(event.alerted_at_ms < mended_ms for event in held)
    assert max(Counter(event.sender for event in held).values()) == 1, "one a sender and day"
    assert len(held) == SENDERS - brake_blocks, "everybody who passed the limit is told of"
    assert not {event.sender for event in blocks} & {event.sender for event in held}
