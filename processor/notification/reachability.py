"""How many mails the one mail server is given at a time, as its last answers tell.

A failure before the server was asked about a recipient is nobody's fault but the server's. Each says that it takes one mail
less at a time, as a server does that limits its connections; as many answers as there is room for make room for one more.
Where nothing is left, the server is away, and to try all mails would only put each of them off: a single one finds out, every
few seconds, until there is an answer.
"""

from enum import Enum

from processor.notification.results import Deferred, Phase, Result

_BEFORE_ANY_RECIPIENT = frozenset({Phase.CONNECT, Phase.EHLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL, Phase.OUTBOX})


class News(Enum):
    """What a result says that was not known before it."""

    AWAY = "away"
    BACK = "back"


class Reachability:
    """`most`: how many at a time in good times. `probe_every_ms`: how often it is tried while it is away."""

    def __init__(self, *, most: int, probe_every_ms: int) -> None:
        self._most = most
        self._probe_every_ms = probe_every_ms
        self._room = most
        self._answers = 0
        self._next_probe_ms: int | None = None

    @property
    def is_away(self) -> bool:
        return self._next_probe_ms is not None

    def room(self, now_ms: int) -> int:
        """How many mails may be under way now."""
        if self._next_probe_ms is None:
            return self._room
        return 1 if now_ms >= self._next_probe_ms else 0

    def heard(self, result: Result | None, now_ms: int) -> News | None:
        """Takes the result of an attempt that ended at `now_ms`; None for one that was broken off."""
        if result is None or _was_not_tried(result):
            return None
        return self._failed(now_ms) if is_of_the_server(result) else self._answered()

    def _failed(self, now_ms: int) -> News | None:
        was_away, self._answers = self.is_away, 0
        if self._room > 1:
            self._room -= 1
            return None
        self._next_probe_ms = now_ms + self._probe_every_ms
        return None if was_away else News.AWAY

    def _answered(self) -> News | None:
        was_away, self._next_probe_ms = self.is_away, None
        self._answers += 1
        if self._answers >= self._room and self._room < self._most:
            self._room, self._answers = self._room + 1, 0
        return News.BACK if was_away else None


def is_of_the_server(result: Result) -> bool:
    """Whether an attempt failed before the mail server was asked about the recipient."""
    return isinstance(result, Deferred) and result.phase in _BEFORE_ANY_RECIPIENT


def _was_not_tried(result: Result) -> bool:
    return isinstance(result, Deferred) and result.phase is Phase.RENDER
