"""What came of commands, told while they are waited for: in plain words, or a line of JSON each."""

from collections.abc import Iterator, Sequence

from processor.cli.common import EXIT_DEFERRED, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, complain
from processor.cli.printing import json_line
from processor.cli.restricted_table import count, name_of, said, until
from processor.cli.times import shown
from processor.kafka.command_log import Unsent
from processor.kafka.event_log import LoggedEvent
from processor.restrictions.commands import Command
from processor.restrictions.events import CommandRefused, RefusalReason, SenderBlocked, SenderUnblocked

_WHAT_TO_DO = {
    RefusalReason.NOT_RESTRICTED: "`senderwatch restricted show` says how the block ended",
    RefusalReason.ALREADY_RESTRICTED: "`senderwatch restricted show` has that block; to give it another end, unblock first",
    RefusalReason.OTHER_BLOCK: "`senderwatch restricted show` has the block in force: unblock again if that one is meant",
    RefusalReason.OTHER_TENANT: "`senderwatch restricted show` names the tenant",
    RefusalReason.SUPPORT_REQUIRED: "support runs the same with --as-support --ticket CASE",
    RefusalReason.TICKET_REQUIRED: "run the same with --ticket CASE",
}
"""What the worker's own words cannot know: how it goes on a command line."""


class Outcomes:
    """Tells of each command once, and knows the exit status in the end."""

    def __init__(self, commands: Sequence[Command], topic: str, *, as_json: bool) -> None:
        self._left = {command.command_id: command for command in commands}
        self._total = len(commands)
        self._topic = topic
        self._as_json = as_json
        self._done = self._refused = self._not_sent = self._unanswered = 0
        self._is_interrupted = False

    @property
    def waited_for(self) -> list[str]:
        """The ids of the commands that are still to be told of."""
        return list(self._left)

    def not_sent(self, unsent: Unsent) -> None:
        """A command that is certainly not in the topic."""
        command = self._left.pop(unsent.command.command_id)
        self._not_sent += 1
        self._print_json(command, "not sent", None)
        complain(f"{name_of(command.sender)}: not sent: {unsent.reason} (topic {self._topic}). Nothing has changed.")

    def answered(self, logged: LoggedEvent) -> None:
        """The outcome of a command."""
        event = logged.event
        command = self._left.pop(str(logged.record["command_id"]))
        if isinstance(event, CommandRefused):
            self._refused += 1
            self._print_json(command, "refused", logged)
        else:
            self._done += 1
            self._print_json(command, "unblocked" if isinstance(event, SenderUnblocked) else "blocked", logged)
        if self._as_json:
            return
        number = f"{self._total - len(self._left)}/{self._total} " if self._total > 1 else ""
        for line in _told(logged, brief=self._total > 1):
            if isinstance(event, CommandRefused):
                complain(f"{number}{line}")
            else:
                print(f"{number}{line}", flush=True)

    def ended(self, unclear: Sequence[Unsent], why: str, *, interrupted: bool) -> None:
        """Nobody waits any longer; `why` says of what is left. `unclear`: commands that the broker has not confirmed."""
        self._is_interrupted = interrupted
        self._unanswered = len(self._left)
        if self._left:
            self._tell_unanswered({each.command.command_id: each.reason for each in unclear}, why)
        if self._total > 1 and not self._as_json:
            print(", ".join(self._summary()))

    @property
    def status(self) -> int:
        """Of the process."""
        if self._is_interrupted and (self._unanswered or self._not_sent):
            return EXIT_INTERRUPTED
        if self._unanswered:
            return EXIT_DEFERRED
        return EXIT_FAILED if self._refused or self._not_sent else EXIT_OK

    def _tell_unanswered(self, unclear: dict[str, str], why: str) -> None:
        complain(why)
        for command in self._left.values():
            self._print_json(command, "unanswered", None)
            reason = unclear.get(command.command_id)
            stands = f"stands in {self._topic}" if reason is None else f"may stand in {self._topic} ({reason})"
            complain(f"command {said(command.command_id)} for {name_of(command.sender)} {stands}")
        complain(
            "It WILL apply as soon as a worker takes it up, also in hours or days. `senderwatch restricted show` tells then what came "
            "of it; do not send it again before."
        )

    def _summary(self) -> Iterator[str]:
        yield f"{self._done:,} of {count(self._total, 'command')} carried out"
        for number, what in (
            (self._refused, "refused"),
            (self._not_sent, "not sent"),
            (self._unanswered, "unanswered"),
        ):
            if number:
                yield f"{number:,} {what}"

    def _print_json(self, command: Command, outcome: str, logged: LoggedEvent | None) -> None:
        if self._as_json:
            line = {
                "command_id": command.command_id,
                "sender": command.sender,
                "tenant_id": command.tenant_id,
                "outcome": outcome,
                "event": None if logged is None else logged.as_cloudevent(),
            }
            print(json_line(line), flush=True)


def nobody_answered(timeout: str, topic: str) -> str:
    """What to look at when no outcome came in time."""
    return (
        f"no worker has answered within {timeout}. Is a detect worker running on these topics ({topic})? Is it restoring, or does it "
        "have no right to read them? Its log and /readyz say."
    )


def _told(logged: LoggedEvent, *, brief: bool) -> Iterator[str]:
    """An outcome in plain words; brief is the first line alone."""
    event, sender = logged.event, name_of(str(logged.record["sender"]))
    if isinstance(event, SenderUnblocked):
        yield f"{sender} can send again since {shown(event.unblocked_at_ms)}"
        if not brief:
            yield "Its counters start at zero: mail that it sent before does not count any more, what it sends from now on does."
            yield f"lifted: block {said(event.block_id)}, by command {said(event.command_id or '')}"
    elif isinstance(event, SenderBlocked):
        yield f"{sender} is blocked since {shown(event.blocked_at_ms)}, {until(event)}: block {event.block_id}"
    elif isinstance(event, CommandRefused):
        hint = _WHAT_TO_DO.get(event.reason)
        yield f"{sender}: refused ({event.reason.value}): {said(event.message)}" + (f"; {hint}" if hint else "")
    else:
        yield f"{sender}: {name_of(logged.name)}"
