"""What `python -m bench` is asked for, and everything about it that can be refused before anything is measured."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.broker import ROOT
from bench.sections import COSTS, SECTIONS
from processor.workers import policy_file

RECORDS, RUNS = 3_000_000, 5
QUICK_RECORDS, QUICK_RUNS = 1_000_000, 3
SPREADS = ("skewed", "even")
OWN = "own"
"""The names in bench.traffic, which is not imported here: see bench.costs."""
COMPARISON = "contenders"
_COSTS_ALONE = ("records", "runs", "only", "profile", "policies")
_TRAFFIC = ("senders", "skew", "tenants", "compromised", "seed")


def chosen(words: Sequence[str] | None) -> argparse.Namespace:
    """The options; ends the process with status 2 and a line of why where they cannot be followed.

    `spreads` are those that `costs` measures, `traffic` the words for `bench.traffic` where the mail is the caller's own.
    """
    parser = _parser()
    given = parser.parse_args(words)
    given.section = given.section or [COSTS, *SECTIONS]
    _refuse_what_would_be_ignored(parser, given)
    given.records = given.records or (QUICK_RECORDS if given.quick else RECORDS)
    given.runs = given.runs or (QUICK_RUNS if given.quick else RUNS)
    given.traffic = tuple(
        word
        for name in _TRAFFIC
        if getattr(given, name) is not None
        for word in (f"--{name}", str(getattr(given, name)))
    )
    given.spreads = (OWN,) if given.traffic else (given.only,) if given.only else SPREADS
    compromised = 20 if given.compromised is None else given.compromised
    if compromised > (given.senders or 14_500):
        parser.error("more accounts are compromised than there are senders (--compromised, 20 by default; --senders)")
    if given.policies is not None and (why := _unusable(given.policies)):
        parser.error(f"--policies: {why}")
    given.out = given.out or ROOT / "bench" / "out" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    if why := _unwritable(given.out):
        parser.error(f"--out: {why}")
    return given


def _refuse_what_would_be_ignored(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    for name in _COSTS_ALONE:
        if getattr(given, name) and COSTS not in given.section:
            parser.error(
                f"--{name} is for the section {COSTS}: the others have their own sizes (add --section {COSTS})"
            )
    for name in _TRAFFIC:
        if getattr(given, name) is None:
            continue
        if not {COSTS, COMPARISON} & set(given.section):
            parser.error(f"--{name} is for the sections {COSTS} and {COMPARISON} (add --section {COSTS})")
        if given.only:
            parser.error(f"--{name} makes a spread of its own: leave out --only")


def _unusable(path: Path) -> str | None:
    """Why the policies of a file cannot be put in force."""
    if not path.is_file():
        return f"there is no file {path}"
    try:
        policy_file.load(path)
    except policy_file.PolicyFileUnusable as unusable:
        return str(unusable)
    return None


def _unwritable(path: Path) -> str | None:
    """Why no file can be written there; found out by doing it, now instead of after the last measurement."""
    is_new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError as error:
        return f"cannot write {path}: {error.strerror}"
    if is_new:
        path.unlink()
    return None


def _number(least: float, kind: type[int] | type[float], most: float) -> Callable[[str], float]:
    def number(word: str) -> float:
        value = kind(word)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from {least:,} to {most:,}")
        return value

    number.__name__ = "number"
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="What a record costs the detector, beside a consumer that does nothing and beside other ways to do its job; how "
        "late it is, what it remembers, how soon it is back. Starts a Kafka of its own; bench/README.md says what each "
        "section measures and how long it takes. Tables go to stdout, progress to stderr.",
        epilog="Examples: --quick --section costs. --section costs --senders 200000 --skew 0.5 --tenants 5000 --policies "
        "deploy/policies.example.yaml. Exit status: 0 measured, 1 something failed or decided wrongly, 2 wrong options, 130 or 143 stopped",
    )
    parser.add_argument(
        "--section",
        action="append",
        choices=(COSTS, *SECTIONS),
        help="this part alone, or these, where given more than once (default: all). costs: beside a bare consumer; contenders: beside "
        "Kafka Streams, Quix Streams, a loop in Python; restore: until it is back; latency: from verdict to block; memory: a sender's; "
        "vast: five million senders; pair: two workers; changelog: its size; sustained: two days on end; notifier: mails a second",
    )
    parser.add_argument("--quick", action="store_true", help="a short form of each section: shows that it works")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where the JSON goes, in place of what is there (default bench/out/TIME.json); pictures beside it",
    )
    costs = parser.add_argument_group(f"section {COSTS}")
    most = 10**9
    costs.add_argument(
        "--records",
        type=_number(1, int, most),
        metavar="N",
        help=f"verdicts in each topic (default {RECORDS:,}; with --quick {QUICK_RECORDS:,})",
    )
    costs.add_argument(
        "--runs",
        type=_number(1, int, 1000),
        metavar="R",
        help=f"of each contender on each topic (default {RUNS}; with --quick {QUICK_RUNS})",
    )
    costs.add_argument("--only", choices=SPREADS, help="one spread of mail over senders instead of both")
    costs.add_argument("--profile", action="store_true", help="also where the detector's time goes, step by step")
    costs.add_argument(
        "--policies",
        type=Path,
        metavar="FILE",
        help="YAML that is in force for the detector and the audit, instead of the built-in policy",
    )
    mail = parser.add_argument_group(
        f"mail of your own, sections {COSTS} and {COMPARISON}",
        f"Any of these: one spread, called {OWN}, instead of skewed and even. What is not given is as in skewed.",
    )
    mail.add_argument("--senders", type=_number(1, int, 2**31), metavar="N", help="how many there are (default 14,500)")
    mail.add_argument(
        "--skew",
        type=_number(0, float, 3),
        metavar="S",
        help="Zipf exponent of their activity: 0 all send as much, 1 the first of 10,000 a tenth of all (default 0.9)",
    )
    mail.add_argument("--tenants", type=_number(1, int, 10**6), metavar="N", help="whom they belong to (default 200)")
    mail.add_argument(
        "--compromised",
        type=_number(0, int, 2**31),
        metavar="N",
        help="accounts that turn bad and send bursts of spam (default 20)",
    )
    mail.add_argument(
        "--seed",
        type=_number(0, int, 2**63),
        metavar="N",
        help="another one: other senders, times and verdicts (default 1)",
    )
    return parser
