"""What import-linter cannot see: who reads the clock, and who imports what only one room may."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PROCESSOR = Path(__file__).parents[2] / "processor"
CORES = ("audit", "detection", "notification", "policies", "restrictions", "verdicts", "avro")
CLOCKS = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"), ("time", "perf_counter"), ("time", "sleep"),
    ("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"),
}  # fmt: skip


def _modules(*rooms: str) -> Iterator[Path]:
    for room in rooms:
        single = PROCESSOR / f"{room}.py"
        yield from [single] if single.is_file() else sorted((PROCESSOR / room).rglob("*.py"))


def _clock_readings(source: str) -> list[str]:
    """Calls such as `time.time()` and `datetime.now()`, whatever comes before the last two names."""
    readings = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        owner = node.func.value
        name = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
        if (name, node.func.attr) in CLOCKS:
            readings.append(f"line {node.lineno}: {name}.{node.func.attr}()")
    return readings


@pytest.mark.parametrize("room", CORES)
def test_no_core_reads_a_clock(room: str) -> None:
    modules = list(_modules(room))
    assert modules, f"no room {room}"
    assert {str(path): found for path in modules if (found := _clock_readings(path.read_text()))} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import time\ntime.time()",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import datetime\ndatetime.now(UTC)",
    ],
)
def test_a_clock_would_be_seen(source: str) -> None:
    assert _clock_readings(source)


def test_only_the_kafka_room_imports_the_kafka_client() -> None:
    importers = {
        path.relative_to(PROCESSOR).parts[0]
        for path in PROCESSOR.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("confluent_kafka"))
        or (isinstance(node, ast.Import) and any(alias.name.startswith("confluent_kafka") for alias in node.names))
    }
    assert importers == {"kafka"}
