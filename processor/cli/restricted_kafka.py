"""What the commands of `senderwatch restricted` have open, and how a failure of it is told."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from processor.cli.common import EXIT_FAILED, EXIT_INTERRUPTED, CommandFailed
from processor.cli.signals import Stop, stop_on_signals
from processor.kafka.clients import ClientSettings, check_reachable
from processor.kafka.event_log import LoggedEvent
from processor.kafka.reading import ReadingFailed, ReadingStopped
from processor.kafka.registry import RegistryAway, RegistryRefused
from processor.kafka.restricted_senders import RestrictedSenders, restricted_senders
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.restrictions.events import SenderBlocked
from processor.settings import Settings
from processor.workers.wiring import client_settings, serde, topic_names


@dataclass(frozen=True, slots=True)
class Kafka:
    """How to reach the topics, and the signal that ends all waiting."""

    settings: ClientSettings
    names: TopicNames
    serde: Serde
    stop: Stop

    def restricted(self) -> RestrictedSenders:
        """Who is restricted now. What is read of it is read while Kafka is open."""
        return restricted_senders(self.settings, self.names.restricted, self.serde, should_stop=self.stop)


@contextmanager
def opened(settings: Settings, *, has_answered: bool = False) -> Iterator[Kafka]:
    """Kafka, once a broker has answered, if none has before. What goes wrong inside is a CommandFailed with its exit status."""
    with ExitStack() as open_things:
        stop = open_things.enter_context(stop_on_signals())
        kafka = client_settings(settings)
        if not has_answered:
            check_reachable(kafka)
        try:
            yield Kafka(kafka, topic_names(settings), serde(settings, stop, open_things), stop)
        except (ReadingStopped, RegistryAway):
            raise CommandFailed("interrupted; nothing has changed", EXIT_INTERRUPTED) from None
        except (ReadingFailed, RegistryRefused) as error:
            raise CommandFailed(str(error), EXIT_FAILED) from None


def block_of(logged: LoggedEvent | None) -> SenderBlocked | None:
    """The block that a record of `restricted-senders` holds."""
    event = None if logged is None else logged.event
    return event if isinstance(event, SenderBlocked) else None
