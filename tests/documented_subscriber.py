"""The subscriber of docs/subscribing.md, taken out of the page and run as a stranger would run it."""

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from tests import processes

PAGE = processes.ROOT / "docs" / "subscribing.md"
_FENCE = re.compile(r'^```python title="subscriber\.py"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def program() -> str:
    """The text between the fences."""
    (text,) = _FENCE.findall(PAGE.read_text(encoding="utf-8"))
    assert isinstance(text, str)
    return text


class Subscriber:
    """The program and its copy of the schemas in a folder of its own, away from this checkout."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        (folder / "subscriber.py").write_text(program(), encoding="utf-8")
        shutil.copytree(processes.ROOT / "schemas", folder / "schemas")

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "subscriber.py", "--schemas", "schemas", "--database", "restricted.sqlite"]
        # Isolated, so that it cannot import anything of this project.
        self._process = processes.start([command[0], "-I", *command[1:], *self._options], folder=self._folder)
        return self._process

    def kill(self) -> None:
        if self._process is not None:
            processes.end(self._process)

    def table(self) -> dict[str, tuple[str, str]]:
        """Block id and reason by sender; empty while there is no table."""
        return {sender: (block, why) for sender, block, why in self._rows("sender, block_id, reason", "restricted")}

    def seen(self) -> set[str]:
        """The ids of the events that were taken up."""
        return {ce_id for (ce_id,) in self._rows("ce_id", "seen")}

    def is_following(self) -> bool:
        """Whether it has its snapshot and goes by events from now on."""
        return self._query("PRAGMA user_version") == [(1,)]

    def failure(self) -> str:
        """What it said when it ended by itself, for a test's message."""
        if self._process is None or self._process.poll() is None or self._process.stderr is None:
            return ""
        return self._process.stderr.read()

    def _rows(self, columns: str, table: str) -> list[tuple[str, ...]]:
        known = self._query(f"SELECT 1 FROM sqlite_master WHERE name = '{table}'")  # noqa: S608
        return self._query(f"SELECT {columns} FROM {table}") if known else []  # noqa: S608

    def _query(self, statement: str) -> list[tuple[Any, ...]]:
        assert self._process is None or self._process.poll() in (None, -9, 0), self.failure()
        path = self._folder / "restricted.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as database:
            return database.execute(statement).fetchall()
