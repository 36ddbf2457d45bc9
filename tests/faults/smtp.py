"""The mail server in trouble: what it does wrong to everybody for a while, beside what its recipients' addresses script."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.faults.proxy import Gate, Proxy, free_ports
from tests.mail_sink import MailSink, hang_up

PHASES = ("banner", "EHLO", "MAIL", "RCPT", "DATA", "dot")
"""At each of which the server can hang."""


class TroubledSink(MailSink):
    """Also hangs at RCPT, DATA and the final dot, answers the dot with a refusal, or hangs up after DATA, as long as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.drops_after_data = False
        self.dot_reply: str | None = None

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, server: SMTP, session: Session, envelope: Envelope, address: str, rcpt_options: list[str]
    ) -> str:
        await self.may_go_on("RCPT")
        return await super().handle_RCPT(server, session, envelope, address, rcpt_options)

    async def before_data(self, server: SMTP, envelope: Envelope) -> bool:
        await self.may_go_on("DATA")
        return await super().before_data(server, envelope)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.dot_reply is not None:
            return self.dot_reply
        answer = await super().handle_DATA(server, session, envelope)
        if self.drops_after_data:
            hang_up(server)
        await self.may_go_on("dot")
        return answer


class MailServer:
    """The sink behind a gate, through which its network can be cut."""

    def __init__(self, sink: TroubledSink, gate: Gate) -> None:
        self.sink = sink
        self._gate = gate

    @property
    def port(self) -> int:
        return self._gate.port

    @classmethod
    @contextmanager
    def running(cls, proxy: Proxy) -> Iterator["MailServer"]:
        with TroubledSink() as sink:
            (port,) = free_ports(1)
            yield cls(sink, proxy.gate(port, sink.port))

    def trouble(self, kind: str, chance: Random) -> str:
        """Begins it; returns what it is."""
        if kind == "smtp-refuse":
            (self._gate.refuse if chance.random() < 0.5 else self._gate.silence)()
            return "no connection"
        if kind == "smtp-4xx":
            if chance.random() < 0.5:
                self.sink.refusal = "421 try again later"
            else:
                self.sink.dot_reply = "451 try again later"
            return "answers 4xx"
        if kind == "smtp-hang":
            phase = chance.choice(PHASES)
            self.sink.hangs_at = {phase}
            return f"hangs at {phase}"
        assert kind == "smtp-drop"
        self.sink.drops_after_data = True
        return "hangs up after DATA"

    def heal(self) -> None:
        self._gate.open()
        self.sink.refusal = self.sink.dot_reply = None
        self.sink.hangs_at = set()
        self.sink.drops_after_data = False
