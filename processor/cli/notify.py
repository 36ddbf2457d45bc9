"""`senderwatch notify`: the worker that tells people by mail."""

from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_DEFERRED,
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


def notify(
    once: Annotated[
        bool,
        typer.Option(
            "--once", help="Tell of what there is now, each mail one try, and end: with 75 when mails remain deferred."
        ),
    ] = False,
    outbox: Annotated[
        str | None,
        typer.Option("--outbox", metavar="DIR", help="Write one .eml a mail there instead of sending: for trials."),
    ] = None,
    policies: Annotated[
        str | None,
        typer.Option(
            "--policies", metavar="FILE", help="A policy file, for trials; else the policies that are published hold."
        ),
    ] = None,
    templates: Annotated[
        str | None,
        typer.Option(
            "--templates", metavar="DIR", help="Templates of your own, over the built-in ones of the same name."
        ),
    ] = None,
    smtp_host: Annotated[
        str | None, typer.Option("--smtp-host", metavar="HOST", help="The mail server that takes the mails.")
    ] = None,
    smtp_port: Annotated[int | None, typer.Option("--smtp-port", metavar="PORT", help="Its port.")] = None,
    smtp_tls: Annotated[
        str | None,
        typer.Option("--smtp-tls", metavar="none|starttls|tls", help="Whether the way there is encrypted."),
    ] = None,
    sender_address: Annotated[
        str | None, typer.Option("--from", metavar="ADDRESS", help="Whom the mails come from; nobody reads it.")
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Consumer group of the notifiers.")] = None,
    slot: Annotated[
        str | None,
        typer.Option(
            "--slot",
            metavar="NAME",
            help="This worker's fixed name (a stateful set's pod, a systemd instance): a restart takes over at once.",
        ),
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
    """Tell the people concerned by mail: who is blocked and why, who can send again.

    Accounts of one organisation that are blocked within a minute share a mail.
    Each mail is recorded in the topic `notifications` before it is sent, and its
    outcome after: nothing is lost, whatever is killed, and what may go out twice
    has the same Message-ID. What is deferred is tried again for three days.

    Login, timeouts and the support address are settings: the sections smtp and
    notifier of the TOML file.

    To try it without a mail server: senderwatch notify --once --outbox mails
    To see what the mails look like: senderwatch mail preview
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
        options={
            "notifier.outbox": outbox,
            "notifier.policies": policies,
            "notifier.templates": templates,
            "notifier.sender_address": sender_address,
            "notifier.group": group,
            "notifier.slot": slot,
            "smtp.host": smtp_host,
            "smtp.port": smtp_port,
            "smtp.tls": smtp_tls,
            "metrics.port": metrics_port,
        },
    )
    # With the worker come the clients of mail and the templates, for which no other command has to wait.
    from processor.workers.carriers import CannotNotify
    from processor.workers.garbage import look_rarely
    from processor.workers.mail_writing import FAULTS
    from processor.workers.notifying import FAILURES, notify_until
    from processor.workers.policy_file import PolicyFileUnusable

    look_rarely()  # to read a ledger of a hundred thousand mails took 1.6 times as long
    with stop_on_signals() as stop:
        try:
            deferred = notify_until(settings, stop, once=once)
        except (CannotNotify, PolicyFileUnusable, *FAULTS) as error:
            raise CommandFailed(str(error), EXIT_USAGE) from error
        except Fenced as error:
            raise CommandFailed(str(error), EXIT_FENCED) from error
        except FAILURES as error:
            raise CommandFailed(str(error), EXIT_FAILED) from error
    if once and deferred:
        mails = "1 mail is" if deferred == 1 else f"{deferred} mails are"
        raise CommandFailed(f"{mails} deferred: the next `senderwatch notify` tries again", EXIT_DEFERRED)
