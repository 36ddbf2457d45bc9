"""A Kafka with TLS, logins and ACLs, with the logins that deploy/kafka/principals.py makes, and commands that log in as each."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from processor.cli.main import run
from processor.kafka.clients import ClientSettings
from processor.kafka.topics import TopicNames
from processor.settings import load_settings
from processor.workers.wiring import client_settings
from tests import processes
from tests.brokers import Cluster
from tests.certificates import Authority

PREFIX = "s1-"
NAMES = TopicNames(PREFIX)
ANN = "ann@school.test"
PRINCIPALS = processes.ROOT / "deploy" / "kafka" / "principals.py"
ADMIN_PASSWORD = "correct-horse-of-the-admin"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed, whether as its result or as an error."""

    status: int
    text: str


@dataclass(slots=True)
class SecuredKafka:
    """The broker, in `folder` the settings of each login, and all that any command has said."""

    folder: Path
    cluster: Cluster
    passwords: dict[str, str] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)

    def settings_file(self, login: str, *, more: str = "", **changed: str) -> Path:
        """The settings with which somebody is `login`; `changed` has properties in place of the right ones."""
        secret = self.folder / "passwords" / f"{PREFIX}senderwatch-{login}"
        properties = {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "admin" if login == "root" else f"{PREFIX}senderwatch-{login}",
            "ssl.ca.location": str(self.folder / "ca.pem"),
            **{name.replace("_", "."): value for name, value in changed.items()},
        }
        file = self.folder / f"{login}{len(list(self.folder.glob('*.toml')))}.toml"
        file.write_text(
            f'[kafka]\nbootstrap_servers = "{self.cluster.bootstrap}"\n[kafka.properties]\n'
            + "".join(f'{name} = "{value}"\n' for name, value in properties.items())
            + f'[kafka.property_files]\nsasl.password = "{self.folder / "admin-password" if login == "root" else secret}"\n'
            + f'[topics]\nprefix = "{PREFIX}"\npartitions = 2\nout_partitions = 1\n[log]\nformat = "json"\n{more}'
        )
        return file

    def kafka(self, login: str) -> ClientSettings:
        return client_settings(load_settings(self.settings_file(login), {}, {}))

    def run(self, login: str, *command: str, settings: Path | None = None) -> Said:
        """`senderwatch COMMAND`, in this process."""
        file = settings or self.settings_file(login)
        output = StringIO()
        with redirect_stdout(output), redirect_stderr(output):
            status = run([*command, "--config", str(file)])
        self.heard.append(output.getvalue())
        return Said(status, output.getvalue())

    def give_rights(self, *options: str) -> Said:
        """principals.py, as an operator runs it."""
        command: list[str | Path] = [sys.executable, PRINCIPALS, "--config", self.settings_file("root"), *options]
        environment = {**os.environ, "PYTHONPATH": str(processes.ROOT)}
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
        self.heard.append(done.stdout + done.stderr)
        return Said(done.returncode, done.stdout + done.stderr)

    @property
    def secrets(self) -> Mapping[str, str]:
        """Every password there is, by login."""
        files = {file.name: file.read_text().strip() for file in (self.folder / "passwords").iterdir()}
        return {**files, "admin": ADMIN_PASSWORD}


def secured(folder: Path) -> SecuredKafka:
    """Everything that the broker needs, in `folder`; it is not started yet."""
    Authority(folder / "ca.pem").issue(folder / "node.pem", name="kafka-node")
    (folder / "admin-password").write_text(f"{ADMIN_PASSWORD}\n")
    return SecuredKafka(folder, Cluster(folder / "data", brokers=1, secrets=folder))


def spam(folder: Path, sender: str) -> Path:
    """A file with five mails of the sender, all of them spam."""
    file = folder / "spam.jsonl"
    now_ms = time.time_ns() // 1_000_000
    verdict = {"occurred_at": now_ms, "tenant_id": "school", "sender": sender, "verdict": "SPAM"}
    recipients = {"internal_recipients": 0, "external_recipients": 1}
    file.write_text("".join(json.dumps({"event_id": f"e{n}", **verdict, **recipients}) + "\n" for n in range(5)))
    return file
