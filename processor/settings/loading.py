"""From file, environment and command line to settings in force, or to an error that says what is wrong where."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from processor.settings.sections import Settings

DEFAULT_FILE = Path("senderwatch.toml")
"""Read from the working directory when neither --config nor SENDERWATCH_CONFIG names a file."""

_PREFIX = "SENDERWATCH_"
_FILE_VARIABLE = "SENDERWATCH_CONFIG"
_SECRET_WORDS = ("password", "secret", "token", "key", "properties")
"""A setting with one of these in its name is never shown with its value."""


class SettingsError(Exception):
    """A setting that cannot be used. The text names it, what was given, what is expected, and where it came from."""


def load_settings(
    config: Path | None, overrides: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Settings:
    """The settings in force.

    `config` is the file that --config names, else SENDERWATCH_CONFIG's, else ./senderwatch.toml if there is one.
    `overrides` holds the command line's options by dotted name ("kafka.bootstrap_servers"); None is an option that was
    not given. `environment` defaults to the process's own. Raises SettingsError.
    """
    environment = os.environ if environment is None else environment
    layers: list[tuple[str, dict[str, Any]]] = []
    path = config or _named_file(environment)
    if path is not None:
        layers.append((f"the file {path}", _from_file(path)))
    layers.append(("the environment", _from_environment(environment)))
    layers.append(("the command line", _from_options(overrides)))
    merged: dict[str, Any] = {}
    for _, values in layers:
        merged = _merged(merged, values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        problems = [_explained(problem, layers) for problem in error.errors(include_url=False, include_context=False)]
        raise SettingsError("\n".join(dict.fromkeys(problems))) from None


def _named_file(environment: Mapping[str, str]) -> Path | None:
    if named := environment.get(_FILE_VARIABLE):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _from_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"the settings file {path} is not valid TOML: {error}") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(_PREFIX) or variable == _FILE_VARIABLE:
            continue
        section, *rest = variable.removeprefix(_PREFIX).lower().split("__")
        if section not in Settings.model_fields or not rest:
            raise SettingsError(
                f"{variable}: no such setting; the name is {_PREFIX}SECTION__NAME, with a section out of "
                f"{', '.join(name.upper() for name in Settings.model_fields)}"
            )
        _put(values, [section, *rest], value)
    return values


def _from_options(overrides: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in overrides.items():
        if value is not None:
            _put(values, name.split("."), value)
    return values


def _put(values: dict[str, Any], path: list[str], value: object) -> None:
    for step in path[:-1]:
        values = values.setdefault(step, {})
    values[path[-1]] = value


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for name, value in above.items():
        nested = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if nested else value
    return merged


def _explained(problem: ErrorDetails, layers: list[tuple[str, dict[str, Any]]]) -> str:
    """One line: the setting, what was given (unless it may be secret), what is expected, where from."""
    path = [str(step) for step in problem["loc"] if not isinstance(step, int)]  # a list is one setting
    name = ".".join(path)
    found = [(source, value) for source, values in reversed(layers) for value in _at(values, path)]
    source, given = found[0] if found else ("a default", None)
    if isinstance(given, Mapping):  # settings that do not go together may come from several places
        source = ", ".join(each for each, _ in reversed(found))
    unknown = problem["type"] == "extra_forbidden"
    expected = "no such setting" if unknown else problem["msg"].removeprefix("Value error, ")
    secret = unknown or any(word in path[-1] for word in _SECRET_WORDS) or isinstance(given, Mapping | None)
    shown = re.sub("[^/]*@", "***@", given) if isinstance(given, str) else given
    told = "" if secret else f"; given: {shown!r}"
    return f"{name}: {expected}{told} (from {source})"


def _at(values: Mapping[str, Any], path: list[str]) -> Iterator[object]:
    """The value at `path`, if there is one."""
    found: object = values
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            return
        found = found[step]
    yield found
