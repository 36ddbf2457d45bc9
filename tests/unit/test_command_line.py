"""Expected failures of the command line: one line that says what to do, an exit status, no traceback."""

from pathlib import Path

import pytest

from processor.cli.main import run


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    for command in ("policy", "topics", "verdicts", "detect", "notify", "events", "demo"):
        assert command in told


@pytest.mark.parametrize("arguments", [["nonsense"], ["topics", "nonsense"], ["topics", "list", "--nonsense"]])
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    assert run(arguments) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--config", "/nonexistent.toml"], "cannot read the settings file /nonexistent.toml"),
        (["--bootstrap-servers", "kafka"], "kafka.bootstrap_servers: expected HOST:PORT"),
        (["--log-level", "loud"], "log.level: Input should be 'debug', 'info', 'warning' or 'error'"),
        (["--kafka-property", "security.protocol"], "--kafka-property security.protocol: expected NAME=VALUE"),
        (["-X", "no.such=1"], 'No such configuration property: "no.such"'),
        (["-X", "security.protocol=carrier-pigeon"], 'Invalid value "carrier-pigeon" for configuration property'),
    ],
)
def test_wrong_settings_are_status_2_and_one_line(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["topics", "list", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("senderwatch: ")
    assert told in printed.err


def test_every_wrong_setting_gets_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "settings.toml"
    config.write_text("[topics]\npartitions = 0\nreplication = 0\n")
    assert run(["topics", "list", "--config", str(config)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["topics.partitions", "topics.replication"]


def test_a_password_on_the_command_line_is_not_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["topics", "list", "-X", "sasl.password=correct-horse", "-X", "no.such=correct-horse"]) == 2
    printed = capsys.readouterr()
    assert "correct-horse" not in printed.out + printed.err
