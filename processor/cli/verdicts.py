"""`senderwatch verdicts`: put verdicts into the topic, from files or made up."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from processor.cli import feeding_options as options
from processor.cli.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_NO_BROKER,
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
from processor.cli.feeding_view import Screen, generating_progress, going_on, import_progress, summary
from processor.cli.signals import Stop, stop_on_signals
from processor.cli.times import duration_ms, now_ms, shown
from processor.kafka.clients import check_reachable
from processor.kafka.feeder import BrokerLost, Feeder, FeedRefused
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.settings import Settings
from processor.verdicts.files import STANDARD_INPUT, Form, VerdictFile
from processor.verdicts.rspamd import Reading
from processor.verdicts.writing import write_avro, write_jsonl
from processor.workers.feeding import Doubt, Ended, Ending, Import, Tally, feed_generated, import_files
from processor.workers.wiring import client_settings, serde, topic_names

if TYPE_CHECKING:
    from processor.verdicts.generator import Traffic  # and with it Numba, which the other commands need not wait for

app = typer.Typer(help="Put verdicts into the topic: from files, or made up.", no_args_is_help=True)

_BATCH = 20_000
_PACED_BATCHES_S = 5
"""Batches a second when generated traffic is paced."""
_STOP_CHECK_S = 0.2

Patience = Annotated[
    float, typer.Option("--patience", metavar="SECONDS", min=1, help="How long to try again when the broker is gone.")
]


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Plain or gzip'd; - is standard input.")],
    form: Annotated[
        Form | None, typer.Option("--format", help="What the files hold.", show_default="avro or jsonl, as it is")
    ] = None,
    from_line: Annotated[
        int, typer.Option("--from-line", metavar="N", min=1, help="Of the first file, where an earlier run ended.")
    ] = 1,
    in_doubt: Annotated[
        str | None, typer.Option("--in-doubt", metavar="TOKEN", help="What an earlier run that lost the broker gave.")
    ] = None,
    tenants: Annotated[
        Path | None, typer.Option("--tenants", metavar="FILE", help="rspamd: YAML or TOML of `domain: tenant`.")
    ] = None,
    trust_envelope_from: Annotated[
        list[str] | None,
        typer.Option(
            "--trust-envelope-from", metavar="NETWORK,...", help="rspamd: take the envelope sender of clients there."
        ),
    ] = None,
    occurred_at: Annotated[
        str, typer.Option("--occurred-at", metavar="now|file|TIME", help="For lines that bear no time.")
    ] = "now",
    spread: Annotated[
        str | None, typer.Option("--spread", metavar="24h", help="Stretch each file over so long a time.")
    ] = None,
    ending: Annotated[str, typer.Option("--ending", metavar="now|TIME", help="When the stretched time ends.")] = "now",
    refused_to: Annotated[
        Path | None, typer.Option("--refused-to", metavar="FILE", help="Keep all refused lines there, as JSON Lines.")
    ] = None,
    transaction_lines: Annotated[
        int, typer.Option("--transaction-lines", metavar="N", min=1, max=500_000, help="That go in together.")
    ] = 5_000,
    patience: Patience = 60,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Import verdicts, each of them exactly once.

    Refused lines are told at the end, and the exit status is 1 then. An import that ends early says how to go on.
    """
    begun_ms = now_ms()
    reading = Reading(options.tenants_in(tenants), options.networks(trust_envelope_from or []))
    sources = [VerdictFile(path, options.form_of(path, form), reading) for path in files]
    plan = Import(
        files=sources,
        prefix=b"",
        stamp=options.stamp(occurred_at),
        now_ms=now_ms,
        from_line=from_line,
        transaction_lines=transaction_lines,
        spread_ms=None if spread is None else duration_ms(spread, "--spread"),
        ending_ms=begun_ms if ending == "now" else options.time_ms(ending, "--ending"),
    )
    if spread is not None and STANDARD_INPUT in files:
        raise CommandFailed(
            "--spread reads a file twice, which standard input does not allow: save it first", EXIT_USAGE
        )
    doubt = None if in_doubt is None else options.doubt_of(in_doubt)
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    tally, begun_s = Tally(), time.monotonic()
    with ExitStack() as open_things, _told_failures():
        stop = open_things.enter_context(stop_on_signals())
        prefix = _prefix(settings, open_things, stop)
        keep = open_things.enter_context(refused_to.open("a" if from_line > 1 else "w")) if refused_to else None
        feeder = _feeder(settings, open_things, patience, stop, doubt)
        plan = replace(plan, prefix=prefix, from_line=_settled(doubt, feeder, from_line))
        with import_progress() as progress:
            ended = import_files(plan, feeder, tally, Screen(progress, keep), stop)
    for line in summary(tally, time.monotonic() - begun_s):
        print(line)
    raise typer.Exit(_status(ended, tally, files, plan))


def _status(ended: Ended, tally: Tally, files: list[Path], plan: Import) -> int:
    if ended.why is Ending.INTERRUPTED:
        complain(f"interrupted; {going_on(ended, files, plan)}")
        return EXIT_INTERRUPTED
    if ended.why is Ending.BROKER_LOST:
        complain(f"the broker is gone: {ended.reason}")
        complain(going_on(ended, files, plan))
        return EXIT_NO_BROKER
    if plan.from_line > 1 and tally.lines == 0:
        complain(f"{files[0]} has no line {plan.from_line}: nothing was left to import")
        return EXIT_FAILED
    if tally.lines and not tally.imported:
        complain("not one line was imported: is --format the file's own (jsonl, avro or rspamd)?")
        return EXIT_FAILED
    return EXIT_FAILED if tally.refusals else 0


@app.command("generate")
def generate_(
    records: Annotated[int, typer.Option("--records", metavar="N", min=0, help="How many in all.")] = 100_000,
    senders: Annotated[int, typer.Option("--senders", metavar="N", min=1, help="Accounts that send.")] = 10_000,
    tenants: Annotated[int, typer.Option("--tenants", metavar="N", min=1, help="That they belong to.")] = 200,
    skew: Annotated[
        float,
        typer.Option("--skew", metavar="S", min=0, max=3, help="0: all send as much; 1: the first sends a tenth."),
    ] = 0.5,
    bad_accounts: Annotated[
        int, typer.Option("--compromised", metavar="N", min=0, help="Accounts that start a campaign.")
    ] = 5,
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same traffic.")] = 1,
    hours: Annotated[float, typer.Option("--hours", metavar="H", help="That the traffic covers, up to now.")] = 24,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", metavar="R", min=0.1, help="Live, so many records a second, instead of the last hours'."
        ),
    ] = None,
    to_file: Annotated[
        Path | None, typer.Option("--to-file", metavar="FILE", help="Into F.jsonl or F.avro instead of Kafka.")
    ] = None,
    patience: Patience = 60,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Generate traffic that looks real, in which a few accounts turn bad; says which and when."""
    from processor.verdicts.generator import Traffic, compromised

    begun_ms = now_ms()
    lasting_s = records / rate if rate else 0.0
    try:
        traffic = Traffic(
            records=records, end_ms=begun_ms + round(lasting_s * 1000), seed=seed, senders=senders, tenants=tenants, skew=skew,
            compromised=bad_accounts, hours=max(lasting_s / 3600, 1e-6) if rate else hours,
        )  # fmt: skip
    except ValueError as error:
        raise CommandFailed(str(error), EXIT_USAGE) from None
    if to_file is not None:
        if rate is not None:
            raise CommandFailed("--rate is for a topic, not for --to-file", EXIT_USAGE)
        _generate_file(traffic, to_file)
    else:
        settings = prepare(
            config,
            bootstrap_servers=bootstrap_servers,
            kafka_properties=kafka_properties,
            topic_prefix=topic_prefix,
            log_level=log_level,
        )
        _generate_live(traffic, settings, patience, rate)
    for account in compromised(traffic):
        print(f"compromised {account.sender} of {account.tenant_id} from {shown(account.from_ms)}")


def _generate_file(traffic: "Traffic", path: Path) -> None:
    from processor.verdicts.generator import generate

    writers = {".jsonl": write_jsonl, ".avro": write_avro}
    if path.suffix not in writers:
        raise CommandFailed(f"--to-file {path}: the name must end in .jsonl or .avro", EXIT_USAGE)
    try:
        with path.open("wb") as stream:
            writers[path.suffix](generate(traffic), stream)
    except OSError as error:
        raise CommandFailed(f"cannot write {path}: {error.strerror}") from None
    print(f"wrote {traffic.records:,} records to {path}")


def _generate_live(traffic: "Traffic", settings: Settings, patience: float, rate: float | None) -> None:
    from processor.verdicts.generator import generate

    batch = _BATCH if rate is None else max(1, min(_BATCH, int(rate / _PACED_BATCHES_S)))
    sent, begun_s = 0, time.monotonic()
    with ExitStack() as open_things, _told_failures():
        stop = open_things.enter_context(stop_on_signals())
        prefix = _prefix(settings, open_things, stop)
        feeder = _feeder(settings, open_things, patience, stop)
        bar = open_things.enter_context(generating_progress(traffic.records))

        def wait_until_ms(due_ms: int) -> None:
            while rate is not None and not stop() and (left_s := due_ms / 1000 - time.time()) > 0:
                time.sleep(min(left_s, _STOP_CHECK_S))

        try:
            for sent in feed_generated(generate(traffic, prefix, batch), feeder, wait_until_ms):
                bar.update(bar.task_ids[0], completed=sent)
                if stop():
                    break
        except BrokerLost as lost:
            certainty = "and the next batch may be" if lost.unclear else "and no more"
            raise CommandFailed(
                f"the broker is gone: {lost}; {sent:,} records are in, {certainty}", EXIT_NO_BROKER
            ) from None
    seconds = time.monotonic() - begun_s
    print(f"generated {sent:,} records into {feeder.topic} in {seconds:.1f} s ({sent / max(seconds, 0.001):,.0f}/s)")
    if sent < traffic.records:
        raise CommandFailed(f"interrupted before the other {traffic.records - sent:,} records", EXIT_INTERRUPTED)


@contextmanager
def _told_failures() -> Iterator[None]:
    try:
        yield
    except (FeedRefused, RegistryRefused) as error:
        raise CommandFailed(str(error)) from None
    except RegistryAway as error:
        raise CommandFailed(str(error), EXIT_NO_BROKER) from None
    except OSError as error:
        raise CommandFailed(str(error)) from None


def _prefix(settings: Settings, open_things: ExitStack, stop: Stop) -> bytes:
    return serde(settings, stop, open_things).prefix(topic_names(settings).verdicts, "MessageVerdict")


def _feeder(
    settings: Settings, open_things: ExitStack, patience_s: float, stop: Stop, doubt: Doubt | None = None
) -> Feeder:
    kafka = client_settings(settings)
    check_reachable(kafka)
    feeder = Feeder(
        kafka,
        topic_names(settings).verdicts,
        transactional_id=doubt.unclear.transactional_id if doubt else None,
        patience_s=patience_s,
        should_stop=stop,
    )
    open_things.callback(feeder.close)
    return feeder


def _settled(doubt: Doubt | None, feeder: Feeder, from_line: int) -> int:
    """The line to begin at, once it is known whether the lines in doubt are in."""
    if doubt is None:
        return from_line
    if doubt.through < from_line:
        raise CommandFailed(f"--in-doubt is about lines before --from-line {from_line}", EXIT_USAGE)
    try:
        is_in = feeder.settle(doubt.unclear)
    except BrokerLost as lost:
        raise CommandFailed(
            f"whether lines {from_line} to {doubt.through} are in is still not known: {lost}; run the same command again",
            EXIT_NO_BROKER,
        ) from None
    complain(f"lines {from_line} to {doubt.through} are {'in already' if is_in else 'not in, and are imported now'}")
    return doubt.through + 1 if is_in else from_line
