"""What the commands that decide again from the log share: policies of files, and how their failures are told."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from processor.cli.common import EXIT_INTERRUPTED, EXIT_USAGE, CommandFailed
from processor.cli.signals import Stop, stop_on_signals

if TYPE_CHECKING:
    from processor.policies.policy import PolicySet

EXIT_INCOMPLETE = 2
"""It could not be done, or not for all that was asked for."""


def policies_by_version(paths: Sequence[Path] | None) -> "dict[str, PolicySet]":
    """The policies of files that workers were started with, by the version that events name. Raises CommandFailed."""
    from processor.workers.policy_file import PolicyFileUnusable, load

    try:
        return {found.version: found for found in map(load, paths or ())}
    except PolicyFileUnusable as error:
        raise CommandFailed(str(error), EXIT_USAGE) from None


@contextmanager
def told_failures(*others: type[Exception]) -> Iterator[Stop]:
    """Until a signal; what goes wrong with the log, and what is an instance of `others`, is a CommandFailed."""
    from processor.kafka.changelog import RestoreFailed
    from processor.kafka.reading import ReadingFailed, ReadingStopped
    from processor.kafka.registry import RegistryAway, RegistryRefused

    told: tuple[type[Exception], ...] = (ReadingFailed, RegistryRefused, RestoreFailed, *others)
    with stop_on_signals() as stop:
        try:
            yield stop
        except (ReadingStopped, RegistryAway):
            status = EXIT_INTERRUPTED if stop.signal_number == signal.SIGINT else EXIT_INCOMPLETE
            raise CommandFailed("interrupted: nothing can be said", status) from None
        except told as error:
            raise CommandFailed(str(error), EXIT_INCOMPLETE) from None
