"""Fuzzing in short: every kept input again, and some new ones for each target, the same each time. `make fuzz` does more."""

from pathlib import Path
from random import Random

import pytest

from tests.fuzz import campaign, corpus
from tests.fuzz.__main__ import main
from tests.fuzz.bounds import TookTooLong, within
from tests.fuzz.mutations import Mutations
from tests.fuzz.registry import NAMES, target_named
from tests.fuzz.target import Found, Target

_COUNTS = {
    "decoder": 10_000,
    "avro-files": 2_000,
    "command-line": 15,
    "tenants": 40,
    "policies": 60,
    "verdict-files": 80,
    "changelog": 60,
    "journal": 60,
}
_OTHERS = 150
_CASES = [(name, path) for name in NAMES for path in sorted((corpus.CORPUS / name).glob("*"))]


@pytest.mark.parametrize("name", NAMES)
def test_a_few_inputs_that_nobody_would_write_keep_the_law(name: str) -> None:
    outcomes = campaign.run(target_named(name), _COUNTS.get(name, _OTHERS), seed=5)
    assert len(outcomes) > 1, "every input had the same outcome: the seeds reach nothing"


@pytest.mark.parametrize(("name", "path"), _CASES, ids=[f"{name}-{path.name}" for name, path in _CASES])
def test_an_input_that_is_kept_keeps_the_law(name: str, path: Path) -> None:
    campaign.checked(target_named(name), path.read_bytes())


def test_every_kept_input_is_of_a_target() -> None:
    assert {folder.name for folder in corpus.CORPUS.iterdir()} <= set(NAMES)


def _target(**changes: object) -> Target:
    def check(content: bytes) -> str:
        if b"!" in content:
            raise KeyError("!")
        return "good"

    return Target(**{"name": "x", "law": "", "check": check, "seeds": lambda: [b"abc"], "words": (b"!",), **changes})  # type: ignore[arg-type]


def test_a_broken_law_is_found_with_its_input() -> None:
    with pytest.raises(Found, match="KeyError") as found:
        campaign.run(_target(), 1000, seed=1)
    assert b"!" in found.value.content


def test_a_check_that_hangs_is_found() -> None:
    def check(_: bytes) -> str:
        while True:
            pass

    with pytest.raises(Found, match="TookTooLong"):
        campaign.run(_target(check=check, limit_s=0.05), 1, seed=1)


def test_what_is_within_its_time_is_left_alone() -> None:
    with within(30):
        sum(range(1000))
    assert issubclass(TookTooLong, BaseException)


def test_a_process_that_grows_is_found() -> None:
    kept: list[bytes] = []

    def check(_: bytes) -> str:
        kept.append(b"x" * 1_000_000)
        return "good"

    with pytest.raises(Found, match="grew by"):
        campaign.run(_target(check=check, memory_mb=20), 10_000, seed=1)


def test_the_same_seed_makes_the_same_inputs() -> None:
    target = target_named("commands")
    first, second = (Mutations(target, 3, target.seeds()) for _ in range(2))
    made = [first.next() for _ in range(50)]
    assert made == [second.next() for _ in range(50)]
    assert len(set(made)) > 30
    assert made != [Mutations(target, 4, target.seeds()).next() for _ in range(50)]


def test_reshaping_makes_records_that_can_be_read() -> None:
    target = target_named("ledger")
    assert target.reshape is not None
    random = Random(1)
    outcomes = {target.check(target.reshape(target.seeds()[0], random)) for _ in range(60)}
    assert "Notification" in outcomes


@pytest.mark.parametrize("count", ["0", "-3", "x"])
def test_a_campaign_without_inputs_has_not_passed(count: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["policies", "--count", count])
    assert ended.value.code == 2
