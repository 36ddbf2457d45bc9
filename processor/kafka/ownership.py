"""Who has which partitions, as a group's coordinator says it: asked in a process of its own, which may die of it.

Where a broker goes away in the middle of such a question, or the answer comes too late, librdkafka (2.16) ends the whole process:
https://github.com/confluentinc/librdkafka/issues/4605. And a client that has met brokers that were all away may get no answer for
ever. So each question has a client and a process of its own, a quarter of a second of them; one that ends without an answer has none.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, MemberAssignment

from processor.clock import MACHINE
from processor.kafka.answers import answered

_START_S = 5.0
"""For the process to come up, on a machine that is busy."""


@dataclass(frozen=True, slots=True)
class Owned:
    """One member's partitions of a topic: those that it has, and those that the group means it to have."""

    has: frozenset[int]
    to_have: frozenset[int]


def owned(properties: dict[str, Any], group: str, member: str, topic: str, *, timeout_s: float) -> Owned:
    """Asks the coordinator of `group`. `properties`: of a client, with its secrets, which go through a pipe.

    Raises KafkaException, also where no answer comes.
    """
    question = {"properties": properties, "group": group, "member": member, "topic": topic, "timeout_s": timeout_s}
    try:
        asked = subprocess.run(  # noqa: S603 - this very module
            [sys.executable, "-m", __name__],
            input=json.dumps(question).encode(),
            capture_output=True,
            timeout=timeout_s + _START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer of the group's coordinator")) from None
    if asked.returncode != 0:
        last = asked.stderr.decode(errors="replace").strip().splitlines()[-1:]
        said = f"asking the group's coordinator ended with status {asked.returncode}: {''.join(last)}"
        raise KafkaException(KafkaError(KafkaError._TRANSPORT, said))
    answer = json.loads(asked.stdout)
    if "code" in answer:
        raise KafkaException(KafkaError(answer["code"], answer["reason"]))
    return Owned(frozenset(answer["has"]), frozenset(answer["to_have"]))


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    client, group, topic = AdminClient(question["properties"]), question["group"], question["topic"]
    deadline = time.monotonic() + question["timeout_s"]
    try:
        futures = answered(
            lambda left_s: client.describe_consumer_groups([group], request_timeout=left_s), deadline, MACHINE
        )
        described = futures[group].result()
    except KafkaException as error:
        return {"code": error.args[0].code(), "reason": error.args[0].str()}
    members = [each for each in described.members if each.member_id == question["member"]]
    return {
        "has": _numbers(topic, (each.assignment for each in members)),
        "to_have": _numbers(topic, (each.target_assignment for each in members)),
    }


def _numbers(topic: str, assignments: Iterable[MemberAssignment | None]) -> list[int]:
    there = (each for each in assignments if each is not None)
    return [place.partition for each in there for place in each.topic_partitions if place.topic == topic]


def main() -> None:
    """Reads the question from standard input, and writes the answer to standard output."""
    sys.stdout.write(json.dumps(_answer(json.load(sys.stdin))))
    sys.stdout.flush()
    os._exit(0)  # what is still under way in the client does not matter any more


if __name__ == "__main__":
    main()
