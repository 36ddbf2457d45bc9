"""What all commands share: their common options, the way settings are read, and how failures are told."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from processor.settings import Settings, load_settings
from processor.telemetry import configure_logging

_PANEL = "Common options"

_SECRET_PROPERTIES = ("password", "secret", "key.pem")

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_NO_BROKER = 69  # EX_UNAVAILABLE of sysexits.h
EXIT_OUTPUT_LOST = 74  # EX_IOERR of sysexits.h
EXIT_DEFERRED = 75  # EX_TEMPFAIL of sysexits.h
EXIT_FENCED = 76  # EX_PROTOCOL of sysexits.h: another process has this worker's slot
EXIT_INTERRUPTED = 130

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", help="TOML file with settings.", rich_help_panel=_PANEL, show_default="./senderwatch.toml"
    ),
]
BootstrapServers = Annotated[
    str | None,
    typer.Option("--bootstrap-servers", metavar="HOST:PORT,...", help="Where Kafka is.", rich_help_panel=_PANEL),
]
KafkaProperties = Annotated[
    list[str] | None,
    typer.Option(
        "--kafka-property", "-X", metavar="NAME=VALUE", help="Any librdkafka property.", rich_help_panel=_PANEL
    ),
]
TopicPrefix = Annotated[
    str | None,
    typer.Option("--topic-prefix", help="What the topics' names begin with.", rich_help_panel=_PANEL),
]
LogLevel = Annotated[
    str | None,
    typer.Option("--log-level", metavar="LEVEL", help="debug, info, warning or error.", rich_help_panel=_PANEL),
]


class CommandFailed(Exception):
    """A command ends with this message and exit status; no traceback."""

    def __init__(self, message: str, status: int = EXIT_FAILED) -> None:
        super().__init__(message)
        self.status = status


def prepare(
    config: Path | None,
    *,
    bootstrap_servers: str | None = None,
    kafka_properties: list[str] | None = None,
    topic_prefix: str | None = None,
    log_level: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings in force, with logging set up by them.

    `options` holds the command's own options by the dotted name of their setting; None is an option not given.
    Raises SettingsError.
    """
    settings = load_settings(
        config,
        {
            "kafka.bootstrap_servers": bootstrap_servers,
            "kafka.properties": _as_properties(kafka_properties),
            "topics.prefix": topic_prefix,
            "log.level": log_level,
            **(options or {}),
        },
    )
    configure_logging(settings.log.level, settings.log.format)
    return settings


def _as_properties(pairs: list[str] | None) -> dict[str, str] | None:
    if not pairs:
        return None
    properties: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CommandFailed(f"--kafka-property {name}: expected NAME=VALUE", EXIT_USAGE)
        if any(word in name for word in _SECRET_PROPERTIES):
            raise CommandFailed(
                f"--kafka-property {name}: everybody on the machine can read a command line; give it as a file (setting "
                "kafka.property_files) or as a variable",
                EXIT_USAGE,
            )
        properties[name] = value
    return properties


def complain(message: str) -> None:
    """Tell on standard error what went wrong, a line each."""
    with suppress(OSError):  # nobody can be told then
        for line in message.splitlines():
            print(f"senderwatch: {line}", file=sys.stderr)
