"""`senderwatch topics`: make the topics as the design needs them, and say how existing ones differ."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_NO_BROKER,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.kafka import topic_creation
from processor.kafka.topic_creation import TopicReport, TopicState
from processor.workers.wiring import client_settings, topic_names, topic_shape

app = typer.Typer(help="The topics on Kafka: create them, compare them with the design.", no_args_is_help=True)

Partitions = Annotated[
    int | None, typer.Option("--partitions", metavar="N", help="Of the topics that are kept by sender; chosen once.")
]
OutPartitions = Annotated[
    int | None, typer.Option("--out-partitions", metavar="M", help="Of the topics of events and notifications.")
]
Replication = Annotated[
    int | None, typer.Option("--replication", metavar="R", help="Copies of each partition; else the broker's default.")
]


@app.command()
def create(
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    partitions: Partitions = None,
    out_partitions: OutPartitions = None,
    replication: Replication = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
    fix: Annotated[
        bool, typer.Option("--fix", help="Set the configs of existing topics right too (never their partitions).")
    ] = False,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Create the topics that are missing.

    An existing topic is left as it is, and how it differs from the design is
    told. The exit status is 1 when not everything is as it should be.
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
        options={
            "topics.partitions": partitions,
            "topics.out_partitions": out_partitions,
            "topics.replication": replication,
        },
    )
    kafka, names, shape = client_settings(settings), topic_names(settings), topic_shape(settings)
    with _explained():
        if dry_run:
            _tell(topic_creation.compare(kafka, names, shape), missing="would be created")
        else:
            _tell(topic_creation.create(kafka, names, shape, fix=fix))


@app.command("list")
def list_(
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show each topic beside its design. The exit status is 1 when one is missing or differs."""
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with _explained():
        _tell(topic_creation.compare(client_settings(settings), topic_names(settings), topic_shape(settings)))


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except topic_creation.TopicsUnsupported as error:
        raise CommandFailed(str(error), EXIT_NO_BROKER) from None


def _tell(reports: Sequence[TopicReport], missing: str = TopicState.MISSING) -> None:
    """One line a topic, what differs below it, and at the end what can be done; raises typer.Exit when not all is well."""
    width = max(len(report.design.name) for report in reports)
    for report in reports:
        count = f"{report.design.partitions} partition{'' if report.design.partitions == 1 else 's'}"
        state = missing if report.state is TopicState.MISSING else report.state
        print(f"{report.design.name:{width}}  {count:14}  {state}")
        for line in (*map(str, report.differences), *filter(None, [report.problem])):
            print(f"    {line}")
    what = {difference.what for report in reports for difference in report.differences}
    if "partitions" in what:
        print(
            "The number of partitions is chosen once, as another one sends senders to other partitions: give the existing "
            "one (settings topics.partitions, topics.out_partitions; nothing is created before)."
        )
    if what - topic_creation.NOT_CONFIGS:
        print("`senderwatch topics create --fix` sets the configs right.")
    if not all(report.good for report in reports):
        raise typer.Exit(EXIT_FAILED)
