"""The command line: all commands, and what an expected failure looks like (one line, an exit status, no traceback)."""

import sys
from typing import Annotated

import typer

from processor import __version__
from processor.cli import common, output
from processor.cli.lazily import Lazily
from processor.kafka.errors import BrokerUnreachable, RejectedProperty
from processor.settings import SettingsError

app = typer.Typer(
    name="senderwatch",
    cls=Lazily,
    help="Stops compromised accounts from sending spam: counts, blocks, tells.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"senderwatch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Stops compromised accounts from sending spam: counts, blocks, tells."""


def run(arguments: list[str]) -> int:
    """Run one command and give its exit status (see processor.cli.common)."""
    try:
        app(arguments, prog_name="senderwatch")  # ends in SystemExit, with 2 for wrong usage and 130 for Ctrl-C
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else common.EXIT_OK
    except common.CommandFailed as failure:
        common.complain(str(failure))
        return failure.status
    except (SettingsError, RejectedProperty) as error:
        common.complain(str(error))
        return common.EXIT_USAGE
    except BrokerUnreachable as error:
        common.complain(str(error))
        return common.EXIT_NO_BROKER
    except output.OutputLost as lost:
        common.complain(str(lost))
        output.forget()
        return common.EXIT_OUTPUT_LOST
    return common.EXIT_OK


def main() -> None:
    """The entry point of the `senderwatch` command."""
    output.guard()
    status = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except output.OutputLost as lost:
        common.complain(str(lost))
        output.forget()
        status = common.EXIT_OUTPUT_LOST
    sys.exit(status)


if __name__ == "__main__":
    main()
