"""What people do in between, by the command line as they would: new versions of the policies, blocks and unblocks."""

from pathlib import Path
from random import Random

from processor.policies.limits import LIMITS
from tests import processes
from tests.faults.load import ACCOUNTS, domains
from tests.faults.stage import Answer, Stage, Story

NOTIFY = "notify: {digest_delay: 1s, fallback: [noc@host.example]}"


def policies(chance: Random | None = None) -> str:
    """A policy file: the one that a campaign begins with, or one made up."""
    if chance is None:
        return f"default: {{{NOTIFY}}}\n"
    limits = {limit.name: chance.choice(["null", limit.default / 2, limit.default]) for limit in LIMITS}
    some = ", ".join(chance.sample(domains(), 15))
    return f"""
brake_blocks: {chance.choice([20, 100])}
default:
  unblocks_without_support: {chance.randrange(4)}
  {NOTIFY}
policies:
  - name: scoped
    priority: 1
    conditions: {{tenants: [{some}]}}
    limits: {{{", ".join(f"{name}: {value}" for name, value in limits.items())}}}
    action: {chance.choice(["alert", "block", "block_until_tomorrow"])}
    {NOTIFY}
"""


def policy(stage: Stage, chance: Random) -> Story:
    number = sum(fault.kind == "policy" for fault in stage.injected)
    stage.note("policy", f"version {number + 1}")
    path = stage.folder / f"policies-{number + 1}.yaml"
    path.write_text(policies(chance))
    yield from _asked(stage, path.with_suffix(".said"), "policy", "apply", str(path))


def unblock(stage: Stage, chance: Random) -> Story:
    restricted = sorted(stage.watching.restricted)
    sender = chance.choice(restricted) if restricted and chance.random() < 0.9 else _anybody(chance)
    number = len(stage.answers)
    stage.note("unblock", sender)
    support = ("--as-support", "--ticket", f"T-{number}") if chance.random() < 0.3 else ()
    words = ("restricted", "unblock", sender, "--comment", f"case {number}", *support)
    yield from _asked(stage, stage.folder / f"command-{number}.said", *words)


def block(stage: Stage, chance: Random) -> Story:
    sender = _anybody(chance)
    number = len(stage.answers)
    stage.note("block", sender)
    until = ("--until", f"{chance.randint(5, 40)}s") if chance.random() < 0.7 else ()
    tenant = sender.partition("@")[2] if chance.random() < 0.9 else "another"
    words = ("restricted", "block", sender, "--tenant", tenant, "--reason", f"case {number}", *until)
    yield from _asked(stage, stage.folder / f"command-{number}.said", *words)


def _anybody(chance: Random) -> str:
    return f"u{chance.randrange(ACCOUNTS)}@{chance.choice(domains())}"


def _asked(stage: Stage, output: Path, *words: str) -> Story:
    """Until the command line has its answer, whatever that is."""
    process = processes.start_senderwatch(*words, "--bootstrap-servers", stage.cluster.bootstrap, output=output)
    yield lambda: process.poll() is not None
    stage.answers.append(Answer(words, process.returncode, output.read_text()))
