"""Whose mailbox is blocked now, by `restricted-senders`: for a notifier, which must not rely on a blocked account to read its mail."""

from collections import Counter

from processor.notification.blocks import mailbox_of


class RestrictedMailboxes:
    """The mailboxes of the restricted senders of all tenants; `in` asks for one as `mailbox_of` gives it. No value is decoded."""

    def __init__(self) -> None:
        self._senders: set[bytes] = set()
        self._mailboxes: Counter[str] = Counter()

    def __contains__(self, mailbox: object) -> bool:
        return mailbox in self._mailboxes

    def __len__(self) -> int:
        return len(self._senders)

    def take(self, sender: bytes, *, is_restricted: bool) -> None:
        """What a record says: `sender`, its key, is restricted, or, by a tombstone, no longer."""
        if is_restricted == (sender in self._senders):
            return
        mailbox = mailbox_of(sender.decode(errors="replace"))
        if is_restricted:
            self._senders.add(sender)
            self._mailboxes[mailbox] += 1
            return
        self._senders.remove(sender)
        self._mailboxes[mailbox] -= 1
        if not self._mailboxes[mailbox]:
            del self._mailboxes[mailbox]
