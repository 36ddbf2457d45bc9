"""What-if told, wherever the log came from: on the terminal for people or programs, as a page, as tables, as mails."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processor.audit.policy_comparison import compared as compared_outcomes
from processor.audit.sweep import Sweep
from processor.audit.what_if import Outcome
from processor.audit.what_if_page import Named, Told, compared_page, swept_page, tried_page
from processor.cli import what_if_records as records
from processor.cli import what_if_words as words
from processor.cli.audit_files import page_templates, write_html, write_parquet
from processor.cli.printing import json_line
from processor.cli.what_if_letters import Letters
from processor.restrictions.events import Position

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ReadLog:
    """A log that has been read to its end: what each set of policies decided, in their order, and what is to be said of it.

    `lines` are for people, `row` for programs; `words` and `fields` say where the record of an event stands. An empty one has no record.
    """

    outcomes: Sequence[Outcome]
    lines: Sequence[str]
    row: Mapping[str, Any]
    words: Callable[[Position], str]
    fields: Callable[[Position], dict[str, Any]]
    is_empty: bool


@dataclass(frozen=True, slots=True)
class Telling:
    """How it is told: `as_json` in place of a table; the others besides."""

    as_json: bool = False
    html: Path | None = None
    parquet: Path | None = None
    letters: Letters | None = None

    def tell(self, log: ReadLog, rows: Rows, parts: Iterable[Iterable[str]], page: Callable[[Told], str]) -> None:
        """The terminal first: what was found must not be lost because a disk is full. The mails are those of the first policies."""
        every_row = [log.row, *rows]
        if self.as_json:
            for row in every_row:
                print(json_line(row))
        else:
            _print_parts(log, parts)
        if self.html is not None:
            write_html(page(Told([*log.lines, f"note: {words.NOTE}"], log.words)), self.html)
        if self.parquet is not None:
            _write_tables(every_row, self.parquet)
        if self.letters is not None:
            self.letters.write(log.outcomes[0], as_json=self.as_json)


def tell_tried(log: ReadLog, name: str, telling: Telling) -> None:
    """One set of policies."""
    (outcome,) = log.outcomes
    telling.tell(
        log,
        [*records.event_records(name, outcome, log.fields), records.outcome_record(name, outcome)],
        (
            words.outcome_lines(name, outcome),
            words.block_table(outcome.blocks, log.words),
            words.alert_table(outcome, log.words),
        ),
        lambda told: tried_page(told, Named(name, outcome), page_templates()),
    )


def tell_compared(log: ReadLog, names: tuple[str, str], telling: Telling) -> None:
    """Two sets of policies."""
    ours, others = map(Named, names, log.outcomes)
    comparison = compared_outcomes(ours.outcome, others.outcome)
    telling.tell(
        log,
        [
            *map(records.outcome_record, names, log.outcomes),
            *records.comparison_records(names, comparison, log.fields),
        ],
        (
            [line for each in (ours, others) for line in words.outcome_lines(each.name, each.outcome)],
            *words.comparison_parts(names, comparison, log.words),
        ),
        lambda told: compared_page(told, ours, others, comparison, page_templates()),
    )


def tell_swept(log: ReadLog, name: str, sweep: Sweep, own: float | None, telling: Telling) -> None:
    """One limit at many values; `own` is the one that the policies have."""
    telling.tell(
        log,
        [
            records.sweep_record(sweep, value, own, outcome)
            for value, outcome in zip(sweep.values, log.outcomes, strict=True)
        ],
        (words.sweep_lines(sweep, log.outcomes, own, is_plain=not _shows_bars()),),
        lambda told: swept_page(told, sweep, own, log.outcomes, name, page_templates()),
    )


def _write_tables(rows: Rows, folder: Path) -> None:
    from processor.audit.what_if_tables import tables

    write_parquet(tables(rows), folder)


def _shows_bars() -> bool:
    return "utf" in (sys.stdout.encoding or "").lower()


def _print_parts(log: ReadLog, parts: Iterable[Iterable[str]]) -> None:
    """The parts with an empty line between them; nothing but what is said of the log where there is nothing to tell of."""
    said = [[*log.lines]]
    if not log.is_empty:
        said += [[*part] for part in parts]
        said.append([f"note: {words.NOTE}"])
    for line in _spaced(said):
        print(line)


def _spaced(parts: Iterable[Sequence[str]]) -> Iterator[str]:
    for place, part in enumerate(filter(None, parts)):
        if place:
            yield ""
        yield from part
