"""`senderwatch dead-letters`: what was refused, why, and back into its input once the cause is mended."""

import re
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from processor.avro import Undecodable
from processor.cli.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.printing import json_line
from processor.cli.signals import Stop, stop_on_signals
from processor.cli.times import now_ms, past_ms, shown
from processor.kafka.clients import check_reachable
from processor.kafka.reading import ReadingFailed, ReadingStopped, partitions_of
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.settings import Settings
from processor.verdicts.letters import Letter, Note, Selection, Unknown

if TYPE_CHECKING:
    from processor.workers.letter_judging import Judge
    from processor.workers.replaying_letters import DeadLetters

app = typer.Typer(
    help="What was refused and why; and back into its input, once the cause is mended.", no_args_is_help=True
)

AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON Lines, exact; bytes in base64.")]
Reasons = Annotated[
    list[Undecodable] | None,
    typer.Option(
        "--reason", metavar="REASON", case_sensitive=False, help="Only those refused for this; may be repeated."
    ),
]
OfTopic = Annotated[
    str | None, typer.Option("--topic", metavar="NAME", help="Only records that stood in this topic (its full name).")
]
OfPartition = Annotated[
    int | None, typer.Option("--partition", metavar="N", min=0, help="Only records that stood in this partition.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="TIME", help="Only those refused since then: 2026-11-20, or 8h.")
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Only those refused before then.")]
_PLACE = re.compile(r"(\d{1,6}):(\d{1,18})", re.ASCII)
_MOST = 50


@dataclass(frozen=True, slots=True)
class Opened:
    """The letters, and how to judge them."""

    letters: "DeadLetters"
    judge: "Judge"
    stop: Stop


@app.command("list")
def list_(
    reasons: Reasons = None,
    topic: OfTopic = None,
    partition: OfPartition = None,
    since: Since = None,
    until: Until = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="Only those that were not put back.")] = False,
    most: Annotated[
        int | None, typer.Option("--most", metavar="N", min=0, help="Show so many.", show_default="50; with --json all")
    ] = None,
    oldest: Annotated[bool, typer.Option("--oldest", help="Show the oldest, in place of the newest.")] = False,
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show the records that were refused, and how many for which reason.

    Example: senderwatch dead-letters list --reason 'wrong partition' --since 8h
    """
    from processor.cli.letter_words import Tally, lines, row, summary_json

    selection = selected(reasons=reasons, topic=topic, partition=partition, since=since, until=until)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    tallies: dict[str, Tally] = {}
    others = 0
    limit = most if most is not None or as_json else _MOST
    chosen = deque[Any](
        maxlen=None if oldest else limit
    )  # what is shown of a letter, not the letter: a value can be large
    with opened(settings) as kafka:
        for each in kafka.letters.letters(selection):
            if isinstance(each, Unknown):
                others += 1
                continue
            put_back = kafka.letters.was_put_back(each.refused.origin)
            if waiting and put_back:
                continue
            tallies.setdefault(each.refused.reason, Tally()).add(each, put_back=put_back)
            if limit is None:
                print(json_line(_for_programs(each, put_back)))
            elif not oldest or len(chosen) < limit:
                chosen.append(_for_programs(each, put_back) if as_json else row(each, put_back=put_back))
    ranked = sorted(tallies.items(), key=lambda each: (-each[1].letters, each[0]))
    if as_json:
        for described in chosen:
            print(json_line(described))
        print(json_line(summary_json(ranked, others)))
        return
    for line in lines(list(chosen), ranked, others, oldest=oldest):
        print(line)


def _for_programs(letter: Letter, put_back: bool) -> dict[str, Any]:
    from processor.cli.letter_words import letter_json

    return {"kind": "letter", **letter_json(letter, put_back=put_back, with_value=False)}


@app.command()
def show(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="The letter, as `list` names it.")],
    raw: Annotated[
        Path | None, typer.Option("--raw", metavar="FILE", help="Write the value there, byte for byte.")
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Show one refused record: why, what to do, and its bytes up to where they cannot be read.

    Example: senderwatch dead-letters show 0:17 --raw letter.bin
    """
    from processor.cli.letter_words import letter_json, story
    from processor.workers.letter_reading import pieces

    selection = selected(letters=[place])
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    with opened(settings) as kafka:
        letter = next((each for each in kafka.letters.letters(selection) if isinstance(each, Letter)), None)
        if letter is None:
            raise CommandFailed(
                f"there is no letter {place}: a large one is named by its first part, and `senderwatch dead-letters list` has all"
            )
        notes = kafka.letters.notes_of(letter.refused.origin)
        if as_json:
            print(json_line(letter_json(letter, put_back=bool(notes), with_value=True)))
        else:
            told = list(pieces(kafka.judge.serde, letter.refused.value))
            for line in story(letter, _put_back(notes), told, _now(kafka.judge, letter)):
                print(line)
    if raw is not None:
        if letter.refused.value is None:
            raise CommandFailed(f"letter {place} has no value; {raw} is not written")
        try:
            raw.write_bytes(letter.refused.value)
        except OSError as error:
            raise CommandFailed(f"cannot write {raw}: {error.strerror}") from None


def _put_back(notes: list[Note]) -> str:
    from processor.cli.letter_words import text_of

    if not notes:
        return "not put back"
    return f"put back {shown(notes[-1].at_ms)} by {text_of(notes[-1].by.encode(), 254)}"


def _now(judge: "Judge", letter: Letter) -> str:
    from processor.workers.letter_judging import Unready

    judgement = judge.judged(letter)
    if isinstance(judgement, Unready):
        return judgement.why
    return (
        f"it can be read: `replay` would put it into partition {judgement.record.partition} of {judgement.record.topic}"
    )


def selected(
    *,
    letters: list[str] | None = None,
    reasons: list[Undecodable] | None = None,
    topic: str | None = None,
    partition: int | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Selection:
    """What the options ask for. Raises CommandFailed."""
    now = now_ms()
    return Selection(
        letters={_place(each) for each in letters or ()},
        reasons={each.value for each in reasons or ()},
        topic=topic,
        partition=partition,
        since_ms=None if since is None else past_ms(since, "--since", now),
        until_ms=None if until is None else past_ms(until, "--until", now),
    )


def _place(text: str) -> tuple[int, int]:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise CommandFailed(f"{text!a}: expected PARTITION:OFFSET, such as 0:17, as `list` names letters", EXIT_USAGE)
    return int(match[1]), int(match[2])


@contextmanager
def opened(settings: Settings, before: "DeadLetters | None" = None) -> Iterator[Opened]:
    """The letters up to now, else those of `before`. What goes wrong is a CommandFailed with its exit status."""
    # With the decoder comes Numba, for which no other command has to wait.
    from processor.workers.letter_judging import Judge
    from processor.workers.replaying_letters import DeadLetters
    from processor.workers.wiring import client_settings, serde, topic_names

    with ExitStack() as open_things:
        stop = open_things.enter_context(stop_on_signals())
        kafka, names = client_settings(settings), topic_names(settings)
        check_reachable(kafka)
        try:
            records = serde(settings, stop, open_things)
            judge = Judge(names, records, lambda topic: len(partitions_of(kafka, topic)), now_ms)
            letters = DeadLetters.opened(kafka, names, stop) if before is None else before.until(stop)
            yield Opened(letters, judge, stop)
        except (ReadingStopped, RegistryAway):
            raise CommandFailed("interrupted", EXIT_INTERRUPTED) from None
        except (ReadingFailed, RegistryRefused) as error:
            raise CommandFailed(str(error), EXIT_FAILED) from None
