"""What operators copy is right: the example of all settings, the units, the recipe of the image."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from processor.cli.main import run
from processor.settings import Settings, load_settings
from processor.telemetry import CATALOGUE
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
EXAMPLE = DEPLOY / "senderwatch.toml"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROPERTY_TABLES = {"properties", "property_files", "consumer_properties", "producer_properties"}


def _sections() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Settings.model_fields.items():
        section = field.annotation
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        yield name, section


def _uncommented(signs: str, folder: Path) -> str:
    """The example with the settings behind one of `signs` in force; secrets lie in `folder`."""
    text = re.sub(rf"^(?:{signs})(?=[a-z][a-z._]* = )", "", EXAMPLE.read_text(), flags=re.MULTILINE)
    (folder / "secrets").mkdir(exist_ok=True)
    for name in re.findall(r"/etc/senderwatch/secrets/([a-z-]+)", text):
        (folder / "secrets" / name).write_text("secret\n")
    return text.replace("/etc/senderwatch/secrets/", f"{folder}/secrets/")


def _loaded(text: str, folder: Path) -> Settings:
    path = folder / "senderwatch.toml"
    path.write_text(text)
    return load_settings(path, {}, {})


def test_the_example_as_it_stands_changes_nothing(tmp_path: Path) -> None:
    assert _loaded(EXAMPLE.read_text(), tmp_path) == Settings()


def test_what_the_example_calls_a_default_is_one(tmp_path: Path) -> None:
    text = _uncommented("#", tmp_path)
    assert len(tomllib.loads(text)["smtp"]) > 3
    assert _loaded(text, tmp_path) == Settings()


def test_every_setting_of_the_example_is_valid(tmp_path: Path) -> None:
    settings = _loaded(_uncommented("##?", tmp_path), tmp_path)
    assert settings.smtp.password is not None
    assert settings.kafka.property_files == {"sasl.password": "secret"}


def test_the_example_names_every_setting() -> None:
    given = tomllib.loads(re.sub(r"^##?(?=[a-z][a-z._]* = )", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    for name, section in _sections():
        named: dict[str, Any] = given[name]
        assert set(section.model_fields) - {"password"} == set(named), f"section {name} of {EXAMPLE}"
        if "password" in section.model_fields:
            assert '(password = "...")' in EXAMPLE.read_text()


def test_the_example_says_which_settings_have_no_default() -> None:
    text = EXAMPLE.read_text()
    for _, section in _sections():
        for name, field in section.model_fields.items():
            if name not in PROPERTY_TABLES | {"password"}:
                has_default = field.get_default(call_default_factory=True) is not None
                assert re.search(rf"^#{'' if has_default else '#'}{name} = ", text, re.MULTILINE), name


def test_the_environment_file_of_the_units_is_valid(tmp_path: Path) -> None:
    text = (DEPLOY / "systemd" / "senderwatch.env").read_text()
    (tmp_path / "kafka-password").write_text("secret")
    (tmp_path / "smtp-password").write_text("secret")
    lines = re.findall(r"^#?(SENDERWATCH_\w+)=(.*)$", text, re.MULTILINE)
    environment = {name: re.sub(r"^/run/credentials/[^/]+/", f"{tmp_path}/", value) for name, value in lines}
    settings = load_settings(None, {}, environment)
    assert settings.kafka.bootstrap_servers.count(",") == 2
    assert settings.smtp.password is not None


def _unit(path: Path) -> dict[str, list[str]]:
    """What the unit sets, by name; systemd lets a name be set several times."""
    settings: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        if (name := line.partition("=")[0]) and re.fullmatch(r"[A-Za-z]+", name):
            settings.setdefault(name, []).append(line.partition("=")[2])
    return settings


def test_there_is_a_unit_for_each_worker() -> None:
    assert [path.name for path in UNITS] == ["senderwatch-detect@.service", "senderwatch-notify@.service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_a_command_that_exists_with_its_instance_as_slot(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (start,) = _unit(path)["ExecStart"]
    program, command, *options = start.split()
    assert program.endswith("/bin/senderwatch")
    assert command == path.name.removeprefix("senderwatch-").removesuffix("@.service")
    assert options[options.index("--slot") + 1] == "%i"
    assert run([command, *options, "--help"]) == 0
    assert "--slot" in capsys.readouterr().out


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_restarts_its_worker_unless_the_settings_are_wrong(path: Path) -> None:
    unit = _unit(path)
    assert unit["Restart"] == ["always"]
    assert unit["RestartPreventExitStatus"] == ["2"]
    assert run([path.name.split("-")[1].split("@")[0], "--config", "/nonexistent.toml"]) == 2


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_gives_no_more_rights_than_needed(path: Path) -> None:
    unit = _unit(path)
    assert unit["CapabilityBoundingSet"] == [""]
    for name in ("DynamicUser", "NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictNamespaces"):
        assert unit[name] == ["yes"], name
    assert unit["ProtectSystem"] == ["strict"]


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line]


def test_everything_that_the_image_copies_exists() -> None:
    copied = [
        source
        for name, arguments in _instructions()
        if name == "COPY" and "--from" not in arguments
        for source in arguments.split()[:-1]
    ]
    assert {"processor", "schemas", "templates", "pyproject.toml"} <= set(copied)
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_the_image_takes_only_locked_packages_and_needs_no_compiler() -> None:
    installs = [
        part for name, text in _instructions() if name == "RUN" for part in text.split("&&") if " install " in part
    ]
    assert installs
    for install in installs:
        assert "--require-hashes" in install or "--no-deps" in install
        assert "apt" not in install
    assert any("--only-binary :all:" in install for install in installs)


def test_the_image_runs_without_rights_on_kernels_that_are_compiled() -> None:
    instructions = _instructions()
    assert ("USER", "10001:10001") in instructions
    compiled_at = [text.split()[0] for name, text in instructions if name == "ENV" and "NUMBA_CACHE_DIR" in text]
    assert len(compiled_at) == 2
    assert len(set(compiled_at)) == 1, "the kernels are looked for where they were put"
    assert any("processor.workers.warming" in text for name, text in instructions if name == "RUN")


def test_alerts_speak_of_metrics_and_labels_that_there_are() -> None:
    exposed = {metric.exposed_name: metric for metric in CATALOGUE}
    (group,) = YAML(typ="safe").load(DEPLOY / "prometheus" / "alerts.yaml")["groups"]
    assert len(group["rules"]) > 5
    for rule in group["rules"]:
        names = re.findall(r"senderwatch_\w+", rule["expr"])
        assert names
        assert set(names) <= set(exposed), rule["alert"]
        labels = {label for name in names for label in exposed[name].labels} | {"instance"}
        used = re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]) + re.findall(r"[{,](\w+)=", rule["expr"])
        assert set(used) <= labels, rule["alert"]
