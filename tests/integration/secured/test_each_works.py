"""On a Kafka that allows nothing but what principals.txt says, each login can do its work."""

import json
import signal
from pathlib import Path

from processor.kafka.reading import first_offsets
from tests.documented_subscriber import Subscriber
from tests.secured import ANN, NAMES, PREFIX, SecuredKafka, spam
from tests.waiting import wait_until


def test_staff_the_notifier_and_an_auditor_can_work(kafka: SecuredKafka) -> None:
    wait_until(lambda: "wrong partition" in kafka.run("letters", "dead-letters", "list").text, "the dead letter")
    outbox = ("--once", "--outbox", str(kafka.folder / "mails"))
    for login, command, expected in (
        ("notifier", ["notify", *outbox], "mail accepted"),
        ("admin", ["restricted", "show", ANN], "spam_messages_per_hour"),
        ("admin", ["restricted", "unblock", ANN, "--comment", "repaired"], "can send again"),
        ("support", ["restricted", "block", ANN, "--tenant", "school", "--reason", "again", "--as-support"], "blocked"),
        (
            "support",
            ["restricted", "unblock", ANN, "--comment", "seen to", "--ticket", "T-1", "--as-support"],
            "can send again",
        ),
        ("support", ["restricted", "list"], ""),
        ("auditor", ["audit"], "everything matches"),
        ("letters", ["dead-letters", "replay", "--all", "--yes"], ""),
        ("auditor", ["policy", "history"], ""),
        ("operator", ["topics", "list"], "as designed"),
    ):
        said = kafka.run(login, *command)
        assert said.status == 0, said.text
        assert expected in said.text
    newer = kafka.settings_file("notifier")
    newer.write_text(newer.read_text().replace("[kafka]\n", '[kafka]\ngroup_protocol = "consumer"\n'))
    said = kafka.run("notifier", "notify", *outbox, settings=newer)
    assert said.status == 0, said.text
    assert "mail accepted" in said.text
    assert "who owns what" not in said.text
    blocks = kafka.run("subscriber", "events", "--once", "--type", "SenderBlocked").text.splitlines()
    said = kafka.run("auditor", "explain", json.loads(blocks[0])["id"])
    assert said.status == 0, said.text


def test_the_documented_subscriber_can_work(kafka: SecuredKafka, tmp_path: Path) -> None:
    properties = tmp_path / "kafka.properties"
    found = kafka.kafka("subscriber").properties
    properties.write_text("".join(f"{name}={value}\n" for name, value in found.items()))
    place = ("--bootstrap-servers", kafka.cluster.bootstrap, "--topic-prefix", PREFIX)
    group = ("--group", f"{PREFIX}senderwatch-subscriber")
    subscriber = Subscriber(tmp_path, *place, *group, "--kafka-properties", str(properties))
    process = subscriber.start()
    try:
        wait_until(subscriber.is_following, "the snapshot", 30)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, subscriber.failure()
    finally:
        subscriber.kill()


def test_the_detector_may_trim_its_changelog(kafka: SecuredKafka) -> None:
    settings, more = kafka.kafka("detector"), str(spam(kafka.folder, "bob@school.test"))

    def is_trimmed() -> bool:
        assert kafka.run("feeder", "verdicts", "import", "--format", "jsonl", more).status == 0
        return max(first_offsets(settings, NAMES.changelog, [0, 1]).values()) > 0

    wait_until(is_trimmed, "the end of what a sweep made superfluous", 40)
