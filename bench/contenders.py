"""Who is measured: how each is started on a topic, and what must be put back before it may start again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.costs import python
from bench.topics import forget_detection
from processor.kafka.topics import TopicNames


@dataclass(frozen=True, slots=True)
class Contender:
    """`command` is the whole command line, given bootstrap servers and topics. `decides`: it publishes decisions."""

    name: str
    command: Callable[[str, TopicNames], Sequence[str]]
    prepare: Callable[[str, TopicNames], None]
    decides: bool


BARE = Contender(
    "bare loop",
    command=lambda bootstrap, topics: python("-m", "bench.bare", bootstrap, topics.verdicts),
    prepare=lambda bootstrap, topics: None,  # noqa: ARG005 - it leaves nothing behind
    decides=False,
)
DETECT = Contender(
    "detect",
    command=lambda bootstrap, topics: python(
        *("-m", "processor.cli.main", "detect", "--once"),
        *("--bootstrap-servers", bootstrap, "--topic-prefix", topics.prefix),
    ),
    prepare=forget_detection,
    decides=True,
)


def _audit(name: str, *options: str) -> Contender:
    """What the detector has just decided is decided again: so it comes after DETECT, and prepares nothing."""
    return Contender(
        name,
        command=lambda bootstrap, topics: python(
            *("-m", "processor.cli.main", "audit", *options),
            *("--bootstrap-servers", bootstrap, "--topic-prefix", topics.prefix),
        ),
        prepare=lambda bootstrap, topics: None,  # noqa: ARG005 - it leaves nothing behind
        decides=False,
    )


AUDIT = _audit("audit")
AUDIT_BY_TWO = _audit("audit --jobs 2", "--jobs", "2")
CONTENDERS = (BARE, DETECT, AUDIT, AUDIT_BY_TWO)
"""In the order in which they take turns. The others are compared with the first, and those after the detector with it too."""
