"""The part of the topics that `audit` and `what-if` decide again: the options that say which, the pins, and a bar meanwhile."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypedDict

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from processor.cli.common import EXIT_USAGE, CommandFailed, complain
from processor.cli.replaying import told_failures
from processor.cli.times import now_ms, past_ms, shown

if TYPE_CHECKING:
    from processor.cli.signals import Stop
    from processor.kafka.audit_source import Pins
    from processor.settings import Settings

_RANGE = re.compile(r"(\d{1,6})=(\d{1,18})?\.\.(\d{1,18})?", re.ASCII)

From = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="TIME", help="Events since then, by Kafka's time: 2026-11-20, or 7d for a week ago."
    ),
]
To = Annotated[str | None, typer.Option("--to", metavar="TIME", help="Verdicts that came in before then.")]
Offsets = Annotated[
    list[str] | None,
    typer.Option("--offsets", metavar="PARTITION=FIRST..NEXT", help="For one partition, in place of times."),
]
Jobs = Annotated[int, typer.Option("--jobs", min=1, max=256, help="Partitions read at the same time.")]
PinsFile = Annotated[Path | None, typer.Option("--pins", metavar="FILE", help="Repeat the run of these pins exactly.")]
SavePins = Annotated[Path | None, typer.Option("--save-pins", metavar="FILE", help="Write the pins of this run there.")]


class Asked(TypedDict):
    """The fields of processor.workers.asked_range.AskedRange."""

    from_ms: int | None
    to_ms: int | None
    offsets: dict[int, tuple[int | None, int | None]]


def asked(from_: str | None, to: str | None, offsets: Sequence[str] | None) -> Asked:
    """The range in numbers. Raises CommandFailed where nothing can be in it."""
    now = now_ms()
    # Kafka knows no time before 1970.
    from_ms = None if from_ is None else max(0, past_ms(from_, "--from", now))
    to_ms = None if to is None else max(0, past_ms(to, "--to", now))
    if from_ms is not None and from_ms > now:
        raise CommandFailed(f"--from {from_}: that is still to come; it is {shown(now)} now", EXIT_USAGE)
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        raise CommandFailed(f"--to {to}: that is not after --from, {shown(from_ms)}: nothing lies between", EXIT_USAGE)
    ranges: dict[int, tuple[int | None, int | None]] = {}
    for partition, range_ in map(_range, offsets or ()):
        if partition in ranges:
            raise CommandFailed(f"--offsets {partition}=...: given twice; a partition has one range", EXIT_USAGE)
        ranges[partition] = range_
    return {"from_ms": from_ms, "to_ms": to_ms, "offsets": ranges}


@contextmanager
def pinned_log(
    settings: "Settings", offsets: Asked, file: Path | None, save_to: Path | None
) -> "Iterator[tuple[Pins, Stop]]":
    """The pins, of now or of a file, until a signal. Failures with the log are CommandFailed."""
    from processor.kafka.audit_source import PinsUnusable
    from processor.kafka.clients import check_reachable
    from processor.workers.auditing import check_given, pinned
    from processor.workers.readiness import make_ready
    from processor.workers.wiring import client_settings

    with told_failures(PinsUnusable) as stop:
        try:
            given = None if file is None else _pins_of(file, "--pins", "--save-pins writes one")
            if save_to is not None:
                _check_save(save_to)
            check_reachable(client_settings(settings))
            make_ready(complain)
            if given is not None:
                check_given(settings, given)
            pins = given or pinned(settings)
            for partition in offsets["offsets"]:
                if partition not in pins.committed:
                    raise CommandFailed(f"--offsets {partition}=...: there is no such partition", EXIT_USAGE)
            if save_to is not None:
                save_to.write_text(json.dumps(pins.to_json(), indent=2) + "\n")
            yield pins, stop
        except OSError as error:
            raise CommandFailed(f"{error.filename}: {error.strerror}", EXIT_USAGE) from None


def _pins_of(file: Path, option: str, else_do: str) -> "Pins":
    from processor.kafka.audit_source import Pins, PinsUnusable

    try:
        return Pins.from_json(file.read_text(errors="replace"))
    except PinsUnusable as error:
        raise CommandFailed(f"{option} {file}: {error}: {else_do}", EXIT_USAGE) from None


def _check_save(path: Path) -> None:
    """Over older pins and an empty file, and over nothing else: a wrong name, and somebody's policies are gone."""
    if not path.absolute().parent.is_dir():
        raise CommandFailed(f"--save-pins {path}: there is no folder {path.parent}", EXIT_USAGE)
    if path.is_file() and path.stat().st_size:
        _pins_of(path, "--save-pins", "name another file, or remove it")


def _range(text: str) -> tuple[int, tuple[int | None, int | None]]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise CommandFailed(
            f"--offsets {text}: expected PARTITION=FIRST..NEXT, such as 0=1000..2000 or 0=1000..", EXIT_USAGE
        )
    first, following = (None if part is None else int(part) for part in match.groups()[1:])
    if first is not None and following is not None and first >= following:
        raise CommandFailed(f"--offsets {text}: nothing lies between: FIRST must be below NEXT", EXIT_USAGE)
    return int(match[1]), (first, following)


@contextmanager
def bar_over_partitions(word: str, partitions: int) -> Iterator[Callable[[int, int, int], None]]:
    """A bar over all partitions where somebody looks; how much there is to do is known as partitions begin."""
    console = Console(stderr=True)
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    done: dict[int, tuple[int, int]] = {}
    bar = Progress(
        TextColumn(word), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
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
