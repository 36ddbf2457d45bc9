"""`senderwatch audit`: decide everything again from the log, and compare it with what was published."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_OK,
    EXIT_USAGE,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.replaying import EXIT_INCOMPLETE, policies_by_version, told_failures
from processor.cli.times import now_ms, past_ms

if TYPE_CHECKING:
    from processor.audit.report import AuditReport
    from processor.kafka.audit_source import Pins
    from processor.settings import Settings
    from processor.workers.auditing import AuditOptions

_RANGE = re.compile(r"(\d{1,6})=(\d{1,18})?\.\.(\d{1,18})?", re.ASCII)


def audit(
    from_: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Events since then: 2026-11-20, or 7d for a week ago.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Verdicts that came in before then.")] = None,
    offsets: Annotated[
        list[str] | None,
        typer.Option("--offsets", metavar="PARTITION=FIRST..NEXT", help="For one partition, in place of times."),
    ] = None,
    policies: Annotated[
        list[Path] | None,
        typer.Option("--policies", metavar="FILE", help="A file that workers were started with, for its decisions."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=256, help="Partitions audited at the same time.")] = 1,
    pins: Annotated[
        Path | None, typer.Option("--pins", metavar="FILE", help="Repeat the run of these pins exactly.")
    ] = None,
    save_pins: Annotated[
        Path | None, typer.Option("--save-pins", metavar="FILE", help="Write the pins of this run there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON Lines, exact, the pins last.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one self-contained page.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="DIR", help="Write findings, faults and partitions as tables.")
    ] = None,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Decide everything again from the log, and compare it with what was published.

    Reads verdicts, journal, commands and policies up to where they are now (the pins), beside workers that go on; writes nothing,
    joins no group. Without a range: from the first commit, or from the first snapshot whose day before it is still there.

    Exit status: 0 everything matches, 1 something does not, 2 it could not be done, or not for all that was asked for.
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level or "warning",
    )
    # With the engine comes Numba, for which no other command has to wait.
    from processor.cli.audit_files import prepare_files, write_page, write_tables
    from processor.cli.audit_lines import json_lines, lines
    from processor.workers.auditing import AuditOptions

    now = now_ms()
    options = AuditOptions(
        from_ms=None if from_ is None else past_ms(from_, "--from", now),
        to_ms=None if to is None else past_ms(to, "--to", now),
        offsets=dict(map(_range, offsets or ())),
        jobs=jobs,
        files=policies_by_version(policies),
    )
    prepare_files(html, parquet)
    report = _audited(settings, options, pins, save_pins)
    for line in json_lines(report) if as_json else lines(report):
        print(line)
    # Last: what was found must not be lost because a disk is full.
    if html is not None:
        write_page(report, html)
    if parquet is not None:
        write_tables(report, parquet)
    if not report.is_clean:
        raise typer.Exit(EXIT_FAILED)
    raise typer.Exit(EXIT_OK if report.is_complete else EXIT_INCOMPLETE)


def _audited(
    settings: "Settings", options: "AuditOptions", pins_file: Path | None, save_pins: Path | None
) -> "AuditReport":
    from processor.kafka.audit_source import PinsUnusable
    from processor.kafka.clients import check_reachable
    from processor.workers.auditing import audit as run
    from processor.workers.wiring import client_settings

    with told_failures(PinsUnusable) as stop:
        try:
            check_reachable(client_settings(settings))
            pins = _pins(settings, pins_file)
            _check_partitions(options, pins)
            if save_pins is not None:
                save_pins.write_text(json.dumps(pins.to_json(), indent=2) + "\n")
            with _progress(len(pins.committed)) as progress:
                return run(settings, pins, options, stop, progress)
        except OSError as error:
            raise CommandFailed(f"{error.filename}: {error.strerror}", EXIT_USAGE) from None


def _pins(settings: "Settings", file: Path | None) -> "Pins":
    from processor.kafka.audit_source import Pins
    from processor.workers.auditing import pinned

    return pinned(settings) if file is None else Pins.from_json(file.read_text())


def _check_partitions(options: "AuditOptions", pins: "Pins") -> None:
    for partition in options.offsets:
        if partition not in pins.committed:
            raise CommandFailed(f"--offsets {partition}=...: there is no such partition", EXIT_USAGE)


def _range(text: str) -> tuple[int, tuple[int | None, int | None]]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise CommandFailed(
            f"--offsets {text}: expected PARTITION=FIRST..NEXT, such as 0=1000..2000 or 0=1000..", EXIT_USAGE
        )
    first, following = (None if part is None else int(part) for part in match.groups()[1:])
    return int(match[1]), (first, following)


@contextmanager
def _progress(partitions: int) -> Iterator[Callable[[int, int, int], None]]:
    """A bar over all partitions where somebody looks; how much there is to do is known as partitions begin."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    done: dict[int, tuple[int, int]] = {}
    bar = Progress(
        TextColumn("auditing"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
        console=console, transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=None, rate="")

        def tell(partition: int, read: int, total: int) -> None:
            done[partition] = (read, total)
            known = sum(total for _, total in done.values())
            # Partitions that have not begun are taken to be as large as the others.
            expected = known * partitions // max(1, len([1 for _, total in done.values() if total]))
            speed = bar.tasks[0].speed
            rate = f"{speed:,.0f}/s" if speed else ""
            bar.update(task, completed=sum(read for read, _ in done.values()), total=expected or None, rate=rate)

        yield tell
