"""`senderwatch dead-letters replay`: records that were refused go back into their input, each once."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NO_BROKER,
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
from processor.cli.dead_letters import OfPartition, OfTopic, Opened, Reasons, Since, Until, app, opened, selected
from processor.cli.issuer import issuer
from processor.cli.letter_words import name_of_letter, reason_of, stood_in
from processor.cli.printing import json_line
from processor.cli.restricted_table import count, said
from processor.verdicts.letters import Letter, Selection

if TYPE_CHECKING:
    from processor.settings import Settings
    from processor.workers.replaying_letters import DeadLetters

_TOLD = 20
"""So many letters that stay are told one by one."""


@app.command()
def replay(
    letters: Annotated[
        list[str] | None,
        typer.Argument(metavar="PARTITION:OFFSET...", help="Letters as `list` names them.", show_default=False),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All letters, when no others are named or described.")] = False,
    reasons: Reasons = None,
    topic: OfTopic = None,
    partition: OfPartition = None,
    since: Since = None,
    until: Until = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back, and end.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    issued_by: Annotated[
        str | None,
        typer.Option("--issued-by", metavar="NAME", help="Who does it: your own word.", show_default="user@host"),
    ] = None,
    patience: Annotated[
        float,
        typer.Option("--patience", metavar="SECONDS", min=1, help="How long to try again when the broker is gone."),
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="For programs: JSON Lines, exact.")] = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Put refused records back into the topic that they came from, once the cause is mended.

    Example: senderwatch dead-letters replay --reason 'wrong partition' --since 8h

    A record goes back as it came, key, value and headers, into the partition
    of its sender; and only once, whoever repeats this, and when: a second
    replay leaves out what is in. What the workers would refuse again stays
    where it is and is told. Shows first what it is about, and asks.

    Verdicts that are old by now count in their own five minutes, as all late
    verdicts do; those that are older than a day when they are taken up count
    no more. Commands apply when they are taken up.

    Exit status: 0 all that was asked for is in, now or since before, 1 some of
    it stays, 69 the broker was gone for too long.
    """
    described = (reasons, topic, partition, since, until)
    if not letters and not all_ and all(each is None for each in described):
        raise CommandFailed("which? Give letters, --all, or what they have in common, such as --reason", EXIT_USAGE)
    if all_ and (letters or any(each is not None for each in described)):
        raise CommandFailed("--all is for all letters: it stands alone", EXIT_USAGE)
    selection = selected(letters=letters, reasons=reasons, topic=topic, partition=partition, since=since, until=until)
    by = issuer(issued_by)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level or "warning",
    )
    with opened(settings) as kafka:
        plan = _planned(kafka, selection)
        found = kafka.letters
    plan.tell(as_json=as_json)
    missing = sorted(set(selection.letters) - plan.seen)
    for place in missing:
        complain(f"there is no letter {place[0]}:{place[1]}")
    put = 0
    if plan.ready and not dry_run:
        _ask(plan, yes=yes, as_json=as_json)
        put = _put_back(settings, found, selection, _Way(by, patience, plan.ready))
    if as_json:
        print(json_line({"kind": "summary", "put_back": put, **plan.summary()}))
    elif not dry_run:
        print(
            f"{count(put, 'record')} put back"
            + (f"; {plan.ready - put:,} by another replay" if put < plan.ready else "")
        )
    raise typer.Exit(EXIT_FAILED if plan.stay or missing else EXIT_OK)


@dataclass(frozen=True, slots=True)
class _Way:
    """How it is done, and how much there is."""

    by: str
    patience_s: float
    total: int


@dataclass(slots=True)
class _Plan:
    """What would become of the letters that are asked for."""

    ready: int = 0
    already: int = 0
    stay: int = 0
    into: Counter[tuple[str, int | None]] = field(default_factory=Counter)
    staying: list[tuple[Letter, str]] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def tell(self, *, as_json: bool) -> None:
        for letter, why in self.staying:
            if as_json:
                print(json_line({"kind": "stays", "letter": name_of_letter(letter), "why": why}))
            else:
                print(f"stays: {name_of_letter(letter)} ({reason_of(letter)}; {stood_in(letter)}): {said(why)}")
        if as_json:
            return
        if self.stay > len(self.staying):
            print(f"and {count(self.stay - len(self.staying), 'letter')} more that cannot go back now")
        if self.already:
            print(f"{count(self.already, 'letter')} put back before, and left out")
        for (topic, partition), number in sorted(self.into.items()):
            print(f"{count(number, 'record')} for {topic}, partition {partition}")
        if not self.ready:
            print("nothing to put back")

    def summary(self) -> dict[str, object]:
        return {"ready": self.ready, "put_back_before": self.already, "stay": self.stay}


def _planned(kafka: Opened, selection: Selection) -> _Plan:
    from processor.workers.letter_judging import Ready, Unready

    plan = _Plan()
    for each in kafka.letters.judged(selection, kafka.judge):
        if selection.letters:
            plan.seen.add((each.letter.partition, each.letter.offset))
        if isinstance(each, Ready):
            plan.ready += 1
            plan.into[each.record.topic, each.record.partition] += 1
        elif isinstance(each, Unready):
            plan.stay += 1
            if len(plan.staying) < _TOLD:
                plan.staying.append((each.letter, each.why))
        else:
            plan.already += 1
    return plan


def _ask(plan: _Plan, *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    what = count(plan.ready, "record")
    if not sys.stdin.isatty():
        raise CommandFailed(f"put {what} back? There is no terminal to ask on: give --yes", EXIT_USAGE)
    if not typer.confirm(f"Put {what} back?", err=as_json):
        raise CommandFailed("nothing is put back")


def _put_back(settings: "Settings", found: "DeadLetters", selection: Selection, way: _Way) -> int:
    from processor.kafka.putting_back import PuttingBackFailed, PuttingBackImpossible, TakenOver
    from processor.workers.replaying_letters import Replay

    with opened(settings, found) as kafka, _progress(way.total) as told:
        replaying = Replay(kafka.letters, kafka.judge, way.by, way.patience_s, told)
        try:
            replaying.run(selection)
        except (TakenOver, PuttingBackImpossible) as error:
            raise CommandFailed(f"{error}\n{_so_far(replaying.put)}") from None
        except PuttingBackFailed as error:
            raise CommandFailed(f"the broker is gone: {error}\n{_so_far(replaying.put)}", EXIT_NO_BROKER) from None
        if kafka.stop():
            raise CommandFailed(f"interrupted: {_so_far(replaying.put)}", EXIT_INTERRUPTED)
    return replaying.put


def _so_far(put: int) -> str:
    return f"{count(put, 'record')} put back; run the same again to go on: what is in is left out"


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("putting back"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=total)
        yield lambda put: bar.update(task, completed=put)
