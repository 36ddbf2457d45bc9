"""Every mail that the postman is given has an outcome, however it ends."""

import asyncio
from collections.abc import Iterator

import pytest

from processor.notification.message import Envelope
from processor.notification.outgoing import Errand
from processor.notification.results import Accepted, Deferred, Phase, Reply, Result
from processor.workers.postman import Outcome, Postman
from tests.waiting import wait_until

ACCEPTED = Accepted(Reply(250, "taken"))
ERRANDS = [Errand(0, f"mail{number}", "a@x.example") for number in range(200)]


class FakeCarrier:
    """Takes what is not to wait; a name with `broken` raises."""

    def __init__(self) -> None:
        self.closed = False

    async def deliver(self, envelope: Envelope) -> Result:
        if envelope.name == "broken":
            raise RuntimeError("a fault of ours")
        if envelope.name == "slow":
            await asyncio.Event().wait()
        return ACCEPTED

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def postman() -> Iterator[Postman]:
    postman = Postman(FakeCarrier())
    yield postman
    postman.close()


def envelope(name: str) -> Envelope:
    return Envelope(name, "noreply@x.example", "a@x.example", False, b"")


def outcomes(postman: Postman, count: int) -> list[Outcome]:
    ended: list[Outcome] = []

    def all_there() -> bool:
        ended.extend(postman.outcomes(0.01))
        return len(ended) >= count

    wait_until(all_there, f"{count} outcomes")
    return ended


def test_each_mail_has_one_outcome(postman: Postman) -> None:
    for errand in ERRANDS:
        postman.send(errand, envelope("mail"))
    assert sorted(outcomes(postman, len(ERRANDS)), key=lambda each: each[0]) == sorted(
        (errand, ACCEPTED) for errand in ERRANDS
    )


def test_what_is_broken_off_at_once_has_an_outcome_too(postman: Postman) -> None:
    """A partition is lost in the poll after the mail was given out: without an outcome it would be under way for ever."""
    for errand in ERRANDS:
        postman.send(errand, envelope("slow"))
        postman.cancel([errand])
    assert {errand for errand, _ in outcomes(postman, len(ERRANDS))} == set(ERRANDS)
    postman.send(ERRANDS[0], envelope("mail"))
    assert outcomes(postman, 1) == [(ERRANDS[0], ACCEPTED)]


def test_a_fault_of_ours_costs_an_attempt_and_not_the_thread(postman: Postman) -> None:
    postman.send(ERRANDS[0], envelope("broken"))
    ((_, result),) = outcomes(postman, 1)
    assert isinstance(result, Deferred)
    assert (result.phase, result.reason) == (Phase.RENDER, "unexpected: RuntimeError('a fault of ours')")
    postman.send(ERRANDS[1], envelope("mail"))
    assert outcomes(postman, 1) == [(ERRANDS[1], ACCEPTED)]


def test_what_is_under_way_when_the_postman_ends_is_broken_off() -> None:
    carrier = FakeCarrier()
    postman = Postman(carrier)
    postman.send(ERRANDS[0], envelope("slow"))
    postman.close()
    assert postman.outcomes() == [(ERRANDS[0], None)]
    assert carrier.closed
