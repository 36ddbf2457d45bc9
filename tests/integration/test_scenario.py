"""The life of a restriction from policy to support, each part a process of its own, with real Kafka and a real mail server."""

import signal
import subprocess
import time
from email.message import EmailMessage
from pathlib import Path

from processor.kafka.journal import COMMIT
from processor.kafka.serde import Serde
from processor.kafka.topics import TopicNames
from processor.policies.policy import PolicySet
from processor.verdicts.event import MessageVerdict, Verdict
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.engines import payload_of
from tests.mail_sink import MailSink
from tests.oracle import expected_decisions, published_decisions, restricted_by, restricted_now
from tests.topics_io import make_topics, read_all, write_all
from tests.waiting import wait_until

ANN = "ann@school.test"
POLICIES = """
default:
  action: block
policies:
  - name: schools
    priority: 1
    conditions: {tenants: [school]}
    limits: {spam_messages_per_hour: 3}
    action: block
    unblocks_without_support: 3
    notify: {recipients: it@school.test, readers_are_staff: true, digest_delay: 0s}
"""


class Town:
    """The topics, the workers, and the admin's mailbox."""

    def __init__(
        self, bootstrap: str, topics: TopicNames, senderwatch: Senderwatch, sink: MailSink, folder: Path
    ) -> None:
        self.bootstrap = bootstrap
        self.topics = topics
        self.sink = sink
        self._senderwatch = senderwatch
        self._folder = folder
        self._sent = 0

    def start(self, *command: str) -> subprocess.Popen[str]:
        place = ("--bootstrap-servers", self.bootstrap, "--topic-prefix", self.topics.prefix)
        return self._senderwatch(*command, *place, output=self._folder / f"{command[0]}.log")

    def ask(self, *command: str) -> tuple[int, str]:
        """Exit status of a command and what it printed."""
        log = self._folder / f"{command[0]}.log"
        before = len(log.read_text()) if log.exists() else 0
        status = self.start(*command).wait(60)
        return status, log.read_text()[before:]

    def send(self, count: int, verdict: Verdict) -> None:
        """Ann sends mails now, each of which the filter judges so."""
        numbers = range(self._sent, self._sent + count)
        self._sent += count
        verdicts = [
            MessageVerdict(f"e{n}", int(time.time() * 1000), "school", ANN, 0, 1, verdict, f"<{n}@school.test>")
            for n in numbers
        ]
        write_all(self.bootstrap, self.topics.verdicts, [(ANN.encode(), payload_of(each)) for each in verdicts])

    def mail(self, number: int) -> EmailMessage:
        """The mail of that number, from 0, once it has come."""
        wait_until(lambda: len(self.sink.arrived) > number, f"mail {number}", 30)
        assert self.sink.arrived[number].recipient == "it@school.test"
        return self.sink.arrived[number].message

    def wait_until_counted(self) -> None:
        """Until all that was sent is taken up and committed."""

        def counted() -> bool:
            journals = [Serde(None).decode(each.value()) for each in read_all(self.bootstrap, self.topics.journal)]
            return bool(sum(record["records"] for name, record in journals if name == COMMIT) == self._sent)

        wait_until(counted, "the worker")

    def is_blocked(self) -> bool:
        return ANN in restricted_now(self.bootstrap, self.topics)


def repaired(town: Town, left: int) -> None:
    """Ann's account is compromised, and her admin lifts the block, as he may `left` more times: both mails in one thread."""
    mails = len(town.sink.arrived)
    town.send(4, Verdict.SPAM)
    told = town.mail(mails)
    assert ANN in str(told["Subject"])
    text = text_of(told)
    assert f"senderwatch restricted unblock {ANN} --comment" in text, "the admin reads what to do"
    assert f"{left} " in text, "and how often he can"
    assert town.is_blocked()
    status, said = town.ask("restricted", "unblock", ANN, "--comment", "password changed")
    assert status == 0, said
    again = town.mail(mails + 1)
    assert again["In-Reply-To"] == told["Message-ID"]
    assert told["Message-ID"] in again["References"]
    town.send(3, Verdict.SPAM)
    town.send(3, Verdict.CLEAN)
    town.wait_until_counted()
    assert not town.is_blocked(), "what she sends then is within the limit"


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def test_an_account_is_blocked_repaired_unblocked_and_in_the_end_a_case_for_support(
    kafka: Broker, topic_prefix: str, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    (tmp_path / "policies.yaml").write_text(POLICIES)
    topics = make_topics(kafka.bootstrap, topic_prefix)
    with MailSink() as sink:
        town = Town(kafka.bootstrap, topics, senderwatch, sink, tmp_path)
        status, said = town.ask("policy", "apply", str(tmp_path / "policies.yaml"))
        assert status == 0, said
        workers = [town.start("detect"), town.start("notify", "--smtp-port", str(sink.port))]
        for left in (3, 2, 1):
            repaired(town, left)
        mails = len(sink.arrived)
        town.send(1, Verdict.SPAM)
        last = town.mail(mails)
        assert "support" in text_of(last)
        status, said = town.ask("restricted", "unblock", ANN, "--comment", "again")
        assert status == 1
        assert "ask support" in said
        status, said = town.ask("restricted", "unblock", ANN, "--comment", "seen to", "--as-support")
        assert status == 1
        assert "ticket" in said
        assert town.is_blocked()
        status, said = town.ask("restricted", "unblock", ANN, "--comment", "seen to", "--as-support", "--ticket", "T-1")
        assert status == 0, said
        freed = town.mail(mails + 1)
        assert freed["In-Reply-To"] == last["Message-ID"]
        assert "T-1" in text_of(freed)
        status, story = town.ask("restricted", "show", ANN)
        assert status == 0
        assert story.count("T-1") == 1
        for worker in workers:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
        assert len(sink.arrived) == mails + 2, "nobody is told twice"
        expected = expected_decisions(kafka.bootstrap, topics, PolicySet())
        assert published_decisions(kafka.bootstrap, topics) == expected
        assert restricted_now(kafka.bootstrap, topics) == restricted_by(expected) == {}
