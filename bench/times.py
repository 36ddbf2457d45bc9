"""The event times of the benchmark: fixed, so that midnights and the day's rhythm fall where they fell before. Milliseconds."""

MIDNIGHT_MS = 1_767_225_600_000
"""2026-01-01 00:00 UTC: where the usual traffic ends."""
HOUR_MS = 3_600_000
PANE_MS = 300_000
