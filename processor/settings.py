"""Every setting, its default and its check, and where the values come from.

A TOML file, then `SENDERWATCH_*` variables, then options of the command line; a later one wins, setting by setting.
`[kafka] bootstrap_servers` of the file is the variable SENDERWATCH_KAFKA__BOOTSTRAP_SERVERS, and messages call it
kafka.bootstrap_servers. Secrets can be given as files; they are never part of a message, a repr or a log line.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

DEFAULT_FILE = Path("senderwatch.toml")
"""Read from the working directory when neither --config nor SENDERWATCH_CONFIG names a file."""

_PREFIX = "SENDERWATCH_"
_FILE_VARIABLE = "SENDERWATCH_CONFIG"
_SECRET_WORDS = ("password", "secret", "token", "key", "properties")
"""A setting with one of these in its name is never shown with its value."""


class SettingsError(Exception):
    """A setting that cannot be used. The text names it, what was given, what is expected, and where it came from."""


def _property_values(value: object) -> object:
    """Librdkafka properties as strings by their dotted names, as TOML tables and environment variables can give them.

    TOML reads an unquoted `sasl.username = "x"` as a table in a table; a variable's name cannot hold a dot, so there
    SASL_USERNAME stands for sasl.username (no librdkafka property that takes a string has an underscore).
    """
    return dict(_flattened(value, "")) if isinstance(value, Mapping) else value


def _flattened(table: Mapping[str, Any], path: str) -> Iterator[tuple[str, object]]:
    for name, value in table.items():
        dotted = f"{path}{name.replace('_', '.')}"
        if isinstance(value, Mapping):
            yield from _flattened(value, f"{dotted}.")
        elif isinstance(value, bool):
            yield dotted, str(value).lower()
        else:
            yield dotted, str(value)


def _matching(pattern: str, expected: str) -> AfterValidator:
    """A check of the whole text whose message says in words what is expected."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _secret_in(path: Path) -> str:
    """The content of a file that holds one secret, without the line end that editors add."""
    try:
        return path.read_text("utf-8").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text") from None


def _readable(path: Path) -> Path:
    _secret_in(path)
    return path


def _contents_of(files: dict[str, str]) -> dict[str, str]:
    """The value that each file holds, in place of its path."""
    return {name: _secret_in(Path(path)) for name, path in files.items()}


Properties = Annotated[dict[str, str], BeforeValidator(_property_values)]
SecretFile = Annotated[Path, AfterValidator(_readable)]
Name = Annotated[str, _matching(r"[a-zA-Z0-9._-]{1,200}", "letters, digits, '.', '_' and '-'")]
Servers = Annotated[str, _matching(r"[^\s,/@]+:\d+(,[^\s,/@]+:\d+)*", "HOST:PORT, or several with commas between")]
Prefix = Annotated[str, _matching(r"[a-zA-Z0-9._-]{0,150}", "letters, digits, '.', '_' and '-', 150 at most")]
RegistryUrl = Annotated[str, _matching(r"(https?|mock)://[^\s@]+", "http(s)://HOST..., user and password apart")]
WebUrl = Annotated[str, _matching(r"https?://[^\s@]+", "http(s)://HOST...")]
Address = Annotated[str, _matching(r"[^\s@<>]+@[^\s@<>]+", "a mail address, local@domain")]
Domain = Annotated[str, _matching(r"[A-Za-z0-9.-]+", "a domain name")]


class _Section(BaseModel):
    """A group of settings: immutable, and a name that it does not know is an error, not a silent typo."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)


class KafkaSettings(_Section):
    """How to reach Kafka. The three tables take any librdkafka property and win over senderwatch's own values."""

    bootstrap_servers: Servers = "127.0.0.1:9092"
    properties: Properties = Field(default_factory=dict, repr=False)
    consumer_properties: Properties = Field(default_factory=dict, repr=False)
    producer_properties: Properties = Field(default_factory=dict, repr=False)
    property_files: Annotated[Properties, AfterValidator(_contents_of)] = Field(default_factory=dict, repr=False)
    """Given as property name to the file that holds its value, for secrets; kept as property name to value."""
    group_protocol: Literal["classic", "consumer"] = "classic"


class _Login(_Section):
    """Who senderwatch is to a server; the password as it is or as the file that holds it."""

    user: str | None = None
    password: SecretStr | None = None
    password_file: SecretFile | None = None

    @model_validator(mode="after")
    def _password_from_file(self) -> Self:
        if self.password_file is None:
            return self
        if self.password is not None:
            raise ValueError("password and password_file are both given; one is enough")
        self.__dict__["password"] = SecretStr(_secret_in(self.password_file))  # frozen from here on
        return self


class RegistrySettings(_Login):
    """The schema registry; without a url, records carry their schema's fingerprint and need no registry."""

    url: RegistryUrl | None = None
    ca_file: Path | None = None
    auto_register: bool = True


class TopicSettings(_Section):
    """The topics' names and shape; `partitions` and `out_partitions` are the N and M of the design, chosen once."""

    prefix: Prefix = ""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    out_partitions: Annotated[int, Field(ge=1, le=10_000)] = 4
    verdict_retention_hours: Annotated[int, Field(ge=26)] = 168
    """Counting again what happened in a day needs the verdicts of the day before it: never under 26 hours."""
    event_retention_days: Annotated[int, Field(ge=1)] = 365
    replication: Annotated[int, Field(ge=1, le=32_767)] | None = None
    """None leaves it to the broker's default.replication.factor."""


class DetectorSettings(_Section):
    """The worker that counts and blocks. `slot` is its fixed name (a stateful set's pod, a systemd instance)."""

    group: Name = "senderwatch-detector"
    slot: Name | None = None
    commit_interval_ms: Annotated[int, Field(ge=1, le=60_000)] = 500
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    policies: Path | None = None


class NotifierSettings(_Section):
    """The worker that tells people. `slot` is its fixed name (a stateful set's pod, a systemd instance)."""

    group: Name = "senderwatch-notifier"
    slot: Name | None = None
    policies: Path | None = None
    outbox: Path | None = None
    """A folder that takes the mails instead of the mail server."""
    sender_address: Address = "senderwatch@localhost"
    """Nobody reads it, and the mails say so."""
    sender_name: str = "Outbound spam protection"
    message_id_domain: Domain = "senderwatch.invalid"
    console_url: WebUrl | None = None
    """Where an admin can lift a block himself; without one the mails name support alone."""
    support_contact: str | None = None
    operators: tuple[Address, ...] = ()
    """Who is told when the brake holds blocks back."""
    max_connections: Annotated[int, Field(ge=1, le=100)] = 10
    max_connections_per_domain: Annotated[int, Field(ge=1, le=100)] = 3
    """So that a domain whose addresses answer slowly leaves room for all others."""
    shutdown_timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    """How long mails under way may take to end when the worker is told to."""


class SmtpSettings(_Login):
    """The mail server that takes the notifications; timeouts in seconds, one for each phase."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    tls: Literal["none", "starttls", "tls"] = "none"
    ca_file: Path | None = None
    connect_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    command_timeout_s: Annotated[float, Field(gt=0)] = 300.0
    data_timeout_s: Annotated[float, Field(gt=0)] = 600.0


class LogSettings(_Section):
    """`auto` is readable on a terminal and JSON elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class MetricsSettings(_Section):
    """Where /metrics, /livez and /readyz are served; no port, no server."""

    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """0 takes a free port, which the log names."""
    address: str = "127.0.0.1"


class Settings(_Section):
    """All settings of every command; each uses the sections that it needs."""

    kafka: KafkaSettings = KafkaSettings()
    schema_registry: RegistrySettings = RegistrySettings()
    topics: TopicSettings = TopicSettings()
    detector: DetectorSettings = DetectorSettings()
    notifier: NotifierSettings = NotifierSettings()
    smtp: SmtpSettings = SmtpSettings()
    log: LogSettings = LogSettings()
    metrics: MetricsSettings = MetricsSettings()


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
        raise SettingsError("\n".join(problems)) from None


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
    path = [str(step) for step in problem["loc"]]
    name = ".".join(path)
    source, given = next(
        ((source, value) for source, values in reversed(layers) for value in _at(values, path)), ("a default", None)
    )
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
