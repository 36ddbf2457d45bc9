"""Mails into a folder, one `.eml` for each recipient: for trials, and to look at what would be sent."""

import asyncio
import os
import re
from hashlib import blake2b
from pathlib import Path

from processor.notification.message import Envelope
from processor.notification.results import Accepted, Deferred, Phase, Reply, Result

_NAME_MAX = 150


class Outbox:
    """A folder that takes every mail. The same mail once more replaces its file, so that a repeat leaves no double."""

    def __init__(self, folder: Path) -> None:
        """Makes the folder. Raises OSError when that cannot be."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    async def deliver(self, envelope: Envelope) -> Result:
        """Writes the mail; a full disk or a missing folder defers it."""
        try:
            path = await asyncio.to_thread(self._write, envelope)
        except OSError as problem:
            return Deferred(Phase.OUTBOX, f"cannot write to {self._folder}: {problem.strerror or problem}")
        return Accepted(Reply(250, f"written to {path}"))

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, envelope: Envelope) -> Path:
        path = self._folder / file_name(envelope.name)
        partial = path.with_name(f".{path.name}.part")
        with partial.open("wb") as file:
            file.write(envelope.content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        return path


def file_name(name: str) -> str:
    """A file's name for a mail's, different for different mails: what no file system takes becomes `_` and a hash."""
    safe = re.sub(r"[^A-Za-z0-9@._+-]", "_", name.replace("/", "-", 1))[:_NAME_MAX]
    if safe != name.replace("/", "-", 1):
        safe += "-" + blake2b(name.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{safe}.eml"
