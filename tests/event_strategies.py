"""Hypothesis strategies for events and for records of any of our schemas."""

from typing import Any

from fastavro.types import Schema
from hypothesis import strategies as st

from processor.restrictions.events import (
    Cause,
    Evidence,
    Position,
    SenderAlerted,
    SenderBlocked,
    SenderUnblocked,
    Trigger,
    UnblockReason,
    WindowCounters,
)
from processor.verdicts.event import INT_MAX, OCCURRED_AT_MAX_MS, MessageVerdict, Verdict

LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
INT_MIN = -(2**31)

required_texts = st.text(min_size=1, max_size=40)
optional_texts = st.none() | st.text(max_size=40)
times_ms = st.integers(0, OCCURRED_AT_MAX_MS)
counts = st.integers(0, INT_MAX)
doubles = st.floats(allow_nan=False)

positions = st.builds(Position, topic=required_texts, partition=counts, offset=st.integers(0, LONG_MAX))
window_counters = st.builds(
    WindowCounters,
    messages=st.integers(0, LONG_MAX),
    spam_messages=st.integers(0, LONG_MAX),
    internal_recipients=st.integers(0, LONG_MAX),
    external_recipients=st.integers(0, LONG_MAX),
)
triggers = st.builds(
    Trigger,
    event_id=required_texts,
    message_id=optional_texts,
    client_ip=optional_texts,
    verdict=st.sampled_from([verdict.name for verdict in Verdict]),
)
evidence = st.builds(
    Evidence,
    policy=required_texts,
    policy_version=required_texts,
    limit_name=required_texts,
    limit=doubles,
    observed=doubles,
    window_start_ms=times_ms,
    window_end_ms=times_ms,
    hour=window_counters,
    day=window_counters,
    trigger=triggers,
)

message_verdicts = st.builds(
    MessageVerdict,
    event_id=required_texts,
    occurred_at_ms=times_ms,
    tenant_id=required_texts,
    sender=required_texts,
    internal_recipients=counts,
    external_recipients=counts,
    verdict=st.sampled_from(Verdict),
    message_id=optional_texts,
    client_ip=optional_texts,
    score=st.none() | st.floats(width=32, allow_nan=False),
)
blocks_by_limit = st.builds(
    SenderBlocked,
    tenant_id=required_texts,
    sender=required_texts,
    cause=st.just(Cause.LIMIT),
    blocked_at_ms=times_ms,
    blocked_until_ms=st.none() | times_ms,
    action=required_texts,
    previous_blocks=counts,
    position=positions,
    evidence=evidence,
)
blocks_by_hand = st.builds(
    SenderBlocked,
    tenant_id=required_texts,
    sender=required_texts,
    cause=st.just(Cause.MANUAL),
    blocked_at_ms=times_ms,
    blocked_until_ms=st.none() | times_ms,
    action=required_texts,
    previous_blocks=counts,
    position=positions,
    evidence=st.none(),
    issued_by=optional_texts,
    reason=optional_texts,
    command_id=optional_texts,
)
unblocks = st.builds(
    SenderUnblocked,
    block_id=required_texts,
    tenant_id=required_texts,
    sender=required_texts,
    reason=st.sampled_from(UnblockReason),
    unblocked_at_ms=times_ms,
    position=positions,
    released_by=optional_texts,
    ticket=optional_texts,
    comment=optional_texts,
    command_id=optional_texts,
)
alerts = st.builds(
    SenderAlerted,
    tenant_id=required_texts,
    sender=required_texts,
    cause=st.sampled_from([Cause.LIMIT, Cause.BRAKE]),
    alerted_at_ms=times_ms,
    action=required_texts,
    previous_blocks=counts,
    position=positions,
    evidence=evidence,
)
restriction_events = blocks_by_limit | blocks_by_hand | unblocks | alerts

_PRIMITIVES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(INT_MIN, INT_MAX),
    "long": st.integers(LONG_MIN, LONG_MAX),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=20),
    "string": st.text(max_size=20),
}


def values_of(schema: Schema, named: dict[str, st.SearchStrategy[Any]] | None = None) -> st.SearchStrategy[Any]:
    """Any value of a parsed schema that does not contain itself."""
    named = {} if named is None else named
    if isinstance(schema, list):
        return st.one_of([values_of(branch, named) for branch in schema])
    if isinstance(schema, str):
        return _PRIMITIVES[schema] if schema in _PRIMITIVES else named[schema]
    match schema["type"]:
        case "record":
            fields = {field["name"]: values_of(field["type"], named) for field in schema["fields"]}
            strategy: st.SearchStrategy[Any] = st.fixed_dictionaries(fields)
        case "enum":
            strategy = st.sampled_from(schema["symbols"])
        case "fixed":
            strategy = st.binary(min_size=schema["size"], max_size=schema["size"])
        case "array":
            return st.lists(values_of(schema["items"], named), max_size=3)
        case "map":
            return st.dictionaries(st.text(max_size=5), values_of(schema["values"], named), max_size=3)
        case other:
            return values_of(other, named)
    named[schema["name"]] = strategy
    return strategy
