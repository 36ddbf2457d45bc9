"""The demo as a newcomer starts it: it shows what it promises, ends by itself or by Ctrl-C, and leaves nothing but files."""

import email
import os
import pty
import re
import signal
import socket
import threading
from email.policy import default
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from processor.kafka.embedded import EmbeddedBroker
from processor.settings import KafkaSettings, Settings
from processor.workers.demo import Output, run_demo
from processor.workers.demo_broker import DemoFailed, Place
from processor.workers.demo_story import Story
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.waiting import wait_until

LIVE = "live traffic"


def _left_in_session(leader: int) -> list[str]:
    """Processes that the demo, which leads a session of its own, has left behind."""
    left = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                left.append(str(process))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return left


def _mails(folder: Path) -> dict[str, str]:
    """Subjects of the mails in a demo's output by recipient, each of which must also be there as HTML."""
    subjects = {}
    for file in sorted((folder / "mails").glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=default)
        subjects[message["To"]] = message["Subject"]
        (account,) = re.findall(r"\S+@\S+", message["Subject"])
        assert account in file.with_suffix(".html").read_text()
    return subjects


def _blocked(output: str) -> set[str]:
    return set(re.findall(r"(\S+@\S+) is blocked, \d+\.\d s after its first spam", output))


def test_a_few_seconds_of_demo_show_every_campaign_stopped_and_told_of(
    senderwatch: Senderwatch, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    running = senderwatch("demo", "--seconds", "8", "--output", str(folder))
    output, errors = running.communicate(timeout=100)
    assert (running.returncode, errors) == (0, "")
    compromised = set(re.findall(r"(\S+@\S+) is compromised", output))
    assert len(compromised) == 5
    assert _blocked(output) == compromised
    assert re.search(r"^compromised +5 of 5 are blocked", output, re.MULTILINE)
    assert re.search(r"^honest +0 of 19,995 are blocked", output, re.MULTILINE)
    assert re.search(r"^verdicts +174,000 counted;", output, re.MULTILINE), output
    assert str(folder / "mails") in output
    subjects = _mails(folder)
    assert subjects.keys() == {f"postmaster@{account.partition('@')[2]}" for account in compromised}
    assert all(any(account in subject for subject in subjects.values()) for account in compromised)
    (port,) = re.findall(r"Kafka: embedded broker, 127\.0\.0\.1:(\d+)", output)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)), timeout=5)
    assert _left_in_session(running.pid) == []


def test_the_same_demo_on_a_real_broker_leaves_nothing_there(
    kafka: Broker, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    running = senderwatch(
        "demo", "--seconds", "8", "--rate", "1000", "--output", str(tmp_path), "--bootstrap-servers", kafka.bootstrap
    )
    output, errors = running.communicate(timeout=110)
    assert (running.returncode, errors) == (0, ""), output
    assert len(_blocked(output)) == 5
    assert len(_mails(tmp_path)) == 5
    (prefix,) = re.findall(r"Kafka: \S+, topics (demo-[0-9a-f]{8}-)\*", output)
    assert _named(kafka, prefix) == []


def test_ctrl_c_ends_it_and_topics_that_are_to_be_kept_stay(
    kafka: Broker, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    file = tmp_path / "screen"
    running = senderwatch(
        "demo", "--output", str(tmp_path / "out"), "--bootstrap-servers", kafka.bootstrap, "--keep-topics", output=file
    )
    wait_until(lambda: LIVE in file.read_text(), "live traffic", 60)
    running.send_signal(signal.SIGINT)
    assert running.wait(20) == 0
    output = file.read_text()
    assert re.search(r"^verdicts +\d{3},\d{3} counted", output, re.MULTILINE)
    (prefix,) = re.findall(r"topics (demo-[0-9a-f]{8}-)\*", output)
    assert {f"{prefix}message-verdicts", f"{prefix}sender-restrictions"} <= set(_named(kafka, prefix))


def _named(kafka: Broker, prefix: str) -> list[str]:
    """Topics and groups on the broker whose names begin so."""
    client = AdminClient({"bootstrap.servers": kafka.bootstrap})
    groups = client.list_consumer_groups(request_timeout=10).result().valid
    names = [*client.list_topics(timeout=10).topics, *(group.group_id for group in groups)]
    return [name for name in names if name.startswith(prefix)]


@pytest.mark.parametrize("moment", ["Waiting for", "Live traffic"])
def test_on_a_terminal_it_draws_until_ctrl_c(senderwatch: Senderwatch, tmp_path: Path, moment: str) -> None:
    ours, its = pty.openpty()
    screen: list[str] = []

    def read() -> None:
        try:
            while drawn := os.read(ours, 65_536):
                screen.append(drawn.decode(errors="replace"))
        except OSError:
            pass  # the demo has closed its side

    running = senderwatch(
        "demo",
        "--output",
        str(tmp_path),
        output=Path(os.ttyname(its)),
        environment={"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(its)
    reader = threading.Thread(target=read)
    reader.start()
    try:
        wait_until(lambda: moment in "".join(screen), moment, 60)
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0
    finally:
        running.kill()
        reader.join(10)
        os.close(ours)
    drawn = "".join(screen)
    assert "Traceback" not in drawn
    assert "verdicts" in drawn[drawn.rindex("The end") :]
    assert drawn.count("\x1b[?25l") == drawn.count("\x1b[?25h"), "the cursor is back"
    assert _left_in_session(running.pid) == []


def test_it_ends_when_nobody_reads_its_lines_any_more_and_needs_no_utf_8(
    senderwatch: Senderwatch, tmp_path: Path
) -> None:
    plain = {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    running = senderwatch("demo", "--output", str(tmp_path), environment=plain)
    assert running.stdout is not None
    assert running.stdout.readline() == "Starting ?\n"
    running.stdout.close()
    assert running.wait(60) == 0
    assert running.stderr is not None
    assert running.stderr.read() == ""


def test_a_part_that_fails_ends_the_demo_and_says_which(tmp_path: Path) -> None:
    output = Output(tmp_path)
    output.prepare()
    with EmbeddedBroker() as broker:
        settings = Settings(kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers))
        with pytest.raises(DemoFailed, match="the detector failed: there is no topic message-verdicts"):
            run_demo(Story(5, 1_000, 1), output, _Elsewhere(settings), should_stop=lambda: False, show=lambda _: None)
    assert not [thread.name for thread in threading.enumerate() if thread.name in ("detector", "notifier", "generator")]


class _Elsewhere:
    """A broker whose topics nobody has made."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __enter__(self) -> Place:
        return Place(self._settings, "a broker without topics")

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--bootstrap-servers", "127.0.0.1:1"], 69, "no broker answers at 127.0.0.1:1"),
        (["--keep-topics"], 2, "give --bootstrap-servers"),
        (["--output", "/dev/null/folder"], 2, "--output /dev/null/folder: cannot write there"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    senderwatch: Senderwatch, tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    running = senderwatch("demo", *arguments, folder=tmp_path)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == status, errors
    assert told in errors
    assert "Traceback" not in errors
