"""`python -m tests.simulation --seeds 1-500`: a campaign; with one seed and --log, one world and what its workers say."""

import argparse
import os
import sys

from tests.simulation.campaign import campaign, jobs_here


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", default="1-200", metavar="FIRST-LAST", help="which worlds; one number is one world")
    parser.add_argument(
        "--jobs", type=int, default=jobs_here(), help="processes; as many as there are cores by default"
    )
    parser.add_argument("--log", action="store_true", help="what the workers log, for one seed")
    parser.add_argument(
        "--mutant", metavar="NAME", help="with the workers broken on purpose, in worlds in which it can show"
    )
    parser.add_argument("--mutants", action="store_true", help="list these, and end")
    chosen = parser.parse_args()
    first, dash, last = chosen.seeds.partition("-")
    try:
        seeds = range(int(first), int(last if dash else first) + 1)
    except ValueError:
        parser.error(f"--seeds {chosen.seeds}: give FIRST-LAST, such as 1-500, or one number")
    if not seeds:
        parser.error(f"--seeds {chosen.seeds}: no seed at all")
    if chosen.jobs < 1:
        parser.error(f"--jobs {chosen.jobs}: at least 1")
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets of strings is part of what follows from the seed
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    if chosen.mutant or chosen.mutants:
        return _mutated(parser, chosen.mutant, seeds)
    if chosen.log:
        from tests.simulation.aloud import aloud

        return aloud(seeds[0])
    try:
        return campaign(seeds, 1 if len(seeds) == 1 else chosen.jobs)
    except KeyboardInterrupt:
        sys.stdout.write("stopped before its end: no verdict\n")
        return 130


def _mutated(parser: argparse.ArgumentParser, name: str | None, seeds: range) -> int:
    from tests.simulation.mutants import MUTANTS, broken, plan_for

    if name is None:
        for each, change in MUTANTS.items():
            sys.stdout.write(f"{each:<16}{change.__name__.strip('_').replace('_', ' ')}\n")
        return 0
    if name not in MUTANTS:
        parser.error(f"--mutant {name}: there is none of that name; --mutants lists them")
    with broken(name):
        return campaign(seeds, 1, lambda seed: plan_for(name, seed))


if __name__ == "__main__":
    sys.exit(main())
