"""When a mail that was not accepted is tried again: ever longer waits, for three days (design, section 7)."""

from dataclasses import dataclass
from hashlib import blake2b

from processor.notification.results import RELAY_PHASES, Phase

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True)
class Schedule:
    """The waits between attempts, all in milliseconds.

    The wait doubles from `first_wait_ms` up to `longest_wait_ms`, or only up to `relay_wait_ms` when it was our own
    mail server that could not be talked to: once it is back, nobody should wait two hours for his mail. While it is away,
    `probe_every_ms` is how often any mail at all is tried.
    """

    first_wait_ms: int = MINUTE_MS
    longest_wait_ms: int = 2 * HOUR_MS
    relay_wait_ms: int = 5 * MINUTE_MS
    give_up_after_ms: int = 3 * DAY_MS
    probe_every_ms: int = 10_000

    def next_attempt_ms(
        self, *, first_attempt_ms: int, now_ms: int, attempts: int, phase: Phase, seed: str
    ) -> int | None:
        """The time of the attempt after `attempts` failed ones, or None: three days have passed, give up.

        Later than `now_ms`, and never past `first_attempt_ms + give_up_after_ms`, where the last attempt is made. Up to
        a quarter of the wait is taken off by `seed`, always the same, so that a thousand mails do not return together.
        """
        deadline_ms = first_attempt_ms + self.give_up_after_ms
        if now_ms >= deadline_ms:
            return None
        longest_ms = self.relay_wait_ms if phase in RELAY_PHASES else self.longest_wait_ms
        # 2**40 waits are past every bound; without it many attempts would make enormous numbers.
        wait_ms = min(self.first_wait_ms << min(attempts - 1, 40), longest_ms)
        wait_ms -= int(wait_ms * _fraction(f"{seed}/{attempts}") / 4)
        return min(now_ms + max(wait_ms, 1), deadline_ms)


def _fraction(seed: str) -> float:
    """A number in [0, 1) that depends on `seed` alone."""
    return int.from_bytes(blake2b(seed.encode("utf-8", "surrogatepass"), digest_size=6).digest(), "big") / 2**48
