"""The demo's mail server: takes every mail and leaves it in a folder, as it came and as its reader would see it.

A real SMTP server (aiosmtpd) rather than the notifier's own outbox, so that the mails go the way they go in earnest.
"""

import asyncio
import email
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import SMTP, Envelope, Session

from processor.smtp.outbox import file_name

_SIZE_MAX = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class TakenMail:
    """A mail that arrived at `at_ms`, and the file in which its HTML part lies."""

    at_ms: int
    recipient: str
    subject: str
    text: str
    html_file: Path


class Mailbox:
    """Listens on a free port of 127.0.0.1, in a thread of its own. Used as a context manager.

    `taken` is called in that thread for each mail, once its files are written. Entering raises OSError.
    """

    def __init__(self, folder: Path, taken: Callable[[TakenMail], None], now_ms: Callable[[], int]) -> None:
        self.port = 0
        self._folder = folder
        self._taken = taken
        self._now_ms = now_ms
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo mail server", daemon=True)

    def __enter__(self) -> Self:
        logging.getLogger("mail.log").setLevel(logging.WARNING)  # the server's own, which tells every command
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002, N802 - aiosmtpd's
        """What the server does with a mail: the answer is given when it is on the disk."""
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        try:
            for recipient in envelope.rcpt_tos:
                self._taken(self._kept(recipient, content))
        except OSError as problem:
            return f"452 cannot write the mail: {problem.strerror}"
        return "250 taken"

    def _kept(self, recipient: str, content: bytes) -> TakenMail:
        self._count += 1
        path = self._folder / file_name(f"{self._count:02d}-{recipient}")
        path.write_bytes(content)
        message = email.message_from_bytes(content, policy=default)
        html_file = path.with_suffix(".html")
        html_file.write_text(_part(message, "html"), "utf-8")
        return TakenMail(self._now_ms(), recipient, str(message["Subject"]), _part(message, "plain"), html_file)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._answer, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self) -> SMTP:
        return SMTP(self, data_size_limit=_SIZE_MAX, enable_SMTPUTF8=True, hostname="localhost", loop=self._loop)


def _part(message: EmailMessage, kind: str) -> str:
    """The text of the part of this kind; empty where there is none."""
    part = message.get_body((kind,))
    return str(part.get_content()) if isinstance(part, EmailMessage) else ""
