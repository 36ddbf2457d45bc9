"""What changed since the last commit, as absolute values by slot and number; and a table built again from such values.

Applying the same values twice, or old ones before new ones, does no harm: the last value wins. What follows from the stream time
(a pane that left the day window, a sender of whom nothing is left) is not written down, it is found again by `rebuild`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from processor.compiled import compiled
from processor.detection.counting import relink
from processor.detection.engine import Engine
from processor.detection.layout import GRANULE, Table
from processor.detection.senders import enter_sender, forget_name, name_hash, store_name
from processor.detection.soundness import Unsound, check_cells, check_kept, check_owners, check_senders, check_whole
from processor.detection.windows import DAY_PANES, pane_of
from processor.restrictions.events import SenderBlocked
from processor.types import Bytes, Flags, Int64s

CELLS_A_CHUNK = 16_384
SENDERS_A_CHUNK = 8_192
NAME_BYTES_A_CHUNK = 256 * 1024
KEPT_BYTES_A_CHUNK = 256 * 1024
"""So that a chunk stays below Kafka's default limit of a message. What one sender adds beyond may be 300 KB of quoted strings."""


@dataclass(frozen=True, slots=True)
class CellValues:
    """What some cells are now. A cell without a sender (0) is gone."""

    slots: Int64s
    senders: Int64s
    panes: Int64s
    counts: Int64s  # (cells, 4)


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a sender besides counts; None, empty and 0 for one who has nothing of it."""

    sender: int
    restriction: SenderBlocked | None
    blocks: tuple[int, ...]
    unblocks: tuple[int, ...]
    counts_from_offset: int


@dataclass(frozen=True, slots=True)
class SenderValues:
    """What some senders are now. Without a name: gone. `kept` has those who have a restriction, a history or a release."""

    numbers: Int64s
    name_lengths: Int64s
    names: bytes
    counts_from_ms: Int64s
    alerted_days: Int64s
    alerted: Int64s
    kept: tuple[Kept, ...]


Chunk = CellValues | SenderValues


def touched(engine: Engine) -> Iterator[Chunk]:
    """What has changed since the last call, senders before their cells. Read it to its end."""
    table, state = engine.table, engine.table.state[0]
    senders = np.sort(table.touched_senders[: int(state.touched_senders)]).astype(np.int64)
    table.senders["touched"][senders] = 0
    state.touched_senders = 0
    cells = np.sort(table.touched_cells[: int(state.touched_cells)]).astype(np.int64)
    table.cells["touched"][cells] = 0
    state.touched_cells = 0
    yield from _sender_chunks(engine, senders)
    yield from _cell_chunks(table, cells)


def remembered(engine: Engine) -> Iterator[SenderValues]:
    """All senders of whom something besides counts is remembered."""
    kept = engine.table.senders["kept"][: int(engine.table.state[0].sender_top)]
    yield from _sender_chunks(engine, np.flatnonzero(kept))


@dataclass(slots=True)
class Sweep:
    """Walks over everything live, a slice at a time. What changes meanwhile is in `touched` anyway.

    What comes meanwhile too: so it ends where numbers and slots ended at its first slice, or new senders would keep it from its cells.
    """

    next_sender: int = 1
    next_cell: int = 1
    sender_end: int = 0
    cell_end: int = 0
    done: bool = False

    def slice(self, engine: Engine, at_most: int) -> Iterator[Chunk]:
        """The next `at_most` numbers or slots, of which the live ones are returned. Read it to its end."""
        table, state = engine.table, engine.table.state[0]
        if not self.sender_end:
            self.sender_end, self.cell_end = int(state.sender_top), int(state.cell_top)
        if self.next_sender < self.sender_end:
            end = min(self.next_sender + at_most, self.sender_end)
            named = table.senders["name_length"][self.next_sender : end] != 0
            numbers = np.flatnonzero(named) + self.next_sender
            self.next_sender = end
            yield from _sender_chunks(engine, numbers)
        elif self.next_cell < self.cell_end:
            end = min(self.next_cell + at_most, self.cell_end)
            cells = table.cells[self.next_cell : end]
            live = (cells["sender"] != 0) & (cells["pane"] > int(state.pane) - DAY_PANES)
            slots = np.flatnonzero(live) + self.next_cell
            self.next_cell = end
            yield from _cell_chunks(table, slots)
        else:
            self.done = True


def _cell_chunks(table: Table, slots: Int64s) -> Iterator[CellValues]:
    for start in range(0, len(slots), CELLS_A_CHUNK):
        chosen = slots[start : start + CELLS_A_CHUNK]
        cells = table.cells.take(chosen)  # five times as fast as an index of many: 43 to 7 ns a cell
        yield CellValues(
            slots=chosen,
            senders=cells["sender"].astype(np.int64),
            panes=cells["pane"].astype(np.int64),
            counts=table.counts[chosen],
        )


def _sender_chunks(engine: Engine, numbers: Int64s) -> Iterator[SenderValues]:
    table = engine.table
    lengths = table.senders["name_length"][numbers].astype(np.int64)
    ends = np.cumsum(lengths)
    start = 0
    while start < len(numbers):
        before = int(ends[start - 1]) if start else 0
        fitting = int(np.searchsorted(ends, before + NAME_BYTES_A_CHUNK, side="right"))
        end = max(start + 1, min(fitting, start + SENDERS_A_CHUNK))
        kept, taken = _kept(engine, numbers[start:end])
        end = start + taken
        chosen = numbers[start:end]
        rows = table.senders.take(chosen)
        names = np.empty(int(ends[end - 1]) - before, np.uint8)
        _read_names(table, chosen, lengths[start:end], names)
        yield SenderValues(
            numbers=chosen,
            name_lengths=lengths[start:end],
            names=names.tobytes(),
            counts_from_ms=rows["counts_from_ms"].astype(np.int64),
            alerted_days=rows["alerted_day"].astype(np.int64),
            alerted=rows["alerted"].astype(np.int64),
            kept=tuple(kept),
        )
        start = end


def _kept(engine: Engine, numbers: Int64s) -> tuple[list[Kept], int]:
    """What is remembered of these senders, as far as a chunk has room for it, and how many of them that is."""
    found: list[Kept] = []
    size = 0
    for place in np.flatnonzero(engine.table.senders["kept"][numbers]).tolist():
        s = int(numbers[place])
        restriction, released = engine.restrictions.get(s), engine.releases.get(s, 0)
        blocks, unblocks = engine.blocks.get(s, ()), engine.unblocks.get(s, ())
        if restriction is None and not blocks and not unblocks and not released:
            continue
        size += 20 + 10 * (len(blocks) + len(unblocks)) + (0 if restriction is None else _size(restriction))
        if found and size > KEPT_BYTES_A_CHUNK:
            return found, place
        found.append(Kept(s, restriction, tuple(blocks), tuple(unblocks), released))
    return found, len(numbers)


def _size(block: SenderBlocked) -> int:
    texts = [block.sender, block.tenant_id, block.issued_by, block.reason, block.command_id]
    if block.evidence is not None:
        trigger = block.evidence.trigger
        texts += [trigger.event_id, trigger.message_id, trigger.client_ip, block.evidence.policy]
    return 400 + sum(4 * len(text) for text in texts if text)


def apply(engine: Engine, chunk: Chunk) -> None:
    """Put values in place. Nothing else may be done with the engine until `rebuild`. Raises Unsound, and nothing is changed then."""
    table, state = engine.table, engine.table.state[0]
    check(chunk)
    if isinstance(chunk, CellValues):
        _place_cells(table, chunk.slots, chunk.senders, chunk.panes, chunk.counts)
        state.cell_top = max(int(state.cell_top), int(chunk.slots.max(initial=0)) + 1)
        return
    names = np.frombuffer(chunk.names, np.uint8)
    _place_names(table, chunk.numbers, chunk.name_lengths, names)
    table.senders["counts_from_ms"][chunk.numbers] = chunk.counts_from_ms
    table.senders["alerted_day"][chunk.numbers] = chunk.alerted_days
    table.senders["alerted"][chunk.numbers] = chunk.alerted
    state.sender_top = max(int(state.sender_top), int(chunk.numbers.max(initial=0)) + 1)
    if engine.restrictions or engine.blocks or engine.unblocks or engine.releases:
        for s in chunk.numbers.tolist():
            engine.restrictions.pop(s, None)
            engine.blocks.pop(s, None)
            engine.unblocks.pop(s, None)
            engine.releases.pop(s, None)
    for kept in chunk.kept:
        if kept.restriction is not None:
            engine.restrictions[kept.sender] = kept.restriction
        if kept.blocks:
            engine.blocks[kept.sender] = list(kept.blocks)
        if kept.unblocks:
            engine.unblocks[kept.sender] = list(kept.unblocks)
        if kept.counts_from_offset:
            engine.releases[kept.sender] = kept.counts_from_offset


def check(chunk: Chunk) -> None:
    """Raises Unsound unless an engine can have written this."""
    if isinstance(chunk, CellValues):
        check_cells(chunk.slots, chunk.senders, chunk.panes, chunk.counts)
        return
    check_senders(
        chunk.numbers, chunk.name_lengths, chunk.names, chunk.counts_from_ms, chunk.alerted_days, chunk.alerted
    )
    if chunk.kept:
        ends = np.cumsum(chunk.name_lengths).tolist()
        named = {
            number: chunk.names[end - length : end].decode()
            for number, length, end in zip(chunk.numbers.tolist(), chunk.name_lengths.tolist(), ends, strict=True)
            if length
        }
        for kept in chunk.kept:
            blocked = None if kept.restriction is None else kept.restriction.sender
            check_kept(kept.sender, named, blocked, (*kept.blocks, *kept.unblocks), kept.counts_from_offset)


def rebuild(engine: Engine, stream_time_ms: int, brake: Mapping[int, int]) -> None:
    """Make the engine whole again from the values in place: links, totals, free lists, expiries. Raises Unsound; it cannot be used then."""
    table, state = engine.table, engine.table.state[0]
    check_whole(stream_time_ms, brake)
    engine.brake = dict(brake)
    state.stream_time_ms = stream_time_ms
    state.pane = pane = max(0, pane_of(stream_time_ms))  # below 0: no verdict yet, but perhaps blocks by hand
    slots = np.arange(1, int(state.cell_top), dtype=np.int64)
    cells = table.cells[1 : int(state.cell_top)]
    live = (cells["sender"] != 0) & (cells["pane"] > pane - DAY_PANES)
    senders = table.senders[: int(state.sender_top)]
    named = senders["name_length"] != 0
    check_owners(cells["sender"][live], cells["pane"][live], named, pane)
    senders["kept"] = named & ((senders["counts_from_ms"] != 0) | (senders["alerted"] != 0))
    senders["restricted"] = 0
    senders["as_of"] = pane
    for s in (*engine.blocks, *engine.unblocks):
        senders["kept"][s] = 1
    for s in engine.restrictions:
        senders["kept"][s] = senders["restricted"][s] = 1
    has_cells = np.zeros(len(senders), np.bool_)
    has_cells[cells["sender"][live]] = True
    _settle_senders(table, has_cells)
    _free_cells(table, slots[~live])
    live_slots = slots[live]
    if not relink(table, live_slots[np.argsort(table.cells["pane"][live_slots], kind="stable")]):
        raise Unsound("two cells of one sender and one pane")
    state.cells = len(live_slots)
    engine.forget(stream_time_ms)
    engine.expect_expiries()
    engine.set_wake()


def copy_into(engine: Engine, other: Engine) -> None:
    """Make `other`, which is new, stand where `engine` stands: as a worker that takes its partition over would."""
    sweep = Sweep()
    while not sweep.done:
        for chunk in sweep.slice(engine, CELLS_A_CHUNK):
            apply(other, chunk)
    rebuild(other, engine.stream_time_ms, engine.brake)


@compiled
def _read_names(table: Table, numbers: Int64s, lengths: Int64s, names: Bytes) -> None:
    """One behind the other."""
    at = np.int64(0)
    for i in range(len(numbers)):
        start = np.int64(table.senders[numbers[i]].name_at) * GRANULE
        for k in range(lengths[i]):
            names[at + k] = table.names[start + k]
        at += lengths[i]


@compiled
def _place_cells(table: Table, slots: Int64s, senders: Int64s, panes: Int64s, counts: Int64s) -> None:
    for i in range(len(slots)):
        c = slots[i]
        table.cells[c].sender = senders[i]
        table.cells[c].pane = panes[i]
        for k in range(4):
            table.counts[c, k] = counts[i, k]


@compiled
def _place_names(table: Table, numbers: Int64s, lengths: Int64s, names: Bytes) -> None:
    start = np.int64(0)
    for i in range(len(numbers)):
        s = numbers[i]
        forget_name(table, s)
        store_name(table, s, names, start, lengths[i])
        table.senders[s].hash = name_hash(names, start, lengths[i], table.state[0].seed)
        start += lengths[i]


@compiled
def _settle_senders(table: Table, has_cells: Flags) -> None:
    """Make senders of whom something is left findable, and free the numbers of all others."""
    state = table.state[0]
    for s in range(1, len(has_cells)):
        sender = table.senders[s]
        if sender.name_length != 0 and (has_cells[s] or sender.kept != 0):
            enter_sender(table, s)
        else:
            forget_name(table, s)
            sender.chain = state.sender_free
            state.sender_free = s


@compiled
def _free_cells(table: Table, slots: Int64s) -> None:
    state = table.state[0]
    for c in slots:
        cell = table.cells[c]
        cell.pane = 0
        cell.sender = 0
        cell.next = state.cell_free
        state.cell_free = c
