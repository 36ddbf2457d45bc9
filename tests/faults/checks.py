"""What must hold after any campaign, whatever was broken in it. Each check gives what is wrong; nothing means that it holds."""

import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from processor.avro import UndecodableRecord
from processor.kafka.clients import ClientSettings
from processor.kafka.journal import COMMIT
from processor.kafka.reading import high_watermarks, partitions_of, place, read_to_end
from processor.kafka.serde import Serde
from processor.policies.policy import PolicySet
from tests import processes
from tests.faults.campaign import Run
from tests.faults.mails import MailLedger, check_mails, counted_repeats
from tests.faults.watching import id_of
from tests.oracle import Decisions, expected_decisions, restricted_by, restricted_now

_ALLOWED_ENDS = (
    "another process runs as slot",
    "another process took this group member's place",
    "the group went on without this worker",
    "no broker answers at",
)
"""What a worker may end with by itself: a fenced slot (its supervisor starts it again), and no broker at its start."""


@dataclass
class Verdict:
    """What was found: problems by check, and what was counted on the way."""

    problems: dict[str, list[str]] = field(default_factory=dict)
    events: Counter[str] = field(default_factory=Counter)
    verdicts: int = 0
    dead_letters: int = 0
    lost: int = 0
    doubled: int = 0
    mails: int = 0
    mails_doubled: int = 0
    repeats_counted: int = 0
    ended_by_themselves: Counter[str] = field(default_factory=Counter)

    @property
    def holds(self) -> bool:
        return not any(self.problems.values())


def checked(run: Run) -> Verdict:
    """All checks of a campaign."""
    verdict = Verdict()
    published, doubled = _published(run)
    verdict.events, verdict.doubled = Counter(name for name, _ in published.values()), len(doubled)
    verdict.problems["no event is there twice"] = [f"doubled: {published[each]}" for each in doubled]
    verdict.problems["each verdict is in one commit"] = _commits(run, verdict)
    verdict.problems["each dead letter is there once"] = _dead_letters(run, verdict)
    verdict.problems["a subscriber that read along has the same"] = _subscriber(run)
    verdict.problems["people were told the truth"] = _answers(run, published)
    verdict.problems["every mail is there"] = _mails(run, published, verdict)
    verdict.problems["workers ended as they may"] = _ends(run, verdict)
    verdict.problems["the audit finds nothing"] = _audit(run)
    verdict.problems["there was something to lose"] = unshown(len(run.stage.injected), verdict)
    try:
        expected = expected_decisions(run.bootstrap, run.topics, PolicySet())
    except (AssertionError, KeyError) as problem:
        verdict.problems["each command was taken up once"] = [repr(problem)]
        return verdict
    verdict.problems["events are the reference model's"] = compared(expected, published, verdict)
    verdict.problems["restricted-senders is in step"] = _in_step(run, expected)
    return verdict


def unshown(faults: int, verdict: Verdict) -> list[str]:
    """Where nothing was broken, or nothing came of the load, everything above holds and shows nothing."""
    counted = {"faults": faults, "verdicts": verdict.verdicts, "events": verdict.events.total(), "mails": verdict.mails}
    return [f"no {what}: a longer campaign is needed to show anything" for what, count in counted.items() if not count]


def _published(run: Run) -> tuple[Decisions, list[str]]:
    """Events by id, and the ids of those that stand there again."""
    settings, serde = ClientSettings(run.bootstrap), Serde(None)
    found: Decisions = {}
    doubled = []
    topic = run.topics.restrictions
    for message in read_to_end(settings, topic, partitions_of(settings, topic), {}):
        name, record = serde.decode(message.value())
        if name == "CommandRefused":
            record["message"] = ""  # for people; the reference has none
        event_id = id_of(message)
        if event_id in found:
            doubled.append(event_id)
        found[event_id] = (name, record)
    return found, doubled


def compared(expected: Decisions, published: Decisions, verdict: Verdict) -> list[str]:
    """What is not as the reference model decides it, event by event."""
    lost, unexpected = expected.keys() - published.keys(), published.keys() - expected.keys()
    different = [each for each in expected.keys() & published.keys() if expected[each] != published[each]]
    verdict.lost += len(lost)
    return [
        *(f"lost: {expected[each]}" for each in sorted(lost)),
        *(f"unexpected: {published[each]}" for each in sorted(unexpected)),
        *(f"different: {published[each]}, expected {expected[each]}" for each in sorted(different)),
    ]


def _commits(run: Run, verdict: Verdict) -> list[str]:
    """The commits of each partition follow one another without a gap, and end where the topic ends."""
    settings, serde, problems = ClientSettings(run.bootstrap), Serde(None), []
    following: dict[int, tuple[int, int]] = defaultdict(lambda: (1, 0))
    for message in read_to_end(settings, run.topics.journal, partitions_of(settings, run.topics.journal), {}):
        name, record = serde.decode(message.value())
        if name != COMMIT:
            continue
        partition, _ = place(message)
        if (record["commit"], record["first_offset"]) != following[partition]:
            problems.append(
                f"partition {partition}: after {following[partition]} comes {record['commit']}, {record['first_offset']}"
            )
        following[partition] = (record["commit"] + 1, record["next_offset"])
        verdict.verdicts += record["records"]
    ends = high_watermarks(settings, run.topics.verdicts, partitions_of(settings, run.topics.verdicts))
    problems += [
        f"partition {each} was processed to {following[each][1]} of {end}"
        for each, end in ends.items()
        if following[each][1] != end
    ]
    if verdict.verdicts < run.fed["delivered"]:
        problems.append(f"{run.fed['delivered']} verdicts were fed, and {verdict.verdicts} processed")
    return problems


def _dead_letters(run: Run, verdict: Verdict) -> list[str]:
    settings, serde = ClientSettings(run.bootstrap), Serde(None)

    def records(topic: str) -> Iterable[Any]:
        return read_to_end(settings, topic, partitions_of(settings, topic), {})

    wanted: Counter[tuple[int, int, bytes]] = Counter()
    for message in records(run.topics.verdicts):
        try:
            serde.decode(message.value())
        except UndecodableRecord:
            wanted[*place(message), message.value()] += 1
    found: Counter[tuple[int, int, bytes]] = Counter()
    for message in records(run.topics.dead_letters):
        headers = dict(cast("list[tuple[str, bytes]]", message.headers()))
        found[int(headers["senderwatch-partition"]), int(headers["senderwatch-offset"]), message.value()] += 1
    verdict.dead_letters = found.total()
    missing, surplus = wanted - found, found - wanted
    verdict.lost += missing.total()
    verdict.doubled += surplus.total()
    return [*(f"missing: {each[:2]}" for each in missing), *(f"too many: {each[:2]}" for each in surplus)]


def _in_step(run: Run, expected: Decisions) -> list[str]:
    now, wanted = restricted_now(run.bootstrap, run.topics), restricted_by(expected)
    return [f"{sender}: {now.get(sender)}, expected {wanted.get(sender)}" for sender in now.keys() | wanted.keys()
            if now.get(sender) != wanted.get(sender)]  # fmt: skip


def _subscriber(run: Run) -> list[str]:
    settings, topic = ClientSettings(run.bootstrap), run.topics.restrictions
    messages = read_to_end(settings, topic, partitions_of(settings, topic), {})
    there = sorted((*place(each), id_of(each)) for each in messages)
    came = run.stage.watching.events
    problems = [] if sorted(came) == there else [f"{len(came)} events came, and {len(there)} are there"]
    for partition in {each[0] for each in came}:
        offsets = [offset for each, offset, _ in came if each == partition]
        if offsets != sorted(set(offsets)):
            problems.append(f"the events of partition {partition} came out of order")
    return problems


def _answers(run: Run, published: Decisions) -> list[str]:
    """Who was told that it was done finds it done; nobody meets a traceback."""
    problems = []
    said = {record[key] for name, record in published.values() for key in ("comment", "reason") if key in record}
    for answer in run.stage.answers:
        if "Traceback" in answer.printed:
            problems.append(f"{answer.command}: {answer.printed[-1000:]}")
        case = next((word for word in answer.command if word.startswith("case ")), None)
        if answer.status == 0 and case is not None and case not in said:
            problems.append(f"{answer.command} was said to be done, and is not there")
    return problems


def _mails(run: Run, published: Decisions, verdict: Verdict) -> list[str]:
    told = [event_id for event_id, (name, _) in published.items() if name != "CommandRefused"]
    counted = counted_repeats(run.folder.glob("notify-*.log"))
    ledger = MailLedger.read(run.bootstrap, run.topics)
    found = check_mails(ledger, told, run.stage.mail.sink.arrived, counted)
    verdict.mails, verdict.mails_doubled, verdict.repeats_counted = found.mails, found.doubled, counted.total()
    return found.problems


def _ends(run: Run, verdict: Verdict) -> list[str]:
    problems = []
    for worker in run.stage.fleet:
        for end in worker.ends:
            is_silent = end.status == -signal.SIGTERM and not end.said  # told before it could listen
            if end.killed or (end.was_told and (end.status == 0 or is_silent)):
                continue
            reason = next((each for each in _ALLOWED_ENDS if each in end.said), None)
            verdict.ended_by_themselves[reason or "?"] += 1
            if reason is None:
                problems.append(f"{end.worker} ended with status {end.status}: {end.said[:1000]}")
    logs = run.folder.glob("*.log")
    return [*problems, *(f"there is a traceback in {log}" for log in logs if "\nTraceback" in log.read_text())]


def _audit(run: Run) -> list[str]:
    command = [sys.executable, "-m", "processor.cli.main", "audit", "--bootstrap-servers", run.bootstrap, "--jobs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=processes.ROOT, timeout=900)
    (run.folder / "audit.said").write_text(done.stdout + done.stderr)
    return (
        [] if done.returncode == 0 else [f"exit status {done.returncode}: {done.stdout[-2000:]}{done.stderr[-1000:]}"]
    )
