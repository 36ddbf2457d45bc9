"""The main job, each command as a process of its own: a real filter's records in, mails out."""

import subprocess
from pathlib import Path

import pytest

from processor.policies.policy import PolicySet
from tests.brokers import Broker
from tests.conftest import Senderwatch
from tests.mail_sink import MailSink
from tests.oracle import expected_decisions, published_decisions, restricted_by, restricted_now
from tests.processes import ROOT
from tests.topics_io import make_topics

RECORDING = ROOT / "tests" / "recordings" / "rspamd-day-timed.jsonl"
COMPROMISED = {"bram.visser@org108.test", "gwen.bakker@org100.test", "joost.bakker@org106.test"}
"""By the recordings' README."""
WORDS = {"en": "is blocked from sending", "nl": "Uitgaande spam"}


@pytest.mark.parametrize("language", ["en", "nl"])
def test_the_accounts_that_turned_bad_in_a_recording_are_blocked_and_their_admins_told(
    language: str, kafka: Broker, topic_prefix: str, senderwatch: Senderwatch, tmp_path: Path
) -> None:
    topics = make_topics(kafka.bootstrap, topic_prefix, partitions=4)
    policies = tmp_path / "policies.yaml"
    policies.write_text(f"default: {{notify: {{language: {language}, time_zone: Europe/Amsterdam}}}}\n")

    def run(*arguments: str) -> subprocess.Popen[str]:
        place = ("--bootstrap-servers", kafka.bootstrap, "--topic-prefix", topic_prefix)
        process = senderwatch(*arguments, *place, output=tmp_path / "log")
        assert process.wait(90) == 0, (tmp_path / "log").read_text()
        return process

    run("verdicts", "import", "--format", "rspamd", "--spread", "24h", str(RECORDING))
    run("detect", "--once")
    expected = expected_decisions(kafka.bootstrap, topics, PolicySet())
    assert published_decisions(kafka.bootstrap, topics) == expected
    assert restricted_now(kafka.bootstrap, topics) == restricted_by(expected)
    assert {record["sender"] for name, record in expected.values() if name == "SenderBlocked"} == COMPROMISED
    with MailSink() as sink:
        options = ("--smtp-port", str(sink.port), "--policies", str(policies))
        run("notify", "--once", *options)
        mails = [arrived.message for arrived in sink.arrived]
        assert {mail["To"] for mail in mails} == {f"postmaster@{sender.partition('@')[2]}" for sender in COMPROMISED}
        assert any(WORDS[language] in str(mail["Subject"]) for mail in mails)
        told = "".join(str(mail["Subject"]) for mail in mails)
        assert all(sender in told for sender in COMPROMISED)
        assert len({mail["Message-ID"] for mail in mails}) == len(mails)
        run("notify", "--once", *options)
        assert len(sink.arrived) == len(mails), "nobody is told twice"
