"""`senderwatch restricted`: who may not send now and why; lift a restriction, or block a sender by hand."""

from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_FAILED,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    complain,
    prepare,
)
from processor.cli.issuer import said_in
from processor.cli.printing import json_line
from processor.cli.restricted_commands import block, check_domain, unblock
from processor.cli.restricted_history import event_lines, history_json, mail_lines, standing
from processor.cli.restricted_kafka import Kafka, block_of, opened
from processor.cli.restricted_table import count, name_of, names_alike, table
from processor.kafka.reading import ReadingFailed
from processor.kafka.sender_history import Mail, events_about, mails_of
from processor.restrictions.selection import alike, is_of_domain

app = typer.Typer(
    help="Who may not send now and why; lift a restriction, or block a sender by hand.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="For programs: CloudEvents as JSON, exact.")]


@app.command("list")
def list_(
    tenant: Annotated[str | None, typer.Option("--tenant", help="Only this tenant's senders.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Only senders with an address of this domain.")] = None,
    subdomains: Annotated[
        bool, typer.Option("--subdomains", help="With --domain: those of its subdomains too.")
    ] = False,
    as_json_: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show who is restricted now, and why.

    Example: senderwatch restricted list --domain acme.example
    """
    if tenant is not None:
        said_in("--tenant", tenant)
    check_domain(domain, subdomains=subdomains)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as kafka:
        restricted = kafka.restricted()
        of_domain = [
            logged
            for sender in restricted.names
            if (domain is None or is_of_domain(sender, domain, subdomains=subdomains))
            and (logged := restricted.of(sender)) is not None
        ]
        chosen = [logged for logged in of_domain if tenant in (None, logged.record["tenant_id"])]
    if as_json_:
        for logged in chosen:
            print(json_line(logged.as_cloudevent()))
        return
    for line in table([each for logged in chosen if (each := block_of(logged)) is not None]):
        print(line)
    if chosen:
        print(f"{count(len(chosen), 'sender')} restricted")
    elif not restricted.names:
        print("nobody is restricted")
    else:
        others = "1 other is" if len(restricted.names) == 1 else f"{len(restricted.names):,} others are"
        print(f"nobody is restricted of whom that is asked; {others}")
    if tenant is not None and not chosen:
        tenants = {str(logged.record["tenant_id"]) for logged in of_domain}
        for line in names_alike(tenant, alike(tenant, tenants), "tenant"):
            complain(line)


@app.command()
def show(
    sender: Annotated[str, typer.Argument(metavar="SENDER", help="The account, byte for byte.")],
    as_json_: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show the whole history of a sender: blocks with their evidence, unblocks, alerts, refused commands, mails.

    Example: senderwatch restricted show ann@acme.example

    The exit status is 1 when nothing is known of the sender.
    """
    said_in("SENDER", sender)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as kafka:
        history = events_about(kafka.settings, kafka.names.restrictions, kafka.serde, sender, should_stop=kafka.stop)
        restricted = kafka.restricted()  # after the log: what is said of now is the newest
        in_force = restricted.of(sender)
        known = {each.event.event_id for each in history.events if each.event is not None}
        mails = _mails(kafka, known)
    if as_json_:
        print(history_json(sender, in_force, history.events, mails))
    else:
        print(standing(sender, block_of(in_force)))
        for logged in history.events:
            for line in event_lines(logged):
                print(line)
        if mails:
            print("mails")
        for mail in mails or ():
            for line in mail_lines(mail):
                print(line)
    if in_force is None and not history.events:
        others = sorted({*history.alike, *alike(sender, restricted.names)})
        raise CommandFailed(
            "\n".join([f"nothing is known of {name_of(sender)}", *names_alike(sender, others)]), EXIT_FAILED
        )


def _mails(kafka: Kafka, event_ids: set[str]) -> list[Mail] | None:
    """The mails about these events; None where the ledger cannot be read, which is said and spoils nothing else."""
    try:
        return mails_of(kafka.settings, kafka.names.notifications, kafka.serde, event_ids, should_stop=kafka.stop)
    except ReadingFailed as error:
        complain(f"mails are not shown: {error}")
        return None


app.command()(unblock)
app.command()(block)
