"""What-if on files carried out: read them with a bar, then tell what came of it."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import TaskID

from processor.audit.sweep import Sweep, SweepError, parse
from processor.cli import what_if_records as records
from processor.cli import what_if_words as words
from processor.cli.common import EXIT_INTERRUPTED, EXIT_USAGE, CommandFailed
from processor.cli.feeding_view import import_progress, left_out
from processor.cli.restricted_table import name_of
from processor.cli.signals import stop_on_signals
from processor.cli.what_if_telling import ReadLog, Telling, tell_compared, tell_swept, tell_tried
from processor.detection.engine import TableFull
from processor.policies.policy import PolicySet
from processor.restrictions.events import Position
from processor.verdicts.files import VerdictFile
from processor.workers.trying import FileLog, Taken, Trying

_WHY_LATE = ": are the files in the order of time?"

Named = tuple[str, PolicySet]
"""What the output calls the policies, and the policies."""


def tried(trying: Trying, named: Named, telling: Telling) -> Taken:
    """One set of policies."""
    name, policies = named
    log = _read(trying, [policies])
    tell_tried(_as_read(log), name, telling)
    return log.taken


def compared(trying: Trying, ours: Named, others: Named, telling: Telling) -> Taken:
    """Two sets of policies; mails are those of the first."""
    log = _read(trying, [ours[1], others[1]])
    tell_compared(_as_read(log), (ours[0], others[0]), telling)
    return log.taken


def swept(trying: Trying, named: Named, text: str, telling: Telling) -> Taken:
    """One limit at many values."""
    name, policies = named
    sweep, sets = swept_sets(text, policies)
    log = _read(trying, sets)
    tell_swept(_as_read(log), name, sweep, sweep.own_value(policies), telling)
    return log.taken


def swept_sets(text: str, policies: PolicySet) -> tuple[Sweep, list[PolicySet]]:
    """A sweep as it was asked for, and the sets of policies to try. Raises CommandFailed."""
    try:
        sweep = parse(text)
        return sweep, sweep.tried_on(policies)
    except SweepError as error:
        raise CommandFailed(f"--sweep {text}: {error}", EXIT_USAGE) from None


def _as_read(log: FileLog) -> ReadLog:
    places, totals = _Places(log), log.what_if.totals
    return ReadLog(
        outcomes=log.what_if.outcomes,
        lines=[*words.totals_lines(totals, why_late=_WHY_LATE), *left_out(log.taken)],
        row=records.input_record(totals, log.taken),
        words=places.words,
        fields=places.fields,
        is_empty=not log.taken.records,
    )


def _read(trying: Trying, policy_sets: Sequence[PolicySet]) -> FileLog:
    with _told_failures(), stop_on_signals() as stop, import_progress() as progress:
        task: dict[Path, TaskID] = {}
        begun_s = time.monotonic()

        def watch(file: VerdictFile, taken: Taken) -> None:
            if file.path not in task:
                for other in task.values():
                    progress.update(other, visible=False)
                task[file.path] = progress.add_task(str(file.path), total=file.size, rate="", imported="")
            rate = round(taken.records / max(time.monotonic() - begun_s, 0.001))
            progress.update(
                task[file.path], completed=file.consumed, imported=f"{taken.records:,} records", rate=f"{rate:,}/s"
            )

        log = FileLog(trying, policy_sets, watch, stop)
        if not log.read():
            raise CommandFailed("interrupted: nothing is told of a part of the files", EXIT_INTERRUPTED)
    return log


@contextmanager
def _told_failures() -> Iterator[None]:
    try:
        yield
    except TableFull:
        raise CommandFailed("the files hold more senders than fit into memory at once: try fewer of them") from None
    except MemoryError as error:
        raise CommandFailed(str(error) or "the memory does not suffice: try fewer values, or fewer files") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise CommandFailed(f"cannot read {where}{error.strerror or error}") from None


class _Places:
    """Where records stand in the files."""

    def __init__(self, log: FileLog) -> None:
        self._log = log

    def words(self, position: Position) -> str:
        file, line = self._log.place_of(position.offset)
        return f"{name_of(file.name)}:{line}"

    def fields(self, position: Position) -> dict[str, Any]:
        file, line = self._log.place_of(position.offset)
        return {"file": str(file), "line": line}
