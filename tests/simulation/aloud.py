"""One world with everything that its workers log, each line with the world's own time and the process that says it."""

import sys
import threading
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from tests.simulation.decisions import Violated
from tests.simulation.plan import Plan
from tests.simulation.world import World


def aloud(seed: int) -> int:
    """Run the world of a seed; 1 if something did not hold."""
    world = World(Plan.of(seed))

    def placed(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["event"] = f"{world.schedule.now_s:9.3f} {threading.current_thread().name:14} {event['event']}"
        return event

    structlog.configure(processors=[placed, structlog.dev.ConsoleRenderer(colors=False)])
    print(world.plan)  # noqa: T201 - a command
    try:
        world.run()
    except Violated as violated:
        print(f"FAILED: {violated}")  # noqa: T201
        return 1
    except Exception:  # noqa: BLE001 - whatever a worker ended by
        traceback.print_exc(file=sys.stdout)
        return 1
    print(f"HELD: {world.outcome(None)}")  # noqa: T201
    return 0
