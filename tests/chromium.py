"""A real Chromium without a screen: what a page is in it, how it looks, and what it asks for. No request gets further than its log."""

import json
import os
import shutil
import struct
import subprocess
import zlib
from enum import IntEnum
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
_PNG_SIGNATURE = 8
_NOT_A_PAGE = "not an origin"
"""Who asks when the browser itself does: for its updates, for example."""


class Scheme(IntEnum):
    """What the reader's system prefers, by Chromium's own numbers."""

    DARK = 0
    LIGHT = 1


class Browser:
    """Opens one page, in a process of its own each time; files and profile lie in `folder`."""

    def __init__(self, page: Path, folder: Path, scheme: Scheme = Scheme.LIGHT) -> None:
        program = next(filter(None, map(shutil.which, NAMES)), None)
        assert program is not None, "Chromium is missing: requirements/system.sh chromium"
        self._log, self._picture = folder / "netlog.json", folder / f"{scheme.name.lower()}.png"
        self._page = page
        self._command = [
            program, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", f"--user-data-dir={folder / 'profile'}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--blink-settings=preferredColorScheme={scheme.value}",
        ]  # fmt: skip

    def dom(self) -> str:
        """The document as it stands after loading."""
        return self._run("--dump-dom")

    def background(self) -> tuple[int, int, int]:
        """The colour of the page's first pixel."""
        self._run(f"--screenshot={self._picture}", "--window-size=1000,1400")
        return _first_pixel(self._picture.read_bytes())

    def requests(self) -> list[str]:
        """The addresses that the page asked for, itself aside."""
        self._run(f"--log-net-log={self._log}", "--dump-dom")
        log = json.loads(self._log.read_text())
        begins = log["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
        jobs = [event.get("params", {}) for event in log["events"] if event["type"] == begins]
        return [job["url"] for job in jobs if job.get("initiator", _NOT_A_PAGE) != _NOT_A_PAGE]

    def _run(self, *options: str) -> str:
        done = subprocess.run(
            [*self._command, *options, self._page.as_uri()], capture_output=True, text=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _first_pixel(png: bytes) -> tuple[int, int, int]:
    """Red, green and blue at the top left, before which no filter has anything to add (PNG, section 9)."""
    packed, place = b"", _PNG_SIGNATURE
    while place < len(png):
        (length,) = struct.unpack_from(">I", png, place)
        if png[place + 4 : place + 8] == b"IDAT":
            packed += png[place + 8 : place + 8 + length]
        place += length + 12
    red, green, blue = zlib.decompress(packed)[1:4]
    return red, green, blue
