"""Whether values that were read can be put in place. A log may be damaged, and a kernel believes every number that it is given.

What can be told from the values alone is checked here: places within the table, columns of one length, no count below zero. A count
that was changed to another that could be is not seen; Kafka's own checksum sees it.
"""

from collections.abc import Collection, Mapping

import numpy as np

from processor.detection.layout import CELLS_MAX, SENDERS_MAX
from processor.detection.windows import pane_of
from processor.types import Flags, Int64s
from processor.verdicts.event import OCCURRED_AT_MAX_MS

NAME_MAX = 1 << 16
"""No sender's name is longer, in bytes."""
_PANE_MAX = pane_of(OCCURRED_AT_MAX_MS)
_COUNT_MAX = 1 << 53
"""So that no sum of a day's counts comes near the end of 64 bits."""
_DAY_MAX = OCCURRED_AT_MAX_MS // 86_400_000
_ALERTED_MAX = (1 << 16) - 1


class Unsound(ValueError):
    """Values that no engine can have written. The text says which."""


def check_cells(slots: Int64s, senders: Int64s, panes: Int64s, counts: Int64s) -> None:
    """Raises Unsound unless these are values of cells."""
    if not len(slots) == len(senders) == len(panes) == len(counts):
        raise Unsound("the columns of some cells are not of one length")
    _check_ascending("slots", slots, CELLS_MAX)
    _check_range("senders of cells", senders, 0, SENDERS_MAX - 1)
    _check_range("panes", panes, 0, _PANE_MAX)
    _check_range("counts", counts, 0, _COUNT_MAX)
    if (counts[:, 1] > counts[:, 0]).any():
        raise Unsound("more spam than messages")


def check_senders(
    numbers: Int64s, name_lengths: Int64s, names: bytes, counts_from_ms: Int64s, alerted_days: Int64s, alerted: Int64s
) -> None:
    """Raises Unsound unless these are values of senders."""
    lengths = {len(column) for column in (numbers, name_lengths, counts_from_ms, alerted_days, alerted)}
    if len(lengths) != 1:
        raise Unsound("the columns of some senders are not of one length")
    _check_ascending("numbers of senders", numbers, SENDERS_MAX)
    _check_range("lengths of names", name_lengths, 0, NAME_MAX)
    _check_range("times from which counts are kept", counts_from_ms, 0, OCCURRED_AT_MAX_MS)
    _check_range("days of alerts", alerted_days, 0, _DAY_MAX)
    _check_range("alerts", alerted, 0, _ALERTED_MAX)
    _check_names(name_lengths, names)


def _check_names(lengths: Int64s, names: bytes) -> None:
    """Each is UTF-8 if the whole is, and none begins in the middle of a character."""
    if int(lengths.sum()) != len(names):
        raise Unsound("the names are not as long as it says")
    try:
        names.decode()
    except UnicodeDecodeError:
        raise Unsound("a name is not UTF-8") from None
    begins = (np.cumsum(lengths) - lengths)[lengths > 0]
    if (np.frombuffer(names, np.uint8)[begins] & 0xC0 == 0x80).any():
        raise Unsound("a name is not UTF-8")


def check_kept(
    sender: int, named: Mapping[int, str], blocked: str | None, times_ms: Collection[int], offset: int
) -> None:
    """Raises Unsound unless this can be remembered of a sender.

    `named`: those whose values came with it. `blocked`: whom his block names.
    """
    if sender not in named:
        raise Unsound(f"sender {sender} is remembered, and has no name")
    if blocked is not None and blocked != named[sender]:
        raise Unsound(f"the block of sender {sender} is another's")
    if offset < 0 or any(not 0 <= each <= OCCURRED_AT_MAX_MS for each in times_ms):
        raise Unsound(f"what is remembered of sender {sender} happened at no time")


def check_whole(stream_time_ms: int, brake: Mapping[int, int]) -> None:
    """Raises Unsound unless a partition can stand there."""
    if not -1 <= stream_time_ms <= OCCURRED_AT_MAX_MS:
        raise Unsound(f"a stream time of {stream_time_ms}")
    if any(not 0 <= pane <= _PANE_MAX or not 0 <= count < 1 << 31 for pane, count in brake.items()):
        raise Unsound("a brake that counts in no pane, or below zero")


def check_owners(senders: Int64s, panes: Int64s, named: Flags, pane: int) -> None:
    """Raises Unsound unless each live cell is of a sender with a name, and of no pane to come."""
    if len(senders) and (int(senders.max()) >= len(named) or not named[senders].all()):
        raise Unsound("a cell of a sender without a name")
    if len(panes) and int(panes.max()) > pane:
        raise Unsound("a cell of a pane after the stream time")


def _check_ascending(what: str, values: Int64s, end: int) -> None:
    if len(values) and not (values[0] > 0 and values[-1] < end and (np.diff(values) > 0).all()):
        raise Unsound(f"{what} that do not rise from 1 to below {end}")


def _check_range(what: str, values: Int64s, lowest: int, highest: int) -> None:
    if values.size and not (lowest <= values.min() and values.max() <= highest):
        raise Unsound(f"{what} not between {lowest} and {highest}")
