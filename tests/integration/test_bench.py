"""The benchmark works: every contender runs, all runs decide the same, and each has its row."""

import json
import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT


def test_bench_measures_every_contender_and_profiles_every_step(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    command = [
        sys.executable,
        "-m",
        "bench",
        "--section",
        "costs",
        "--records",
        "5000",
        "--runs",
        "1",
        "--only",
        "skewed",
        "--profile",
    ]
    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr

    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in done.stdout.splitlines() if "|" in line]
    assert [row[:2] for row in rows if len(row) == 8] == [
        ["senders", "contender"],
        ["-------", "--------------"],
        ["skewed", "bare loop"],
        ["skewed", "detect"],
        ["skewed", "audit"],
        ["skewed", "audit --jobs 2"],
    ]
    compared = [row for row in rows if len(row) == 7][2:]
    assert [row[1:3] for row in compared] == [
        ["detect", "bare loop"],
        ["audit", "bare loop"],
        ["audit", "detect"],
        ["audit --jobs 2", "bare loop"],
        ["audit --jobs 2", "detect"],
    ]
    assert "SenderBlocked" in compared[0][6], "nothing was decided"

    figures = json.loads(out.read_text())
    assert [(each["contender"], each["records"], len(each["runs"])) for each in figures["results"]] == [
        ("bare loop", 5000, 1),
        ("detect", 5000, 1),
        ("audit", 5000, 1),
        ("audit --jobs 2", 5000, 1),
    ]
    assert all(
        run["cpu_s"] > 0 and run["peak_bytes"] > 10_000_000 for each in figures["results"] for run in each["runs"]
    )
    steps = figures["nanoseconds_by_step"]["skewed"][0]
    assert {"consume", "decode", "journal digest", "transaction", "client's own threads"} <= steps.keys()
    assert all(nanoseconds > 0 for nanoseconds in steps.values())
