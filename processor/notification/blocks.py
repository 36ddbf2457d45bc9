"""Which accounts are blocked now: a mail to one of them may be read by whoever misuses it, so others are told as well."""

from collections import Counter
from collections.abc import Container

from processor.policies.addresses import comparable


def mailbox_of(address: str) -> str:
    """The mailbox behind an address, as it is compared: `+detail` is one person's way of sorting mail (RFC 5233)."""
    local, at, domain = comparable(address).rpartition("@")
    return f"{local.partition('+')[0] or local}@{domain}" if at else domain


class BlocksInForce:
    """The blocks that the events of one partition tell of and that have not ended.

    `elsewhere` holds the mailboxes that are blocked as others know: a recipient may belong to another tenant, whose
    events stand in another partition.
    """

    def __init__(self, elsewhere: Container[str] = frozenset()) -> None:
        self._elsewhere = elsewhere
        self._senders: dict[str, str] = {}
        self._blocked: Counter[str] = Counter()
        self._mailboxes: Counter[str] = Counter()

    def __contains__(self, block_id: object) -> bool:
        return block_id in self._senders

    def began(self, block_id: str, sender: str) -> None:
        """A block is in force from now on; the same one twice is one."""
        if block_id not in self._senders:
            self._senders[block_id] = sender
            self._blocked[comparable(sender)] += 1
            self._mailboxes[mailbox_of(sender)] += 1

    def ended(self, block_id: str) -> None:
        """A block has ended; one that is not known has ended anyway."""
        sender = self._senders.pop(block_id, None)
        if sender is not None:
            _take_one(self._blocked, comparable(sender))
            _take_one(self._mailboxes, mailbox_of(sender))

    def is_sender_blocked(self, sender: str) -> bool:
        """Whether the events of this partition leave a block of `sender` in force."""
        return comparable(sender) in self._blocked

    def is_recipient_blocked(self, recipient: str) -> bool:
        """Whether the mailbox of `recipient` is that of a blocked account, here or elsewhere."""
        mailbox = mailbox_of(recipient)
        return mailbox in self._mailboxes or mailbox in self._elsewhere


def _take_one(counted: Counter[str], name: str) -> None:
    counted[name] -= 1
    if not counted[name]:
        del counted[name]
