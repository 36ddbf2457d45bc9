"""A notifier in a process of its own that tries deferred mails again within a second: `python -m tests.notifier_process FILE`.

FILE is a settings file. For tests that kill it, and cannot wait for a minute.
"""

import sys
from pathlib import Path

from processor.cli.signals import stop_on_signals
from processor.kafka.errors import BrokerUnreachable
from processor.settings import load_settings
from processor.telemetry import configure_logging
from processor.workers.notifying import FAILURES, notify_until
from tests.notifying import SOON

if __name__ == "__main__":
    settings = load_settings(Path(sys.argv[1]), {})
    configure_logging("info", "json")
    with stop_on_signals() as stop:
        try:
            notify_until(settings, stop, once=False, schedule=SOON)
        except (*FAILURES, BrokerUnreachable) as failure:
            sys.exit(f"senderwatch: {failure}")  # as the command does
