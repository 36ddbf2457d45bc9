"""What the commands of `senderwatch policy` share: a file, the versions on Kafka, and how a failure of either is told."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from processor.cli.common import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_USAGE, CommandFailed
from processor.cli.signals import stop_on_signals
from processor.kafka.policy_log import PolicyUnusable, PublishingFailed, UnknownVersion
from processor.kafka.reading import ReadingFailed, ReadingStopped
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.policies.policy import PolicySet
from processor.settings import Settings
from processor.workers.policies import PolicyVersions, policy_versions

File = Annotated[Path, typer.Argument(metavar="FILE", help="The policies in YAML.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on one line.")]


def loaded(file: Path) -> PolicySet:
    """The policies in a file; what is wrong with it is a CommandFailed."""
    from processor.workers.policy_file import (
        PolicyFileUnusable,
        load,
    )  # with it comes YAML, which no other command needs

    try:
        return load(file)
    except PolicyFileUnusable as error:
        raise CommandFailed(str(error), EXIT_USAGE) from None


@contextmanager
def opened(settings: Settings, *, failed: int = EXIT_FAILED) -> Iterator[PolicyVersions]:
    """The versions of the policies. What goes wrong with them is a CommandFailed; `failed` is its usual exit status."""
    with stop_on_signals() as stop:
        try:
            with policy_versions(settings, stop) as versions:
                yield versions
        except (ReadingStopped, RegistryAway):
            raise CommandFailed("interrupted; nothing was published", EXIT_INTERRUPTED) from None
        except (PolicyUnusable, PublishingFailed, ReadingFailed, RegistryRefused, UnknownVersion) as error:
            raise CommandFailed(str(error), failed) from None
