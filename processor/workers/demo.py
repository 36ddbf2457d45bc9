"""The demo: generated traffic, the detector, the notifier and a mail server, in threads of one process.

Threads rather than processes: nothing can be left running, whatever ends the demo, and the detector can be asked
directly what it has done. Worker and notifier are the ones that `detect` and `notify` run.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path

import structlog

from processor.kafka.embedded import UNREAD_MAX
from processor.kafka.feeder import Feeder
from processor.policies.policy import PolicySet
from processor.settings import Settings
from processor.telemetry import Health, Metrics
from processor.verdicts.generator import compromised, generate
from processor.workers.demo_board import Board, Scene, Stage
from processor.workers.demo_broker import DemoFailed, Place
from processor.workers.demo_mailbox import Mailbox
from processor.workers.demo_story import Story
from processor.workers.detect import DetectWorker
from processor.workers.detecting import options_of
from processor.workers.feeding import feed_generated
from processor.workers.notifying import notify_until
from processor.workers.policy_file import load
from processor.workers.warming import warm
from processor.workers.wiring import client_settings, serde, topic_names

_log = structlog.get_logger(__name__)

POLICIES = """\
# The policy of the demo: senderwatch's own limits, all in docs/policies.md.
# Only mails come sooner: further accounts of a tenant may join a mail for 3 seconds, not 60.
default:
  notify:
    digest_delay: 3s
"""
_HISTORY_BATCH = 10_000
_LIVE_BATCHES_S = 10
_LOOK_S = 0.1
_LAST_MAILS_S = 15.0
"""The longest wait, after all traffic is fed, for the last mails."""


@dataclass(frozen=True, slots=True)
class Output:
    """The folder in which a demo leaves what it made."""

    folder: Path

    @property
    def mails(self) -> Path:
        return self.folder / "mails"

    @property
    def policies(self) -> Path:
        return self.folder / "policies.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "demo.log"

    def prepare(self) -> None:
        """Make the folder; the mails of an earlier demo go, nothing else. Raises OSError."""
        self.mails.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            for pattern in ("[0-9][0-9]*-*.eml", "[0-9][0-9]*-*.html"):
                for earlier in self.mails.glob(pattern):
                    earlier.unlink()
        self.policies.write_text(POLICIES)


def run_demo(
    story: Story,
    output: Output,
    place: AbstractContextManager[Place],
    *,
    should_stop: Callable[[], bool],
    show: Callable[[Scene], None],
) -> Scene:
    """Run a demo to its end or until `should_stop`, and `show` it ten times a second; gives its last scene.

    Raises DemoFailed when a part of it fails, BrokerUnreachable, OSError.
    """
    with ExitStack() as open_things:
        board = Board(Metrics(), now_ms, began_ms=now_ms())
        board.accounts = story.accounts
        mailbox = open_things.enter_context(Mailbox(output.mails, board.take, now_ms))
        where = open_things.enter_context(place)
        board.kafka = where.words
        settings = _with_mail(where.settings, output.policies, mailbox.port)
        crew = _Crew(story, settings, board, load(output.policies))
        open_things.callback(crew.dismiss)
        crew.start()
        while crew.is_at_work and not should_stop():
            show(board.scene())
            time.sleep(_LOOK_S)
        board.stage = Stage.ENDING
        crew.stop()
        while crew.is_there:
            show(board.scene())
            time.sleep(_LOOK_S)
        crew.check()
        board.stage = Stage.OVER
        last = board.scene()
        show(last)
        return last


def _with_mail(settings: Settings, policies: Path, port: int) -> Settings:
    """Settings whose mails go to this port, written as a mail host's are."""
    notifier = {
        "policies": policies,
        "sender_address": "noreply@mailhost.test",
        "message_id_domain": "mailhost.test",
        "support_contact": "support@mailhost.test",
    }
    return settings.model_copy(
        update={
            "notifier": settings.notifier.model_copy(update=notifier),
            "smtp": settings.smtp.model_copy(update={"port": port}),
        }
    )


def now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class _Ready(Health):
    """Tells when the detector has its partitions."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__(metrics)
        self.came = threading.Event()

    def set_ready(self, ready: bool, reason: str = "") -> None:
        super().set_ready(ready, reason)
        if ready:
            self.came.set()


class _Crew:
    """The three threads that do the work."""

    def __init__(self, story: Story, settings: Settings, board: Board, policies: PolicySet) -> None:
        self._story = story
        self._policies = policies
        self._settings = settings
        self._board = board
        self._stop = threading.Event()
        self._ready = _Ready(board.metrics)
        self._failure: tuple[str, BaseException] | None = None
        self._threads = [
            threading.Thread(target=self._guarded, args=(name, work), name=name)
            for name, work in (("detector", self._detect), ("notifier", self._notify), ("generator", self._feed))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def is_at_work(self) -> bool:
        """Whether there is something to come: no thread has ended yet. The generator is the first, unless one fails."""
        return all(thread.is_alive() for thread in self._threads)

    @property
    def is_there(self) -> bool:
        """Whether a thread has not ended."""
        return any(thread.is_alive() for thread in self._threads)

    def check(self) -> None:
        """Raises DemoFailed when one of them has failed."""
        if self._failure is not None:
            name, failure = self._failure
            raise DemoFailed(f"the {name} failed: {str(failure) or type(failure).__name__}")

    def stop(self) -> None:
        """Tell all to end: what is under way is finished, as by SIGTERM."""
        self._stop.set()

    def dismiss(self) -> None:
        """`stop`, and wait until they have ended."""
        self.stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - told by the main thread
            if self._failure is None:
                self._failure = (name, failure)
            _log.exception("a part of the demo failed", part=name)

    def _detect(self) -> None:
        self._board.waiting_for = "the counting kernels: compiled the first time, in 10 to 30 seconds"
        warm()
        next(generate(self._story.history(now_ms()), batch_records=1))
        if self._stop.is_set():
            return
        self._board.waiting_for = "the detector to join its consumer group: about 3 seconds"
        with ExitStack() as open_things:
            DetectWorker(
                client_settings(self._settings),
                topic_names(self._settings),
                serde(self._settings, self._stop.is_set, open_things),
                self._policies,
                options_of(self._settings, once=False),
                self._board.metrics,
                self._ready,
                self._stop.is_set,
                told=self._board.hear,
            ).run()

    def _notify(self) -> None:
        # One after the other: the embedded broker turns connections away that come too many at once, for seconds each.
        if self._is_detecting():
            notify_until(self._settings, self._stop.is_set, once=False)

    def _is_detecting(self) -> bool:
        """Waits until the detector has its partitions; False when the demo ends before."""
        while not self._ready.came.wait(_LOOK_S):
            if self._stop.is_set():
                return False
        return True

    # -- the traffic ---------------------------------------------------------------------------------------------------

    def _feed(self) -> None:
        board, topic = self._board, topic_names(self._settings).verdicts
        if not self._is_detecting():
            return
        with ExitStack() as open_things:
            prefix = serde(self._settings, self._stop.is_set, open_things).prefix(topic, "MessageVerdict")
            feeder = Feeder(client_settings(self._settings), topic, should_stop=self._stop.is_set)
            open_things.callback(feeder.close)

            history = self._story.history(now_ms())
            board.history, board.stage = history.records, Stage.HISTORY
            for sent in feed_generated(generate(history, prefix, _HISTORY_BATCH), feeder, lambda _: self._hold_back()):
                board.fed = sent
                if self._stop.is_set():
                    return

            live = self._story.live(now_ms())
            board.campaigns, board.live_ends_ms, board.stage = tuple(compromised(live)), live.end_ms, Stage.LIVE
            batch = max(1, self._story.rate // _LIVE_BATCHES_S)
            for sent in feed_generated(generate(live, prefix, batch), feeder, self._pace):
                board.fed = history.records + sent
                if self._stop.is_set() or now_ms() > live.end_ms:
                    break

        board.stage = Stage.DRAINING
        until_ms = now_ms() + round(1000 * _LAST_MAILS_S)
        while not board.scene().is_settled and now_ms() < until_ms and not self._stop.wait(_LOOK_S):
            pass

    def _hold_back(self) -> None:
        """Wait while the detector is far behind: the embedded broker would drop what is unread."""
        while self._board.fed - self._board.taken > UNREAD_MAX and not self._stop.wait(0.01):
            pass

    def _pace(self, due_ms: int) -> None:
        self._stop.wait(max(0, due_ms - now_ms()) / 1000)
        self._hold_back()
