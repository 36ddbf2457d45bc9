"""The benchmark's contenders decide by the design's rules: theirs, on plain objects, against the reference model."""

import random

import pytest

from bench.windows import DAY_MS, PANE_MS, SPAM, Sender
from processor.policies.policy import PolicySet
from processor.restrictions.events import SenderBlocked
from processor.verdicts.event import MessageVerdict, Verdict
from tests.reference import Reference

START_MS = 20_000 * DAY_MS + DAY_MS // 2
DAYS, SENDERS = 4, 8


def traffic(seed: int) -> list[MessageVerdict]:
    """Days of senders who come near the limits: spam in bursts of about an hour, recipients for about a day. In order of arrival."""
    chance = random.Random(seed)
    sent: list[tuple[int, int, bool, int]] = []
    for sender in range(SENDERS):
        for day in range(DAYS):
            start_ms = START_MS + day * DAY_MS
            for _ in range(2 if sender < SENDERS // 2 else 0):
                burst_ms = start_ms + chance.randrange(DAY_MS)
                length_ms = chance.randrange(11 * PANE_MS, 16 * PANE_MS)
                sent += [
                    (burst_ms + chance.randrange(length_ms), sender, True, 1) for _ in range(chance.randrange(10, 13))
                ]
            most = 12 if sender < SENDERS // 2 else chance.randrange(40, 52)
            sent += [(start_ms + chance.randrange(DAY_MS), sender, False, chance.randrange(1, most)) for _ in range(40)]
    delays_ms = (0, 0, 0, 2 * PANE_MS, 14 * PANE_MS, DAY_MS - PANE_MS, DAY_MS + PANE_MS)
    sent.sort(key=lambda mail: mail[0] + chance.randrange(chance.choice(delays_ms) + 1))
    return [
        MessageVerdict(
            event_id=f"e{number}",
            occurred_at_ms=at_ms,
            tenant_id="a.test",
            sender=f"s{sender}@a.test",
            internal_recipients=recipients if number % 2 else 0,
            external_recipients=0 if number % 2 else recipients,
            verdict=chance.choice((Verdict.SPAM, Verdict.PHISH)) if spam else Verdict.CLEAN,
        )
        for number, (at_ms, sender, spam, recipients) in enumerate(sent)
    ]


@pytest.mark.parametrize("seed", range(8))
def test_the_contenders_rules_block_as_the_reference_does_also_from_what_they_packed(seed: int) -> None:
    reference, senders, stream_time_ms = Reference("verdicts", 0, PolicySet()), dict[str, Sender](), 0
    expected, found = [], []
    chance = random.Random(seed)
    for offset, verdict in enumerate(traffic(seed)):
        events = reference.take(offset, verdict)
        expected += [
            (event.position.offset, event.sender, event.blocked_until_ms)
            for event in events
            if isinstance(event, SenderBlocked)
        ]
        stream_time_ms = max(stream_time_ms, verdict.occurred_at_ms)
        sender = senders.setdefault(verdict.sender, Sender())
        if chance.random() < 0.05:
            sender = senders[verdict.sender] = Sender.unpack(sender.pack())
        who = (verdict.verdict.name in SPAM, verdict.internal_recipients, verdict.external_recipients)
        if sender.take(stream_time_ms, verdict.occurred_at_ms, *who):
            found.append((offset, verdict.sender, sender.until_ms))
    assert len(expected) > 2, "the traffic shows nothing"
    assert found == expected
