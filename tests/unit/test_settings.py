"""Settings: a later source wins, an error names the setting, a secret is never shown."""

import traceback
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processor.settings import Settings, SettingsError, load_settings
from processor.workers.wiring import client_settings

SECRET = "correct-horse-battery"


def _file(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def _problem(config: Path | None = None, overrides: Mapping[str, object] | None = None, **environment: str) -> str:
    return _problem_of(environment, config, overrides or {})


def _problem_of(
    environment: Mapping[str, str], config: Path | None = None, overrides: Mapping[str, object] = MappingProxyType({})
) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(config, overrides, environment)
    return str(caught.value)


def test_without_any_source_the_defaults_hold() -> None:
    assert load_settings(None, {}, {}) == Settings()


def test_the_environment_wins_over_the_file_and_options_over_both(tmp_path: Path) -> None:
    config = _file(tmp_path, '[smtp]\nhost = "file"\nport = 1\nuser = "file"\n')
    environment = {"SENDERWATCH_SMTP__HOST": "environment", "SENDERWATCH_SMTP__PORT": "2"}
    smtp = load_settings(config, {"smtp.host": "option"}, environment).smtp
    assert (smtp.host, smtp.port, smtp.user) == ("option", 2, "file")


def test_an_option_that_was_not_given_hides_nothing(tmp_path: Path) -> None:
    config = _file(tmp_path, "[topics]\npartitions = 3\n")
    assert load_settings(config, {"topics.partitions": None}, {}).topics.partitions == 3


def test_a_variable_names_the_file_and_an_option_another(tmp_path: Path) -> None:
    named = _file(tmp_path, "[topics]\npartitions = 3\n")
    environment = {"SENDERWATCH_CONFIG": str(named)}
    assert load_settings(None, {}, environment).topics.partitions == 3
    other = tmp_path / "other.toml"
    other.write_text("[topics]\npartitions = 5\n")
    assert load_settings(other, {}, environment).topics.partitions == 5


def test_a_file_in_the_working_directory_is_read_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}, {}).topics.partitions == 8
    (tmp_path / "senderwatch.toml").write_text("[topics]\npartitions = 3\n")
    assert load_settings(None, {}, {}).topics.partitions == 3


@given(partitions=st.integers(1, 10_000), source=st.sampled_from(["file", "environment", "option"]))
def test_a_value_means_the_same_wherever_it_comes_from(
    tmp_path_factory: pytest.TempPathFactory, partitions: int, source: str
) -> None:
    config = _file(tmp_path_factory.mktemp("settings"), f"[topics]\npartitions = {partitions}\n" * (source == "file"))
    environment = {"SENDERWATCH_TOPICS__PARTITIONS": str(partitions)} if source == "environment" else {}
    overrides = {"topics.partitions": partitions} if source == "option" else {}
    assert load_settings(config, overrides, environment).topics.partitions == partitions


def test_any_client_property_is_passed_through_however_it_is_written(tmp_path: Path) -> None:
    config = _file(
        tmp_path,
        '[kafka.properties]\nsecurity.protocol = "SSL"\n"ssl.ca.location" = "/ca.pem"\nlog.connection.close = false\n'
        "[kafka.consumer_properties]\nsession.timeout.ms = 9000\n",
    )
    environment = {"SENDERWATCH_KAFKA__PROPERTIES__SSL_CA_LOCATION": "/other.pem"}
    kafka = client_settings(load_settings(config, {"kafka.properties": {"client.rack": "r1"}}, environment))
    assert kafka.properties == {
        "security.protocol": "SSL",
        "ssl.ca.location": "/other.pem",
        "log.connection.close": "false",
        "client.rack": "r1",
    }
    assert kafka.consumer_properties == {"session.timeout.ms": "9000"}


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SENDERWATCH_KAFKA__BOOTSTRAP_SERVERS", "kafka", "kafka.bootstrap_servers: expected HOST:PORT"),
        ("SENDERWATCH_TOPICS__PARTITIONS", "0", "topics.partitions: Input should be greater than or equal to 1"),
        ("SENDERWATCH_TOPICS__PARTITIONS", "many", "topics.partitions: Input should be a valid integer"),
        ("SENDERWATCH_TOPICS__VERDICT_RETENTION_HOURS", "24", "topics.verdict_retention_hours"),
        ("SENDERWATCH_SMTP__TLS", "maybe", "smtp.tls: Input should be 'none', 'starttls' or 'tls'"),
        ("SENDERWATCH_SMTP__HOST", "smtp://mail.example", "smtp.host: expected the name or address of a host"),
        ("SENDERWATCH_SMTP__HOST", "", "smtp.host: expected the name or address of a host"),
        ("SENDERWATCH_KAFKA__BOOTSTRAP_SERVERS", "kafka:99999", "kafka.bootstrap_servers: expected HOST:PORT"),
        ("SENDERWATCH_LOG__LEVEL", "loud", "log.level: Input should be 'debug'"),
        ("SENDERWATCH_DETECTOR__SLOT", "a b", "detector.slot: expected letters"),
        ("SENDERWATCH_NOTIFIER__SENDER_ADDRESS", "nobody", "notifier.sender_address: expected a mail address"),
        ("SENDERWATCH_SCHEMA_REGISTRY__URL", "ftp://x", "schema_registry.url: expected http(s)://HOST"),
        ("SENDERWATCH_NOTIFIER__OUTBOX", "", "notifier.outbox: expected the name of a file or folder"),
        ("SENDERWATCH_DETECTOR__POLICIES", "", "detector.policies: expected the name of a file or folder"),
    ],
)
def test_a_bad_value_is_told_with_its_setting_itself_and_its_source(variable: str, value: str, expected: str) -> None:
    problem = _problem_of({variable: value})
    assert problem.startswith(expected)
    assert f"given: {value!r} (from the environment)" in problem


def test_every_bad_setting_is_told_at_once(tmp_path: Path) -> None:
    config = _file(tmp_path, "[topics]\npartitions = 0\n")
    lines = _problem(config, {"log.level": "loud"}).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["topics.partitions", "log.level"]
    assert f"(from the file {config})" in lines[0]
    assert "(from the command line)" in lines[1]


def test_a_misspelt_setting_is_an_error_wherever_it_stands(tmp_path: Path) -> None:
    assert "smtp.prot: no such setting" in _problem(_file(tmp_path, "[smtp]\nprot = 25\n"))
    assert "smpt: no such setting" in _problem(_file(tmp_path, "[smpt]\nport = 25\n"))
    assert "smtp.prot: no such setting" in _problem(SENDERWATCH_SMTP__PROT="25")
    assert "SENDERWATCH_SMPT__PORT: no such setting" in _problem(SENDERWATCH_SMPT__PORT="25")
    assert "SENDERWATCH_PORT: no such setting" in _problem(SENDERWATCH_PORT="25")


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    assert f"cannot read the settings file {tmp_path / 'none.toml'}" in _problem(tmp_path / "none.toml")
    broken = _file(tmp_path, "[smtp\n")
    assert f"the settings file {broken} is not valid TOML" in _problem(broken)


def test_secrets_come_from_files_too(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    config = _file(
        tmp_path,
        f'[smtp]\nuser = "a"\npassword_file = "{secret}"\n[schema_registry]\nuser = "b"\npassword_file = "{secret}"\n'
        f'[kafka.property_files]\nsasl.password = "{secret}"\n',
    )
    settings = load_settings(config, {}, {})
    assert settings.smtp.password is not None
    assert settings.schema_registry.password is not None
    assert settings.smtp.password.get_secret_value() == SECRET
    assert settings.schema_registry.password.get_secret_value() == SECRET
    assert client_settings(settings).properties == {"sasl.password": SECRET}


def test_a_secret_given_twice_or_in_no_file_is_an_error(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    assert f"smtp.password_file: cannot read {missing}" in _problem(SENDERWATCH_SMTP__PASSWORD_FILE=str(missing))
    assert f"kafka.property_files: cannot read {missing}" in _problem(
        SENDERWATCH_KAFKA__PROPERTY_FILES__SASL_PASSWORD=str(missing)
    )
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    problem = _problem(SENDERWATCH_SMTP__PASSWORD_FILE=str(secret), SENDERWATCH_SMTP__PASSWORD="x")
    assert "password and password_file are both given" in problem


def test_a_password_without_a_user_would_log_nobody_in(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    assert "smtp: a password is given, but no user" in _problem(SENDERWATCH_SMTP__PASSWORD=SECRET)
    assert "smtp: a password is given, but no user" in _problem(SENDERWATCH_SMTP__PASSWORD_FILE=str(secret))


def test_settings_that_do_not_go_together_name_all_their_sources(tmp_path: Path) -> None:
    config = _file(tmp_path, f'[smtp]\nuser = "a"\npassword = "{SECRET}"\n')
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    problem = _problem(config, {"smtp.port": 26}, SENDERWATCH_SMTP__PASSWORD_FILE=str(secret))
    assert problem.endswith(f"(from the file {config}, the environment, the command line)")


def test_a_list_can_be_given_as_one_text() -> None:
    environment = {"SENDERWATCH_NOTIFIER__OPERATORS": "noc@x.example, abuse@x.example"}
    assert load_settings(None, {}, environment).notifier.operators == ("noc@x.example", "abuse@x.example")
    problem = _problem(SENDERWATCH_NOTIFIER__OPERATORS="nobody,noc")
    assert problem.startswith("notifier.operators: expected a mail address, local@domain; given: 'nobody,noc'")
    assert problem.endswith("(from the environment)")


def test_no_secret_is_ever_shown(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    environment = {
        "SENDERWATCH_SMTP__USER": "a",
        "SENDERWATCH_SMTP__PASSWORD": SECRET,
        "SENDERWATCH_SCHEMA_REGISTRY__USER": "b",
        "SENDERWATCH_SCHEMA_REGISTRY__PASSWORD_FILE": str(secret),
        "SENDERWATCH_KAFKA__PROPERTIES__SASL_PASSWORD": SECRET,
        "SENDERWATCH_KAFKA__CONSUMER_PROPERTIES__SSL_KEY_PASSWORD": SECRET,
        "SENDERWATCH_KAFKA__PROPERTY_FILES__SSL_KEY_PEM": str(secret),
    }
    settings = load_settings(None, {}, environment)
    for shown in (repr(settings), str(settings), repr(client_settings(settings))):
        assert SECRET not in shown


@pytest.mark.parametrize(
    "broken",
    [
        {"SENDERWATCH_SMTP__PASSWORD__X": SECRET},
        {"SENDERWATCH_SMTP__PASWORD": SECRET},
        {"SENDERWATCH_KAFKA__SASL_PASSWORD": SECRET},
        {"SENDERWATCH_KAFKA__PROPERTIES": SECRET},
        {"SENDERWATCH_SCHEMA_REGISTRY__URL": f"http://user:{SECRET}@registry"},
        {"SENDERWATCH_KAFKA__BOOTSTRAP_SERVERS": f"user:{SECRET}@kafka:9092"},
    ],
)
def test_an_error_shows_no_secret_either(broken: dict[str, str]) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, {}, broken)
    assert SECRET not in "".join(traceback.format_exception(caught.value))
