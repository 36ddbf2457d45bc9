"""`senderwatch policy`: the outbound spam policies, from a file into force, and what is and was in force."""

import difflib
import json
from pathlib import Path
from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_USAGE,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.issuer import said_in
from processor.cli.policy_applying import apply, check, diff
from processor.cli.policy_opened import AsJson, loaded, opened
from processor.cli.policy_words import (
    explanation_lines,
    explanation_record,
    history_lines,
    history_record,
    named,
    policy_table,
    published,
    scoped,
)
from processor.cli.printing import json_line
from processor.policies.content import as_document
from processor.policies.explaining import explained
from processor.policies.policy import Policy, PolicySet
from processor.policies.problems import shown
from processor.policies.schema import json_schema
from processor.policies.writing import as_yaml, to_yaml
from processor.workers.policies import PolicyVersions

app = typer.Typer(
    help="The outbound spam policies: check a file, put it in force, see what is and was in force.",
    no_args_is_help=True,
)
app.command()(check)
app.command()(diff)
app.command()(apply)

Version = Annotated[
    str | None, typer.Option("--version", metavar="N", help="This version.", show_default="the one in force")
]


@app.command("list")
def list_(
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show the policies in force, in the order in which they are tried."""
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as versions:
        latest = versions.latest()
    policies = PolicySet() if latest is None else latest.policies
    if as_json:
        print(json_line({"version": policies.version, **as_document(policies)}))
        return
    print(published(latest, settings.policies.set_name))
    for line in policy_table(policies):
        print(line)


@app.command()
def show(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Of one policy.", show_default="all")] = None,
    version: Version = None,
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show the policies with everything that holds for them, as YAML that can be changed and applied again.

    Example: senderwatch policy show --version 3 > policies.yaml

    One policy alone, with NAME, is to look at: as a file of its own it would take the place of all others.

    Names are as they are compared: in lower case, domains in ASCII.
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as versions:
        policies = _chosen(versions, version)
    document = as_document(policies) if name is None else scoped(_policy_named(policies, name))
    if as_json:
        print(json_line({"version": policies.version, **document}))
        return
    print(f"# {named(policies.version)} of the policies {settings.policies.set_name}")
    if name is not None and len(policies.policies) > 1:
        print(f"# this one alone, of {len(policies.policies)}: applied as it stands here, it would remove the others")
    print(as_yaml(policies) if name is None else to_yaml(document), end="")


@app.command()
def history(
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show every version: when it was published, by whom, why, and what it changed. The last one is in force."""
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    found = False
    with opened(settings) as versions:
        for version, changes in versions.history():
            found = True
            if as_json:
                print(json_line(history_record(version, changes)))
            else:
                for line in history_lines(version, changes):
                    print(line)
    if not found and not as_json:
        print(published(None, settings.policies.set_name))


@app.command()
def explain(
    sender: Annotated[str, typer.Argument(metavar="SENDER", help="The account, as verdicts name it.")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="The account's tenant, as verdicts name it.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", metavar="FILE", help="By the policies of this file, not those in force. Needs no broker."
        ),
    ] = None,
    version: Version = None,
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Say which policy applies to a sender, and why the others do not.

    Example: senderwatch policy explain ann@acme.example --tenant acme
    """
    if file is not None and version is not None:
        raise CommandFailed("--file and --version: one of the two", EXIT_USAGE)
    said_in("SENDER", sender)
    if file is not None:
        policies = loaded(file)
    else:
        settings = prepare(
            config,
            bootstrap_servers=bootstrap_servers,
            kafka_properties=kafka_properties,
            topic_prefix=topic_prefix,
            log_level=log_level,
        )
        with opened(settings) as versions:
            policies = _chosen(versions, version)
    found = explained(policies, sender, tenant or "")
    if as_json:
        print(json_line(explanation_record(policies, sender, tenant, found)))
        return
    for line in explanation_lines(policies, sender, tenant, found):
        print(line)


@app.command()
def schema() -> None:
    """Print the JSON Schema of the policy file, with which editors complete and check it.

    Name it in the file's first line: # yaml-language-server: $schema=policies.schema.json
    """
    print(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def _chosen(versions: PolicyVersions, version: str | None) -> PolicySet:
    return versions.in_force() if version is None else versions.at(version)


def _policy_named(policies: PolicySet, name: str) -> Policy:
    for policy in policies.policies:
        if policy.name == name:
            return policy
    near = difflib.get_close_matches(name, [policy.name for policy in policies.policies], 1)
    meant = f'; is it "{shown(near[0])}"?' if near else ""
    raise CommandFailed(f'there is no policy "{shown(name)}" in {named(policies.version)}{meant}')
