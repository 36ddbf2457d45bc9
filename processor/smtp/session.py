"""One conversation with the mail server (RFC 5321), in which each command's answer is looked at by itself.

Acceptance is the reply to the final dot. What breaks before that dot is sent cannot have been accepted; what breaks
after it may have been. `aiosmtplib.SMTP.data` does not tell the two apart, so the steps are taken one by one here.
"""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import aiosmtplib
from aiosmtplib import SMTPException, SMTPResponse, SMTPResponseException

from processor.notification.message import Envelope
from processor.notification.results import Accepted, Deferred, PermanentlyRejected, Phase, Reply, Result, Unknown


@dataclass(frozen=True, slots=True)
class SmtpOptions:
    """The mail server that takes our mail over, and how long each phase may take (seconds; RFC 5321, section 4.5.3.2)."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"] = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    connect_timeout_s: float = 30.0
    command_timeout_s: float = 300.0
    data_timeout_s: float = 600.0

    def tls_context(self) -> ssl.SSLContext | None:
        """The context that checks the server's certificate, or None without TLS. Raises OSError for a bad `ca_file`."""
        if self.tls == "none":
            return None
        return ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)


class Broken(Exception):
    """The conversation could not begin or go on, in a phase in which nothing can have been accepted."""

    def __init__(self, outcome: Deferred) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Session:
    """An open conversation. After any result but an answer of the server it is closed."""

    def __init__(self, client: aiosmtplib.SMTP, options: SmtpOptions) -> None:
        self._client = client
        self._options = options
        self.mails = 0

    @classmethod
    async def open(cls, options: SmtpOptions, context: ssl.SSLContext | None, own_name: str | None) -> Self:
        """Connects, greets, secures and logs in. Raises Broken, which names the command that failed."""
        client = aiosmtplib.SMTP(
            hostname=options.host,
            port=options.port,
            use_tls=options.tls == "tls",
            start_tls=False,
            tls_context=context,
            local_hostname=own_name,
            timeout=options.command_timeout_s,
        )
        phase = Phase.CONNECT
        try:
            await client.connect(timeout=options.connect_timeout_s)
            phase = Phase.EHLO
            await _greet(client)
            if options.tls == "starttls":
                phase = Phase.STARTTLS
                await client.starttls()
                phase = Phase.EHLO
                await _greet(client)
            if options.user is not None:
                phase = Phase.AUTH
                await client.login(options.user, options.password or "")
        except (SMTPException, OSError) as problem:
            client.close()
            raise Broken(_deferred(phase, problem)) from problem
        except BaseException:
            client.close()
            raise
        return cls(client, options)

    @property
    def is_open(self) -> bool:
        return self._client.is_connected

    async def send(self, envelope: Envelope) -> Result:
        """One mail to one recipient. Raises Broken when the connection ends before anything was said about this mail."""
        self.mails += 1
        try:
            return await self._converse(envelope)
        except BaseException:
            # Whatever ended it half way, a cancelled task too: the server's next words belong to no mail of ours.
            self.close()
            raise

    async def quit(self) -> None:
        """Says good-bye; a server that does not answer is left without."""
        try:
            await self._client.quit(timeout=5.0)
        except (SMTPException, OSError):
            self.close()

    def close(self) -> None:
        """Hangs up."""
        self._client.close()

    async def _converse(self, envelope: Envelope) -> Result:
        if envelope.smtputf8 and not self._client.supports_extension("smtputf8"):
            return PermanentlyRejected(
                Phase.MAIL, "the address is not ASCII and the mail server does not offer SMTPUTF8"
            )
        options = (b"SMTPUTF8", b"BODY=8BITMIME") if envelope.smtputf8 else ()
        said = await self._command(Phase.MAIL, b"MAIL", b"FROM:" + _path(envelope.mail_from), *options)
        if not _is_consent(said):
            await self._reset()
            # A refused sender is our setting's fault, not the recipient's: mended, the mail can still go out.
            return _deferred_by(Phase.MAIL, said)
        said = await self._command(Phase.RCPT, b"RCPT", b"TO:" + _path(envelope.recipient))
        if not _is_consent(said):
            await self._reset()
            return _refused(Phase.RCPT, said)
        said = await self._command(Phase.DATA, b"DATA")
        if not 300 <= said.code <= 399:
            await self._reset()
            return _refused(Phase.DATA, said)
        return await self._content(envelope.content)

    async def _content(self, content: bytes) -> Result:
        protocol = self._client.protocol
        if protocol is None:
            raise Broken(Deferred(Phase.DATA, "the connection ended before the mail was sent"))
        try:
            protocol.write(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")
            said = await protocol.read_response(timeout=self._options.data_timeout_s)
        except (SMTPException, OSError) as problem:
            self.close()
            return Unknown(f"no reply to the final dot: {_words(problem)}")
        if _is_consent(said):
            return Accepted(_reply(said))
        return _refused(Phase.FINAL_DOT, said)

    async def _command(self, phase: Phase, *words: bytes) -> SMTPResponse:
        try:
            return await self._client.execute_command(*words)
        except (SMTPException, OSError) as problem:
            raise Broken(_deferred(phase, problem)) from problem

    async def _reset(self) -> None:
        try:
            await self._client.rset()
        except (SMTPException, OSError):
            self.close()


async def _greet(client: aiosmtplib.SMTP) -> None:
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def _is_consent(said: SMTPResponse) -> bool:
    """Whether it says yes. The first digit decides: a code that is not in the book means what its class means (section 4.2.1)."""
    return 200 <= said.code <= 299


def _path(address: str) -> bytes:
    return b"<" + address.encode("utf-8") + b">"


def _reply(said: SMTPResponse) -> Reply:
    return Reply(said.code, said.message)


def _deferred_by(phase: Phase, said: SMTPResponse) -> Deferred:
    reply = _reply(said)
    return Deferred(phase, f"{phase} was answered with {reply}", reply)


def _refused(phase: Phase, said: SMTPResponse) -> Result:
    """5xx is for good, everything else that is no consent is for now (RFC 5321, section 4.2.1)."""
    if 500 <= said.code <= 599:
        reply = _reply(said)
        return PermanentlyRejected(phase, f"{phase} was answered with {reply}", reply)
    return _deferred_by(phase, said)


def _deferred(phase: Phase, problem: Exception) -> Deferred:
    if isinstance(problem, SMTPResponseException) and problem.code > 0:
        reply = Reply(problem.code, problem.message)
        return Deferred(phase, f"{phase} was answered with {reply}", reply)
    return Deferred(phase, f"{phase} failed: {_words(problem)}")


def _words(problem: Exception) -> str:
    """What an exception says, or its name where it says nothing."""
    return str(problem) or type(problem).__name__
