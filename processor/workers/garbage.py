"""How often Python looks for garbage in a worker: rarely, since what a worker holds by the hundred thousand is none."""

import gc

_COLLECT_AFTER = 100_000
"""Objects made and not yet freed, before garbage is looked for: several batches of messages, which leave none."""


def look_rarely() -> None:
    """What there is now stays, and is never looked at: Python would walk through all of it every few batches of messages."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
