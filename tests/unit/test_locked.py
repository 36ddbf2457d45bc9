"""What is installed is what was locked: versions and checksums of Python packages and of Kafka's jars."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.processes import ROOT

KAFKA = ROOT / "deploy" / "kafka"
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
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


def test_jars_that_are_not_the_locked_ones_are_refused(tmp_path: Path) -> None:
    """With a Maven that fetches something else of the right name."""
    for name in ("kafka.sh", "pom.xml", "jars.sha256"):
        shutil.copy(KAFKA / name, tmp_path)
    names = re.findall(r"^[0-9a-f]{64}  (\S+\.jar)$", (KAFKA / "jars.sha256").read_text(), re.MULTILINE)
    assert any(name.startswith("kafka_2.13-") for name in names)
    programs = tmp_path / "programs"
    programs.mkdir()
    fetch = "".join(f'echo forged >"{tmp_path}/jars.part/{name}"\n' for name in names)
    (programs / "mvn").write_text(f'#!/bin/sh\nmkdir -p "{tmp_path}/jars.part"\n{fetch}')
    (programs / "mvn").chmod(0o755)
    done = subprocess.run(
        [tmp_path / "kafka.sh", "jars", "--data", tmp_path / "data"],
        env={"PATH": f"{programs}:/usr/bin:/bin"}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "is not what jars.sha256 says" in done.stderr
    assert not (tmp_path / "jars").exists()


def test_the_checksums_are_those_of_the_version_that_is_fetched() -> None:
    version = re.findall(r"<kafka\.version>(.*)</kafka\.version>", (KAFKA / "pom.xml").read_text())
    assert f"kafka_2.13-{version[0]}.jar" in (KAFKA / "jars.sha256").read_text()
