"""`senderwatch policy check`, `diff` and `apply`: a file, what it would change, and how it comes into force."""

from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_USAGE,
    BootstrapServers,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.issuer import issuer, said_in
from processor.cli.policy_notes import notes
from processor.cli.policy_opened import AsJson, File, loaded, opened
from processor.cli.policy_words import difference_record, named, summary
from processor.cli.printing import json_line
from processor.policies.differences import differences


def check(file: File) -> None:
    """Say whether a file is valid, or everything that is wrong with it. Needs no broker.

    Exit status: 0 valid, 2 not.
    """
    policies = loaded(file)
    print(f"{file}: valid: {summary(policies)}")
    for note in notes(policies):
        print(f"{file}: {note}")


def diff(
    file: File,
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show what a file would change of what is in force.

    Exit status: 0 nothing, 1 something, 2 and above: it cannot be said.
    """
    policies = loaded(file)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings, failed=EXIT_USAGE) as versions:
        old = versions.in_force()
    changes = differences(old, policies)
    if as_json:
        print(json_line({"version": old.version, "changes": [difference_record(change) for change in changes]}))
    else:
        for change in changes:
            print(change)
        if not changes:
            print(f"{file} says the same as {named(old.version)}, which is in force")
    if changes:
        raise typer.Exit(EXIT_FAILED)


def apply(
    file: File,
    comment: Annotated[
        str | None, typer.Option("--comment", metavar="TEXT", help="What was changed and why; kept with the version.")
    ] = None,
    issued_by: Annotated[
        str | None,
        typer.Option("--issued-by", metavar="NAME", help="Who publishes it: your own word.", show_default="user@host"),
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Put a file in force: show what it changes, and publish it as the next version. The workers take it up by themselves.

    Example: senderwatch policy apply policies.yaml --comment 'newsletters may send more'

    A file that says what is in force already is no new version. One that is not valid changes nothing.
    """
    policies = loaded(file)
    if comment is not None:
        said_in("--comment", comment)
    publisher = issuer(issued_by)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as versions:
        old = versions.in_force()
        changes = differences(old, policies)
        if not as_json:
            for change in changes:
                print(change)
            for note in notes(policies):
                print(f"{file}: {note}")
        version = versions.publish(policies, published_by=publisher, comment=comment) if changes else old.version
    if as_json:
        print(
            json_line(
                {
                    "version": version,
                    "published": bool(changes),
                    "changes": [difference_record(change) for change in changes],
                }
            )
        )
    elif changes:
        print(f"published: version {version} of the policies {settings.policies.set_name}, after {named(old.version)}")
    else:
        print(f"nothing published: {file} says the same as {named(old.version)}, which is in force")
