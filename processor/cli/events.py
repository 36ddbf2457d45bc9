"""`senderwatch events`: the restriction events as JSON Lines, the way other services and people look at them."""

import io
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import typer

from processor.cli.common import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    BootstrapServers,
    CommandFailed,
    Config,
    KafkaProperties,
    LogLevel,
    TopicPrefix,
    prepare,
)
from processor.cli.output import OutputLost, forget
from processor.cli.printing import json_line
from processor.cli.signals import Stop, stop_on_signals
from processor.kafka.clients import check_reachable
from processor.kafka.event_log import EventName, LoggedEvent, Wanted, follow_events, read_events
from processor.kafka.reading import ReadingFailed, ReadingStopped
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.workers.wiring import client_settings, serde, topic_names


def events(
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Start with the oldest event that is kept, not with the next one.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="Print all events up to the end as it is now, and end.")] = False,
    tenant: Annotated[list[str] | None, typer.Option("--tenant", help="Only this tenant's; may be repeated.")] = None,
    sender: Annotated[list[str] | None, typer.Option("--sender", help="Only this sender's; may be repeated.")] = None,
    type_: Annotated[
        list[EventName] | None,
        typer.Option("--type", case_sensitive=False, help="Only events of this type; may be repeated."),
    ] = None,
    config: Config = None,
    bootstrap_servers: BootstrapServers = None,
    topic_prefix: TopicPrefix = None,
    kafka_properties: KafkaProperties = None,
    log_level: LogLevel = None,
) -> None:
    """Follow the restriction events as JSON Lines: who was blocked, unblocked or alerted on, and why.

    Each line is a CloudEvent in JSON format. Only committed events are shown, those of a partition in order.
    """
    settings = prepare(
        config,
        bootstrap_servers=bootstrap_servers,
        kafka_properties=kafka_properties,
        topic_prefix=topic_prefix,
        log_level=log_level,
    )
    kafka, topic = client_settings(settings), topic_names(settings).restrictions
    wanted = Wanted(tenants=tenant or (), senders=sender or (), names=type_ or ())
    with ExitStack() as open_things, _told_failures():
        stop = open_things.enter_context(stop_on_signals())
        output = Output(stop)
        check_reachable(kafka)
        records = serde(settings, output.is_over, open_things)
        if once:
            found = read_events(kafka, topic, records, should_stop=output.is_over)
        else:
            found = follow_events(kafka, topic, records, from_beginning=from_beginning, should_stop=output.is_over)
        for event in found:
            if wanted.includes(event):
                output.show(event)
            if output.is_over():
                break
    if stop.signal_number == signal.SIGINT:
        raise typer.Exit(EXIT_INTERRUPTED)


class Output:
    """Standard output, which whoever reads it may close: then it is over, as after a signal."""

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._closed = False
        self._watch = select.poll()
        with suppress(io.UnsupportedOperation):  # not a file at all, but a string in memory
            self._watch.register(sys.stdout, 0)  # no events asked for: those that are always told are errors

    def show(self, event: LoggedEvent) -> None:
        line = json_line(event.as_cloudevent())
        try:
            print(line, flush=True)
        except OutputLost as lost:
            if not lost.is_closed_pipe:
                raise
            self._close()

    def is_over(self) -> bool:
        """After a signal, or when the other end of the pipe is closed (noticed also while there is nothing to write)."""
        if not self._closed and self._watch.poll(0):
            self._close()
        return self._closed or self._stop()

    def _close(self) -> None:
        self._closed = True
        forget()


@contextmanager
def _told_failures() -> Iterator[None]:
    try:
        yield
    except (ReadingStopped, RegistryAway):
        pass  # a signal ended the wait for the rest, or for the registry
    except (ReadingFailed, RegistryRefused) as error:
        raise CommandFailed(str(error), EXIT_FAILED) from None
