"""Restrictions as people read them: a table of those in force, and the words for one. Names are an attacker's: all are sanitised."""

from collections.abc import Iterable, Iterator, Sequence

from processor.cli.printing import columns
from processor.cli.times import shown
from processor.notification.sanitise import readable
from processor.restrictions.events import Evidence, SenderBlocked

NAME_MAX = 254
TEXT_MAX = 1000
_COLUMN_MAX = 60
_HEAD = ("SENDER", "TENANT", "SINCE", "UNTIL", "CAUSE", "POLICY", "BLOCKS IN 30 DAYS", "BLOCK ID")


def name_of(sender: str) -> str:
    """A sender's, tenant's or issuer's name on one line, harmless."""
    return readable(sender, NAME_MAX)


def said(text: str) -> str:
    """What somebody wrote, on one line, harmless."""
    return readable(text, TEXT_MAX)


def table(blocks: Sequence[SenderBlocked]) -> Iterator[str]:
    """The blocks in force, a line each, in columns."""
    if not blocks:
        return
    yield from columns([_HEAD, *(_row(block) for block in blocks)], _COLUMN_MAX)


def _row(block: SenderBlocked) -> tuple[str, ...]:
    """What is longer than a column is cut short: `show` and --json have it whole."""
    policy = f"{block.evidence.policy} {block.evidence.policy_version}" if block.evidence else "-"
    return (
        readable(block.sender, _COLUMN_MAX),
        readable(block.tenant_id, _COLUMN_MAX),
        shown(block.blocked_at_ms),
        "until lifted" if block.blocked_until_ms is None else shown(block.blocked_until_ms),
        readable(cause(block), _COLUMN_MAX),
        readable(policy, _COLUMN_MAX),
        str(block.previous_blocks + 1),
        block.block_id,
    )


def cause(block: SenderBlocked) -> str:
    """Why, in a few words: which limit by how much, or who did it by hand."""
    if block.evidence is not None:
        return exceeded(block.evidence)
    by = f" by {name_of(block.issued_by)}" if block.issued_by else ""
    return f"by hand{by}" + (f": {said(block.reason)}" if block.reason else "")


def exceeded(evidence: Evidence) -> str:
    """Which limit was passed, and by how much."""
    return f"{name_of(evidence.limit_name)} {_number(evidence.observed)} > {_number(evidence.limit)}"


def until(block: SenderBlocked) -> str:
    """When a block ends."""
    return "until it is lifted" if block.blocked_until_ms is None else f"until {shown(block.blocked_until_ms)}"


def count(number: int, what: str) -> str:
    """So many of something, in English."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def names_alike(name: str, others: Iterable[str], what: str = "sender") -> Iterator[str]:
    """Says which known names differ from this one in case alone."""
    for other in others:
        yield (
            f"there is {name_of(other)}, which is another {what} than {name_of(name)}: names are compared byte for byte, "
            "upper and lower case too"
        )


def _number(value: float) -> str:
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
