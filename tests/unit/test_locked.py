"""What is installed is what was locked: versions and checksums of Python packages and of Kafka's jars."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

KAFKA = ROOT / "deploy" / "kafka"
STREAMS = ROOT / "bench" / "streams"
JARS = {KAFKA: ("kafka_2.13", ("kafka.sh", "jars", "--data", "data")), STREAMS: ("kafka-streams", ("build.sh",))}
"""Where jars are fetched to, the name of one whose version counts, and the command that fetches them."""
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "bench" / "quix" / "requirements.txt"]


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_package_has_one_version_and_checksums(lock: Path) -> None:
    entries = re.sub(r" \\\n", " ", lock.read_text()).splitlines()
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z0-9,-]+\])?==[^ ]+( ; [^\\]+?)?( +--hash=sha256:[0-9a-f]{64})+$", entry), (
            entry
        )


def test_the_makefile_and_the_image_install_nothing_unchecked() -> None:
    for file in (ROOT / "Makefile", ROOT / "deploy" / "Containerfile"):
        text = file.read_text().replace("\\\n", " ")
        installs = [line for line in re.split(r"\n|&&", text) if re.search(r"pip install", line) and "#" not in line]
        assert installs
        for line in installs:
            assert "--require-hashes" in line or "--no-deps" in line or "uv==" in line, line


@pytest.mark.parametrize("folder", JARS, ids=lambda path: path.name)
def test_jars_that_are_not_the_locked_ones_are_refused(folder: Path, tmp_path: Path) -> None:
    """With a Maven that fetches something else of the right name."""
    jar, (script, *words) = JARS[folder]
    for name in (script, "pom.xml", "jars.sha256"):
        shutil.copy(folder / name, tmp_path)
    names = re.findall(r"^[0-9a-f]{64}  (\S+\.jar)$", (folder / "jars.sha256").read_text(), re.MULTILINE)
    assert any(name.startswith(f"{jar}-") for name in names)
    programs = tmp_path / "programs"
    programs.mkdir()
    fetch = "".join(f'echo forged >"{tmp_path}/jars.part/{name}"\n' for name in names)
    (programs / "mvn").write_text(f'#!/bin/sh\nmkdir -p "{tmp_path}/jars.part"\n{fetch}')
    (programs / "mvn").chmod(0o755)
    done = subprocess.run(
        [tmp_path / script, *words], cwd=tmp_path,
        env={"PATH": f"{programs}:/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is not what jars.sha256 says" in done.stderr
    assert not (tmp_path / "jars").exists()


@pytest.mark.parametrize("folder", JARS, ids=lambda path: path.name)
def test_the_checksums_are_those_of_the_version_that_is_fetched(folder: Path) -> None:
    version = re.findall(r"<kafka\.version>(.*)</kafka\.version>", (folder / "pom.xml").read_text())
    assert f"{JARS[folder][0]}-{version[0]}.jar" in (folder / "jars.sha256").read_text()


def test_kafka_streams_is_of_the_brokers_version() -> None:
    broker, streams = (re.findall(r"<kafka\.version>.*", (folder / "pom.xml").read_text()) for folder in JARS)
    assert broker == streams
