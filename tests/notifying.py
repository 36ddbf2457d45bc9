"""A notifier on a real broker with a real mail server: what the tests of it share."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.notification.notices import Delivery, Entry, Notification
from processor.notification.records import from_record
from processor.notification.schedule import Schedule
from processor.restrictions.events import RestrictionEvent
from processor.settings import Settings, load_settings
from processor.workers.notifying import notify_until
from tests.mail_sink import MailSink
from tests.topics_io import make_topics, read_all, write_all
from tests.waiting import wait_until

SOON = Schedule(first_wait_ms=200, longest_wait_ms=400, relay_wait_ms=200, probe_every_ms=200)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Running:
    """A notifier in a thread of its own."""

    stop: threading.Event = field(default_factory=threading.Event)
    deferred: int | None = None
    failure: BaseException | None = None


@dataclass(frozen=True)
class PostOffice:
    """The topics of one test, and the mail server that its mails go to."""

    bootstrap: str
    names: TopicNames
    sink: MailSink
    group: str

    @classmethod
    def opened(cls, bootstrap: str, prefix: str, sink: MailSink) -> "PostOffice":
        return cls(bootstrap, make_topics(bootstrap, prefix), sink, f"{prefix}notifier")

    def publish(self, *events: RestrictionEvent) -> None:
        """As the detector publishes: by tenant."""
        serde = Serde(None)
        topic = self.names.restrictions
        write_all(
            self.bootstrap,
            topic,
            [
                (event.tenant_id.encode(), serde.encode(topic, type(event).__name__, event.to_record()))
                for event in events
            ],
        )

    def settings(self, **options: Any) -> Settings:
        return load_settings(
            None,
            {
                "kafka.bootstrap_servers": self.bootstrap,
                "topics.prefix": self.names.prefix,
                "notifier.group": self.group,
                "notifier.message_id_domain": "mail.example.org",
                "notifier.sender_address": "noreply@mail.example.org",
                "smtp.port": self.sink.port,
                "smtp.command_timeout_s": 10,
                **{name.replace("__", "."): value for name, value in options.items()},
            },
            environment={},
        )

    def arguments(self) -> list[str]:
        """The same for the command line."""
        return [
            "notify", "--bootstrap-servers", self.bootstrap, "--topic-prefix", self.names.prefix, "--group", self.group,
            "--smtp-port", str(self.sink.port),
        ]  # fmt: skip

    def once(self, **options: Any) -> int:
        """`notify --once` in this process; how many mails are deferred."""
        return notify_until(self.settings(**options), lambda: False, once=True)

    @contextmanager
    def running(
        self, schedule: Schedule = SOON, now_ms: Callable[[], int] = _now_ms, **options: Any
    ) -> Iterator[Running]:
        """A notifier that runs until the block ends; what it raises is raised there."""
        running = Running()
        settings = self.settings(**options)

        def work() -> None:
            try:
                running.deferred = notify_until(
                    settings, running.stop.is_set, once=False, schedule=schedule, now_ms=now_ms
                )
            except BaseException as failure:  # noqa: BLE001 - raised again below, in the test's own thread
                running.failure = failure

        thread = threading.Thread(target=work, name="notifier")
        thread.start()
        try:
            yield running
        finally:
            running.stop.set()
            thread.join(60)
            assert not thread.is_alive(), "the notifier did not stop"
        if running.failure is not None:
            raise running.failure

    def wait_for_mails(self, count: int, timeout_s: float = 30.0) -> None:
        wait_until(
            lambda: len(self.sink.arrived) >= count, f"{count} mails, of which came {len(self.sink.arrived)}", timeout_s
        )

    def ledger(self) -> dict[str, Entry]:
        """The last entry of each key that has no tombstone."""
        last: dict[str, bytes | None] = {}
        for message in read_all(self.bootstrap, self.names.notifications):
            key = message.key()
            assert isinstance(key, bytes)
            last[key.decode()] = message.value()
        return {key: from_record(*Serde(None).decode(value)) for key, value in last.items() if value is not None}

    def notifications(self) -> list[Notification]:
        return [entry for entry in self.ledger().values() if isinstance(entry, Notification)]

    def deliveries(self) -> dict[str, Delivery]:
        """By recipient; only for a test with one notification."""
        return {entry.recipient: entry for entry in self.ledger().values() if isinstance(entry, Delivery)}


def policy_file(folder: Path, text: str) -> Path:
    """A policy file with this notify section."""
    path = folder / "policies.yaml"
    path.write_text(text)
    return path
