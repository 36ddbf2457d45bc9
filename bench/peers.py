"""Other ways to do the job: how each is started, and what it leaves behind. How each is tuned: bench/README.md."""

import os
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.broker import ROOT
from bench.contenders import Contender
from bench.costs import RunFailed, python
from bench.topics import delete_topics, forget_group, make_topic, topics_named
from processor import avro
from processor.kafka.topics import TopicNames
from processor.verdicts.batches import RECORD

_FOLDER = ROOT / "bench"
_SCHEMA = ROOT / "schemas" / f"{RECORD}.avsc"
_STATES = ROOT / ".cache" / "bench"
_QUIX_PYTHON = _FOLDER / "quix" / ".venv" / "bin" / "python"
_STREAMS = _FOLDER / "streams"
_MADE = {
    _FOLDER / "quix" / ".venv" / "installed": {"contenders"},
    _STREAMS / "classes" / "Contender.class": {"contenders", "restore", "pair"},
}
"""What `make contenders` makes, and the sections that run it."""
_JAVA = ("-Xms3g", "-Xmx3g", "-Xmn2g", "-XX:+UseParallelGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error")


@dataclass(frozen=True, slots=True)
class Job:
    """What a program is told: where Kafka is, what it reads, and what it may call its own."""

    bootstrap: str
    verdicts: str
    group: str

    @property
    def blocks(self) -> str:
        """The topic of what it decides."""
        return f"{self.group}-blocks"

    @property
    def changelog(self) -> str:
        """The topic of its state, where it does not make one by itself."""
        return f"{self.group}-changelog"

    @property
    def state(self) -> Path:
        """The folder of its state, where it has one."""
        return _STATES / self.group


@dataclass(frozen=True, slots=True)
class Peer:
    """`word`: what its group and topics are called, behind the prefix. Peers with the same word take over each other's state."""

    name: str
    word: str
    program: Callable[[Job], Sequence[str]]
    keeps_changelog: bool = False

    def job(self, bootstrap: str, topics: TopicNames) -> Job:
        """The job on these topics."""
        return Job(bootstrap, topics.verdicts, f"{topics.prefix}{self.word}")

    def command(self, bootstrap: str, topics: TopicNames) -> Sequence[str]:
        """The command that does the job once, up to where the verdicts end."""
        return self.program(self.job(bootstrap, topics))

    def prepare(self, bootstrap: str, topics: TopicNames) -> None:
        """As if it had never run on these topics."""
        job = self.job(bootstrap, topics)
        self.clear(bootstrap, topics)
        make_topic(bootstrap, job.blocks)
        if self.keeps_changelog:
            make_topic(bootstrap, job.changelog, is_compacted=True)

    def clear(self, bootstrap: str, topics: TopicNames) -> None:
        """Nothing is left of it, neither here nor at the broker."""
        job = self.job(bootstrap, topics)
        self.lose_state(bootstrap, topics)
        forget_group(bootstrap, job.group)
        delete_topics(bootstrap, topics_named(bootstrap, job.group))

    def lose_state(self, bootstrap: str, topics: TopicNames) -> None:
        """As on another machine: its folder is gone, its changelog is not."""
        shutil.rmtree(self.job(bootstrap, topics).state, ignore_errors=True)

    @property
    def contender(self) -> Contender:
        """It among those who are measured."""
        return Contender(self.name, command=self.command, prepare=self.prepare, decides=False)


def _plain(job: Job) -> Sequence[str]:
    return python("-m", "bench.plain", job.bootstrap, job.verdicts, job.group, job.blocks, job.changelog)


def _quix(job: Job) -> Sequence[str]:
    where = (job.bootstrap, job.verdicts, job.group, job.blocks, str(job.state), str(_SCHEMA))
    return (str(_QUIX_PYTHON), "-W", "ignore", "-m", "bench.quix.contender", *where)


def streams(store: str, *, threads: int = 1, warm_after: int = 2_000_000) -> Peer:
    """Kafka Streams with `memory` or `rocksdb` as its store, which tells what it has used after so many records and at its end."""

    def program(job: Job) -> Sequence[str]:
        java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else "java"
        fingerprint = avro.single_object_prefix(RECORD).hex()
        where = (job.bootstrap, job.verdicts, job.group, job.blocks, str(job.state))
        return (
            *(str(java), *_JAVA, f"-Dfingerprint={fingerprint}", "-cp", f"{_STREAMS}/classes:{_STREAMS}/jars/*"),
            *("Contender", *where, store, str(threads), str(warm_after)),
        )

    shown = {"memory": "memory", "rocksdb": "RocksDB"}[store]
    return Peer(f"Kafka Streams, {shown}" + (f", {threads} threads" if threads > 1 else ""), "streams", program)


PLAIN = Peer("straightforward loop", "plain", _plain, keeps_changelog=True)
QUIX = Peer("Quix Streams", "quix", _quix)


def require_made(sections: Collection[str]) -> None:
    """Raises RunFailed where the programs that these sections run have not been made."""
    wanted = [made for made, needed_by in _MADE.items() if not needed_by.isdisjoint(sections)]
    if missing := [path for path in wanted if not path.exists()]:
        raise RunFailed(f"there is no {missing[0].relative_to(ROOT)}: `make contenders` makes it")
