"""The demo on a terminal: how the mail flows, which accounts are spamming, blocked and told of, and the mails."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich import box
from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from processor.workers.demo_board import Scene, Stage

_QUIET = "grey62"
_FRAME = "grey50"
_LINES_AROUND = 19
"""Lines of the screen that are not rows of the two tables, the line with the cursor among them."""
_FEWEST_ROWS = 5
_WIDE = 100
"""Columns from which there is room for the times, too."""
_WHAT = "detect counts each account's spam and blocks it; notify mails its admin."


class Screen:
    """Draws one scene after the other, as wide as the console and no higher."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._spinner = Spinner("dots", style="cyan")

    def draw(self, scene: Scene) -> RenderableType:
        """The scene for rich's Live."""
        wide = self._console.width >= _WIDE
        room = max(2, (self._console.height - _LINES_AROUND) // 2)
        return Group(
            self._headline(scene),
            "",
            _flow(scene),
            "",
            _accounts(scene, room, wide=wide),
            "",
            _mails(scene, room, wide=wide),
            "",  # where a terminal shows the ^C that is typed, without breaking a full line
        )

    def _headline(self, scene: Scene) -> RenderableType:
        line = Table.grid(expand=True, padding=(0, 1))
        line.add_column(width=1)
        line.add_column(ratio=1, no_wrap=True)
        line.add_column(justify="right", no_wrap=True)
        title = Text("senderwatch demo", style="bold")
        title.append(f"  Kafka: {scene.kafka or 'starting'}", style=f"not bold {_QUIET}")
        line.add_row("", title, Text("Ctrl-C ends it" if scene.stage < Stage.ENDING else "", style=_QUIET))
        match scene.stage:
            case Stage.PREPARING:
                waiting = Text(f"Waiting for {scene.waiting_for or 'the broker'}", style="cyan")
                line.add_row(self._spinner, waiting, Text(f"{scene.elapsed_s:.0f} s", style="cyan"))
            case Stage.HISTORY:
                line.add_row(
                    self._spinner,
                    Text("Six hours of honest mail first, as fast as it goes", style="cyan"),
                    ProgressBar(total=scene.history, completed=scene.fed, width=20),
                )
            case Stage.LIVE:
                line.add_row(self._spinner, _live(scene), Text(f"{scene.left_s:.0f} s left", style="cyan"))
            case Stage.DRAINING:
                line.add_row(self._spinner, Text("All mail is in; the last decisions and mails", style="cyan"), "")
            case Stage.ENDING:
                line.add_row(self._spinner, Text("Ending: what was begun is finished", style="cyan"), "")
            case Stage.OVER:
                line.add_row(Text("✓", style="green"), Text("The end", style="green"), "")
        return Group(line, Text(f"  {_WHAT}", style=_QUIET, no_wrap=True, overflow="ellipsis"))


def _live(scene: Scene) -> Text:
    if begun := len(scene.begun):
        return Text(f"Live traffic; {begun} of {len(scene.campaigns)} accounts have begun to send spam", style="cyan")
    soon_s = (min(campaign.from_ms for campaign in scene.campaigns) - scene.now_ms) / 1000
    return Text(f"Live traffic, honest so far; the first account turns bad in {soon_s:.0f} s", style="cyan")


def _flow(scene: Scene) -> RenderableType:
    """From left to right as a verdict goes: what each part does now, and at the end what it has done."""
    is_flowing = scene.stage < Stage.DRAINING
    commit_ms = scene.commit_ms if is_flowing else scene.mean_commit_ms
    parts = (
        (
            "verdicts",
            f"{scene.rate_in:,.0f}/s" if is_flowing else f"{scene.fed:,}",
            f"{scene.fed:,} in all" if is_flowing else "in all",
            f"{scene.accounts:,} accounts",
        ),
        (
            "detect",
            f"{scene.rate_out:,.0f}/s" if is_flowing else f"{scene.taken:,}",
            f"{scene.unread:,} behind",
            "" if commit_ms is None else f"commit {commit_ms:.1f} ms",
        ),
        ("blocked", f"{len(scene.blocks)}", "events in Kafka", "once each"),
        ("notify", f"{len(scene.mails)}", "mails to admins", "by SMTP"),
    )
    row = Table.grid(expand=True)
    cells: list[RenderableType] = []
    for title, figure, *lines in parts:
        if cells:
            row.add_column(width=3)
            cells.append(Align.center(Text("▶", style=_FRAME), vertical="middle", height=5))
        row.add_column(ratio=1)
        content = Text(figure, style="bold cyan", justify="center", no_wrap=True)
        for line in lines:
            content.append(f"\n{line}", style="not bold default")
        cells.append(Panel(content, title=Text(title, style="bold default"), border_style=_FRAME, padding=0, height=5))
    row.add_row(*cells)
    return row


def _accounts(scene: Scene, room: int, *, wide: bool) -> RenderableType:
    """Each compromised account from the moment its campaign begins, and every honest one that was blocked."""
    table = _table()
    table.add_column("compromised account", ratio=4)
    if wide:
        table.add_column("spam since", width=10)
    table.add_column("blocked", width=13)
    table.add_column("why", ratio=6)
    blocks = {block.sender: block for block in scene.blocks}
    rows: list[tuple[int, tuple[Text, ...]]] = []
    for campaign in scene.begun:
        block, from_ms = blocks.pop(campaign.sender, None), campaign.from_ms
        ending = (
            _still_sending(scene, from_ms) if block is None else Text(f"after {block.after_s:.1f} s", style="green")
        )
        reason = "" if block is None else block.reason
        rows.append((from_ms, _row(campaign.sender, _clock(from_ms) if wide else None, ending, reason)))
    for block in blocks.values():
        honest = Text(f"{block.sender} (honest!)", style="red")
        rows.append((block.at_ms, _row(honest, "" if wide else None, _clock(block.at_ms), block.reason)))
    rows.sort(key=lambda each: each[0])
    return _filled(table, [cells for _, cells in rows], room)


def _still_sending(scene: Scene, from_ms: int) -> Text:
    return Text(f"not yet, {(scene.now_ms - from_ms) / 1000:.0f} s", style="yellow")


def _mails(scene: Scene, room: int, *, wide: bool) -> RenderableType:
    table = _table()
    table.add_column("mail to", ratio=5)
    if wide:
        table.add_column("at (UTC)", width=8)
    table.add_column("subject", ratio=14)
    return _filled(
        table, [_row(mail.recipient, _clock(mail.at_ms) if wide else None, mail.subject) for mail in scene.mails], room
    )


def _row(*cells: str | Text | None) -> tuple[Text, ...]:
    """Cells that are not None; plain strings show as they are, without markup."""
    return tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells if cell is not None)


def _table() -> Table:
    return Table(
        box=box.SIMPLE_HEAD, show_edge=False, expand=True, padding=(0, 1), header_style="bold", border_style=_FRAME
    )


def _filled(table: Table, rows: Sequence[tuple[Text, ...]], room: int) -> Table:
    """The last rows that there is room for, and always the same height, so that nothing jumps."""
    for column in table.columns:
        column.no_wrap = True
        column.overflow = "ellipsis"
    height = min(room, max(_FEWEST_ROWS, len(rows)))
    shown = rows[-height:] or [(Text("none yet", style=_QUIET),)]
    for cells in shown:
        table.add_row(*cells)
    for _ in range(height - len(shown)):
        table.add_row("")
    return table


def _clock(time_ms: int) -> str:
    return f"{datetime.fromtimestamp(time_ms / 1000, UTC):%H:%M:%S}"
