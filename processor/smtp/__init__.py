"""How a mail leaves: by SMTP, or into a folder for trials. Both tell what became of it as values, never as exceptions."""

from processor.smtp.outbox import Outbox
from processor.smtp.relay import Relay
from processor.smtp.session import SmtpOptions

__all__ = ["Outbox", "Relay", "SmtpOptions"]
