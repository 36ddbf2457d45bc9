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
    if chosen.log:
        from tests.simulation.aloud import aloud

        return aloud(seeds[0])
    try:
        return campaign(seeds, 1 if len(seeds) == 1 else chosen.jobs)
    except KeyboardInterrupt:
        sys.stdout.write("stopped before its end: no verdict\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
