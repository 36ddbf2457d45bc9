"""Panes and windows: pure arithmetic on event time (design, section 2)."""

PANE_MS = 300_000
HOUR_PANES = 12
DAY_PANES = 288
DAY_MS = 86_400_000
RING = 512
"""Places for the panes of a day and more; a power of two."""
FUTURE_MS = 300_000
"""How far past its own Kafka timestamp a record may claim to have occurred."""


def pane_of(time_ms: int) -> int:
    """The pane that `time_ms` falls in."""
    return time_ms // PANE_MS


def window_ms(stream_time_ms: int, panes: int) -> tuple[int, int]:
    """Start and exclusive end, in epoch milliseconds, of the window of `panes` panes that ends with the current pane."""
    current = pane_of(stream_time_ms)
    return (current - panes + 1) * PANE_MS, (current + 1) * PANE_MS


def day_of(time_ms: int) -> int:
    """The UTC day that `time_ms` falls in, in days since 1970."""
    return time_ms // DAY_MS


def next_midnight_ms(time_ms: int) -> int:
    """The next 00:00 UTC after `time_ms`."""
    return (day_of(time_ms) + 1) * DAY_MS


def is_late(pane: int, current_pane: int) -> bool:
    """Whether a record of `pane` is older than the day window that ends with `current_pane`."""
    return pane < current_pane - DAY_PANES + 1
