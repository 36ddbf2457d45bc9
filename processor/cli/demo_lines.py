"""The demo where no terminal is: a line for each thing that happens; and the summary at the end of any demo."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from processor.workers.demo import Output
from processor.workers.demo_board import Scene, Stage

_EVERY_MS = 5_000
_STAGES = {
    Stage.HISTORY: "six hours of honest mail first, as fast as it goes",
    Stage.LIVE: "live traffic",
    Stage.DRAINING: "all mail is in; the last decisions and mails",
    Stage.ENDING: "ending: what was begun is finished",
}


class Lines:
    """Says what is new in each scene."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = Scene(Stage.PREPARING, 0)
        self._figures_at_ms = 0

    def show(self, scene: Scene) -> None:
        """What has changed since the scene before."""
        last, self._last = self._last, scene
        if scene.kafka != last.kafka:
            self._tell(scene, f"Kafka: {scene.kafka}")
        if scene.waiting_for != last.waiting_for:
            self._tell(scene, f"waiting for {scene.waiting_for}")
        if scene.stage is not last.stage and scene.stage in _STAGES:
            self._tell(scene, _STAGES[scene.stage])
        for campaign in scene.begun[len(last.begun) :]:
            self._tell(scene, f"{campaign.sender} is compromised and starts to send spam")
        for block in scene.blocks[len(last.blocks) :]:
            after = "an honest account" if block.after_s is None else f"{block.after_s:.1f} s after its first spam"
            self._tell(scene, f"{block.sender} is blocked, {after}: {block.reason}")
        for mail in scene.mails[len(last.mails) :]:
            self._tell(scene, f"mail to {mail.recipient}: {mail.subject}")
        if scene.stage in (Stage.HISTORY, Stage.LIVE) and scene.now_ms - self._figures_at_ms >= _EVERY_MS:
            self._figures_at_ms = scene.now_ms
            self._tell(scene, _figures(scene))

    def _tell(self, scene: Scene, what: str) -> None:
        self._say(f"{datetime.fromtimestamp(scene.now_ms / 1000, UTC):%H:%M:%S} {what}")


def _figures(scene: Scene) -> str:
    commit = "" if scene.commit_ms is None else f", commit {scene.commit_ms:.1f} ms"
    return (
        f"{scene.fed:,} verdicts in ({scene.rate_in:,.0f}/s), {scene.taken:,} counted ({scene.rate_out:,.0f}/s), "
        f"{scene.unread:,} behind{commit}"
    )


def summary(scene: Scene, output: Output) -> Iterator[str]:
    """What a demo has shown, a line each, with a word in front that says of what."""
    for about, what in _summary(scene, output):
        yield f"{about:<12} {what}"


def _summary(scene: Scene, output: Output) -> Iterator[tuple[str, str]]:
    commit = "" if scene.mean_commit_ms is None else f"; a commit took {scene.mean_commit_ms:.1f} ms on average"
    unread = f", {scene.unread:,} left unread" if scene.unread else ""
    yield "verdicts", f"{scene.taken:,} counted{unread}{commit}"
    after_s = [block.after_s for block in scene.blocks if block.after_s is not None]
    line = f"{len(after_s)} of {len(scene.begun)} are blocked"
    if after_s:
        line += f", {sum(after_s) / len(after_s):.1f} s after their first spam ({max(after_s):.1f} s at most)"
    yield "compromised", line
    honest = len(scene.blocks) - len(after_s)
    yield "honest", f"{honest} of {scene.accounts - len(scene.begun):,} are blocked"
    yield "mails", f"{len(scene.mails)} in {output.mails}, as sent (.eml) and as read (.html)"
    if untold := sum(scene.mail_about(block.sender) is None for block in scene.blocks):
        yield "", f"{untold} blocks had not been told of when the demo ended"
    if scene.mails:
        yield "look at", str(scene.mails[0].html_file)
    yield "log, policy", f"{output.log}, {output.policies}"
