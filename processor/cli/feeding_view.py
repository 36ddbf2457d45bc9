"""How the progress of feeding is shown: a bar on a terminal, log lines elsewhere; and its summary at the end."""

import json
import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from processor.verdicts.files import VerdictFile
from processor.verdicts.reading import Refused
from processor.workers.feeding import Ended, Import, Line, Tally, Watcher

_log = structlog.get_logger(__name__)
_LOG_EVERY_S = 10.0


class RefusedLine(Protocol):
    """A line that is no verdict, and where it stands."""

    @property
    def file(self) -> Path: ...
    @property
    def number(self) -> int: ...
    @property
    def refused(self) -> Refused: ...


class LeftOut(Protocol):
    """The lines of files that made no records."""

    @property
    def skipped(self) -> Counter[str]: ...
    @property
    def refused(self) -> Counter[tuple[str, str]]: ...
    @property
    def refusals(self) -> int: ...
    @property
    def first_refused(self) -> Sequence[RefusedLine]: ...


class Screen(Watcher):
    """Shows an import as it goes on, and keeps refused lines where the operator wants them."""

    def __init__(self, progress: Progress, refused_to: IO[str] | None) -> None:
        self._progress = progress
        self._is_terminal = progress.console.is_terminal
        self._refused_to = refused_to
        self._task: TaskID | None = None
        self._begun_s = self._logged_s = time.monotonic()

    def surveying(self, file: VerdictFile) -> None:
        if self._is_terminal:
            self._progress.console.print(f"reading the times of {file.path} first")
        else:
            _log.info("reading the times of the file first", file=str(file.path))

    def opened(self, file: VerdictFile) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(str(file.path), total=file.size, rate="", imported="")

    def committed(self, file: VerdictFile, tally: Tally) -> None:
        now_s = time.monotonic()
        per_second = round(tally.imported / max(now_s - self._begun_s, 0.001))
        if self._is_terminal and self._task is not None:
            self._progress.update(
                self._task, completed=file.consumed, imported=f"{tally.imported:,} imported", rate=f"{per_second:,}/s"
            )
        elif now_s - self._logged_s > _LOG_EVERY_S:
            self._logged_s = now_s
            _log.info(
                "importing",
                file=str(file.path),
                imported=tally.imported,
                refused=tally.refusals,
                skipped=tally.skipped.total(),
                per_second=per_second,
                percent=round(100 * file.consumed / file.size, 1) if file.size else None,
            )

    def refused(self, line: Line) -> None:
        if self._refused_to is not None:
            print(json.dumps(_refusal(line)), file=self._refused_to)


def _refusal(line: Line) -> dict[str, object]:
    """A refused line as JSON; bytes that are not UTF-8 stand as lone surrogates, so that nothing of it is lost."""
    return {
        "file": str(line.file),
        "line": line.number,
        "field": line.refused.field,
        "problem": line.refused.problem,
        "detail": line.refused.detail,
        "text": line.text.decode(errors="surrogateescape"),
    }


@contextmanager
def import_progress() -> Iterator[Progress]:
    """A bar by the bytes of the file, with the rate and the remaining time, on standard error."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[imported]}"),
        TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
    )  # fmt: skip
    with _progress(*columns) as progress:
        yield progress


@contextmanager
def generating_progress(records: int) -> Iterator[Progress]:
    """A bar by records, on standard error; its only task is number 0."""
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with _progress(*columns) as progress:
        progress.add_task("generating", total=records)
        yield progress


def _progress(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def summary(tally: Tally, seconds: float) -> Iterator[str]:
    """What an import did, a line each; only what is committed."""
    yield f"imported {tally.imported:,} of {tally.lines:,} lines in {seconds:.1f} s"
    yield from left_out(tally)


def left_out(tally: LeftOut) -> Iterator[str]:
    """Which lines of the files said nothing of an account, or could not be used."""
    for reason, count in tally.skipped.most_common():
        yield f"skipped {count:,}: {reason}"
    for (field, problem), count in tally.refused.most_common():
        yield f"refused {count:,}: {field}: {problem}"
    if tally.first_refused:
        yield "refused lines" + (":" if tally.refusals == len(tally.first_refused) else ", the first of them:")
    for line in tally.first_refused:
        yield f"  {line.file}:{line.number}: {line.refused}"


def going_on(ended: Ended, files: Sequence[Path], plan: Import) -> str:
    """How a second run goes on where the import ended."""
    options = ["--from-line", str(ended.next_line)]
    if ended.doubt is not None:
        options += ["--in-doubt", str(ended.doubt)]
    if plan.spread_ms is not None:
        options += ["--ending", str(plan.ending_ms)]
    command = shlex.join(["senderwatch", "verdicts", "import", *options, *map(str, files[ended.at :])])
    return f"go on, with the other options as they were, by: {command}"
