"""`senderwatch explain`: the story of one block, from the log alone."""

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
    complain,
    prepare,
)
from processor.cli.replaying import EXIT_INCOMPLETE, policies_by_version, told_failures

if TYPE_CHECKING:
    from processor.audit.story import Story
    from processor.policies.policy import PolicySet
    from processor.settings import Settings

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


def explain(
    block_id: Annotated[str, typer.Argument(metavar="BLOCK_ID", help="As in the mail, and in `restricted show`.")],
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="The story as one page with a picture, too.")
    ] = None,
    policies: Annotated[
        list[Path] | None,
        typer.Option("--policies", metavar="FILE", help="A file that workers were started with, for its decisions."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: one JSON object, exact.")] = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Tell the story of one block: what led to it, which verdict tipped which limit, and what followed.

    The block is decided on again from the log, and held against what was published. Reads beside workers that go on; writes nothing
    to Kafka, joins no group.

    Exit status: 0 told, and it follows from the log; 1 it does not; 2 it could not be told, or not be recomputed.
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level or "warning",
    )
    wanted = block_id.strip().lower()
    if not _ID.fullmatch(wanted):
        raise CommandFailed("this is no block id: it looks like 123e4567-e89b-52d3-a456-426614174000", EXIT_USAGE)
    # With the engine comes Numba, for which no other command has to wait.
    from processor.audit.story_rows import story_row
    from processor.cli.audit_files import prepare_files
    from processor.cli.printing import json_line

    prepare_files(html, None)
    files = policies_by_version(policies)
    story = _told(settings, wanted, files)
    if as_json:
        print(json_line(story_row(story)))
    else:
        _print(story)
    # Last: what was found must not be lost because a disk is full.
    if html is not None:
        _write_page(story, html)
    if not story.is_clean:
        raise typer.Exit(EXIT_FAILED)
    raise typer.Exit(EXIT_OK if story.why_not is None else EXIT_INCOMPLETE)


def _told(settings: "Settings", block_id: str, files: "dict[str, PolicySet]") -> "Story":
    from processor.audit.story import NoSuchBlock
    from processor.kafka.clients import check_reachable
    from processor.workers.explaining import explain as run
    from processor.workers.readiness import make_ready
    from processor.workers.wiring import client_settings

    with told_failures(NoSuchBlock) as stop:
        check_reachable(client_settings(settings))
        make_ready(complain)
        with _progress() as progress:
            return run(settings, block_id, files, stop, progress)


def _print(story: "Story") -> None:
    from processor.audit.spark import ramp_for
    from processor.cli.story_lines import lines

    for line in lines(story, ramp_for(sys.stdout.encoding)):
        print(line)


def _write_page(story: "Story", path: Path) -> None:
    from processor.audit.story_page import page
    from processor.cli.audit_files import page_templates, write_html

    write_html(page(story, page_templates()), path)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar where somebody looks."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    bar = Progress(
        TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=None)
        yield lambda read, total: bar.update(task, completed=read, total=max(read, total))
