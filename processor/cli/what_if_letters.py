"""The mails of what-if: what they would have said, as files."""

from pathlib import Path

from processor.audit.what_if import Outcome
from processor.cli.common import EXIT_FAILED, EXIT_USAGE, CommandFailed
from processor.cli.printing import json_line
from processor.cli.restricted_table import count
from processor.settings import NotifierSettings
from processor.workers.mail_writing import FAULTS, mail_writer
from processor.workers.tried_mails import write_tried_mails


class Letters:
    """The mails to be written into `folder`, as the settings want mails to look. CommandFailed where they cannot be used."""

    def __init__(self, folder: Path, settings: NotifierSettings) -> None:
        if folder.exists() and not folder.is_dir():
            raise CommandFailed(f"--mails {folder}: that is a file; name a folder for the mails", EXIT_USAGE)
        self._folder = folder
        self._settings = settings
        try:
            self._writer = mail_writer(self._settings)
        except FAULTS as error:
            raise CommandFailed(str(error), EXIT_USAGE) from None

    def write(self, outcome: Outcome, *, as_json: bool) -> None:
        """The mails, and a line that says how many they are."""
        try:
            written = write_tried_mails(self._settings, self._writer, outcome.policies, outcome.events, self._folder)
        except OSError as error:
            raise CommandFailed(f"cannot write to {self._folder}: {error.strerror}", EXIT_FAILED) from error
        except FAULTS as error:
            raise CommandFailed(str(error), EXIT_USAGE) from error
        number = len(written.mails)
        if as_json:
            print(json_line({"type": "mails", "mails": number, "page": str(written.page), "untold": written.untold}))
            return
        print(f"{count(number, 'mail')}; all of them: {written.page}")
        if written.untold:
            print(f"nobody is named who would be told of {count(written.untold, 'event')}")
