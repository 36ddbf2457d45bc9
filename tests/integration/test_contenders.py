"""The benchmark's straightforward loop does the whole job, over a restart too: what it blocks is what the detector blocks."""

import subprocess

from bench.blocks import detected, told
from bench.peers import PLAIN
from bench.topics import make_topics
from processor import avro
from processor.kafka.topics import TopicNames
from processor.verdicts.batches import RECORD
from processor.verdicts.generator import Traffic, generate
from tests.brokers import Broker
from tests.detecting import work_once
from tests.processes import ROOT
from tests.topics_io import write_all

END_MS = 1_767_225_600_000
TRAFFIC = Traffic(records=6_000, end_ms=END_MS, senders=200, compromised=20, hours=30)


def run_once(bootstrap: str, topics: TopicNames) -> None:
    command = PLAIN.command(bootstrap, topics)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


def test_the_straightforward_loop_blocks_as_the_detector_does_although_it_is_started_anew(
    kafka: Broker, topic_prefix: str
) -> None:
    topics = TopicNames(topic_prefix)
    make_topics(kafka.bootstrap, topics)
    PLAIN.prepare(kafka.bootstrap, topics)
    for batch in generate(TRAFFIC, avro.single_object_prefix(RECORD), batch_records=TRAFFIC.records // 3):
        write_all(kafka.bootstrap, topics.verdicts, list(zip(batch.keys, batch.values, strict=True)))
        run_once(kafka.bootstrap, topics)
    work_once(kafka, topics)
    expected = detected(kafka.bootstrap, topics)
    assert len(expected) > 10
    assert told(kafka.bootstrap, PLAIN.job(kafka.bootstrap, topics).blocks) == expected
