"""CloudEvents 1.0 in Kafka's binary content mode: what a subscriber learns from the headers, without Avro.

(CloudEvents 1.0.2, and its "Kafka Protocol Binding", section 3.2: attributes are headers prefixed `ce_`, in UTF-8.)
"""

from datetime import UTC, datetime, timedelta

CONTENT_TYPE = "application/avro"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def headers(*, id: str, type: str, source: str, subject: str, time_ms: int) -> list[tuple[str, bytes]]:  # noqa: A002
    """The headers of one output record.

    Args:
        id: the event's id, by which a subscriber recognises a record that it has seen before.
        type: what happened, for example `senderwatch.SenderBlocked`.
        source: who says so, as a URI reference; with `id` it is unique.
        subject: whom it is about: the sender.
        time_ms: when it happened, in epoch milliseconds (the event's own time, not that of its publication).
    """
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": id,
        "ce_type": type,
        "ce_source": source,
        "ce_subject": subject,
        "ce_time": rfc3339(time_ms),
        "content-type": CONTENT_TYPE,
    }
    return [(name, value.encode()) for name, value in attributes.items()]


def rfc3339(time_ms: int) -> str:
    """Epoch milliseconds as RFC 3339 in UTC, always with three decimals. Raises OverflowError after the year 9999."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
