"""Who gives a command, and what he says: words that go into records, in his own spelling."""

import getpass
import os
import platform

from processor.cli.common import EXIT_USAGE, CommandFailed


def issuer(given: str | None) -> str:
    """Who gives the command, in his own word: else who this process runs as, and where."""
    if given is not None:
        return said_in("--issued-by", given)
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = str(os.getuid())
    return f"{user}@{platform.node()}"


def said_in(option: str, text: str) -> str:
    """An argument that can be written as UTF-8, as everything in Kafka is; raises CommandFailed."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise CommandFailed(f"{option}: not valid UTF-8", EXIT_USAGE) from None
    if not text.strip():
        raise CommandFailed(f"{option}: is empty", EXIT_USAGE)
    return text
