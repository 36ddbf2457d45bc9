"""On a Kafka with TLS, logins and ACLs each login can do its work and nothing else, and whoever is refused is told why."""

import json
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)

from processor.kafka.clients import ClientSettings, admin, consumer, transactional_producer
from processor.kafka.feeder import Feeder, FeedRefused
from processor.kafka.reading import first_offsets
from processor.kafka.rights import is_hidden
from processor.kafka.topics import TopicNames, TopicShape, designed_topics
from processor.kafka.transactions import Offset, OutRecord, TransactionImpossible, Transactions
from processor.verdicts.event import MessageVerdict, Verdict
from tests import processes
from tests.certificates import Authority
from tests.documented_subscriber import Subscriber
from tests.engines import payload_of
from tests.secured import PREFIX, SecuredKafka, secured
from tests.tls_servers import tls_server
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)  # the first of them brings up everything, and on a machine that is busy

NAMES = TopicNames(PREFIX)
TOPICS = [design.name for design in designed_topics(NAMES, TopicShape())]
ANN = "ann@school.test"
SMTP_PASSWORD = "staple-of-the-mail-server"
READS = {
    "feeder": set(),
    "detector": {NAMES.verdicts, NAMES.commands, NAMES.support_commands, NAMES.policies, NAMES.changelog},
    "notifier": {NAMES.restrictions, NAMES.restricted, NAMES.policies, NAMES.notifications},
    "admin": {NAMES.restricted, NAMES.restrictions, NAMES.notifications},
    "support": {NAMES.restricted, NAMES.restrictions, NAMES.notifications},
    "policies": {NAMES.policies},
    "auditor": {
        NAMES.verdicts, NAMES.commands, NAMES.support_commands, NAMES.policies, NAMES.restrictions, NAMES.journal,
    },
    "subscriber": {NAMES.restrictions, NAMES.restricted},
    "letters": {NAMES.dead_letters},
    "operator": set(),
}  # fmt: skip
WRITES = {
    "feeder": {NAMES.verdicts},
    "detector": {NAMES.restrictions, NAMES.restricted, NAMES.dead_letters, NAMES.journal, NAMES.changelog},
    "notifier": {NAMES.notifications},
    "admin": {NAMES.commands},
    "support": {NAMES.support_commands},
    "policies": {NAMES.policies},
    "auditor": set(),
    "subscriber": set(),
    "letters": {NAMES.dead_letters, NAMES.verdicts},
    "operator": set(),
}
"""What principals.txt comes to, topic by topic; all else is tried, and has to be refused."""


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:
    """The broker with its logins; topics, a policy, and Ann, who has sent spam and is blocked by a detector that goes on."""
    made = secured(tmp_path_factory.mktemp("secured"))
    worker: subprocess.Popen[str] | None = None
    try:
        made.cluster.start()
        given = made.give_rights("--passwords", str(made.folder / "passwords"))
        assert given.status == 0, given.text
        for login, command in (
            ("operator", ["topics", "create"]),
            ("policies", ["policy", "apply", str(_policies(made.folder))]),
            ("feeder", ["verdicts", "import", "--format", "jsonl", str(_spam(made.folder, ANN))]),
        ):
            said = made.run(login, *command)
            assert said.status == 0, said.text
        _misplaced(made)
        settings = made.settings_file("detector", more="[detector]\nchangelog_sweep_bytes = 1\n")
        command = ["detect", "--config", str(settings), "--slot", "1", "--metrics-port", "0", "--log-level", "debug"]
        worker = processes.start_senderwatch(*command, output=made.folder / "detect.log")
        wait_until(lambda: ANN in made.run("admin", "restricted", "list").text, "the block", 90)
        yield made
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
    finally:
        if worker is not None:
            processes.end(worker)
        made.cluster.sigkill()


def _policies(folder: Path) -> Path:
    file = folder / "policies.yaml"
    file.write_text("default: {action: block, limits: {spam_messages_per_hour: 3}, notify: {digest_delay: 0s}}\n")
    return file


def _spam(folder: Path, sender: str) -> Path:
    file = folder / "spam.jsonl"
    now_ms = time.time_ns() // 1_000_000
    verdict = {"occurred_at": now_ms, "tenant_id": "school", "sender": sender, "verdict": "SPAM"}
    recipients = {"internal_recipients": 0, "external_recipients": 1}
    file.write_text("".join(json.dumps({"event_id": f"e{n}", **verdict, **recipients}) + "\n" for n in range(5)))
    return file


def _misplaced(kafka: SecuredKafka) -> None:
    """The same verdict in both partitions: one of them is not its sender's, and becomes a dead letter."""
    settings = kafka.kafka("feeder")
    verdict = MessageVerdict("m", time.time_ns() // 1_000_000, "school", "eve@school.test", 0, 1, Verdict.CLEAN)
    client = Producer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties})
    for partition in (0, 1):
        client.produce(NAMES.verdicts, payload_of(verdict), b"eve@school.test", partition)
    assert client.flush(20) == 0


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
    settings, more = kafka.kafka("detector"), str(_spam(kafka.folder, "bob@school.test"))

    def is_trimmed() -> bool:
        assert kafka.run("feeder", "verdicts", "import", "--format", "jsonl", more).status == 0
        return max(first_offsets(settings, NAMES.changelog, [0, 1]).values()) > 0

    wait_until(is_trimmed, "the end of what a sweep made superfluous", 40)


@pytest.mark.parametrize("login", READS)
def test_a_login_can_read_and_write_no_topic_beyond_its_work(kafka: SecuredKafka, login: str) -> None:
    settings = kafka.kafka(login)
    assert _refused_to_write(settings, set(TOPICS) - WRITES[login]) == set(TOPICS) - WRITES[login]
    assert _refused_to_read(settings, set(TOPICS) - READS[login]) == set(TOPICS) - READS[login]


def _refused_to_write(settings: ClientSettings, topics: set[str]) -> set[str]:
    """The topics to which the brokers let this login write nothing."""
    refused = set[str]()

    def told(topic: str, error: KafkaError | None, _: Message) -> None:
        if error is not None and error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            refused.add(topic)

    client = Producer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties})
    for topic in topics:
        client.produce(topic, b"forged", b"key", 0, on_delivery=partial(told, topic))
    client.flush(20)
    return refused


def _refused_to_read(settings: ClientSettings, topics: set[str]) -> set[str]:
    """The topics of which the brokers give this login no record: those that it does not even see, and others when it fetches."""
    refused = {topic for topic in topics if is_hidden(admin(settings), topic)}
    group = {"group.id": "senderwatch-reader-test", "auto.offset.reset": "earliest"}
    client = Consumer({"bootstrap.servers": settings.bootstrap_servers, **settings.properties, **group})
    try:
        client.assign([TopicPartition(topic, 0, 0) for topic in topics - refused])

        def told() -> bool:
            for message in client.consume(100, 0.05):
                error = message.error()
                assert error is not None, f"a record of {message.topic()}"
                if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    refused.add(message.topic() or "")
            return refused == topics

        wait_until(told, f"refusals of {topics - refused}")
    finally:
        client.close()
    return refused


def test_nobody_takes_a_workers_place(kafka: SecuredKafka) -> None:
    for thief, worker in (("notifier", "detector"), ("detector", "notifier"), ("feeder", "detector")):
        client = transactional_producer(kafka.kafka(thief), transactional_id=f"{PREFIX}senderwatch-{worker}-1")
        with pytest.raises(KafkaException, match="Transactional Id authorization failed"):
            client.init_transactions(10)
    member = consumer(kafka.kafka("subscriber"), group=f"{PREFIX}senderwatch-notifier")
    try:
        member.subscribe([NAMES.restrictions])
        refusal = wait_until(lambda: member.poll(0.1), "the refusal").error()
        assert refusal is not None
        assert refusal.code() == KafkaError.GROUP_AUTHORIZATION_FAILED
    finally:
        member.close()


def test_nobody_but_the_clusters_admin_gives_rights_and_removes_topics(kafka: SecuredKafka) -> None:
    more = _right("operator", AclOperation.READ)
    for login in ("operator", "admin", "detector"):
        client = admin(kafka.kafka(login))
        deleted = client.delete_topics([NAMES.verdicts], request_timeout=10)[NAMES.verdicts]
        given = client.create_acls([more], request_timeout=10)[more]
        for answer in (deleted, given):
            with pytest.raises(KafkaException, match="AUTHORIZATION_FAILED"):
                answer.result()


def _right(login: str, operation: AclOperation) -> AclBinding:
    """A right on the policies' topic."""
    return AclBinding(
        ResourceType.TOPIC, NAMES.policies, ResourcePatternType.LITERAL,
        f"User:{PREFIX}senderwatch-{login}", "*", operation, AclPermissionType.ALLOW,
    )  # fmt: skip


BLOCK = ["block", ANN, "--tenant", "x", "--reason", "x"]
DENIED = [
    ("feeder", ["detect", "--once"], 1, "Describe", NAMES.changelog),
    ("feeder", ["events", "--once"], 1, "Describe", NAMES.restrictions),
    ("feeder", ["audit"], 2, "Describe", NAMES.journal),
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


def test_a_worker_that_may_read_a_topic_but_not_write_it_ends_with_the_topics_name(kafka: SecuredKafka) -> None:
    """The client says of such a record only that it threw it away; by that alone, the worker would try again for ever."""
    settings, group = kafka.kafka("detector"), f"{PREFIX}senderwatch-detector"
    member = consumer(settings, group=group)
    try:
        transactions = Transactions(settings, member, slot=None, group=group)
        with pytest.raises(TransactionImpossible, match=f"lacks the right Write on topic {NAMES.policies} "):
            transactions.run(
                [OutRecord(NAMES.journal, b"x"), OutRecord(NAMES.policies, b"x")], [Offset(NAMES.verdicts, 0, 0)]
            )
        transactions.discard()
    finally:
        member.close()


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


def test_what_a_login_has_beyond_the_table_is_told(kafka: SecuredKafka) -> None:
    listed = kafka.give_rights("--dry-run")
    assert f"    Write topic {NAMES.verdicts}\n" in listed.text
    more = _right("feeder", AclOperation.DESCRIBE)
    root = admin(kafka.kafka("root"))
    root.create_acls([more], request_timeout=10)[more].result()
    try:
        said = kafka.give_rights()
        assert said.status == 0, said.text
        assert f"{PREFIX}senderwatch-subscriber: 4 rights\n" in said.text
        assert said.text.count("beyond the table") == 1
        assert f"has beyond the table: Describe topic {NAMES.policies}" in said.text
        feeder = Feeder(
            kafka.kafka("feeder"), NAMES.policies
        )  # sees the topic now, and may not write to it all the same
        with pytest.raises(FeedRefused, match=f"lacks the right Write on topic {NAMES.policies} "):
            feeder.send([b"key"], [b"value"])
        feeder.close()
    finally:
        filter_ = AclBindingFilter(
            more.restype, more.name, more.resource_pattern_type, more.principal, "*", more.operation, more.permission_type
        )  # fmt: skip
        root.delete_acls([filter_], request_timeout=10)[filter_].result()


def test_no_secret_is_in_any_output_in_a_process_list_or_at_the_port(kafka: SecuredKafka) -> None:
    """What all tests above have said, failures too; and a worker at debug level, its command line and its port."""
    smtp = f'[smtp]\nport = 1\nuser = "robot"\npassword = "{SMTP_PASSWORD}"\ntls = "starttls"\n'
    settings = kafka.settings_file("notifier", more=smtp)
    kafka.run("notifier", "notify", "--once", "--log-level", "debug", settings=settings)
    kafka.run("notifier", "notify", "--help", settings=settings)
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
