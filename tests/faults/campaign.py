"""One campaign: brokers, workers and load are started, the plan is played, all is mended, and then everything is compared."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from processor.kafka.topics import TopicNames
from tests import processes
from tests.faults import people, settling
from tests.faults.cluster import FaultCluster
from tests.faults.load import Load
from tests.faults.plan import Plan, Step
from tests.faults.proxy import Proxy
from tests.faults.smtp import MailServer
from tests.faults.stage import DoesNotGoOn, Stage, Story, Wait
from tests.faults.stories import STORIES
from tests.faults.watching import Watching
from tests.faults.workers import Fleet, detect_command, notify_command, settings_file
from tests.topics_io import make_topics

SESSION_S = 3.0
PARTITIONS, OUT_PARTITIONS = 6, 3
DETECTORS, NOTIFIERS = ("detect-1", "detect-2", "detect-3"), ("notify-1", "notify-2")
WITH_SLOT = ("detect-1", "detect-2", "notify-1")
_STORY_LIMIT_S = 120.0
"""No story waits longer for one thing: then something does not come back that has to."""

Say = Callable[[str], None]


@dataclass
class Strand:
    """Plays the steps of one strand of a plan, each to its end."""

    name: str
    steps: list[Step]
    story: Story | None = None
    kind: str = ""
    wakes_at_s: float = 0.0
    condition: Callable[[], bool] | None = None
    waits_since_s: float = 0.0

    def begin(self, now_s: float) -> None:
        self.wakes_at_s = now_s + self.steps[0].gap_s if self.steps else 0.0

    def play(self, stage: Stage, now_s: float, *, may_begin: bool, say: Say) -> bool:
        """One look; False when it has nothing more to do."""
        if self.story is None:
            if not self.steps or not may_begin:
                return False
            if now_s < self.wakes_at_s:
                return True
            step = self.steps.pop(0)
            self.kind, self.story = step.kind, STORIES[step.kind](stage, Random(step.seed))
            self._go_on(stage, now_s, say)
        elif self.condition is not None:
            if self.condition():
                self._go_on(stage, now_s, say)
            elif now_s - self.waits_since_s > _STORY_LIMIT_S:
                raise DoesNotGoOn(f"{self.kind}: not over after {_STORY_LIMIT_S:g} s")
        elif now_s >= self.wakes_at_s:
            self._go_on(stage, now_s, say)
        return True

    def _go_on(self, stage: Stage, now_s: float, say: Say) -> None:
        assert self.story is not None
        before = len(stage.injected)
        try:
            wait: Wait = next(self.story)
        except StopIteration:
            self.story = None
            self.begin(now_s)
            return
        for fault in stage.injected[before:]:
            say(f"{fault.kind}: {fault.target}")
        self.condition, self.waits_since_s = None, now_s
        if callable(wait):
            self.condition = wait
        else:
            self.wakes_at_s = now_s + wait


@dataclass
class Run:
    """A campaign that was run, for those who check it and count it."""

    plan: Plan
    folder: Path
    topics: TopicNames
    stage: Stage
    fed: dict[str, int]
    began_s: float
    ended_s: float

    @property
    def bootstrap(self) -> str:
        return self.stage.cluster.bootstrap


@contextmanager
def campaign(plan: Plan, folder: Path, say: Say) -> Iterator[Run]:
    """Runs the plan; inside the `with` the brokers still run, and everything else has ended. Raises DoesNotGoOn."""
    (folder / "plan.json").write_text(plan.to_json())
    with ExitStack() as open_things:
        proxy = open_things.enter_context(Proxy())
        cluster = FaultCluster(folder / "kafka", proxy, lanes=len(DETECTORS) + len(NOTIFIERS))
        open_things.callback(cluster.sigkill)
        cluster.start()
        say("three brokers run")
        topics = make_topics(cluster.bootstrap, "", PARTITIONS, OUT_PARTITIONS)
        mail = open_things.enter_context(MailServer.running(proxy))
        watching = Watching(cluster.bootstrap, topics)
        fleet = Fleet(folder)
        open_things.callback(fleet.end)
        stage = _stage(plan, folder, cluster, fleet, mail, watching)
        _apply_first_policies(stage)
        with watching.running():
            for name in (*DETECTORS, *NOTIFIERS):
                fleet.want(name)
            settling.wait(lambda: _all_work(stage), "the workers to begin", stage, 120)
            say("three detectors and two notifiers work")
            began_s = time.time()
            fed = _play(plan, stage, say)
            ended_s = time.time()
            settling.settle(stage, topics, say)
            settling.read_up(stage, topics)
        yield Run(plan, folder, topics, stage, fed, began_s, ended_s)


def _stage(
    plan: Plan, folder: Path, cluster: FaultCluster, fleet: Fleet, mail: MailServer, watching: Watching
) -> Stage:
    lanes = dict(zip((*DETECTORS, *NOTIFIERS), cluster.lanes, strict=True))
    common: dict[str, object] = {"kafka.group_protocol": plan.protocol, "log.format": "json"}
    if plan.protocol == "classic":
        common['kafka.consumer_properties."session.timeout.ms"'] = str(round(SESSION_S * 1000))
        common['kafka.consumer_properties."heartbeat.interval.ms"'] = "500"
    detect = {"detector.changelog_sweep_bytes": 100_000, "detector.commit_interval_ms": 200}
    notify = {
        "smtp.port": mail.port,
        "smtp.connect_timeout_s": 2,
        "smtp.command_timeout_s": 2,
        "smtp.data_timeout_s": 2,
        "notifier.operators": ["ops@host.example"],
        "notifier.message_id_domain": "mail.host.example",
        "notifier.sender_address": "noreply@mail.host.example",
    }
    for name, lane in lanes.items():
        own = {"kafka.bootstrap_servers": lane.bootstrap, **common}
        room = "detector" if name in DETECTORS else "notifier"
        if name in WITH_SLOT:
            own[f"{room}.slot"] = name
        file = settings_file(folder / f"{name}.toml", {**own, **(detect if name in DETECTORS else notify)})
        fleet.add(name, (detect_command if name in DETECTORS else notify_command)(file))
    storm = settings_file(folder / "storm.toml", {"kafka.bootstrap_servers": cluster.bootstrap, **common, **detect})
    return Stage(cluster, fleet, lanes, mail, watching, folder, DETECTORS, NOTIFIERS, SESSION_S, detect_command(storm))


def _apply_first_policies(stage: Stage) -> None:
    file = stage.folder / "policies-0.yaml"
    file.write_text(people.policies())
    output = stage.folder / "policies-0.said"
    words = ("policy", "apply", str(file), "--bootstrap-servers", stage.cluster.bootstrap)
    assert processes.start_senderwatch(*words, output=output).wait(60) == 0, output.read_text()


def _all_work(stage: Stage) -> bool:
    """Whether all partitions are somebody's: then the faults may begin."""
    detecting = sum(stage.fleet[name].log.read_text().count("partition restored") for name in DETECTORS)
    notifying = sum(stage.fleet[name].log.read_text().count("partitions assigned") for name in NOTIFIERS)
    return detecting >= PARTITIONS and notifying >= len(NOTIFIERS)


def _play(plan: Plan, stage: Stage, say: Say) -> dict[str, int]:
    """The load and the faults; returns what the feeder says of what it has fed."""
    load = Load(stage.cluster.bootstrap, plan.seed, plan.rate, time.time_ns() // 1_000_000, plan.duration_s)
    load.across_midnight().write(stage.folder / "load.json")
    output = stage.folder / "load.log"
    command = [sys.executable, "-m", "tests.faults.load", str(stage.folder / "load.json")]
    feeder = processes.start(command, output=output)
    try:
        _strands(plan, stage, feeder, say)
        feeder.terminate()
        assert feeder.wait(150) == 0, output.read_text()[-2000:]
    finally:
        processes.end(feeder)
    fed: dict[str, int] = json.loads(output.read_text().splitlines()[-1])
    return fed


def _strands(plan: Plan, stage: Stage, feeder: subprocess.Popen[str], say: Say) -> None:
    strands = [Strand(name, list(steps)) for name, steps in plan.strands.items()]
    began_s = time.monotonic()
    for strand in strands:
        strand.begin(began_s)
    while True:
        now_s = time.monotonic()
        may_begin = now_s - began_s < plan.duration_s
        going_on = [strand.play(stage, now_s, may_begin=may_begin, say=say) for strand in strands]
        stage.fleet.look()
        assert feeder.poll() is None, "the feeder has ended"
        if not may_begin and not any(going_on):
            return
        time.sleep(0.02)
