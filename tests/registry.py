"""A real schema registry for tests: Apicurio, fetched by Maven, run by a Java 21 or newer, on a free port."""

import fcntl
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests import processes
from tests.waiting import wait_until

VERSION = "3.3.3"
JAVA_NEEDED = 21

_ARTIFACT = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
_CACHE = processes.ROOT / ".cache"
_LISTENING = re.compile(r"Listening on: (http://127\.0\.0\.1:\d+)")


def find_java() -> Path | None:
    """A `java` that is new enough: that of JAVA_HOME, the one on PATH, or one under /usr/lib/jvm."""
    home, found = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [
        *([Path(home) / "bin" / "java"] if home else []),
        *([Path(found)] if found else []),
        *sorted(Path("/usr/lib/jvm").glob("*/bin/java")),
    ]
    return next((java for java in candidates if java.exists() and _feature_version(java) >= JAVA_NEEDED), None)


def _feature_version(java: Path) -> int:
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    number = re.search(r'version "(\d+)', said)
    return int(number[1]) if number else 0


def installed() -> Path:
    """The folder with the registry, fetched if it is not there yet."""
    _CACHE.mkdir(exist_ok=True)
    with (_CACHE / "apicurio-registry.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another process of the tests may be about to fetch it too
        return _fetched()


def _fetched() -> Path:
    folder = _CACHE / f"apicurio-registry-{VERSION}"
    if not folder.exists():
        part = _CACHE / f"apicurio-registry-{VERSION}.{os.getpid()}.part"
        part.mkdir()
        command = ["mvn", "--batch-mode", "--quiet", _COPY, f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={part}"]
        fetching = subprocess.run(command, capture_output=True, text=True, check=False)
        assert fetching.returncode == 0, f"Maven could not fetch the registry:\n{fetching.stdout}{fetching.stderr}"
        (archive,) = part.glob("*.tar.gz")
        with tarfile.open(archive) as content:
            content.extractall(part, filter="data")
        archive.unlink()
        part.rename(folder)
    return folder


class RealRegistry:
    """One registry that keeps everything in memory; port 0 is any free one."""

    def __init__(self, java: Path, log: Path, port: int = 0) -> None:
        self._java = java
        self._log = log
        self._port = port
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        folder = installed()
        self._log.write_text("")
        self._process = processes.start(
            [
                self._java,
                "-Xmx512m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dquarkus.http.host=127.0.0.1",
                f"-Dquarkus.http.port={self._port}",
                "-Dquarkus.management.host=127.0.0.1",
                "-Dquarkus.management.port=0",
                "-jar",
                "quarkus-run.jar",
            ],
            folder=folder,
            output=self._log,
        )
        wait_until(self._is_up, "the schema registry", timeout_s=60)

    @property
    def url(self) -> str:
        """The address of its Confluent-compatible API."""
        listening = _LISTENING.search(self._log.read_text())
        assert listening, f"the registry is not up:\n{self._log.read_text()[-2000:]}"
        return f"{listening[1]}/apis/ccompat/v7"

    def stop(self) -> None:
        if self._process is not None:
            processes.end(self._process)
            self._process = None

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the registry ended:\n{self._log.read_text()[-2000:]}"
        return _LISTENING.search(self._log.read_text()) is not None
