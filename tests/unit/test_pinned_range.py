"""Which part of the topics is decided again: ranges that mean nothing, and files that are no pins, are refused by name."""

import json
from pathlib import Path

import pytest

from processor.cli.common import EXIT_NO_BROKER
from processor.cli.main import run
from processor.cli.pinned_range import asked

NOWHERE = ("--bootstrap-servers", "127.0.0.1:1")
PINS = {"group": "workers", "committed": {"0": [5, 1]}, "bounds": {"message-verdicts": {"0": [0, 5]}}}


@pytest.mark.parametrize("command", ["audit", "what-if"])
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "2026-11-26", "--to", "2026-11-25"], "--to 2026-11-25: that is not after --from"),
        (["--from", "2026-11-26", "--to", "2026-11-26"], "nothing lies between"),
        (["--from", "9000-01-01"], "--from 9000-01-01: that is still to come"),
        (["--offsets", "0=5..1"], "--offsets 0=5..1: nothing lies between"),
        (["--offsets", "0=5..5"], "FIRST must be below NEXT"),
        (["--offsets", "0=..5", "--offsets", "0=9.."], "--offsets 0=...: given twice"),
    ],
)
def test_a_range_in_which_nothing_can_be_is_refused_before_a_broker_is_asked(
    command: str, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, *arguments, *NOWHERE]) == 2
    assert told in capsys.readouterr().err


def test_a_time_before_1970_means_from_the_first_verdict() -> None:
    assert asked("400000d", None, None)["from_ms"] == 0


@pytest.mark.parametrize("content", [b"garbage", b"{}", b"\x7fELF\xff", b"[1]"])
@pytest.mark.parametrize(
    ("option", "told"), [("--pins", "--save-pins writes one"), ("--save-pins", "name another file, or remove it")]
)
def test_another_file_has_no_pins_and_is_not_written_over(
    option: str, told: str, content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policies.yaml"
    file.write_bytes(content)
    assert run(["audit", option, str(file), *NOWHERE]) == 2
    said = capsys.readouterr().err
    assert f"{option} {file}: this is no file of pins" in said
    assert told in said
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", [None, "", json.dumps(PINS)])
def test_pins_are_written_where_nothing_or_older_ones_are(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "pins.json"
    if content is not None:
        file.write_text(content)
    assert run(["audit", "--save-pins", str(file), *NOWHERE]) == EXIT_NO_BROKER


def test_a_folder_that_is_not_there_is_told_before_anything_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["audit", "--save-pins", str(tmp_path / "none" / "pins.json"), *NOWHERE]) == 2
    assert "there is no folder" in capsys.readouterr().err
