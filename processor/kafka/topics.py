"""The topics of senderwatch: their names, and how each must be made (design, section 1)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TopicNames:
    """What the topics are called; `prefix` keeps several installations on one cluster apart."""

    prefix: str = ""

    @property
    def verdicts(self) -> str:
        return f"{self.prefix}message-verdicts"

    @property
    def commands(self) -> str:
        return f"{self.prefix}restriction-commands"

    @property
    def support_commands(self) -> str:
        return f"{self.prefix}restriction-commands-support"

    @property
    def policies(self) -> str:
        return f"{self.prefix}outbound-policies"

    @property
    def restrictions(self) -> str:
        return f"{self.prefix}sender-restrictions"

    @property
    def restricted(self) -> str:
        return f"{self.prefix}restricted-senders"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}message-verdicts-dead-letter"

    @property
    def changelog(self) -> str:
        return f"{self.prefix}detector-changelog"

    @property
    def journal(self) -> str:
        return f"{self.prefix}detector-journal"

    @property
    def notifications(self) -> str:
        return f"{self.prefix}notifications"
