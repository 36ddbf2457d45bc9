"""A report as Arrow tables, for Parquet: `findings`, `faults` and `partitions`. Needs pyarrow, which is an extra."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from processor.audit.report import AuditReport
from processor.audit.rows import fault_rows, finding_rows, partition_rows, summary_row

_TIME = pa.timestamp("ms", tz="UTC")
_COUNT = pa.int64()
_SCHEMAS = {
    "findings": pa.schema(
        {
            "outcome": pa.string(),
            "partition": pa.int32(),
            "event": pa.string(),
            "event_id": pa.string(),
            "sender": pa.string(),
            "tenant_id": pa.string(),
            "at": _TIME,
            "topic": pa.string(),
            "offset": pa.int64(),
            "limit_name": pa.string(),
            "limit": pa.float64(),
            "observed": pa.float64(),
            "policy": pa.string(),
            "policy_version": pa.string(),
            "differences": pa.list_(
                pa.struct({"field": pa.string(), "published": pa.string(), "recomputed": pa.string()})
            ),
            "published": pa.string(),
            "recomputed": pa.string(),
        }
    ),
    "faults": pa.schema(
        {
            "fault": pa.string(),
            "partition": pa.int32(),
            "from_offset": pa.int64(),
            "to_offset": pa.int64(),
            "message": pa.string(),
        }
    ),
    "partitions": pa.schema(
        {
            "partition": pa.int32(),
            "first_offset": pa.int64(),
            "next_offset": pa.int64(),
            "from_commit": pa.int64(),
            "last_commit": pa.int64(),
            "last_time": _TIME,
            "records": _COUNT,
            "matched": _COUNT,
            "not_yet_processed": _COUNT,
            "findings": _COUNT,
            "faults": _COUNT,
            "unaudited": pa.string(),
        }
    ),
}
SUMMARY_KEY = b"senderwatch.audit"
"""Where each table's schema holds the summary, with the pins, as JSON."""


def tables(report: AuditReport) -> dict[str, pa.Table]:
    """The tables by name. Both events of a finding, and both sides of a difference, are JSON: each kind has fields of its own."""
    summary = {SUMMARY_KEY: _json(summary_row(report)).encode()}
    rows: dict[str, list[dict[str, Any]]] = {
        "findings": [_flat(row) for row in finding_rows(report)],
        "faults": list(fault_rows(report)),
        "partitions": [{**row, "last_time": row["last_time_ms"]} for row in partition_rows(report)],
    }
    return {
        name: pa.Table.from_pylist(
            [dict(_chosen(row, schema.names)) for row in rows[name]], schema.with_metadata(summary)
        )
        for name, schema in _SCHEMAS.items()
    }


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a finding with the evidence in columns: that which follows from the log, where there is any."""
    evidence = row["recomputed"] or row["published"]
    return {
        **{name: evidence.get(name) for name in ("limit_name", "policy", "policy_version")},
        **{name: _float(evidence.get(name)) for name in ("limit", "observed")},
        **row,
        **row["position"],
        "partition": row["partition"],
        "at": row["at_ms"],
        "differences": [
            {"field": each["field"], "published": _json(each["published"]), "recomputed": _json(each["recomputed"])}
            for each in row["differences"]
        ],
        "published": None if row["published"] is None else _json(row["published"]),
        "recomputed": None if row["recomputed"] is None else _json(row["recomputed"]),
    }


def _chosen(row: Mapping[str, Any], names: list[str]) -> Iterator[tuple[str, Any]]:
    return ((name, row[name]) for name in names)


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
