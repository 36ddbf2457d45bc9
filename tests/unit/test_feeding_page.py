"""`docs/feeding.md` says what the commands do."""

import json
import re
from pathlib import Path

import pytest
import typer.main

from processor.cli import verdicts
from processor.verdicts import jsonl
from processor.verdicts.event import MessageVerdict, Verdict
from processor.verdicts.reading import FIELDS
from processor.verdicts.tenants import load_tenants
from tests.processes import ROOT

PAGE = (ROOT / "docs" / "feeding.md").read_text()
COMMON = {"config", "bootstrap_servers", "topic_prefix", "kafka_properties", "log_level", "files"}


def test_every_option_of_the_commands_is_on_the_page() -> None:
    group = typer.main.get_command(verdicts.app)
    commands = group.commands.values()  # type: ignore[attr-defined]
    options = {name for command in commands for p in command.params if p.name not in COMMON for name in p.opts}
    assert len(options) > 15
    assert sorted(name for name in options if f"`{name}" not in PAGE and f" {name} " not in PAGE) == []


def test_every_field_and_verdict_is_on_the_page() -> None:
    assert [name for name in (*FIELDS, *Verdict.__members__) if f"`{name}`" not in PAGE] == []


def test_the_example_line_is_a_verdict() -> None:
    example = re.search(r"^    \{.*?\}$", PAGE, re.DOTALL | re.MULTILINE)
    assert example is not None
    verdict = jsonl.parse(json.dumps(json.loads(example[0])).encode())
    assert isinstance(verdict, MessageVerdict), verdict
    assert verdict.verdict is Verdict.SPAM


@pytest.mark.parametrize(
    ("sender", "tenant"),
    [
        ("a@mail.example.org", "example"),
        ("a@xn--bcher-kva.example", "books"),
        ("a@far.test", "guests"),
        ("a", "guests"),
    ],
)
def test_the_example_of_tenants_is_one(tmp_path: Path, sender: str, tenant: str) -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    path = tmp_path / "tenants.yaml"
    path.write_text(example[1])
    assert load_tenants(path).of_sender(sender) == tenant
