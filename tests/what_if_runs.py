"""Runs of what-if that leave all that it can leave: what the page, the tables and the terminal say of the same log."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from processor.cli.main import run
from processor.verdicts import jsonl
from processor.verdicts.event import MessageVerdict, Verdict
from tests.audit_samples import HOSTILE
from tests.verdict_strategies import START_MS

RECORDED_DAY = (
    *("--input", str(Path(__file__).parent / "recordings" / "rspamd-day-timed.jsonl")),
    *("--format", "rspamd", "--spread", "24h"),
)
STRICT = "default: {limits: {spam_messages_per_hour: 3, spam_percent_per_day: null}}\n"
LAX = (
    "policies: [{name: o, priority: 1, conditions: {tenants: [org108.test]}, limits: {spam_messages_per_hour: null, "
    "spam_messages_per_day: null, spam_percent_per_day: null, external_recipients_per_hour: null, recipients_per_day: null}}, "
    "{name: watched, priority: 2, conditions: {tenants: [org100.test]}, action: alert}]\n"
)
SWEEP = "spam_messages_per_hour=0..20:2"


@dataclass(frozen=True, slots=True)
class Left:
    """What a run has left."""

    page: Path
    tables: Path
    rows: list[dict[str, Any]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The rows of one `type`."""
        return [row for row in self.rows if row["type"] == kind]


def left_by(folder: Path, *options: str) -> Left:
    """A run with these options, which must succeed."""
    folder.mkdir(exist_ok=True)
    page, tables = folder / "page.html", folder / "tables"
    with redirect_stdout(io.StringIO()) as said:
        status = run(["what-if", *options, "--json", "--html", str(page), "--parquet", str(tables)])
    assert status == 0, said.getvalue()
    return Left(page, tables, [json.loads(line) for line in said.getvalue().splitlines()])


def tried(folder: Path) -> Left:
    """The recorded day under policies of which one only alerts."""
    return left_by(folder, *RECORDED_DAY, "--policies", _written(folder, "lax.yaml", LAX))


def compared(folder: Path) -> Left:
    """The recorded day under two sets of policies."""
    strict, lax = _written(folder, "strict.yaml", STRICT), _written(folder, "lax.yaml", LAX)
    return left_by(folder, *RECORDED_DAY, "--policies", strict, "--against", lax)


def swept(folder: Path) -> Left:
    """The recorded day with one limit at eleven values."""
    return left_by(folder, *RECORDED_DAY, "--sweep", SWEEP)


def hostile(folder: Path) -> Left:
    """Senders and tenants with an attacker's names, each of whom is blocked."""
    folder.mkdir(exist_ok=True)
    log = folder / '<img src=x onerror="alert(1)">.jsonl'
    log.write_bytes(
        b"".join(
            jsonl.line_of(
                replace(_SPAM, event_id=f"{name} {number}", sender=name, tenant_id=name, occurred_at_ms=at_ms)
            )
            for place, name in enumerate(HOSTILE)
            for number in range(13)
            for at_ms in [START_MS + place * 1000 + number]
        )
    )
    return left_by(folder, "--input", str(log))


_SPAM = MessageVerdict(
    event_id="e", occurred_at_ms=START_MS, tenant_id="t", sender="s", internal_recipients=0, external_recipients=1,
    verdict=Verdict.SPAM,
)  # fmt: skip


def _written(folder: Path, name: str, text: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return str(folder / name)
