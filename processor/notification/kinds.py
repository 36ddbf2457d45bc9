"""The kinds of notification. One mail is of one kind, never mixed (design, section 7)."""

from enum import StrEnum

from processor.restrictions.events import Cause, RestrictionEvent, SenderAlerted, SenderBlocked


class Kind(StrEnum):
    """What a mail tells. The value is the start of its templates' names: `blocked.subject.txt` and so on."""

    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    ALERT = "alert"
    BRAKE = "brake"


def kind_of(event: RestrictionEvent) -> Kind:
    """The kind of mail that tells of `event`."""
    if isinstance(event, SenderBlocked):
        return Kind.BLOCKED
    if isinstance(event, SenderAlerted):
        return Kind.BRAKE if event.cause is Cause.BRAKE else Kind.ALERT
    return Kind.UNBLOCKED
