"""The topics of senderwatch: their names, and how each must be made (design, section 1)."""

from collections.abc import Mapping
from dataclasses import dataclass

from processor.kafka.clients import POLICY_MAX_BYTES

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MESSAGE_MAX_BYTES = 1_048_588
"""Kafka's own default for a record batch, written out so that a broker's other default cannot split our topics."""
DEAD_LETTER_ROOM_BYTES = 64 * 1024
"""What a dead letter's headers may add to the record that it holds."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """What the topics are called; `prefix` keeps several installations on one cluster apart."""

    prefix: str = ""

    @property
    def verdicts(self) -> str:
        return f"{self.prefix}message-verdicts"

    @property
    def commands(self) -> str:
        return f"{self.prefix}restriction-commands"

    @property
    def support_commands(self) -> str:
        return f"{self.prefix}restriction-commands-support"

    @property
    def policies(self) -> str:
        return f"{self.prefix}outbound-policies"

    @property
    def restrictions(self) -> str:
        return f"{self.prefix}sender-restrictions"

    @property
    def restricted(self) -> str:
        return f"{self.prefix}restricted-senders"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}message-verdicts-dead-letter"

    @property
    def changelog(self) -> str:
        return f"{self.prefix}detector-changelog"

    @property
    def journal(self) -> str:
        return f"{self.prefix}detector-journal"

    @property
    def notifications(self) -> str:
        return f"{self.prefix}notifications"


@dataclass(frozen=True, slots=True)
class TopicShape:
    """What an operator chooses. `partitions` and `out_partitions` are the design's N and M; times in milliseconds."""

    partitions: int = 8
    out_partitions: int = 4
    verdict_retention_ms: int = 7 * DAY_MS
    event_retention_ms: int = 365 * DAY_MS
    replication: int | None = None
    """None: the broker's default.replication.factor."""


@dataclass(frozen=True, slots=True)
class TopicDesign:
    """How one topic must be: its partitions, and those of its configs that matter here."""

    name: str
    partitions: int
    config: Mapping[str, str]


def designed_topics(
    names: TopicNames, shape: TopicShape, input_max_bytes: int = MESSAGE_MAX_BYTES
) -> tuple[TopicDesign, ...]:
    """The table of all topics. `input_max_bytes` is what the verdicts' topic takes: dead letters need some more."""
    n, m = shape.partitions, shape.out_partitions
    stamped = {"message.timestamp.type": "LogAppendTime"}
    verdicts = {"cleanup.policy": "delete", "retention.ms": str(shape.verdict_retention_ms)}
    events = {"cleanup.policy": "delete", "retention.ms": str(shape.event_retention_ms)}
    kept = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
    compacted = {"cleanup.policy": "compact"}
    # The worker deletes what a sweep made superfluous, and a broker deletes whole segments: small ones go sooner.
    trimmed = {**kept, "segment.bytes": str(128 * 1024 * 1024)}
    input_limit = {"max.message.bytes": str(input_max_bytes)}
    dead_limit = {"max.message.bytes": str(input_max_bytes + DEAD_LETTER_ROOM_BYTES)}
    # The ledger holds whole events, with the account and the notification beside them.
    event_in_ledger = {"max.message.bytes": str(MESSAGE_MAX_BYTES + DEAD_LETTER_ROOM_BYTES)}
    policy_limit = {"max.message.bytes": str(POLICY_MAX_BYTES)}
    # A majority must have what a producer was told is written, where there are enough replicas for one.
    safe = {"min.insync.replicas": "2"} if shape.replication is not None and shape.replication >= 3 else {}
    return (
        TopicDesign(names.verdicts, n, {**verdicts, **stamped, **input_limit, **safe}),
        TopicDesign(names.commands, n, {**events, **stamped, **safe}),
        TopicDesign(names.support_commands, n, {**events, **stamped, **safe}),
        TopicDesign(names.policies, 1, {**kept, **stamped, **policy_limit, **safe}),
        TopicDesign(names.restrictions, m, {**events, **safe}),
        TopicDesign(names.restricted, m, {**compacted, **safe}),
        TopicDesign(names.dead_letters, 1, {**verdicts, **dead_limit, **safe}),
        TopicDesign(names.changelog, n, {**trimmed, **safe}),
        TopicDesign(names.journal, n, {**verdicts, **safe}),
        TopicDesign(names.notifications, m, {**compacted, **event_in_ledger, **safe}),
    )
