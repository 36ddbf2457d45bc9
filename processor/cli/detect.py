"""`senderwatch detect`: the worker that counts and blocks."""

from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_FENCED,
    EXIT_USAGE,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.signals import stop_on_signals
from processor.kafka.transactions import Fenced


def detect(
    once: Annotated[
        bool, typer.Option("--once", help="Take up what there is now, and end. The clock lifts no block.")
    ] = False,
    policies: Annotated[
        str | None,
        typer.Option(
            "--policies", metavar="FILE", help="A policy file, for trials; else the policies that are published hold."
        ),
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Consumer group of the workers.")] = None,
    slot: Annotated[
        str | None,
        typer.Option(
            "--slot",
            metavar="NAME",
            help="This worker's fixed name (a stateful set's pod, a systemd instance): a restart takes over at once.",
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", help="Records taken up at a time.")] = None,
    commit_interval_ms: Annotated[
        int | None, typer.Option("--commit-interval-ms", help="Longest time between commits; a decision goes at once.")
    ] = None,
    metrics_port: Annotated[
        int | None, typer.Option("--metrics-port", help="Serve /metrics, /livez and /readyz there; 0: any free port.")
    ] = None,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Count verdicts per sender, and block who passes a limit; carry out the commands of people.

    The limits are those of the published policies (`senderwatch policy apply`), whose versions are taken up without a restart.

    Run as many as there are partitions to share; each decision is published
    exactly once. SIGTERM finishes the transaction that is under way and
    leaves the group.
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
        options={
            "detector.policies": policies,
            "detector.group": group,
            "detector.slot": slot,
            "detector.batch_size": batch_size,
            "detector.commit_interval_ms": commit_interval_ms,
            "metrics.port": metrics_port,
        },
    )
    # With the worker comes Numba, for which no other command has to wait.
    from processor.workers.detecting import FAILURES, detect_until
    from processor.workers.policy_file import PolicyFileUnusable

    with stop_on_signals() as stop:
        try:
            detect_until(settings, stop, once=once)
        except PolicyFileUnusable as error:
            raise CommandFailed(str(error), EXIT_USAGE) from error
        except Fenced as error:
            raise CommandFailed(str(error), EXIT_FENCED) from error
        except FAILURES as error:
            raise CommandFailed(str(error), EXIT_FAILED) from error
