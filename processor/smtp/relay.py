"""Mails by SMTP over connections that are kept and used again."""

import asyncio
import socket

from processor.notification.message import Envelope
from processor.notification.results import Deferred, Phase, Result
from processor.smtp.session import Broken, Session, SmtpOptions

_IDLE_S = 20.0
"""How long an unused connection is kept; servers hang up after a few minutes, some after thirty seconds."""
_MAILS_PER_SESSION = 100
"""Servers limit the mails of one connection, commonly to 100 and more."""
_CLOSING = 421
"""RFC 5321, section 3.8: the server shuts the connection down."""


class Relay:
    """The one mail server that all mail is handed to. Used within one event loop; the caller bounds the concurrency."""

    def __init__(self, options: SmtpOptions) -> None:
        """Raises OSError when the CA file cannot be read."""
        self._options = options
        self._context = options.tls_context()
        self._idle: list[tuple[float, Session]] = []
        self._own_name: str | None = None

    async def deliver(self, envelope: Envelope) -> Result:
        """What became of handing `envelope` over. Never raises for anything that a server or network does."""
        session = self._reused()
        if session is not None:
            try:
                result = await self._sent(session, envelope)
                if not _hung_up(result):
                    return result
            except Broken as broken:
                # Before the first answer: as `_hung_up`, without a word. After it the server has had this mail's turn.
                if broken.outcome.phase is not Phase.MAIL:
                    return broken.outcome
        try:
            return await self._sent(await self._opened(), envelope)
        except Broken as broken:
            return broken.outcome

    async def close(self) -> None:
        """Ends the kept connections politely."""
        idle, self._idle = self._idle, []
        await asyncio.gather(*(session.quit() for _, session in idle))

    async def _opened(self) -> Session:
        if self._own_name is None:
            # Once: it may ask a name server, in a thread of its own.
            self._own_name = await asyncio.to_thread(socket.getfqdn)
        return await Session.open(self._options, self._context, self._own_name)

    async def _sent(self, session: Session, envelope: Envelope) -> Result:
        result = await session.send(envelope)
        if session.is_open and session.mails < _MAILS_PER_SESSION:
            self._idle.append((asyncio.get_running_loop().time(), session))
        elif session.is_open:
            await session.quit()
        return result

    def _reused(self) -> Session | None:
        """A kept connection that was used a moment ago; older ones are hung up."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            used_at, session = self._idle.pop()
            if session.is_open and now - used_at < _IDLE_S:
                return session
            session.close()
        return None


def _hung_up(result: Result) -> bool:
    """Whether the server ended a connection that was idle, which is its right: that says nothing about the mail."""
    return (
        isinstance(result, Deferred)
        and result.phase is Phase.MAIL
        and result.reply is not None
        and (result.reply.code == _CLOSING)
    )
