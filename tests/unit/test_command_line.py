"""Expected failures of the command line: one line that says what to do, an exit status, no traceback."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
import typer

from processor import resources
from processor.cli.main import app, run
from processor.notification import facts


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    told = capsys.readouterr().out
    for command in (
        "policy",
        "topics",
        "verdicts",
        "detect",
        "notify",
        "events",
        "restricted",
        "mail",
        "dead-letters",
        "demo",
        "what-if",
    ):
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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["unblock"], "--comment"),
        (["unblock", "--comment", "c"], "Give SENDER, --block-id or --domain"),
        (["unblock", "a@x.example", "--comment", " "], "--comment: is empty"),
        (["unblock", "", "--comment", "c"], "SENDER: is empty"),
        (["unblock", "a@x.example", "--comment", "\udcff"], "--comment: not valid UTF-8"),
        (["unblock", "a@x.example", "--domain", "x.example", "--comment", "c"], "--domain stands in place of SENDER"),
        (["unblock", "a@x.example", "--subdomains", "--comment", "c"], "--subdomains goes with --domain"),
        (["unblock", "--domain", "a@x.example", "--comment", "c"], "expected a domain such as acme.example"),
        (["unblock", "a@x.example", "--comment", "c", "--timeout", "soon"], "--timeout soon: expected a time"),
        (["unblock", "a@x.example", "--comment", "c", "--issued-by", ""], "--issued-by: is empty"),
        (["block", "a@x.example", "--reason", "r"], "--tenant"),
        (["block", "a@x.example", "--tenant", "x"], "--reason"),
        (["block", "a@x.example", "--tenant", "x", "--reason", "r", "--until", "2020-01-01"], "that is past"),
    ],
)
def test_a_command_that_means_nothing_is_refused_before_a_broker_is_asked(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["restricted", *arguments, "--bootstrap-servers", "127.0.0.1:1"]) == 2
    assert told in capsys.readouterr().err


def test_the_commands_that_the_mails_show_are_ours() -> None:
    texts = "".join(file.read_text() for file in resources.folder("templates").rglob("*.*"))
    shown = set(re.findall(r"senderwatch restricted [^\"\n]+", texts))
    assert len(shown) >= 2
    for text in (*shown, facts.unblock_command("o'neill@acme.example") or ""):
        program, *words = shlex.split(text)
        command = typer.main.get_command(app)
        assert program == command.name
        for name in words[:2]:
            command = getattr(command, "commands", {})[name]
        parsed = command.make_context(words[1], words[2:]).params  # wrong usage would raise
        assert parsed.get("sender") in (None, "ACCOUNT", "o'neill@acme.example")


@pytest.mark.parametrize("words", [["--version"], ["restricted", "list", "--help"], ["detect", "--help"]])
def test_a_command_does_not_wait_for_what_only_others_need(words: list[str]) -> None:
    text = f"import sys; from processor.cli.main import run; run({words!r}); print('numba' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.splitlines()[-1] == "False"


def test_what_goes_wrong_while_a_command_is_loaded_is_not_taken_for_a_name_that_is_not_there() -> None:
    with patch("processor.cli.lazily.import_module", side_effect=KeyError("WANTED")), pytest.raises(KeyError):
        run(["detect"])
