"""Columns of integers as the schemas `Column` and `Senders` have them, shared by the changelog and the journal."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from processor.detection.changes import Kept, SenderValues
from processor.kafka.serde import Serde
from processor.restrictions.events import SenderBlocked
from processor.types import Int64s

_WIDTHS = ((1, 0xFF), (2, 0xFFFF), (4, 0xFFFF_FFFF))
_BLOCKED = "SenderBlocked"
_PLAIN = Serde(None)
"""An event inside a record is in single-object encoding, registry or not; of no topic of its own."""


def packed(values: Int64s) -> dict[str, Any]:
    """A column of the narrowest width; the record's other half of compression is the producer's."""
    base = int(values.min()) if len(values) else 0
    less = (values - base).astype(np.uint64)
    largest = int(less.max()) if len(values) else 0
    width = next((width for width, most in _WIDTHS if largest <= most), 8)
    return {"base": base, "width": width, "values": less.astype(f"<u{width}").tobytes()}


def unpacked(column: dict[str, Any]) -> Int64s:
    """The integers of a column. Raises ValueError for one that cannot be."""
    if column["width"] not in {1, 2, 4, 8}:
        raise ValueError(f"a column of {column['width']} bytes a value")
    values = np.frombuffer(column["values"], f"<u{column['width']}").astype(np.uint64)
    return values.astype(np.int64) + np.int64(column["base"])


def brake_record(brake: Mapping[int, int]) -> list[dict[str, int]]:
    """How many blocks by a limit and holds fell in which pane."""
    return [{"pane": pane, "count": count} for pane, count in brake.items()]


def senders_record(chunk: SenderValues) -> dict[str, Any]:
    """Values of senders as the schema `Senders` has them."""
    return {
        "numbers": packed(chunk.numbers),
        "name_lengths": packed(chunk.name_lengths),
        "names": chunk.names,
        "counts_from": packed(chunk.counts_from_ms),
        "alerted_days": packed(chunk.alerted_days),
        "alerted": packed(chunk.alerted),
        "kept": [
            {
                "sender": kept.sender,
                "restriction": None
                if kept.restriction is None
                else _PLAIN.encode("", _BLOCKED, kept.restriction.to_record()),
                "blocks": list(kept.blocks),
                "unblocks": list(kept.unblocks),
                "counts_from_offset": kept.counts_from_offset,
            }
            for kept in chunk.kept
        ],
    }


def senders_values(record: dict[str, Any]) -> SenderValues:
    """The way back from `senders_record`. Raises ValueError for what is no such record."""
    return SenderValues(
        numbers=unpacked(record["numbers"]),
        name_lengths=unpacked(record["name_lengths"]),
        names=record["names"],
        counts_from_ms=unpacked(record["counts_from"]),
        alerted_days=unpacked(record["alerted_days"]),
        alerted=unpacked(record["alerted"]),
        kept=tuple(
            Kept(
                sender=kept["sender"],
                restriction=None if kept["restriction"] is None else _block(kept["restriction"]),
                blocks=tuple(kept["blocks"]),
                unblocks=tuple(kept["unblocks"]),
                counts_from_offset=kept["counts_from_offset"],
            )
            for kept in record["kept"]
        ),
    )


def _block(value: bytes) -> SenderBlocked:
    name, record = _PLAIN.decode(value)
    if name != _BLOCKED:
        raise ValueError(f"a {name} as the block in force")
    try:
        return SenderBlocked.from_record(record)
    except TypeError as error:  # a limit without its counters
        raise ValueError(f"a block that cannot be: {error}") from error
