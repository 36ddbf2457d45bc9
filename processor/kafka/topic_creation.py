"""Making the topics that are missing, and telling how existing ones differ from their design."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ConfigSource,
    NewTopic,
    ResourceType,
    TopicMetadata,
)

from processor.kafka import clients
from processor.kafka.clients import ClientSettings
from processor.kafka.rights import is_hidden, lacks
from processor.kafka.topics import MESSAGE_MAX_BYTES, TopicDesign, TopicNames, TopicShape, designed_topics

_TIMEOUT_S = 30.0


class TopicState(StrEnum):
    """What a topic is in, compared with its design."""

    MISSING = "missing"
    CREATED = "created"
    AS_DESIGNED = "as designed"
    DIFFERS = "differs"
    FIXED = "fixed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as designed: a config's name, "partitions" or "replication"."""

    what: str
    actual: str
    designed: str

    def __str__(self) -> str:
        return f"{self.what} is {self.actual}, should be {self.designed}"


NOT_CONFIGS = frozenset({"partitions", "replication"})
"""What --fix never touches: other partitions would move senders and split their counts, replicas are Kafka's tools' work."""


@dataclass(frozen=True, slots=True)
class TopicReport:
    """What was found or done about one topic. `problem` says why it failed."""

    design: TopicDesign
    state: TopicState
    differences: tuple[Difference, ...] = ()
    problem: str = ""

    @property
    def good(self) -> bool:
        return self.state in (TopicState.CREATED, TopicState.AS_DESIGNED, TopicState.FIXED)


class TopicsUnsupported(Exception):
    """The cluster has no controller to ask, as the client's embedded one has none."""

    def __init__(self) -> None:
        super().__init__(
            "this broker cannot create or describe topics, as the embedded one of the demo cannot; there each topic is made "
            "when it is first used"
        )


def compare(settings: ClientSettings, names: TopicNames, shape: TopicShape) -> tuple[TopicReport, ...]:
    """Each topic as it is beside its design; changes nothing. Raises BrokerUnreachable, TopicsUnsupported."""
    clients.check_reachable(settings)
    return _compare(clients.admin(settings), names, shape)


def create(
    settings: ClientSettings, names: TopicNames, shape: TopicShape, *, fix: bool = False
) -> tuple[TopicReport, ...]:
    """Make the topics that are missing, and say how the others differ; `fix` sets their configs right as well.

    Where an existing topic has another number of partitions than the shape says, none is made.
    Returns when the new topics can be written to. Raises BrokerUnreachable, TopicsUnsupported.
    """
    clients.check_reachable(settings)
    client = clients.admin(settings)
    reports = _compare(client, names, shape)
    missing = [report.design for report in reports if report.state is TopicState.MISSING]
    if any(difference.what == "partitions" for report in reports for difference in report.differences):
        missing = []  # they would have the wrong number of partitions too, and nobody could change that afterwards
    made = _create(client, missing, shape)
    reports = tuple(made.get(report.design.name, report) for report in reports)
    return tuple(_fixed(client, report) for report in reports) if fix else reports


def _compare(client: AdminClient, names: TopicNames, shape: TopicShape) -> tuple[TopicReport, ...]:
    cluster = client.list_topics(timeout=_TIMEOUT_S)
    if cluster.controller_id not in cluster.brokers:
        raise TopicsUnsupported
    existing = cluster.topics
    wanted = [design.name for design in designed_topics(names, shape)]
    configs, problems = _configs(client, [name for name in wanted if name in existing])
    limit = configs.get(names.verdicts, {}).get("max.message.bytes")
    input_max_bytes = int(limit) if limit is not None else MESSAGE_MAX_BYTES
    reports = []
    for design in designed_topics(names, shape, input_max_bytes):
        if design.name not in existing and is_hidden(client, design.name):
            problem = lacks("Describe", f"topic {design.name}")
            reports.append(TopicReport(design, TopicState.FAILED, problem=problem))
        elif design.name not in existing:
            reports.append(TopicReport(design, TopicState.MISSING))
        elif design.name in problems:
            reports.append(TopicReport(design, TopicState.FAILED, problem=problems[design.name]))
        else:
            found = tuple(_differences(design, shape, existing[design.name], configs[design.name]))
            reports.append(TopicReport(design, TopicState.DIFFERS if found else TopicState.AS_DESIGNED, found))
    return tuple(reports)


def _configs(client: AdminClient, names: list[str]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """The effective configs of each topic, whether set on it or the broker's defaults; and why others are not to be had."""
    configs: dict[str, dict[str, str]] = {}
    problems: dict[str, str] = {}
    if not names:
        return configs, problems
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    for resource, answer in client.describe_configs(resources, request_timeout=_TIMEOUT_S).items():
        try:
            configs[resource.name] = {name: entry.value for name, entry in answer.result().items()}
        except KafkaException as error:
            problems[resource.name] = f"its configs cannot be read: {_reason(error, 'DescribeConfigs', resource.name)}"
    return configs, problems


def _differences(
    design: TopicDesign, shape: TopicShape, found: TopicMetadata, config: Mapping[str, str]
) -> Iterator[Difference]:
    if len(found.partitions) != design.partitions:
        yield Difference("partitions", str(len(found.partitions)), str(design.partitions))
    replicas = min(len(partition.replicas) for partition in found.partitions.values())
    if shape.replication is not None and replicas != shape.replication:
        yield Difference("replication", str(replicas), str(shape.replication))
    for name, value in design.config.items():
        actual = config.get(name, "unknown")
        if actual != value:
            yield Difference(name, actual, value)


def _create(client: AdminClient, designs: list[TopicDesign], shape: TopicShape) -> dict[str, TopicReport]:
    if not designs:
        return {}
    new = [
        NewTopic(
            design.name,
            num_partitions=design.partitions,
            replication_factor=-1 if shape.replication is None else shape.replication,
            config=dict(design.config),
        )
        for design in designs
    ]
    answers: dict[str, Future[Any]] = client.create_topics(new, operation_timeout=_TIMEOUT_S)
    reports = {}
    for design in designs:
        try:
            answers[design.name].result()
            reports[design.name] = TopicReport(design, TopicState.CREATED)
        except KafkaException as error:
            reports[design.name] = TopicReport(design, TopicState.FAILED, problem=_reason(error, "Create", design.name))
    _wait_for_leaders(client, {name for name, report in reports.items() if report.state is TopicState.CREATED})
    return reports


def _wait_for_leaders(client: AdminClient, names: set[str]) -> None:
    """Brokers learn of new topics one after the other; whoever uses them next must not meet one that has not."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        existing = client.list_topics(timeout=_TIMEOUT_S).topics
        if all(name in existing and all(p.leader >= 0 for p in existing[name].partitions.values()) for name in names):
            return
        time.sleep(0.02)


def _fixed(client: AdminClient, report: TopicReport) -> TopicReport:
    wrong = [difference for difference in report.differences if difference.what not in NOT_CONFIGS]
    if not wrong:
        return report
    entries = [
        ConfigEntry(
            difference.what,
            difference.designed,
            source=ConfigSource.DYNAMIC_TOPIC_CONFIG,
            incremental_operation=AlterConfigOpType.SET,
        )
        for difference in wrong
    ]
    resource = ConfigResource(ResourceType.TOPIC, report.design.name, incremental_configs=entries)
    try:
        for answer in client.incremental_alter_configs([resource], request_timeout=_TIMEOUT_S).values():
            answer.result()
    except KafkaException as error:
        problem = _reason(error, "AlterConfigs", report.design.name)
        return TopicReport(report.design, TopicState.FAILED, report.differences, problem)
    _wait_until_set(client, report.design.name, {difference.what: difference.designed for difference in wrong})
    left = tuple(difference for difference in report.differences if difference.what in NOT_CONFIGS)
    return TopicReport(report.design, TopicState.DIFFERS if left else TopicState.FIXED, left)


def _wait_until_set(client: AdminClient, topic: str, wanted: Mapping[str, str]) -> None:
    """The controller has it; the broker that answers next learns of it a moment later."""
    deadline = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < deadline:
        configs, _ = _configs(client, [topic])
        if wanted.items() <= configs.get(topic, {}).items():
            return
        time.sleep(0.02)


def _reason(error: KafkaException, right: str, topic: str) -> str:
    found = error.args[0]
    if found.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
        return lacks(right, f"topic {topic}")
    return f"{found.str()} ({found.name()})"
