"""Standard output that takes no more: a full disk, a pipe that its reader has closed, or one that was closed before.

A command that prints ends then with one line on standard error and a status of its own, instead of a traceback, or of success.
"""

import errno
import io
import os
import sys
from contextlib import suppress
from pathlib import Path


class OutputLost(Exception):
    """Standard output takes no more. `is_closed_pipe`: whoever read it has seen enough."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write to standard output: {error.strerror}")
        self.is_closed_pipe = error.errno == errno.EPIPE


class Output(io.TextIOWrapper):
    """Text to a file whose failures are OutputLost, which nothing on the way takes for something else."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            raise OutputLost(error) from None

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            raise OutputLost(error) from None


class _Nowhere(io.TextIOBase):
    """What stands for a standard output that was closed before this process began."""

    def write(self, _text: str) -> int:
        raise OutputLost(OSError(errno.EBADF, os.strerror(errno.EBADF)))


def guard() -> None:
    """From here on a standard output that fails raises OutputLost; a standard error that is not there takes everything.

    A name of letters that the terminal does not have is written out: it must not end the command.
    """
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115 - as long as the process lives
    if sys.stdout is None:
        sys.stdout = _Nowhere()
    elif isinstance(sys.stdout, io.TextIOWrapper):
        encoding, by_line = sys.stdout.encoding, sys.stdout.line_buffering
        sys.stdout = Output(sys.stdout.detach(), encoding, "backslashreplace", line_buffering=by_line)


def forget() -> None:
    """What is still buffered goes nowhere, instead of into an error at exit."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
