"""The limits, in the order in which they are checked (design, section 2). This table is the one place where a limit is added."""

from dataclasses import dataclass
from typing import Literal

MESSAGES, SPAM_MESSAGES, INTERNAL_RECIPIENTS, EXTERNAL_RECIPIENTS = range(4)
"""The places of a window's counters, in limits, cells and totals alike."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit is exceeded when what it observes is greater than its bound.

    It observes the sum of the window's counters `first` to `last`; with `percent`, a hundred times that sum over the window's messages.
    """

    name: str
    window: Literal["hour", "day"]
    first: int
    last: int
    default: float
    unit: str
    percent: bool = False


LIMITS = (
    Limit("spam_messages_per_hour", "hour", SPAM_MESSAGES, SPAM_MESSAGES, 10, "spam messages"),
    Limit("spam_messages_per_day", "day", SPAM_MESSAGES, SPAM_MESSAGES, 30, "spam messages"),
    Limit("spam_percent_per_day", "day", SPAM_MESSAGES, SPAM_MESSAGES, 50, "% of the messages", percent=True),
    Limit("external_recipients_per_hour", "hour", EXTERNAL_RECIPIENTS, EXTERNAL_RECIPIENTS, 500, "external recipients"),
    Limit(
        "internal_recipients_per_hour", "hour", INTERNAL_RECIPIENTS, INTERNAL_RECIPIENTS, 1000, "internal recipients"
    ),
    Limit("recipients_per_day", "day", INTERNAL_RECIPIENTS, EXTERNAL_RECIPIENTS, 1000, "recipients"),
)
DEFAULT_SPAM_PERCENT_MIN_MESSAGES = 20
"""A bare ratio would block on one of one."""
