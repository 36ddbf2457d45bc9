"""`detect --once`: whether all is done, asked while things change."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from processor.kafka.errors import BrokerUnreachable
from processor.kafka.reading import RecordsGone
from processor.workers.detect import DetectWorker


@pytest.mark.parametrize(
    "problem", [RecordsGone("verdicts", 0, "out of range"), BrokerUnreachable("127.0.0.1:9", "away")]
)
def test_what_could_not_be_asked_is_asked_again(problem: Exception) -> None:
    """Retention can take what the question is about after its first offset was asked for."""
    asked: list[bool] = []

    def is_done(_: object) -> bool:
        asked.append(True)
        if len(asked) == 1:
            raise problem
        return True

    worker = cast(Any, object.__new__(DetectWorker))
    worker._finish = SimpleNamespace(is_worth_asking=lambda _: True, is_done=is_done)
    worker._consumer = SimpleNamespace(was_assigned=True, committed=lambda *_, **__: [])
    worker._works, worker._partitions, worker._commit_due_s = {}, 1, None
    assert not worker._is_done()
    assert worker._is_done()
