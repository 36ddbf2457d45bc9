"""No secret is in anything that is said."""

import json
import urllib.request
from pathlib import Path

from tests.secured import PREFIX, SecuredKafka

SMTP_PASSWORD = "staple-of-the-mail-server"


def test_no_secret_is_in_any_output_in_a_process_list_or_at_the_port(kafka: SecuredKafka) -> None:
    """What all tests above have said, failures too; and a worker at debug level, its command line and its port."""
    smtp = f'[smtp]\nport = 1\nuser = "robot"\npassword = "{SMTP_PASSWORD}"\ntls = "starttls"\n'
    settings = kafka.settings_file("notifier", more=smtp)
    kafka.run("notifier", "notify", "--once", "--log-level", "debug", settings=settings)
    kafka.run("notifier", "notify", "--help", settings=settings)
    kafka.run("notifier", "audit", "--log-level", "debug")
    kafka.run("notifier", "events", "--once", settings=kafka.settings_file("notifier", sasl_mechanism="PLAIN"))
    kafka.run("notifier", "events", "--once", "-X", f"sasl.password={kafka.secrets[f'{PREFIX}senderwatch-notifier']}")
    log = (kafka.folder / "detect.log").read_text()
    port = next(entry["port"] for entry in map(json.loads, log.splitlines()) if "port" in entry)
    for page in ("metrics", "livez", "readyz"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=10) as answer:
            kafka.heard.append(answer.read().decode())
    shown = [file.read_bytes().decode(errors="replace") for file in Path("/proc").glob("[0-9]*/cmdline")]
    brokers = [
        file.read_text() for file in (kafka.folder / "data").rglob("*.log") if file.name in ("broker.log", "format.log")
    ]
    said = "\n".join([*kafka.heard, log, *shown, *brokers])
    assert "lacks the right" in said
    for login, secret in {**kafka.secrets, "smtp": SMTP_PASSWORD}.items():
        assert secret not in said, login
