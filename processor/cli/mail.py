"""`senderwatch mail`: what the mails look like, and whether one arrives. Needs no broker."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_DEFERRED,
    EXIT_FAILED,
    EXIT_USAGE,
    CommandFailed,
    Config,
    LogLevel,
    prepare,
)
from processor.notification.kinds import Kind
from processor.policies.addresses import is_address

app = typer.Typer(help="Look at the mails, and send one to try.", no_args_is_help=True)

_Templates = Annotated[
    Path | None,
    typer.Option("--templates", metavar="DIR", help="Templates of your own, over the built-in ones of the same name."),
]


@app.command()
def preview(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the files go.")] = Path("mail-preview"),
    language: Annotated[
        str | None, typer.Option("--language", metavar="CODE", help="Only this one.", show_default="all")
    ] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only this kind.", show_default="all")] = None,
    templates: _Templates = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Write each kind of mail in each language to files, with made-up accounts.

    Sender, support contact, console and signature are those of the settings.
    Each mail is there as .eml, .html and .txt; index.html links them all.
    Templates that are wrong are told with file and line.
    """
    settings = prepare(config, log_level=log_level, options={"notifier.templates": templates})
    from processor.workers.mail_trial import write_previews

    with _failures():
        try:
            previews = write_previews(settings, out, _now_ms(), language=language, kind=kind)
        except OSError as error:
            raise CommandFailed(f"cannot write to {out}: {error.strerror}", EXIT_FAILED) from error
    for each in previews:
        print(f"{each.path}.{{eml,html,txt}}  {each.subject}")
    print(f"{len(previews)} mails; all of them: {out / 'index.html'}")


@app.command("test")
def send(
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="Who gets it.")],
    language: Annotated[str, typer.Option("--language", metavar="CODE", help="Its language.")] = "en",
    templates: _Templates = None,
    smtp_host: Annotated[
        str | None, typer.Option("--smtp-host", metavar="HOST", help="The mail server that takes it.")
    ] = None,
    smtp_port: Annotated[int | None, typer.Option("--smtp-port", metavar="PORT", help="Its port.")] = None,
    smtp_tls: Annotated[
        str | None, typer.Option("--smtp-tls", metavar="none|starttls|tls", help="Whether the way there is encrypted.")
    ] = None,
    sender_address: Annotated[str | None, typer.Option("--from", metavar="ADDRESS", help="Whom it comes from.")] = None,
    config: Config = None,
    log_level: LogLevel = None,
) -> None:
    """Send one mail as `senderwatch notify` would, marked as a test.

    Prints what the mail server answered. Exit status 75 when it may go another
    time (4xx, no connection, no answer), 1 when the server refuses it for good,
    2 when a setting, the templates or the DKIM key cannot be used.
    """
    if not is_address(to):
        raise CommandFailed(f"--to {to}: expected a mail address, local@domain", EXIT_USAGE)
    settings = prepare(
        config,
        log_level=log_level,
        options={
            "notifier.templates": templates,
            "notifier.sender_address": sender_address,
            "smtp.host": smtp_host,
            "smtp.port": smtp_port,
            "smtp.tls": smtp_tls,
        },
    )
    from processor.notification.results import Accepted, PermanentlyRejected
    from processor.workers.mail_trial import send_trial

    with _failures():
        trial = send_trial(settings, to, _now_ms(), language=language)
    server = settings.notifier.outbox or f"{settings.smtp.host}:{settings.smtp.port}"
    if not isinstance(trial.result, Accepted):
        status = EXIT_FAILED if isinstance(trial.result, PermanentlyRejected) else EXIT_DEFERRED
        raise CommandFailed(f"{server} did not take the mail to {to}: {trial.result.reason}", status)
    print(f"{server} took the mail: {trial.result.reply}")
    print(f"  From:       {trial.envelope.mail_from}")
    print(f"  To:         {trial.envelope.recipient}")
    print(f"  Subject:    {trial.subject}")
    print(f"  Message-ID: {trial.message_id}")
    print(f"  DKIM:       {'signed, ' + trial.signed_as if trial.signed_as else 'not signed, there is no key'}")


@app.command("templates")
def copy(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A folder that is not there yet.")],
) -> None:
    """Copy the built-in templates, to change them or to translate them.

    Keep what you change and delete the rest: what is not in your folder is taken
    from the built-in ones. Then: senderwatch mail preview --templates DIR
    """
    from processor.workers.mail_templates import copy_templates

    try:
        copy_templates(out)
    except FileExistsError as error:
        raise CommandFailed(f"{out} is there already", EXIT_USAGE) from error
    except OSError as error:
        raise CommandFailed(f"cannot write to {out}: {error.strerror}", EXIT_FAILED) from error
    print(f"the templates are in {out}; look at them with: senderwatch mail preview --templates {out}")


@contextmanager
def _failures() -> Iterator[None]:
    """What is wrong with the settings, in one line each and with the status that says so."""
    from processor.workers.carriers import CannotNotify
    from processor.workers.mail_trial import UnknownLanguage
    from processor.workers.mail_writing import FAULTS

    try:
        yield
    except (CannotNotify, UnknownLanguage, *FAULTS) as error:
        raise CommandFailed(str(error), EXIT_USAGE) from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
