"""A real SMTP server whose recipients' addresses script the failure, so that a test shows its fault.

| address          | what the server does                                                        |
|------------------|-----------------------------------------------------------------------------|
| `450-…`          | answers RCPT with 450, any other three digits alike                          |
| `dot-550-…`      | answers the final dot with 550, any other three digits alike; 2xx takes the mail |
| `grey-…`         | answers the first RCPT with 450, then takes the mail                         |
| `slow-…`         | answers RCPT only when the test lets it                                      |
| `late-…`         | answers DATA only when the test lets it                                      |
| `cut-…`          | hangs up after its answer to DATA, before it has read the mail, the first time |
| `drop-…`         | takes the mail and hangs up instead of answering the final dot, the first time |
| `silent-…`       | takes the mail and answers the final dot only when the test lets it           |
| anything else    | takes the mail                                                               |

The script of `postmaster@…` stands in its domain. What a server does before it hears of a recipient is said to the sink
itself: `hangs_at` names commands (`banner`, `EHLO`, `MAIL`) that are answered only when the test lets it, and `refusal` is
what a new connection is greeted with instead of a welcome.
"""

import asyncio
import email
import re
import ssl
import threading
import weakref
from collections import Counter
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from typing import Any, Self

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

_SCRIPT = re.compile(r"(dot-)?([245]\d\d)-")


@dataclass(frozen=True)
class Arrived:
    """A mail as the server got it."""

    mail_from: str
    recipient: str
    content: bytes
    smtputf8: bool

    @property
    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(self.content, policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class MailSink:
    """A server on a free port of this machine, in a thread of its own. Used as a context manager."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        smtputf8: bool = True,
        port: int = 0,
    ) -> None:
        self._tls = tls
        self._options: dict[str, Any] = {
            "enable_SMTPUTF8": smtputf8,
            "hostname": "sink.example",
            "tls_context": starttls,
        }
        if login is not None:
            self._options |= {
                "authenticator": lambda server, session, envelope, mechanism, data: AuthResult(
                    handled=False,  # else the server leaves the 535 to us
                    success=isinstance(data, LoginPassword) and (data.login, data.password) == _encoded(login),
                ),
                "auth_required": True,
                "auth_require_tls": starttls is not None,
            }
        self.port = port
        self.arrived: list[Arrived] = []
        self.connections = 0
        self.hangs_at: set[str] = set()
        self.refusal: str | None = None
        self.hanging = 0
        """How many answers wait for the test now."""
        self.refused: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()
        self._servers: weakref.WeakSet[_Server] = weakref.WeakSet()
        self._loop = asyncio.new_event_loop()
        self._let_go = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail sink", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def let_go(self) -> None:
        """Answers everybody who waits for an answer, and whoever would have to wait from now on."""
        self._loop.call_soon_threadsafe(self._let_go.set)

    def recipients(self) -> list[str]:
        """Of the mails that arrived, in order."""
        return [mail.recipient for mail in self.arrived]

    def message_ids(self) -> list[str]:
        """Of the mails that arrived, in order."""
        return [mail.message["Message-ID"] for mail in self.arrived]

    # -- what aiosmtpd calls -----------------------------------------------------------------------------------------

    async def may_go_on(self, command: str) -> None:
        """Returns when a command is to be answered."""
        if command in self.hangs_at:
            await self._hang()

    async def before_data(self, server: SMTP, envelope: Envelope) -> bool:
        """Whether DATA is to be answered as usual."""
        for name in map(_script_of, envelope.rcpt_tos):
            if name.startswith("late-"):
                await self._hang()
            if name.startswith("cut-") and not self._seen_before(name):
                await server.push("354 go on")
                hang_up(server)
                return False
        return True

    async def handle_MAIL(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, mail_options: list[str]
    ) -> str:
        await self.may_go_on("MAIL")
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        name = _script_of(address)
        if name.startswith("slow-"):
            await self._hang()
        scripted = _SCRIPT.match(name)
        if scripted and not scripted[1]:
            self.refused[address] += 1
            return f"{scripted[2]} scripted answer to RCPT"
        if name.startswith("grey-") and not self._seen_before(address):
            self.refused[address] += 1
            return "450 greylisted, try again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        (recipient,) = envelope.rcpt_tos
        name = _script_of(recipient)
        scripted = _SCRIPT.match(name)
        if scripted and scripted[1] and not scripted[2].startswith("2"):
            self.refused[recipient] += 1
            return f"{scripted[2]} scripted answer to the final dot"
        assert isinstance(envelope.content, bytes)
        self.arrived.append(Arrived(envelope.mail_from or "", recipient, envelope.content, envelope.smtp_utf8))
        if name.startswith("drop-") and not self._seen_before(recipient):
            hang_up(server)
        if name.startswith("silent-"):
            await self._hang()
        return f"{scripted[2] if scripted else 250} taken"

    # -- inside ------------------------------------------------------------------------------------------------------

    async def _hang(self) -> None:
        self.hanging += 1
        try:
            await self._let_go.wait()
        finally:
            self.hanging -= 1

    def _seen_before(self, address: str) -> bool:
        """False the first time that it is asked about an address."""
        self._seen[address] += 1
        return self._seen[address] > 1

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(self._answer, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _hang_up(self) -> None:
        self._let_go.set()
        self._server.close()
        for server in self._servers:
            if server.transport is not None:
                hang_up(server)
        for _ in range(3):  # the loop closes what was aborted before it comes back here: TLS, then what is below it
            await asyncio.sleep(0)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _answer(self) -> SMTP:
        self.connections += 1
        server = _Server(self, loop=self._loop, **self._options)
        self._servers.add(server)
        return server


class _Server(SMTP):
    """aiosmtpd's server, which asks the sink before it answers where aiosmtpd itself asks nobody."""

    def __init__(self, sink: MailSink, **options: Any) -> None:
        self._sink = sink
        super().__init__(sink, **options)

    async def _handle_client(self) -> None:
        await self._sink.may_go_on("banner")
        if self._sink.refusal is None:
            await super()._handle_client()
        else:
            await self.push(self._sink.refusal)
            assert self.transport is not None
            self.transport.close()

    async def smtp_EHLO(self, hostname: str) -> None:  # noqa: N802 - the name is aiosmtpd's
        await self._sink.may_go_on("EHLO")
        await super().smtp_EHLO(hostname)

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        assert self.envelope is not None
        if await self._sink.before_data(self, self.envelope):
            await super().smtp_DATA(arg)


def hang_up(server: SMTP) -> None:
    """Hangs up without a word."""
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()


def _encoded(login: tuple[str, str]) -> tuple[bytes, bytes]:
    return login[0].encode(), login[1].encode()


def _script_of(address: str) -> str:
    return address.removeprefix("postmaster@")
