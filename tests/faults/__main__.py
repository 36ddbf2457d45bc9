"""Break real brokers, workers, networks and mail servers by a seeded plan, and then prove that nothing was lost or doubled.

Three brokers with replication 3 and min.insync 2, three detectors and two notifiers as real processes under a steady load; afterwards the
events must be those of the plain reference model, each once. Prints what it breaks, a table of figures, and last the verdict
in one line; exit status 0: everything holds, 1: something does not, 2: wrong words, 130: Ctrl-C.

  python -m tests.faults --seed 7 --duration 600
  python -m tests.faults --seed 7 --protocol consumer --kinds worker-kill,broker-kill --keep faults-7
"""

import argparse
import json
import logging
import math
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from tests.faults.campaign import campaign
from tests.faults.checks import checked
from tests.faults.figures import figures, table
from tests.faults.plan import KINDS, PROTOCOLS, STRANDS, Plan, drawn
from tests.faults.stage import DoesNotGoOn


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        "python -m tests.faults",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_kinds(),
    )
    parser.add_argument("--seed", type=int, default=1, help="chooses the plan, the load, and the protocol (default 1)")
    parser.add_argument(
        "--duration", type=float, default=600.0, metavar="SECONDS",
        help="how long faults begin; the start, the mending and the checks come on top (default 600)",
    )  # fmt: skip
    parser.add_argument("--protocol", choices=PROTOCOLS, help="of the groups (default: classic for even seeds)")
    parser.add_argument("--rate", type=float, default=1500.0, help="verdicts per second (default 1500)")
    parser.add_argument("--kinds", default=",".join(KINDS), metavar="KIND,...", help="only these kinds of fault")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs, plan.json and figures.json there")
    chosen = parser.parse_args(arguments)
    kinds = frozenset(filter(None, chosen.kinds.split(",")))
    if not kinds:
        parser.error(f"--kinds {chosen.kinds}: names none")
    if not kinds <= set(KINDS):
        parser.error(f"unknown kinds: {', '.join(sorted(kinds - set(KINDS)))}")
    if not 0 < chosen.duration < math.inf:
        parser.error(f"--duration {chosen.duration:g}: some seconds, such as 600")
    if not 0 < chosen.rate < math.inf:
        parser.error(f"--rate {chosen.rate:g}: some verdicts per second, such as 1500")
    plan = drawn(chosen.seed, chosen.duration, chosen.protocol, chosen.rate, kinds)
    if chosen.keep is not None:
        try:
            chosen.keep.mkdir(parents=True)
        except OSError as error:
            parser.error(f"--keep {chosen.keep}: a folder that can be made is wanted: {error.strerror}")
    logging.getLogger("kafka.client").setLevel(logging.CRITICAL)  # what our own clients meet is no news here
    with nullcontext(chosen.keep) if chosen.keep else tempfile.TemporaryDirectory() as folder:
        try:
            found = run(plan, Path(folder), _saying(time.monotonic()))
        except KeyboardInterrupt:
            print(f"stopped before its end, all that it started is ended: seed {plan.seed}, {plan.protocol}")
            return 130
    print(table(found))
    for name, problems in found["problems"].items():
        print(f"{'holds' if not problems else 'FAILS':<8}{name}")
        for problem in problems[:5]:
            print(f"        {problem}")
    holds = not any(found["problems"].values())
    print(
        f"{'PASS' if holds else 'FAIL'}: seed {plan.seed}, {plan.protocol}, {sum(found.get('faults', {}).values())} faults, "
        f"{sum(found.get('events', {}).values())} events, {found.get('lost')} lost, {found.get('doubled')} doubled, "
        f"{found.get('mails')} mails, {found.get('mails_doubled')} of them doubled and counted"
    )
    return 0 if holds else 1


def run(plan: Plan, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """A campaign with its checks; its figures, with all problems, which also stand in `figures.json`."""
    try:
        with campaign(plan, folder, say) as done:
            say("comparing with the reference model")
            found = figures(done, checked(done))
            say("compared")
    except (DoesNotGoOn, AssertionError) as problem:
        found = {"problems": {"everything comes to its end": [str(problem)]}}
    (folder / "figures.json").write_text(json.dumps(found, indent=1))
    return found


def _saying(began_s: float) -> Callable[[str], None]:
    return lambda what: print(f"{time.monotonic() - began_s:7.1f} s  {what}", flush=True)


def _kinds() -> str:
    return "kinds of fault, by strand:\n" + "\n".join(
        f"  {name:<11}{', '.join(dict.fromkeys(kinds))}" for name, (kinds, _) in STRANDS.items()
    )


if __name__ == "__main__":
    sys.exit(main())
