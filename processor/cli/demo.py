"""`senderwatch demo`: everything at work for a minute, with nothing to install or to set up."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.live import Live

from processor.cli.common import EXIT_FAILED, EXIT_USAGE, CommandFailed, Config, KafkaProperties, prepare
from processor.cli.output import OutputLost, forget
from processor.cli.signals import stop_on_signals
from processor.settings import Settings
from processor.telemetry import configure_logging

if TYPE_CHECKING:
    from processor.workers.demo_board import Scene


def demo(
    seconds: Annotated[float, typer.Option("--seconds", min=5, max=3600, help="Of live traffic.")] = 60.0,
    rate: Annotated[int, typer.Option("--rate", min=1_000, max=50_000, help="Verdicts a second.")] = 3_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number, other accounts.")] = 1,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", file_okay=False, help="Where the mails and the log are left.")
    ] = Path("demo-output"),
    bootstrap_servers: Annotated[
        str | None,
        typer.Option(
            "--bootstrap-servers",
            metavar="HOST:PORT,...",
            help="Use this Kafka, with topics of the demo's own, not the embedded one.",
        ),
    ] = None,
    keep_topics: Annotated[
        bool, typer.Option("--keep-topics", help="Do not delete the topics at the end, with --bootstrap-servers.")
    ] = False,
    config: Config = None,
    kafka_properties: KafkaProperties = None,
) -> None:
    """Watch senderwatch at work for a minute: made-up traffic, a few compromised accounts, blocks, mails.

    The broker is in this process, and so is the mail server: nothing is
    installed, nothing leaves this machine, nothing is left running. Settings
    of your own are used with --bootstrap-servers alone. Ctrl-C ends it early.
    """
    if bootstrap_servers is None and (keep_topics or config is not None or kafka_properties):
        raise CommandFailed(
            "--keep-topics, --config and -X are for a real broker: give --bootstrap-servers", EXIT_USAGE
        )
    given = Settings() if bootstrap_servers is None else _given(config, bootstrap_servers, kafka_properties)
    console = Console()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that has no arrows and ticks shows ? for them
    console = Console()
    with stop_on_signals() as stop:
        console.print("Starting …", style="cyan", end="\r" if console.is_terminal else "\n")
        # What follows brings the compiler with it: a second or two.
        from processor.cli.demo_lines import summary
        from processor.workers import demo_broker
        from processor.workers.demo import Output, run_demo
        from processor.workers.demo_story import Story

        files = Output(output)
        try:
            files.prepare()
        except OSError as error:
            raise CommandFailed(f"--output {output}: cannot write there: {error.strerror}", EXIT_USAGE) from None
        place = (
            demo_broker.embedded() if bootstrap_servers is None else demo_broker.real(given, keep_topics=keep_topics)
        )
        with _logged_to(files.log), _shown(console) as show:
            try:
                last = run_demo(Story(seconds, rate, seed), files, place, should_stop=stop, show=show)
            except demo_broker.DemoFailed as error:
                raise CommandFailed(f"{error}\nwhat went before is in {files.log}", EXIT_FAILED) from None
            except OutputLost as lost:
                if not lost.is_closed_pipe:
                    raise
                forget()  # whoever read the lines has enough of them
                return
    console.print(*summary(last, files), sep="\n", highlight=False, markup=False, soft_wrap=True)


def _given(config: Path | None, bootstrap_servers: str, kafka_properties: list[str] | None) -> Settings:
    return prepare(config, bootstrap_servers=bootstrap_servers, kafka_properties=kafka_properties)


@contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    """Logs go into the file meanwhile, readable: the screen is for something else."""
    with path.open("w", encoding="utf-8") as file:
        configure_logging("info", "console", file)
        try:
            yield
        finally:
            logging.getLogger().handlers[:] = [logging.NullHandler()]


@contextmanager
def _shown(console: Console) -> Iterator["Callable[[Scene], None]"]:
    """Shows scenes: on a terminal as a picture that moves, else as lines for what is new."""
    from processor.cli.demo_lines import Lines
    from processor.cli.demo_screen import Screen

    if not console.is_terminal:
        yield Lines(lambda line: print(line, flush=True)).show
        return
    screen = Screen(console)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda scene: live.update(screen.draw(scene), refresh=True)
