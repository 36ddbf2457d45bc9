"""`senderwatch audit`: decide everything again from the log, and compare it with what was published."""

from pathlib import Path
from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_OK,
    BootstrapServers,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.pinned_range import (
    From,
    Jobs,
    Offsets,
    PinsFile,
    SavePins,
    To,
    asked,
    bar_over_partitions,
    pinned_log,
)
from processor.cli.replaying import EXIT_INCOMPLETE, policies_by_version


def audit(
    from_: From = None,
    to: To = None,
    offsets: Offsets = None,
    policies: Annotated[
        list[Path] | None,
        typer.Option("--policies", metavar="FILE", help="A file that workers were started with, for its decisions."),
    ] = None,
    jobs: Jobs = 1,
    pins: PinsFile = None,
    save_pins: SavePins = None,
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
    from processor.workers.auditing import audit as run

    range_ = asked(from_, to, offsets)
    options = AuditOptions(**range_, jobs=jobs, files=policies_by_version(policies))
    prepare_files(html, parquet)
    with (
        pinned_log(settings, range_, pins, save_pins) as (found, stop),
        bar_over_partitions("auditing", len(found.committed)) as progress,
    ):
        report = run(settings, found, options, stop, progress)
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
