"""What-if as Arrow tables, for Parquet: the rows that `--json` prints, by their `type`. Needs pyarrow, which is an extra."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

_TIME = pa.timestamp("ms", tz="UTC")
_COUNT = pa.int64()
_COUNTERS = pa.struct(
    dict.fromkeys(("messages", "spam_messages", "internal_recipients", "external_recipients"), _COUNT)
)
_EVENT = {"policies": pa.string(), "tenant_id": pa.string(), "sender": pa.string()}
_EVIDENCE = {
    "cause": pa.string(),
    "action": pa.string(),
    "policy": pa.string(),
    "policy_version": pa.string(),
    "limit_name": pa.string(),
    "limit": pa.float64(),
    "observed": pa.float64(),
    "window_start": _TIME,
    "window_end": _TIME,
    "hour": _COUNTERS,
    "day": _COUNTERS,
    "trigger": pa.struct({name: pa.string() for name in ("event_id", "message_id", "client_ip", "verdict")}),
    "previous_blocks": _COUNT,
}
_PLACE = {
    "position": pa.struct({"topic": pa.string(), "partition": pa.int32(), "offset": _COUNT}),
    "file": pa.string(),
    "line": _COUNT,
}
_STOPPED = {"stopped_messages": _COUNT, "stopped_spam_messages": _COUNT}
_SUMS = {"senders": _COUNT, "blocks": _COUNT, "alerts": _COUNT, "holds": _COUNT, **_STOPPED}
_TABLES = {
    "SenderBlocked": (
        "blocks",
        {"block_id": pa.string(), **_EVENT, "blocked_at": _TIME, "blocked_until": _TIME, "unblocked_at": _TIME, **_STOPPED,
         **_EVIDENCE, "issued_by": pa.string(), "reason": pa.string(), "command_id": pa.string(), "previous_unblocks": _COUNT,
         **_PLACE},
    ),
    "SenderAlerted": ("alerts", {"event_id": pa.string(), **_EVENT, "alerted_at": _TIME, **_EVIDENCE, **_PLACE}),
    "SenderUnblocked": (
        "unblocks",
        {"event_id": pa.string(), "block_id": pa.string(), **_EVENT, "unblocked_at": _TIME, "reason": pa.string(),
         "released_by": pa.string(), "ticket": pa.string(), "comment": pa.string(), "command_id": pa.string(), **_PLACE},
    ),
    "outcome": ("outcomes", {"policies": pa.string(), "policy_version": pa.string(), **_SUMS}),
    "compared": (
        "compared",
        {"found": pa.string(), "sender": pa.string(), "policies": pa.string(), "against": pa.string(), "later_ms": _COUNT,
         "blocks": pa.string(), "blocks_against": pa.string()},
    ),
    "comparison": (
        "comparison",
        {"policies": pa.string(), "against": pa.string(),
         **dict.fromkeys(("only_policies", "only_against", "different", "alike"), _COUNT)},
    ),
    "sweep": (
        "sweep",
        {"policy": pa.string(), "limit_name": pa.string(), "limit": pa.float64(), "is_own": pa.bool_(), **_SUMS},
    ),
}  # fmt: skip
INPUT_KEY = b"senderwatch.what_if"
"""Where each table's schema holds, as JSON, what is told of the log: the rows of every other type."""


def tables(rows: Iterable[Mapping[str, Any]]) -> dict[str, pa.Table]:
    """All tables by name, also those without a row; lists of blocks are JSON within. Columns that a row lacks are null."""
    by_type: dict[str, list[Mapping[str, Any]]] = {kind: [] for kind in _TABLES}
    rest: list[Mapping[str, Any]] = []
    for row in rows:
        by_type.get(row["type"], rest).append(row)
    told = {INPUT_KEY: json.dumps(rest, separators=(",", ":")).encode()}
    return {
        name: pa.Table.from_pylist(
            [{column: _cell(row.get(column)) for column in columns} for row in by_type[kind]],
            pa.schema(columns).with_metadata(told),
        )
        for kind, (name, columns) in _TABLES.items()
    }


def _cell(value: Any) -> Any:
    return json.dumps(value, separators=(",", ":")) if isinstance(value, list) else value
