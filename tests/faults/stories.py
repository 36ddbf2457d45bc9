"""The faults of processes, brokers and networks: one generator each, from the blow to the mending."""

import os
import signal
import time
from collections.abc import Callable
from random import Random

from tests.brokers import Broker
from tests.faults import people
from tests.faults.cluster import AtBroker
from tests.faults.stage import Stage, Story, now_and_then

Teller = Callable[[Stage, Random], Story]

_MOMENT_S = 5.0
"""So long a commit is waited for; then the fault comes without one."""


def _until(condition: Callable[[], bool], limit_s: float) -> Callable[[], bool]:
    deadline_s = time.monotonic() + limit_s
    return lambda: condition() or time.monotonic() > deadline_s


# -- workers -----------------------------------------------------------------------------------------------------------


def kill(stage: Stage, chance: Random, names: tuple[str, ...]) -> Story:
    """At any moment."""
    name = chance.choice(names)
    stage.note(f"{_kind(names, stage)}-kill", name)
    stage.fleet.kill(name)
    yield chance.uniform(0.0, 2 * stage.session_s)
    stage.fleet.want(name)


def kill_in_commit(stage: Stage, chance: Random, names: tuple[str, ...]) -> Story:
    """When a request of its commit is on the way to the broker, or has just been handed over."""
    name = chance.choice(names)
    stage.fleet.wanted.discard(name)
    was_hit = False
    if stage.fleet[name].runs:
        pid = stage.fleet[name].pid
        act: Callable[[int], None] = lambda _: os.kill(pid, signal.SIGKILL)  # noqa: E731
        watch = stage.lanes[name].at_commit(act, held=chance.random() < 0.5, last=chance.random() < 0.7)
        yield _until(lambda: watch.has_acted or not stage.fleet[name].runs, _MOMENT_S)
        stage.lanes[name].unwatch()
        was_hit = watch.has_acted
    stage.note(f"{_kind(names, stage)}-kill{_where(was_hit)}", name)
    stage.fleet.kill(name)
    yield chance.uniform(0.0, 2 * stage.session_s)
    stage.fleet.want(name)


def freeze(stage: Stage, chance: Random, names: tuple[str, ...]) -> Story:
    """Past its session, so that another has its partitions when it wakes."""
    name = chance.choice(names)
    stage.note(f"{_kind(names, stage)}-freeze", name)
    stage.fleet[name].freeze()
    yield stage.session_s + chance.uniform(1.0, 5.0)
    stage.fleet[name].thaw()


def restart(stage: Stage, chance: Random) -> Story:
    """In order, as an operator does."""
    name = chance.choice(stage.detectors)
    stage.note("worker-restart", name)
    stage.fleet.tell_to_stop(name)
    yield lambda: not stage.fleet[name].runs
    stage.fleet.want(name)


def storm(stage: Stage, chance: Random) -> Story:
    """More workers join one after the other, and go, each in its own way."""
    number = sum(fault.kind == "storm" for fault in stage.injected)
    names = [f"storm-{number}-{each}" for each in range(chance.randint(2, 4))]
    stage.note("storm", f"{len(names)} workers")
    for name in names:
        stage.fleet.add(name, stage.storm_command).start()
        yield chance.uniform(0.0, 2.0)
    yield chance.uniform(2.0, 6.0)
    for name in names:
        if chance.random() < 0.5:
            stage.fleet.kill(name)
        else:
            stage.fleet.tell_to_stop(name)
        yield chance.uniform(0.0, 2.0)
    yield lambda: not any(stage.fleet[name].runs for name in names)


def _where(was_hit: bool) -> str:
    """What is added to the name of a fault that fell into a commit; where none came, it is one at any moment."""
    return "-in-commit" if was_hit else ""


def _kind(names: tuple[str, ...], stage: Stage) -> str:
    return "worker" if names == stage.detectors else "notifier"


# -- brokers -----------------------------------------------------------------------------------------------------------


def broker_kill(stage: Stage, chance: Random) -> Story:
    broker = chance.choice(stage.brokers)
    stage.note("broker-kill", _number(stage, broker))
    broker.sigkill()
    yield chance.uniform(0.0, 5.0)
    yield from _back(stage, broker)


def broker_pause(stage: Stage, chance: Random) -> Story:
    """For a moment, or for longer than its session: then others lead, and it has to learn it."""
    broker = chance.choice(stage.brokers)
    stage.note("broker-pause", _number(stage, broker))
    broker.pause()
    yield chance.uniform(0.5, 8.0)
    broker.resume()
    yield now_and_then(stage.cluster.is_in_sync)


def broker_pause_in_commit(stage: Stage, chance: Random) -> Story:
    """The broker that gets the request, when it gets it."""
    name = chance.choice(stage.detectors)
    act = AtBroker(stage.cluster.by_port, signal.SIGSTOP)
    watch = stage.lanes[name].at_commit(act, held=chance.random() < 0.3, last=chance.random() < 0.7)
    yield _until(lambda: watch.has_acted, _MOMENT_S)
    stage.lanes[name].unwatch()
    broker = act.hit or chance.choice(stage.brokers)
    stage.note(f"broker-pause{_where(act.hit is not None)}", _number(stage, broker))
    broker.pause()
    yield chance.uniform(0.5, 8.0)
    broker.resume()
    yield now_and_then(stage.cluster.is_in_sync)


def blackout(stage: Stage, chance: Random) -> Story:
    """All brokers stand still, and go on at nearly the same time: nobody knows of anybody whether he is still there."""
    stage.note("blackout", "all brokers")
    for broker in stage.brokers:
        broker.pause()
    yield chance.uniform(1.0, 12.0)
    for broker in stage.brokers:
        broker.resume()
        yield chance.uniform(0.0, 0.5)
    yield now_and_then(stage.cluster.is_in_sync)


def rolling_restart(stage: Stage, chance: Random) -> Story:
    """All brokers one after the other, in order, each when all is whole again."""
    stage.note("rolling-restart", "all brokers")
    for broker in chance.sample(stage.brokers, len(stage.brokers)):
        broker.tell_to_stop()
        yield _until(lambda broker=broker: broker.has_ended, 30.0)  # type: ignore[misc]
        broker.sigkill()
        yield from _back(stage, broker)


def _back(stage: Stage, broker: Broker) -> Story:
    broker.launch()
    yield broker.is_up
    yield now_and_then(stage.cluster.is_in_sync)


def _number(stage: Stage, broker: Broker) -> str:
    return f"broker {stage.brokers.index(broker) + 1}"


# -- networks ----------------------------------------------------------------------------------------------------------


def cut(stage: Stage, chance: Random) -> Story:
    """Nothing passes between a worker and all brokers; afterwards connections go on, or begin anew."""
    yield from _cut(stage, chance, chance.choice(stage.detectors), "cut")


def notifier_cut(stage: Stage, chance: Random) -> Story:
    yield from _cut(stage, chance, chance.choice(stage.notifiers), "notifier-cut")


def _cut(stage: Stage, chance: Random, name: str, kind: str) -> Story:
    stage.note(kind, name)
    for gate in stage.lanes[name].gates:
        gate.silence()
    yield from _until_mended(stage, chance, name)


def _until_mended(stage: Stage, chance: Random, name: str) -> Story:
    yield chance.uniform(0.5, 3 * stage.session_s)
    for gate in stage.lanes[name].gates:
        if chance.random() < 0.5:
            gate.refuse()
        gate.open()


def cut_in_commit(stage: Stage, chance: Random) -> Story:
    """In the middle of a commit: its outcome is unknown to the worker."""
    name = chance.choice(stage.detectors)
    lane = stage.lanes[name]
    watch = lane.at_commit(lambda _: lane.silence_here(), held=chance.random() < 0.3, last=chance.random() < 0.7)
    yield _until(lambda: watch.has_acted, _MOMENT_S)
    lane.unwatch()
    stage.note(f"cut{_where(watch.has_acted)}", name)
    for gate in lane.gates:
        gate.silence()
    yield from _until_mended(stage, chance, name)


def reset(stage: Stage, chance: Random) -> Story:
    """Connections break, and new ones are refused for a while."""
    name = chance.choice(stage.detectors)
    stage.note("reset", name)
    for gate in stage.lanes[name].gates:
        gate.refuse()
    yield chance.uniform(0.0, 2 * stage.session_s)
    for gate in stage.lanes[name].gates:
        gate.open()


def cut_one_broker(stage: Stage, chance: Random) -> Story:
    """A worker that reaches two brokers and not the third, which leads some of what it needs."""
    name = chance.choice((*stage.detectors, *stage.notifiers))
    number = chance.randrange(len(stage.brokers))
    stage.note("cut-one-broker", f"{name} from broker {number + 1}")
    gate = stage.lanes[name].gates[number]
    (gate.silence if chance.random() < 0.5 else gate.refuse)()
    yield chance.uniform(1.0, 4 * stage.session_s)
    gate.open()


# -- the mail server -----------------------------------------------------------------------------------------------


def _smtp(kind: str) -> Teller:
    def story(stage: Stage, chance: Random) -> Story:
        stage.note(kind, stage.mail.trouble(kind, chance))
        yield chance.uniform(2.0, 8.0)
        stage.mail.heal()

    return story


STORIES: dict[str, Teller] = {
    "worker-kill": lambda stage, chance: kill(stage, chance, stage.detectors),
    "worker-kill-in-commit": lambda stage, chance: kill_in_commit(stage, chance, stage.detectors),
    "worker-freeze": lambda stage, chance: freeze(stage, chance, stage.detectors),
    "worker-restart": restart,
    "broker-kill": broker_kill,
    "broker-pause": broker_pause,
    "broker-pause-in-commit": broker_pause_in_commit,
    "blackout": blackout,
    "rolling-restart": rolling_restart,
    "cut": cut,
    "cut-in-commit": cut_in_commit,
    "reset": reset,
    "cut-one-broker": cut_one_broker,
    "storm": storm,
    "notifier-kill": lambda stage, chance: kill(stage, chance, stage.notifiers),
    "notifier-kill-in-commit": lambda stage, chance: kill_in_commit(stage, chance, stage.notifiers),
    "notifier-freeze": lambda stage, chance: freeze(stage, chance, stage.notifiers),
    "notifier-cut": notifier_cut,
    **{kind: _smtp(kind) for kind in ("smtp-refuse", "smtp-4xx", "smtp-hang", "smtp-drop")},
    "policy": people.policy,
    "unblock": people.unblock,
    "block": people.block,
}
"""Who tells the story of each kind in the plan."""
