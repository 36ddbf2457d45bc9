"""Values that no engine can have written are refused before a kernel believes them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from processor.detection.changes import CellValues, Chunk, Kept, SenderValues, apply, rebuild
from processor.detection.layout import CELLS_MAX, SENDERS_MAX
from processor.detection.soundness import Unsound
from processor.kafka.changelog import CommitMark, RestoreFailed, _Log
from processor.kafka.columns import senders_values, unpacked
from processor.kafka.committed import Committed
from processor.kafka.serde import Serde
from processor.policies.policy import PolicySet
from tests.engines import new_engine
from tests.mail_samples import blocked

NOW_MS = 1_760_000_000_000
PANE = NOW_MS // 300_000


def column(*values: int) -> Any:
    return np.array(values, np.int64)


SENDERS = SenderValues(
    numbers=column(1, 2),
    name_lengths=column(2, 3),
    names="ébob".encode(),
    counts_from_ms=column(0, 0),
    alerted_days=column(0, 0),
    alerted=column(0, 0),
    kept=(Kept(2, None, (NOW_MS,), (), 7),),
)
CELLS = CellValues(
    slots=column(1, 2), senders=column(1, 2), panes=column(PANE, PANE), counts=np.array([[3, 1, 0, 0]] * 2, np.int64)
)


def test_what_an_engine_wrote_is_taken() -> None:
    engine = new_engine(PolicySet())
    apply(engine, SENDERS)
    apply(engine, CELLS)
    rebuild(engine, NOW_MS, {PANE: 1})
    assert int(engine.table.state[0].cells) == 2


@pytest.mark.parametrize(
    ("chunk", "said"),
    [
        (replace(CELLS, slots=column(1)), "one length"),
        (replace(CELLS, slots=column(0, 1)), "slots"),
        (replace(CELLS, slots=column(2, 1)), "slots"),
        (replace(CELLS, slots=column(1, CELLS_MAX)), "slots"),
        (replace(CELLS, slots=column(-5, 1)), "slots"),
        (replace(CELLS, senders=column(1, SENDERS_MAX)), "senders of cells"),
        (replace(CELLS, senders=column(-1, 1)), "senders of cells"),
        (replace(CELLS, panes=column(PANE, -1)), "panes"),
        (replace(CELLS, panes=column(PANE, 1 << 40)), "panes"),
        (replace(CELLS, counts=CELLS.counts - 2), "counts"),
        (replace(CELLS, counts=CELLS.counts << 60), "counts"),
        (replace(CELLS, counts=CELLS.counts[:, ::-1] + 0), None),
        (replace(CELLS, counts=CELLS.counts[:, [1, 0, 2, 3]]), "more spam"),
        (replace(SENDERS, numbers=column(1, SENDERS_MAX)), "numbers"),
        (replace(SENDERS, numbers=column(2, 2)), "numbers"),
        (replace(SENDERS, alerted=column(0)), "one length"),
        (replace(SENDERS, name_lengths=column(2, 4)), "names are not as long"),
        (replace(SENDERS, name_lengths=column(-1, 6)), "lengths of names"),
        (replace(SENDERS, name_lengths=column(1, 4)), "not UTF-8"),
        (replace(SENDERS, names=b"\xffabob"), "not UTF-8"),
        (replace(SENDERS, counts_from_ms=column(0, -1)), "times"),
        (replace(SENDERS, alerted_days=column(0, 1 << 31)), "days"),
        (replace(SENDERS, alerted=column(0, 1 << 16)), "alerts"),
        (replace(SENDERS, kept=(Kept(3, None, (NOW_MS,), (), 0),)), "has no name"),
        (replace(SENDERS, kept=(Kept(2, blocked("ann@a.example"), (), (), 0),)), "another's"),
        (replace(SENDERS, kept=(Kept(2, None, (-1,), (), 0),)), "no time"),
    ],
)
def test_values_that_cannot_be_are_refused_and_change_nothing(chunk: Chunk, said: str | None) -> None:
    engine = new_engine(PolicySet())
    if said is None:
        apply(engine, chunk)
        return
    with pytest.raises(Unsound, match=said):
        apply(engine, chunk)
    assert int(engine.table.state[0].cell_top) == int(engine.table.state[0].sender_top) == 1


@pytest.mark.parametrize(
    ("cells", "stream_time_ms", "brake", "said"),
    [
        (CELLS, -2, {}, "stream time"),
        (CELLS, 1 << 60, {}, "stream time"),
        (CELLS, NOW_MS, {-1: 1}, "brake"),
        (CELLS, NOW_MS, {PANE: -1}, "brake"),
        (CELLS, NOW_MS - 400_000, {}, "after the stream time"),
        (replace(CELLS, senders=column(1, 3)), NOW_MS, {}, "without a name"),
        (replace(CELLS, senders=column(1, 1)), NOW_MS, {}, "two cells"),
    ],
)
def test_a_state_that_cannot_be_is_refused(
    cells: CellValues, stream_time_ms: int, brake: dict[int, int], said: str
) -> None:
    engine = new_engine(PolicySet())
    apply(engine, SENDERS)
    apply(engine, cells)
    with pytest.raises(Unsound, match=said):
        rebuild(engine, stream_time_ms, brake)


@pytest.mark.parametrize("width", [0, 3, 16, -1])
def test_a_column_of_no_width_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match="bytes a value"):
        unpacked({"base": 0, "width": width, "values": b"\x01" * 16})


def _senders(restriction: bytes) -> None:
    empty = {"base": 0, "width": 1, "values": b""}
    names = ("numbers", "name_lengths", "counts_from", "alerted_days", "alerted")
    kept = {"sender": 1, "restriction": restriction, "blocks": [], "unblocks": [], "counts_from_offset": 0}
    senders_values({**dict.fromkeys(names, empty), "names": b"", "kept": [kept]})


@pytest.mark.parametrize(
    "restriction",
    [
        b"",
        Serde(None).encode("", "SenderBlocked", {**blocked().to_record(), "hour": None}),
        Serde(None).encode("", "OutboundPolicies", {"name": "", "content": "", "published_by": "", "comment": None}),
    ],
)
def test_a_restriction_that_is_no_block_is_a_value_error(restriction: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|cannot be|as the block"):
        _senders(restriction)


def _head(**changes: Any) -> dict[str, Any]:
    head = {
        "next_verdict": 1,
        "next_command": 0,
        "next_support_command": 0,
        "stream_time": NOW_MS,
        "policy_version": "v",
        "brake": [],
    }
    return {"format": 1, "commit": 1, "head": {**head, **changes}}


@pytest.mark.parametrize("damage", [lambda: _head(next_verdict=-1), lambda: _head(stream_time=-9)])
def test_a_damaged_changelog_is_said_with_its_place_and_the_way_out(damage: Callable[[], dict[str, Any]]) -> None:
    serde = Serde(None)
    log = _Log(serde, "log", Committed(3, 1, CommitMark(0, 1).to_metadata()), new_engine(PolicySet()))

    def restore() -> None:
        log.take(0, serde.encode("log", "ChangelogEntry", damage()))
        log.restored()

    with pytest.raises(RestoreFailed, match=r"log, partition 3, is damaged.*delete the committed offset"):
        restore()
