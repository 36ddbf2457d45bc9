"""`senderwatch restricted unblock` and `block`: commands to the worker that owns the sender, whose answer is waited for."""

import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
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
    complain,
    prepare,
)
from processor.cli.issuer import issuer, said_in
from processor.cli.restricted_kafka import block_of, opened
from processor.cli.restricted_outcomes import Outcomes, nobody_answered
from processor.cli.restricted_table import count, name_of, names_alike, table
from processor.cli.times import coming_ms, duration_ms, now_ms
from processor.kafka.command_log import CommandLog
from processor.kafka.reading import ReadingFailed
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.kafka.restricted_senders import RestrictedSenders
from processor.policies.addresses import is_domain
from processor.restrictions.commands import Command, CommandKind
from processor.restrictions.events import SenderBlocked
from processor.restrictions.selection import alike, is_of_domain
from processor.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="For programs: a line of JSON for each command, exact.")]
AsSupport = Annotated[
    bool, typer.Option("--as-support", help="Give it as support: that needs the right to write to support's topic.")
]
IssuedBy = Annotated[
    str | None,
    typer.Option(
        "--issued-by", metavar="NAME", help="Who gives the command: your own word, no proof.", show_default="user@host"
    ),
]
Timeout = Annotated[str, typer.Option("--timeout", metavar="TIME", help="How long to wait for a worker's answer.")]


@dataclass(frozen=True, slots=True)
class _Way:
    """How commands are given."""

    settings: Settings
    as_support: bool
    timeout: str
    as_json: bool


def unblock(
    comment: Annotated[
        str, typer.Option("--comment", metavar="TEXT", help="What was done about the cause. Stands in the mails.")
    ],
    sender: Annotated[
        str | None, typer.Argument(metavar="SENDER", help="The account, byte for byte.", show_default=False)
    ] = None,
    ticket: Annotated[
        str | None,
        typer.Option("--ticket", metavar="CASE", help="The support case. The policy says when one is needed."),
    ] = None,
    as_support: AsSupport = False,
    block_id: Annotated[
        str | None,
        typer.Option("--block-id", metavar="ID", help="Lift this block only; it may stand in place of SENDER."),
    ] = None,
    domain: Annotated[
        str | None, typer.Option("--domain", help="Each restricted sender of this domain, in place of SENDER.")
    ] = None,
    subdomains: Annotated[
        bool, typer.Option("--subdomains", help="With --domain: those of its subdomains too.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --domain: do not ask.")] = False,
    issued_by: IssuedBy = None,
    timeout: Timeout = "30s",
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Lift the restriction of a sender, or of all senders of a domain.

    Example: senderwatch restricted unblock ann@acme.example --comment 'password changed, sessions ended'

    The worker that owns the sender decides, and its answer is printed. Exit
    status: 0 lifted, 1 refused or not restricted, 75 no worker has answered
    in time; the command stands then, and is carried out later.
    """
    said_in("--comment", comment)
    for option, text in (("SENDER", sender), ("--ticket", ticket), ("--block-id", block_id), ("--domain", domain)):
        if text is not None:
            said_in(option, text)
    _check_whom(sender, block_id, domain, subdomains=subdomains)
    given_by, _ = issuer(issued_by), duration_ms(timeout, "--timeout")
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as kafka:
        restricted = kafka.restricted()
        if domain is not None:
            blocks = _of_domain(restricted, domain, subdomains=subdomains)
        else:
            blocks = [_named(restricted, sender) if sender is not None else _by_id(restricted, block_id)]
    if domain is not None:
        _ask(blocks, domain, yes=yes, as_json=as_json)
    elif block_id not in (None, blocks[0].block_id):
        raise CommandFailed(
            f"the block of {name_of(blocks[0].sender)} that is in force is {blocks[0].block_id}: nothing is sent"
        )
    commands = [
        Command(
            command_id=str(uuid.uuid4()),
            kind=CommandKind.UNBLOCK,
            sender=each.sender,
            tenant_id=each.tenant_id,
            issued_by=given_by,
            block_id=each.block_id,  # what was seen is lifted, and not what may have come since
            reason=comment,
            ticket=ticket,
        )
        for each in blocks
    ]
    raise typer.Exit(_carried_out(commands, _Way(settings, as_support, timeout, as_json), has_answered=True))


def block(
    sender: Annotated[str, typer.Argument(metavar="SENDER", help="The account, byte for byte as verdicts name it.")],
    tenant: Annotated[str, typer.Option("--tenant", metavar="TENANT", help="The account's tenant.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why. Stands in the mails.")],
    until: Annotated[
        str | None,
        typer.Option(
            "--until",
            metavar="TIME",
            help="When it ends by itself: '2026-11-27 18:00' (UTC, or with an offset), tomorrow, or how long: 8h, 3d.",
            show_default="until it is lifted",
        ),
    ] = None,
    as_support: AsSupport = False,
    issued_by: IssuedBy = None,
    timeout: Timeout = "30s",
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Block a sender by hand.

    Example: senderwatch restricted block eve@acme.example --tenant acme --reason 'sells the address list' --until 3d

    The worker that owns the sender decides, and its answer is printed. Exit
    status: 0 blocked, 1 refused, 75 no worker has answered in time; the
    command stands then, and is carried out later.
    """
    for option, text in (("SENDER", sender), ("--tenant", tenant), ("--reason", reason)):
        said_in(option, text)
    given_by, _ = issuer(issued_by), duration_ms(timeout, "--timeout")
    command = Command(
        command_id=str(uuid.uuid4()),
        kind=CommandKind.BLOCK,
        sender=sender,
        tenant_id=tenant,
        issued_by=given_by,
        until_ms=None if until is None else coming_ms(until, "--until", now_ms()),
        reason=reason,
    )
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    status = _carried_out([command], _Way(settings, as_support, timeout, as_json))
    if sender != sender.lower():
        complain(
            f"names are compared byte for byte, and feeders write them in lower case: is {name_of(sender)} how verdicts name it?"
        )
    raise typer.Exit(status)


def _check_whom(sender: str | None, block_id: str | None, domain: str | None, *, subdomains: bool) -> None:
    if domain is not None and (sender is not None or block_id is not None):
        raise CommandFailed("--domain stands in place of SENDER and --block-id", EXIT_USAGE)
    check_domain(domain, subdomains=subdomains)
    if sender is None and block_id is None and domain is None:
        raise CommandFailed("whom? Give SENDER, --block-id or --domain", EXIT_USAGE)


def check_domain(domain: str | None, *, subdomains: bool) -> None:
    """Whether the options can mean a domain; raises CommandFailed."""
    if domain is not None and not is_domain(domain):
        raise CommandFailed(f"--domain {name_of(domain)}: expected a domain such as acme.example", EXIT_USAGE)
    if subdomains and domain is None:
        raise CommandFailed("--subdomains goes with --domain", EXIT_USAGE)


def _named(restricted: RestrictedSenders, sender: str) -> SenderBlocked:
    """The block of the sender that is in force."""
    block = block_of(restricted.of(sender))
    if block is not None:
        return block
    if sender in restricted.names:
        raise CommandFailed(
            f"the restriction of {name_of(sender)} cannot be read: was it written by a newer senderwatch?"
        )
    told = [f"{name_of(sender)} is not restricted: nothing to lift, nothing is sent"]
    raise CommandFailed("\n".join([*told, *names_alike(sender, alike(sender, restricted.names))]))


def _by_id(restricted: RestrictedSenders, block_id: str | None) -> SenderBlocked:
    for sender in restricted.names:
        block = block_of(restricted.of(sender))
        if block is not None and block.block_id == block_id:
            return block
    raise CommandFailed(f"block {name_of(block_id or '')} is not in force: nothing to lift, nothing is sent")


def _of_domain(restricted: RestrictedSenders, domain: str, *, subdomains: bool) -> list[SenderBlocked]:
    blocks = [
        block
        for sender in restricted.names
        if is_of_domain(sender, domain, subdomains=subdomains)
        and (block := block_of(restricted.of(sender))) is not None
    ]
    if not blocks:
        raise CommandFailed(f"nobody of {name_of(domain)} is restricted: nothing is sent")
    return blocks


def _ask(blocks: Sequence[SenderBlocked], domain: str, *, yes: bool, as_json: bool) -> None:
    """Shows whom it is about, and goes on only with a yes."""
    if not as_json:
        for line in table(blocks):
            print(line)
    if yes:
        return
    whom = f"{count(len(blocks), 'sender')} of {name_of(domain)}"
    if not sys.stdin.isatty():
        raise CommandFailed(f"unblock {whom}? There is no terminal to ask on: give --yes", EXIT_USAGE)
    if not typer.confirm(f"Unblock {whom}?", err=as_json):
        raise CommandFailed("nothing is sent")


def _carried_out(commands: Sequence[Command], way: _Way, *, has_answered: bool = False) -> int:
    """Gives the commands and tells of each outcome; the exit status."""
    patience_s = duration_ms(way.timeout, "--timeout") / 1000
    with opened(way.settings, has_answered=has_answered) as kafka:
        names = kafka.names
        topic = names.support_commands if way.as_support else names.commands
        outcomes = Outcomes(commands, topic, as_json=way.as_json)
        with CommandLog(kafka.settings, topic, names.restrictions, kafka.serde, should_stop=kafka.stop) as log:
            unsent = log.send(commands, patience_s)
            for each in unsent:
                if each.is_certain:
                    outcomes.not_sent(each)
            why = nobody_answered(way.timeout, topic)
            try:
                for logged in log.outcomes(outcomes.waited_for, patience_s):
                    outcomes.answered(logged)
            except (ReadingFailed, RegistryRefused, RegistryAway) as error:
                why = f"the answer cannot be read: {error}"
        if kafka.stop():
            why = "interrupted before the answer came"
        outcomes.ended([each for each in unsent if not each.is_certain], why, interrupted=kafka.stop())
    return outcomes.status
