"""The figures of a campaign: what was broken, what became of it, and how long others had to wait."""

import json
import statistics
from collections import Counter
from datetime import datetime
from typing import Any

from processor.kafka.clients import ClientSettings
from processor.kafka.journal import COMMIT
from processor.kafka.reading import partitions_of, place, read_to_end
from processor.kafka.serde import Serde
from tests.faults.campaign import Run
from tests.faults.checks import Verdict


def figures(run: Run, verdict: Verdict) -> dict[str, Any]:
    """As JSON has them; times in seconds."""
    takeovers = takeovers_s(run)
    return {
        "seed": run.plan.seed,
        "protocol": run.plan.protocol,
        "duration_s": round(run.ended_s - run.began_s, 1),
        "faults": dict(sorted(Counter(fault.kind for fault in run.stage.injected).items())),
        "verdicts": verdict.verdicts,
        "dead_letters": verdict.dead_letters,
        "events": dict(sorted(verdict.events.items())),
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "mails": verdict.mails,
        "mails_doubled": verdict.mails_doubled,
        "repeats_counted": verdict.repeats_counted,
        "ended_by_themselves": dict(verdict.ended_by_themselves),
        "takeovers": len(takeovers),
        "takeover_p50_s": round(statistics.median(takeovers), 2) if takeovers else None,
        "takeover_max_s": round(max(takeovers), 2) if takeovers else None,
        "readers_longest_wait_s": round(run.stage.watching.longest_wait_s, 2),
        "problems": {name: found[:20] for name, found in verdict.problems.items()},
    }


def takeovers_s(run: Run) -> list[float]:
    """From each death of a detector by SIGKILL, for each partition that it had: until a commit of its next owner is there."""
    restored = sorted(_restored(run))
    commits = _commit_times_s(run)
    found = []
    for worker in run.stage.fleet:
        for end in worker.ends:
            if not end.killed:
                continue
            for partition in range(len(commits)):
                owners = [each for each in restored if each[1] == partition]
                before = [name for at_s, _, name in owners if at_s <= end.at_s]
                after = [at_s for at_s, _, _ in owners if at_s > end.at_s]
                if before and before[-1] == end.worker and after:
                    again = next((at_s for at_s in commits[partition] if at_s > after[0]), None)
                    if again is not None:
                        found.append(again - end.at_s)
    return found


def _restored(run: Run) -> list[tuple[float, int, str]]:
    """When which partition was restored by which worker, as the logs say."""
    found = []
    for worker in run.stage.fleet:
        for log in run.folder.glob(f"{worker.name}.*.log"):
            for line in log.read_text().splitlines():
                if '"partition restored"' in line:
                    said = json.loads(line)
                    at_s = datetime.fromisoformat(said["timestamp"]).timestamp()
                    found.append((at_s, int(said["partition"]), worker.name))
    return found


def _commit_times_s(run: Run) -> dict[int, list[float]]:
    settings, topic = ClientSettings(run.bootstrap), run.topics.journal
    partitions = partitions_of(settings, topic)
    times: dict[int, list[float]] = {each: [] for each in partitions}
    for message in read_to_end(settings, topic, partitions, {}):
        if Serde(None).decode(message.value())[0] == COMMIT:
            times[place(message)[0]].append(message.timestamp()[1] / 1000)
    return times


def table(found: dict[str, Any]) -> str:
    """For people."""
    lines = []
    for name, value in found.items():
        if name == "problems":
            continue
        if isinstance(value, dict):
            lines.append(f"{_words(name):<34}{sum(value.values()):>10}")
            lines += [f"  {key:<32}{count:>10}" for key, count in value.items()]
        else:
            lines.append(f"{_words(name):<34}{value if value is not None else '-':>10}")
    return "\n".join(lines)


def _words(name: str) -> str:
    return f"{name[:-2]}, s".replace("_", " ") if name.endswith("_s") else name.replace("_", " ")
