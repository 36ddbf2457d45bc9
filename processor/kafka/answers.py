"""The answers of an admin client."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

from processor.clock import Clock

What = TypeVar("What")

_FIRST_ANSWER_S = 0.1


def answered(ask: Callable[[float], dict[What, Future[Any]]], deadline: float, clock: Clock) -> dict[What, Future[Any]]:
    """Asks, and asks again when nothing comes for a moment, then for longer; the same client answers the second time at once.

    `ask` is given the seconds that are left. A new client's first question can fall between its first connection and the one
    that takes its place. It then waits for a timer, one second or three (librdkafka 2.16: one in twenty on a real broker).
    """
    patience_s = _FIRST_ANSWER_S
    while True:
        left_s = deadline - clock.monotonic()
        answers = ask(max(left_s, _FIRST_ANSWER_S))
        if left_s <= patience_s or not wait(answers.values(), patience_s).not_done:
            return answers
        patience_s *= 2
