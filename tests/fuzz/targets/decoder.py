"""The decoder of verdicts against fastavro: one payload at a time, guided by coverage, or thousands at a time, mutated in bulk."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from processor.avro import Undecodable
from processor.verdicts.batches import REASONS, Batch, Decoder
from processor.verdicts.columns import OK
from tests.decoding import NOW_MS, Counted, decoded, judged
from tests.engines import SEED, NoOtherWriters
from tests.fuzz.oracle import quickly_judged
from tests.fuzz.payloads import Payloads, begin, words
from tests.fuzz.target import Found, Outcome, Target

_A_BATCH = 10_000
_SURROUNDINGS = (b"\x00" * 40, b"\xff" * 40, b"\x80" * 40)


def _check(payload: bytes) -> str:
    expected = judged(payload)
    neighbours = [begin()[0], *_SURROUNDINGS]
    rows = decoded([payload, *(row for neighbour in neighbours for row in (neighbour, payload))])
    assert rows[0] == expected, f"{rows[0]}, and fastavro says {expected}"
    assert rows[2::2] == [expected] * len(neighbours), "a row is another beside other neighbours"
    return _class_of(expected)


def _class_of(found: Counted | Undecodable) -> str:
    return "good" if isinstance(found, Counted) else found.value


def _in_bulk(seed: int, count: int) -> Iterator[Outcome]:
    """Each payload is held against fastavro, and decoded again among the same rows in another order, so followed by other bytes."""
    payloads = Payloads(seed)
    decoder, again = Decoder(NoOtherWriters(), SEED), Decoder(NoOtherWriters(), SEED)
    for start in range(0, count, _A_BATCH):
        rows = payloads.next(min(_A_BATCH, count - start))
        batch = _batch(decoder, rows)
        order = payloads.order(len(rows))
        moved = _batch(again, [rows[row] for row in order])
        differing = _differing(batch, moved, order)
        if differing is not None:
            raise Found(rows[differing], f"row {differing} is another among the same rows in another order")
        yield from _judged_rows(batch, rows).items()


def _batch(decoder: Decoder, rows: Sequence[bytes]) -> Batch:
    return decoder.batch(rows, np.arange(len(rows), dtype=np.int64), np.full(len(rows), NOW_MS, np.int64))


def _differing(batch: Batch, moved: Batch, order: np.ndarray[tuple[int], np.dtype[np.int64]]) -> int | None:
    """A row that the second batch, which has them in another order, sees in another way."""
    first, second, rows = batch.columns, moved.columns, len(batch)
    same = first.status[order] == second.status[:rows]
    good = same & (second.status[:rows] == OK)
    for name in ("occurred_at_ms", "verdict", "internal_recipients", "external_recipients", "sender_hash"):
        same &= ~good | (getattr(first, name)[order] == getattr(second, name)[:rows])
    for name in ("sender", "tenant"):
        starts = getattr(first, f"{name}_start")[order] - batch.starts[:-1][order]
        same &= ~good | (starts == getattr(second, f"{name}_start")[:rows] - moved.starts[:-1])
        same &= ~good | (getattr(first, f"{name}_length")[order] == getattr(second, f"{name}_length")[:rows])
    return None if same.all() else int(order[int(np.flatnonzero(~same)[0])])


def _judged_rows(batch: Batch, rows: Sequence[bytes]) -> Counter[str]:
    columns = batch.columns
    fields = zip(
        rows,
        columns.status.tolist(),
        columns.occurred_at_ms.tolist(),
        columns.verdict.tolist(),
        columns.internal_recipients.tolist(),
        columns.external_recipients.tolist(),
        columns.sender_start.tolist(),
        columns.sender_length.tolist(),
        strict=False,  # columns may be longer
    )
    outcomes: Counter[str] = Counter()
    for payload, status, occurred_at_ms, verdict, internal, external, at, length in fields:
        expected = quickly_judged(payload)
        seen = Counted(occurred_at_ms, verdict, internal, external, batch.values.joined[at : at + length].tobytes())
        found = seen if status == OK else REASONS[status]
        if found != expected:
            raise Found(payload, f"{found}, and fastavro says {expected}")
        outcomes[_class_of(expected)] += 1
    return outcomes


TARGETS = (
    Target(
        "decoder",
        "any payload is what fastavro says or refused for the first thing that is wrong, whatever its neighbours",
        _check,
        begin,
        words=words(),
        longest=70_000,
        memory_mb=600,
        in_bulk=_in_bulk,
    ),
)
