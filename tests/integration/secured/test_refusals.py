"""Whoever is refused is told why: one line with the right and what it is on, or with what is wrong with TLS or the login."""

from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.secured import ANN, NAMES, PREFIX, SecuredKafka
from tests.tls_servers import tls_server

BLOCK = ["block", ANN, "--tenant", "x", "--reason", "x"]
DENIED = [
    ("feeder", ["detect", "--once"], 1, "Describe", NAMES.changelog),
    ("feeder", ["events", "--once"], 1, "Describe", NAMES.restrictions),
    ("feeder", ["audit"], 2, "Describe", NAMES.restrictions),
    ("feeder", ["topics", "create"], 1, "Describe", NAMES.journal),
    ("detector", ["policy", "apply", "POLICIES"], 1, "Write", NAMES.policies),
    ("detector", ["notify", "--once", "--outbox", "mails"], 1, "Describe", NAMES.notifications),
    ("detector", ["verdicts", "generate", "--records", "1"], 1, "Write", "senderwatch-feeder-"),
    ("notifier", ["detect", "--once"], 1, "Describe", NAMES.verdicts),
    ("notifier", ["events", "--once", "--topic-prefix", "other-"], 1, "Describe", "other-sender-restrictions"),
    ("admin", ["restricted", *BLOCK, "--as-support"], 1, "Describe", NAMES.support_commands),
    ("admin", ["policy", "apply", "POLICIES"], 1, "Describe", NAMES.policies),
    ("support", ["restricted", *BLOCK], 1, "Describe", NAMES.commands),
    ("auditor", ["restricted", *BLOCK], 1, "Write", NAMES.commands),
    ("auditor", ["policy", "apply", "POLICIES"], 1, "Write", NAMES.policies),
    ("subscriber", ["audit"], 2, "Describe", NAMES.verdicts),
    ("subscriber", ["explain", "0cca6820-8ac5-5583-9b4a-53dd67f6c06a"], 2, "Describe", NAMES.verdicts),
    ("operator", ["events", "--once"], 1, "Read", ""),  # on the topic or on the group, whichever is refused first
    ("operator", ["detect", "--once"], 1, "Write", f"{PREFIX}senderwatch-detector-"),
]


@pytest.mark.parametrize(
    ("login", "command", "status", "right", "on"), DENIED, ids=lambda each: each if isinstance(each, str) else None
)
def test_who_is_refused_is_told_which_right_is_missing_on_what(
    kafka: SecuredKafka, login: str, command: list[str], status: int, right: str, on: str
) -> None:
    other = kafka.folder / "others.yaml"
    other.write_text("default: {limits: {spam_messages_per_hour: 99}}\n")
    said = kafka.run(login, *(str(other) if word == "POLICIES" else word for word in command))
    assert said.status == status, said.text
    (line,) = [each for each in said.text.splitlines() if f"lacks the right {right} on" in each and on in each][:1]
    assert "docs/security.md" in line
    assert "Traceback" not in said.text


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ({"sasl_username": "nobody"}, "SASL authentication error"),
        ({"sasl_mechanism": "PLAIN"}, "broker's supported mechanisms: SCRAM-SHA-512"),
        ({"security_protocol": "SASL_PLAINTEXT"}, "it speaks TLS there, and security.protocol is SASL_PLAINTEXT"),
        ({"security_protocol": "SSL"}, "it closes the connection after the handshake"),
        ({"ssl_ca_location": "OTHER"}, "its certificate is refused"),
    ],
)
def test_a_login_or_a_connection_that_fails_is_told_in_one_line(
    kafka: SecuredKafka, wrong: dict[str, str], expected: str, tmp_path: Path
) -> None:
    other = Authority(tmp_path / "other.pem").file
    changed = {name: str(other) if value == "OTHER" else value for name, value in wrong.items()}
    said = kafka.run("admin", "restricted", "list", settings=kafka.settings_file("admin", **changed))
    assert said.status == 69, said.text
    (line,) = said.text.splitlines()
    assert line.startswith(f"senderwatch: the broker at {kafka.cluster.bootstrap} cannot be talked to: ")
    assert expected in line


@pytest.mark.parametrize(
    ("address", "is_expired", "expected"),
    [
        ("127.0.0.1", True, "its certificate is refused: certificate has expired"),
        ("127.0.0.2", False, "its certificate is refused: IP address mismatch"),
    ],
)
def test_a_certificate_that_has_expired_or_is_anothers_is_told(
    kafka: SecuredKafka, address: str, is_expired: bool, expected: str, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca.pem")
    context = authority.server(tmp_path / "server.pem", address=address, is_expired=is_expired)
    settings = kafka.settings_file("admin", ssl_ca_location=str(authority.file))
    with tls_server(context) as server:
        said = kafka.run("admin", "restricted", "list", "--bootstrap-servers", server, settings=settings)
    assert said.status == 69
    (line,) = said.text.splitlines()
    assert expected in line
