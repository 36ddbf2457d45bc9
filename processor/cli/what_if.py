"""`senderwatch what-if`: what policies would have decided, on the topics or, without any broker, on a mail filter's own records."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli import feeding_options as options
from processor.cli.common import (
    EXIT_FAILED,
    EXIT_NO_BROKER,
    EXIT_OK,
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
from processor.cli.pinned_range import From, Jobs, Offsets, PinsFile, SavePins, To, asked
from processor.cli.policy_opened import loaded
from processor.cli.times import duration_ms, now_ms
from processor.policies.policy import PolicySet
from processor.verdicts.files import STANDARD_INPUT, Form, VerdictFile
from processor.verdicts.rspamd import Reading

if TYPE_CHECKING:
    from processor.cli.what_if_output import Named
    from processor.cli.what_if_telling import Telling
    from processor.cli.what_if_topics import TopicRange
    from processor.workers.trying import Taken, Trying

BUILT_IN = "the built-in policies"
_FILES = "Records of files"
_FILE = "file"


def what_if(
    inputs: Annotated[
        list[Path] | None,
        typer.Option(
            "--input",
            metavar="FILE...",
            help="The filter's records, in place of the topics; plain or gzip'd, - is standard input.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    more_inputs: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE...]", help="More of --input, in their order.", show_default=False),
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option(
            "--policies",
            metavar="FILE",
            help="The policies to try.",
            show_default="those in force; on files the built-in ones",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="Other policies, to compare the first ones with.",
            show_default="on the topics those in force",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="[POLICY/]LIMIT=5..50:5",
            help="One limit at many values, of the default policy or another.",
        ),
    ] = None,
    from_: From = None,
    to: To = None,
    offsets: Offsets = None,
    jobs: Jobs = 1,
    pins: PinsFile = None,
    save_pins: SavePins = None,
    mails: Annotated[
        Path | None, typer.Option("--mails", metavar="DIR", help="Write there what the mails would have said.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON Lines.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write all of it as one self-contained page, too.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="DIR", help="Write what --json prints as tables, too.")
    ] = None,
    form: Annotated[
        Form | None,
        typer.Option(
            "--format",
            help="What the files hold.",
            show_default="avro or jsonl, as it is",
            rich_help_panel=_FILES,
        ),
    ] = None,
    tenants: Annotated[
        Path | None,
        typer.Option(
            "--tenants", metavar="FILE", help="rspamd: YAML or TOML of `domain: tenant`.", rich_help_panel=_FILES
        ),
    ] = None,
    trust_envelope_from: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-envelope-from",
            metavar="NETWORK,...",
            help="rspamd: take the envelope sender of clients there.",
            rich_help_panel=_FILES,
        ),
    ] = None,
    occurred_at: Annotated[
        str,
        typer.Option(
            "--occurred-at", metavar="file|now|TIME", help="For lines that bear no time.", rich_help_panel=_FILES
        ),
    ] = _FILE,
    spread: Annotated[
        str | None,
        typer.Option("--spread", metavar="24h", help="Stretch each file over so long a time.", rich_help_panel=_FILES),
    ] = None,
    ending: Annotated[
        str,
        typer.Option("--ending", metavar="file|now|TIME", help="When the stretched time ends.", rich_help_panel=_FILES),
    ] = _FILE,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Try policies on the past: who would have been blocked, why, and how much mail that would have stopped.

    On the topics: what the workers have processed, as `audit` reads it, under the policies of a file, beside what was in force; or,
    without a file, what was in force alone. On files (--input): the records of your own mail filter, with no broker at all.

    Nothing is sent, written to a topic or blocked.

    Exit status: 0 done, whoever would be blocked; 1 lines were refused, or the log has faults, which are told; 2 wrong usage, or not
    all that was asked for could be read.
    """
    if sweep is not None and (against is not None or mails is not None):
        raise CommandFailed(
            f"--sweep and {'--mails' if against is None else '--against'} do not go together", EXIT_USAGE
        )
    files = (*(inputs or ()), *(more_inputs or ()))
    if more_inputs and not inputs:
        raise CommandFailed(f"{more_inputs[0]}: records are given with --input, policies with --policies", EXIT_USAGE)
    of_topics = {
        "--from": from_, "--to": to, "--offsets": offsets, "--pins": pins, "--save-pins": save_pins, "--jobs": jobs > 1,
        "--bootstrap-servers": bootstrap_servers, "--topic-prefix": topic_prefix, "--kafka-property": kafka_properties,
    }  # fmt: skip
    of_files = {
        "--format": form, "--tenants": tenants, "--trust-envelope-from": trust_envelope_from, "--spread": spread,
        "--occurred-at": occurred_at != _FILE, "--ending": ending != _FILE,
    }  # fmt: skip
    if files:
        _refuse(of_topics, "is for the topics, and --input reads none")
        _check_files(files, spread)
        if config is not None and mails is None:
            raise CommandFailed("--config is for --mails: nothing else of this has settings", EXIT_USAGE)
    else:
        _refuse(of_files, "is for files: name them with --input")
        if against is not None and policies is None:
            raise CommandFailed(
                "--against on the topics needs --policies, which by itself is compared with those in force", EXIT_USAGE
            )
    ours = None if policies is None else (str(policies), loaded(policies))
    others = None if against is None else (str(against), loaded(against))
    settings = None
    if not files or mails is not None:
        settings = prepare(
            config,
            bootstrap_servers=bootstrap_servers,
            kafka_properties=kafka_properties,
            topic_prefix=topic_prefix,
            log_level=log_level or "warning",
        )
    # With what decides comes Numba, for which no other command has to wait.
    from processor.cli.audit_files import prepare_files
    from processor.cli.what_if_letters import Letters
    from processor.cli.what_if_telling import Telling

    prepare_files(html, parquet)
    letters = None if mails is None or settings is None else Letters(mails, settings.notifier)
    telling = Telling(as_json, html, parquet, letters)
    if not files and settings is not None:
        from processor.cli.what_if_topics import TopicRange
        from processor.kafka.errors import BrokerUnreachable

        part = TopicRange(settings, asked(from_, to, offsets), jobs, pins, save_pins)
        try:
            raise typer.Exit(_on_topics(part, ours, others, sweep, telling))
        except BrokerUnreachable as error:
            raise CommandFailed(f"{error}; on files it needs none: name them with --input", EXIT_NO_BROKER) from None
    from processor.workers.trying import Trying

    begun_ms = now_ms()
    reading = Reading(options.tenants_in(tenants), options.networks(trust_envelope_from or []))
    trying = Trying(
        files=[VerdictFile(path, options.form_of(path, form), reading) for path in files],
        stamp=options.stamp(occurred_at),
        now_ms=begun_ms,
        spread_ms=None if spread is None else duration_ms(spread, "--spread"),
        ending_ms=_ending_ms(ending, begun_ms),
    )
    raise typer.Exit(_on_files(trying, ours or (BUILT_IN, PolicySet()), others, sweep, telling))


def _on_topics(
    part: "TopicRange", ours: "Named | None", others: "Named | None", sweep: str | None, telling: "Telling"
) -> int:
    from processor.cli import what_if_topics as topics

    if sweep is not None:
        return topics.swept_on_topics(part, ours, sweep, telling)
    if ours is not None:
        return topics.compared_on_topics(part, ours, others, telling)
    return topics.lived_again(part, telling)


def _on_files(trying: "Trying", ours: "Named", others: "Named | None", sweep: str | None, telling: "Telling") -> int:
    from processor.cli import what_if_output as output

    if sweep is not None:
        return _status(output.swept(trying, ours, sweep, telling))
    if others is not None:
        return _status(output.compared(trying, ours, others, telling))
    return _status(output.tried(trying, ours, telling))


def _refuse(given: Mapping[str, object], why: str) -> None:
    for option, value in given.items():
        if value:
            raise CommandFailed(f"{option} {why}", EXIT_USAGE)


def _check_files(files: Sequence[Path], spread: str | None) -> None:
    if len([path for path in files if path == STANDARD_INPUT]) > 1:
        raise CommandFailed("standard input can be read once only", EXIT_USAGE)
    if spread is not None and STANDARD_INPUT in files:
        raise CommandFailed(
            "--spread reads a file twice, which standard input does not allow: save it first", EXIT_USAGE
        )


def _ending_ms(word: str, begun_ms: int) -> int | None:
    if word == _FILE:
        return None
    return begun_ms if word == "now" else options.time_ms(word, "--ending")


def _status(taken: "Taken") -> int:
    if taken.lines and not taken.records:
        complain("not one line was taken up: is --format the file's own (jsonl, avro or rspamd)?")
        return EXIT_FAILED
    return EXIT_FAILED if taken.refusals else EXIT_OK
