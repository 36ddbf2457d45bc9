"""A mail server on this machine that takes every mail and notes when, until it gets a SIGTERM.

`python -m bench.mail_server PORT FILE` says "listening" once it listens.
"""

import argparse
import json
import time
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from processor.cli.signals import stop_on_signals

LISTENING = "listening"
_PAUSE_S = 0.05


class Taken:
    """What aiosmtpd asks."""

    def __init__(self) -> None:
        self.at_ns: list[int] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002
        self.at_ns.append(time.monotonic_ns())
        return "250 taken"


def main() -> None:
    """Take mails."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("out", type=Path, metavar="FILE", help="gets the times, as JSON, whenever some have come")
    chosen = parser.parse_args()
    taken = Taken()
    server = Controller(taken, hostname="127.0.0.1", port=chosen.port)
    server.start()
    print(LISTENING, flush=True)
    with stop_on_signals() as should_stop:
        while not should_stop():
            time.sleep(_PAUSE_S)
    server.stop()
    chosen.out.write_text(json.dumps(taken.at_ns))


if __name__ == "__main__":
    main()
