"""A folder in which a command may do what it likes, and nothing around it: whatever else it would write or reach is refused and told.

The hook of the interpreter cannot be taken away again, so it watches only while a check says so.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numba

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = frozenset(
    {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate"}
)
_PROGRAMS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})
_LOOPBACK = ("127.0.0.1", "localhost", "::1", None, "", b"localhost")


class Sandbox:
    """One folder and what was tried outside it."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fuzz-")).resolve()
        self.outside: list[str] = []
        self._is_watching = False
        self._named = ""
        self._kernels = str(numba.config.CACHE_DIR)  # type: ignore[attr-defined] # made at import
        sys.addaudithook(self._hook)

    @contextmanager
    def entered(self, named: str) -> Iterator[Path]:
        """Work in the folder, output going to a file there, which is given. `named`: what the user names himself he may write to."""
        before, home = Path.cwd(), os.environ.get("HOME")
        self.outside, self._named = [], named
        said = self.folder / ".said"
        os.chdir(self.folder)
        os.environ["HOME"] = str(self.folder)
        try:
            with (
                said.open("w", encoding="utf-8") as output,
                said.open("a", encoding="utf-8", errors="backslashreplace") as errors,  # as Python opens them
                redirect_stdout(output),
                redirect_stderr(errors),
            ):
                self._is_watching = True
                try:
                    yield said
                finally:
                    self._is_watching = False
        finally:
            os.chdir(before)
            if home is not None:
                os.environ["HOME"] = home

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_watching:
            return
        if event == "open":
            path, mode, flags = arguments
            writes = (
                bool(flags & _WRITES) if isinstance(flags, int) else any(letter in (mode or "") for letter in "wax+")
            )
            if writes and not isinstance(path, int):
                self._refuse_outside(event, path)
        elif event in _CHANGES:
            self._refuse_outside(event, arguments[0])
        elif event in _PROGRAMS:
            self._refuse(event, arguments[0])
        elif event in ("socket.connect", "socket.getaddrinfo"):
            host = arguments[1][0] if event == "socket.connect" else arguments[0]
            if host not in _LOOPBACK:
                raise OSError("no network while fuzzing")

    def _refuse_outside(self, event: str, path: Any) -> None:
        text = os.fsdecode(path)
        is_cache = "__pycache__" in text or text.startswith(self._kernels)
        if text == os.devnull or is_cache or Path(text).absolute().is_relative_to(self.folder):
            return
        if Path(text).name not in self._named:
            self.outside.append(f"{event} {text}")
        raise PermissionError(13, "outside", text)

    def _refuse(self, event: str, what: Any) -> None:
        self.outside.append(f"{event} {what}")
        raise PermissionError(13, "outside", str(what))
