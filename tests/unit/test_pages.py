"""What the pages name is there: links, files of the tree, commands and their options, settings."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from processor.avro import Undecodable
from processor.cli.main import app
from processor.settings import Settings
from processor.verdicts import letters

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md")])
FOLDERS = ("bench/", "deploy/", "docs/", "processor/", "schemas/", "templates/", "tests/", ".ci/", "requirements/")


def _named(page: Path, pattern: str) -> Iterator[str]:
    yield from re.findall(pattern, page.read_text())


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _options(*path: str) -> set[str]:
    """The options of a command, and those of the commands before it."""
    command = typer.main.get_command(app)
    for name in path:
        command = getattr(command, "commands", {}).get(name, command)
    return {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _named(page, r"(?:\]\(|src=\")(?!https?:)([^)\s\"]+)[)\"]"):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in {_anchor(heading) for heading in _named(target, r"(?m)^#+ (.*)$")}, link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    roots = [ROOT, ROOT / "processor"] if page.name == "architecture.md" else [ROOT]
    rooms = tuple(f"{each.name}/" for each in (ROOT / "processor").iterdir() if each.is_dir())
    starts = FOLDERS + (rooms if page.name == "architecture.md" else ())
    for name in _named(page, r"`([\w.\-]+/[\w./\-]*\.(?:py|md|sh|toml|yaml|avsc|jsonl))`"):
        if name.startswith(starts):
            assert any((root / name).exists() for root in roots), name


def test_every_module_that_the_page_on_architecture_names_is_there() -> None:
    modules = {path.name for path in (ROOT / "processor").rglob("*.py")}
    assert set(_named(ROOT / "docs" / "architecture.md", r"`(\w+\.py)`")) <= modules


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_has_its_options(page: Path) -> None:
    for line in _named(
        page,
        r"(?m)(?:^|[ /`])senderwatch ((?:audit|demo|detect|explain|notify|events|mail|restricted|policy|topics|verdicts|"
        r"what-if)\b[^`\n|#]*)",
    ):
        words = line.split()
        known = _options(*words[:2])
        for word in words[1:]:
            if word.startswith("-") and word != "-":
                assert word.split("=")[0].rstrip(".,;:)") in known, f"{page.name}: senderwatch {line}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    sections = "|".join(Settings.model_fields)
    for setting in _named(page, rf"`((?:{sections})\.[a-z_]{{3,}})\b"):
        section, name = setting.split(".")
        annotation = Settings.model_fields[section].annotation
        assert name in getattr(annotation, "model_fields", {}), setting


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_a_page_shows_exists(page: Path) -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    for line in _named(page, r"(?m)(?:^|`)make ((?:[a-z]+ ?)+)(?:ARGS|`|$)"):
        assert set(line.split()) <= targets, line


OF_THE_CLIENT = {"Group authorization failed"}
"""What the Kafka client says, in its own words."""


def test_every_message_that_the_page_on_operations_explains_is_said() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "processor").rglob("*.py"))
    said = re.sub(r'"\s*\n\s*f?"', "", sources)
    tables = (ROOT / "docs" / "operations.md").read_text().split("\n## ")
    pieces = {
        piece.strip(" :")
        for table in tables
        if table.startswith("Messages that")
        for row in re.findall(r"(?m)^\| (`.*?`[^|]*)\|", table)
        for message in re.findall(r"`([^`]+)`", row)
        for piece in re.split("…|[A-Z.:]{6,}", message)
        if len(piece) >= 8
    }
    assert len(pieces) > 20, "the tables are not found"
    assert {piece for piece in pieces - OF_THE_CLIENT if piece not in said} == set()


def test_every_alert_is_on_the_page_on_operations() -> None:
    alerts = set(_named(ROOT / "deploy" / "prometheus" / "alerts.yaml", r"alert: (\w+)"))
    assert alerts == set(_named(ROOT / "docs" / "operations.md", r"(?m)^\| (Senderwatch\w+) \|"))


def test_every_header_and_reason_of_a_dead_letter_is_on_its_page() -> None:
    headers = {value for name, value in vars(letters).items() if name.endswith("_HEADER")}
    assert len(headers) >= 5
    shown = set(_named(ROOT / "docs" / "dead-letters.md", r"`([^`\n]+)`"))
    assert {reason.value for reason in Undecodable} | headers <= shown
