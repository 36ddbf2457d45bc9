"""Whom the contenders block, and because of which verdict: what all of them must agree on with the detector."""

import json
from typing import NamedTuple, cast

from bench.decisions import WrongDecisions
from processor.kafka.clients import ClientSettings
from processor.kafka.event_log import read_events
from processor.kafka.reading import partitions_of, read_to_end
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.events import SenderAlerted, SenderBlocked

_SHOWN = 3


class Block(NamedTuple):
    """Partition and offset of the verdict, the sender, and until when he is blocked."""

    partition: int
    offset: int
    sender: str
    until_ms: int | None


def detected(bootstrap: str, topics: TopicNames) -> set[Block]:
    """The blocks that the detector published. Raises WrongDecisions where it used a rule that the others do not have: the brake."""
    blocks = set()
    serde = Serde(None, should_stop=lambda: False)
    for logged in read_events(ClientSettings(bootstrap), topics.restrictions, serde, should_stop=lambda: False):
        event = logged.event
        if isinstance(event, SenderAlerted):
            raise WrongDecisions(f"the brake held {event.sender} back: the contenders have none, so take other traffic")
        if isinstance(event, SenderBlocked):
            place = event.position
            blocks.add(Block(place.partition, place.offset, event.sender, event.blocked_until_ms))
    return blocks


def told(bootstrap: str, topic: str) -> set[Block]:
    """The blocks in a contender's own topic, for readers with read_committed. Raises WrongDecisions for one told twice."""
    settings = ClientSettings(bootstrap)
    blocks: set[Block] = set()
    for message in read_to_end(settings, topic, partitions_of(settings, topic), {}):
        block = Block(**json.loads(cast("bytes", message.value())))
        if block in blocks:
            raise WrongDecisions(f"{topic} has {block} twice")
        blocks.add(block)
    return blocks


def require_same(who: str, found: set[Block], expected: set[Block]) -> None:
    """Raises WrongDecisions, with some of what differs, unless both are the same and not empty."""
    if not expected:
        raise WrongDecisions("nobody was blocked: these verdicts do not show whether all contenders decide the same")
    if found != expected:
        missing, unexpected = sorted(expected - found), sorted(found - expected)
        raise WrongDecisions(
            f"{who} blocks {len(found)} times, detect {len(expected)} times; missing {len(missing)}, the first "
            f"{missing[:_SHOWN]}; unexpected {len(unexpected)}, the first {unexpected[:_SHOWN]}"
        )
