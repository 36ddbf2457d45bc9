"""What-if carried out and told: read the files with a bar, then print, and write the mails."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.progress import TaskID

from processor.audit.policy_comparison import compared as compared_outcomes
from processor.audit.sweep import SweepError, parse
from processor.audit.what_if import Outcome
from processor.cli import what_if_records as records
from processor.cli import what_if_words as words
from processor.cli.common import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandFailed, prepare
from processor.cli.feeding_view import import_progress, left_out
from processor.cli.printing import json_line
from processor.cli.restricted_table import count, name_of
from processor.cli.signals import stop_on_signals
from processor.detection.engine import TableFull
from processor.policies.policy import PolicySet
from processor.restrictions.events import Position
from processor.verdicts.files import VerdictFile
from processor.workers.mail_writing import FAULTS, mail_writer
from processor.workers.tried_mails import write_tried_mails
from processor.workers.trying import FileLog, Taken, Trying

Named = tuple[str, PolicySet]
"""What the output calls the policies, and the policies."""


class Letters:
    """The mails to be written into `folder`, as the settings want mails to look. CommandFailed where they cannot be used."""

    def __init__(self, folder: Path, config: Path | None) -> None:
        self._folder = folder
        self._settings = prepare(config).notifier
        try:
            self._writer = mail_writer(self._settings)
        except FAULTS as error:
            raise CommandFailed(str(error), EXIT_USAGE) from None

    def write(self, outcome: Outcome, *, as_json: bool) -> None:
        try:
            written = write_tried_mails(self._settings, self._writer, outcome.policies, outcome.events, self._folder)
        except OSError as error:
            raise CommandFailed(f"cannot write to {self._folder}: {error.strerror}", EXIT_FAILED) from error
        except FAULTS as error:
            raise CommandFailed(str(error), EXIT_USAGE) from error
        number = len(written.mails)
        if as_json:
            print(json_line({"type": "mails", "mails": number, "page": str(written.page), "untold": written.untold}))
            return
        print(f"{count(number, 'mail')}; all of them: {written.page}")
        if written.untold:
            print(f"nobody is named who would be told of {count(written.untold, 'event')}")


def tried(trying: Trying, named: Named, letters: Letters | None, *, as_json: bool) -> Taken:
    """One set of policies."""
    name, policies = named
    log = _read(trying, [policies])
    (outcome,) = log.what_if.outcomes
    if as_json:
        _print_records(
            [
                records.input_record(log.what_if.totals, log.taken),
                *records.event_records(name, outcome, _Places(log).fields),
                records.outcome_record(name, outcome),
            ]
        )
    else:
        place = _Places(log).words
        _print_parts(
            log,
            words.outcome_lines(name, outcome),
            words.block_table(outcome.blocks, place),
            words.alert_table(outcome, place),
        )
    if letters is not None:
        letters.write(outcome, as_json=as_json)
    return log.taken


def compared(trying: Trying, ours: Named, others: Named, letters: Letters | None, *, as_json: bool) -> Taken:
    """Two sets of policies; mails are those of the first."""
    names = (ours[0], others[0])
    log = _read(trying, [ours[1], others[1]])
    outcomes = log.what_if.outcomes
    comparison = compared_outcomes(*outcomes)
    if as_json:
        _print_records(
            [
                records.input_record(log.what_if.totals, log.taken),
                *map(records.outcome_record, names, outcomes),
                *records.comparison_records(names, comparison, _Places(log).fields),
            ]
        )
    else:
        both = zip(names, outcomes, strict=True)
        _print_parts(
            log,
            [line for name, outcome in both for line in words.outcome_lines(name, outcome)],
            *words.comparison_parts(names, comparison, _Places(log).words),
        )
    if letters is not None:
        letters.write(outcomes[0], as_json=as_json)
    return log.taken


def swept(trying: Trying, policies: PolicySet, text: str, *, as_json: bool) -> Taken:
    """One limit at many values."""
    try:
        sweep = parse(text)
        sets = sweep.tried_on(policies)
    except SweepError as error:
        raise CommandFailed(f"--sweep {text}: {error}", EXIT_USAGE) from None
    own = sweep.own_value(policies)
    log = _read(trying, sets)
    outcomes = log.what_if.outcomes
    if as_json:
        _print_records(
            [
                records.input_record(log.what_if.totals, log.taken),
                *(records.sweep_record(sweep, *row) for row in _rows(sweep.values, own, outcomes)),
            ]
        )
    else:
        _print_parts(log, words.sweep_lines(sweep, outcomes, own, is_plain=not _shows_bars()))
    return log.taken


def _rows(
    values: Sequence[float], own: float | None, outcomes: Sequence[Outcome]
) -> Iterator[tuple[float, float | None, Outcome]]:
    return ((value, own, outcome) for value, outcome in zip(values, outcomes, strict=True))


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


def _shows_bars() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()


def _print_parts(log: FileLog, *parts: Iterable[str]) -> None:
    """The parts with an empty line between them; nothing but the first where there is nothing to tell of."""
    said = [[*words.totals_lines(log.what_if.totals), *left_out(log.taken)]]
    if log.taken.records:
        said += [[*part] for part in parts]
        said.append([f"note: {words.NOTE}"])
    print("\n\n".join("\n".join(part) for part in said if part))


def _print_records(lines: Iterable[dict[str, Any]]) -> None:
    for line in lines:
        print(json_line(line))
