"""What is said while a partition's end is waited for."""

from dataclasses import dataclass

from structlog.testing import capture_logs

from processor.kafka.reading import Patience


@dataclass
class Hand:
    """A clock that is moved by hand."""

    now_s: float = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return 0

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_who_waits_for_long_says_once_for_what() -> None:
    clock = Hand()
    patience = Patience(clock)
    unread = {("commands", 3): 17}
    with capture_logs() as said:
        for _ in range(9):
            clock.sleep(1.5)
            patience.renew()
            patience.say_if_out(unread)
        assert said == [], "something has come each time"
        for _ in range(30):
            clock.sleep(1.5)
            patience.say_if_out(unread)
        assert [each["up_to"] for each in said] == [{"commands/3": 17}]
        patience.renew()
        clock.sleep(11.0)
        patience.say_if_out({})
        assert len(said) == 1, "nothing is waited for"
        patience.say_if_out(unread)
        assert len(said) == 2
