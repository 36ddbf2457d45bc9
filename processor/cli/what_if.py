"""`senderwatch what-if`: what policies would have decided on a mail filter's own records. Needs no broker."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli import feeding_options as options
from processor.cli.common import EXIT_FAILED, EXIT_OK, EXIT_USAGE, CommandFailed, complain
from processor.cli.policy_opened import loaded
from processor.cli.times import duration_ms, now_ms
from processor.policies.policy import PolicySet
from processor.verdicts.files import STANDARD_INPUT, Form, VerdictFile
from processor.verdicts.rspamd import Reading

if TYPE_CHECKING:
    from processor.workers.trying import Taken

BUILT_IN = "the built-in policies"


def what_if(
    inputs: Annotated[
        list[Path],
        typer.Option("--input", metavar="FILE...", help="The filter's records; plain or gzip'd, - is standard input."),
    ],
    more_inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE...]", help="More of them, in their order.", show_default=False)
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="What the files hold.", show_default="avro or jsonl, as it is")
    ] = None,
    policies: Annotated[
        Path | None,
        typer.Option("--policies", metavar="FILE", help="The policies to try.", show_default="the built-in ones"),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="Other policies, to compare the first ones with.")
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(
            "--sweep",
            metavar="[POLICY/]LIMIT=5..50:5",
            help="One limit at many values, of the default policy or another.",
        ),
    ] = None,
    mails: Annotated[
        Path | None, typer.Option("--mails", metavar="DIR", help="Write there what the mails would have said.")
    ] = None,
    tenants: Annotated[
        Path | None, typer.Option("--tenants", metavar="FILE", help="rspamd: YAML or TOML of `domain: tenant`.")
    ] = None,
    trust_envelope_from: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-envelope-from", metavar="NETWORK,...", help="rspamd: take the envelope sender of clients there."
        ),
    ] = None,
    occurred_at: Annotated[
        str, typer.Option("--occurred-at", metavar="file|now|TIME", help="For lines that bear no time.")
    ] = "file",
    spread: Annotated[
        str | None, typer.Option("--spread", metavar="24h", help="Stretch each file over so long a time.")
    ] = None,
    ending: Annotated[
        str, typer.Option("--ending", metavar="file|now|TIME", help="When the stretched time ends.")
    ] = "file",
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON Lines.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write all of it as one self-contained page, too.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="DIR", help="Write what --json prints as tables, too.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="TOML file with settings, for --mails.", show_default="./senderwatch.toml"),
    ] = None,
) -> None:
    """Try policies on records of your own mail filter: who would have been blocked, why, and how much mail that would have stopped.

    Nothing is sent or blocked, and no broker is needed. The records are taken up in the order of the files.

    Refused lines are told at the end, and the exit status is 1 then.
    """
    files = (*inputs, *(more_inputs or ()))
    _check_together(files, spread=spread, sweep=sweep, against=against, mails=mails, config=config)
    begun_ms = now_ms()
    reading = Reading(options.tenants_in(tenants), options.networks(trust_envelope_from or []))
    sources = [VerdictFile(path, options.form_of(path, form), reading) for path in files]
    ours = PolicySet() if policies is None else loaded(policies)
    # With it comes Numba, for which no other command has to wait.
    from processor.cli import what_if_output as output
    from processor.cli.audit_files import prepare_files
    from processor.cli.what_if_letters import Letters
    from processor.cli.what_if_telling import Telling
    from processor.workers.trying import Trying

    prepare_files(html, parquet)
    name = BUILT_IN if policies is None else str(policies)
    trying = Trying(
        files=sources,
        stamp=options.stamp(occurred_at),
        now_ms=begun_ms,
        spread_ms=None if spread is None else duration_ms(spread, "--spread"),
        ending_ms=_ending_ms(ending, begun_ms),
    )
    telling = Telling(as_json, html, parquet, None if mails is None else Letters(mails, config))
    if sweep is not None:
        taken = output.swept(trying, (name, ours), sweep, telling)
    elif against is not None:
        other = loaded(against)
        taken = output.compared(trying, (name, ours), (str(against), other), telling)
    else:
        taken = output.tried(trying, (name, ours), telling)
    raise typer.Exit(_status(taken))


def _check_together(
    files: Sequence[Path],
    *,
    spread: str | None,
    sweep: str | None,
    against: Path | None,
    mails: Path | None,
    config: Path | None,
) -> None:
    if len([path for path in files if path == STANDARD_INPUT]) > 1:
        raise CommandFailed("standard input can be read once only", EXIT_USAGE)
    if spread is not None and STANDARD_INPUT in files:
        raise CommandFailed(
            "--spread reads a file twice, which standard input does not allow: save it first", EXIT_USAGE
        )
    if sweep is not None and (against is not None or mails is not None):
        raise CommandFailed(
            f"--sweep and {'--mails' if against is None else '--against'} do not go together", EXIT_USAGE
        )
    if config is not None and mails is None:
        raise CommandFailed("--config is for --mails: nothing else of this has settings", EXIT_USAGE)


def _ending_ms(word: str, begun_ms: int) -> int | None:
    if word == "file":
        return None
    return begun_ms if word == "now" else options.time_ms(word, "--ending")


def _status(taken: "Taken") -> int:
    if taken.lines and not taken.records:
        complain("not one line was taken up: is --format the file's own (jsonl, avro or rspamd)?")
        return EXIT_FAILED
    return EXIT_FAILED if taken.refusals else EXIT_OK
