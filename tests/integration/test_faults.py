"""The two-minute form of a fault campaign (docs/faults.md): everything breaks for a while, and nothing is lost or twice."""

from pathlib import Path

import pytest

from tests.faults.__main__ import run
from tests.faults.plan import drawn


@pytest.mark.timeout(600)  # for a machine that is busy with other things; two minutes else
def test_whatever_breaks_each_event_is_there_once_and_every_mail_arrives(tmp_path: Path) -> None:
    said: list[str] = []
    found = run(drawn(seed=4, duration_s=35.0, protocol="classic", rate=1000.0), tmp_path, said.append)
    problems = {name: each for name, each in found["problems"].items() if each}
    assert not problems, f"{problems}\nwhat was done:\n" + "\n".join(said)
    assert len(found["faults"]) > 10, "too little was broken to show anything"
    assert sum(found["events"].values()) > 30
    assert found["mails"] > 10
