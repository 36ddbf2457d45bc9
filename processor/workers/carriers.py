"""What takes the mails over, by the settings: the mail server, or a folder."""

from processor.settings import Settings
from processor.smtp import Outbox, Relay, SmtpOptions
from processor.workers.postman import Carrier


class CannotNotify(Exception):
    """Something that mails need before they can be sent is missing or cannot be used; the text says what to do."""


def carrier_of(settings: Settings) -> Carrier:
    """The folder that takes mails, where one is set; else the mail server. Raises CannotNotify."""
    if settings.notifier.outbox is not None:
        try:
            return Outbox(settings.notifier.outbox)
        except OSError as problem:
            raise CannotNotify(f"cannot make the folder {settings.notifier.outbox}: {problem.strerror}") from problem
    chosen = settings.smtp
    options = SmtpOptions(
        host=chosen.host,
        port=chosen.port,
        tls=chosen.tls,
        user=chosen.user,
        password=chosen.password.get_secret_value() if chosen.password is not None else None,
        ca_file=chosen.ca_file,
        connect_timeout_s=chosen.connect_timeout_s,
        command_timeout_s=chosen.command_timeout_s,
        data_timeout_s=chosen.data_timeout_s,
    )
    try:
        return Relay(options)
    except OSError as problem:
        raise CannotNotify(f"smtp.ca_file: cannot use {chosen.ca_file}: {problem.strerror or problem}") from problem
