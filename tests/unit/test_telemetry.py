"""Logs, metrics and health: what operators and their machines read."""

import io
import json
import logging
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from processor import telemetry
from processor.telemetry import CATALOGUE, Health, Kind, Metric, Metrics, configure_logging, metrics_page

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
PROCESSOR = Path(__file__).parents[2] / "processor"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_documented_metrics_are_those_of_the_catalogue() -> None:
    assert DOCUMENT.read_text() == metrics_page(), "`make docs` writes docs/metrics.md anew"


def test_every_metric_of_the_catalogue_is_exposed_under_its_documented_name() -> None:
    metrics = Metrics()
    for metric in CATALOGUE:
        labels: dict[str, Any] = dict.fromkeys(metric.labels, "x")
        match metric.kind:
            case Kind.COUNTER:
                metrics.add(metric, **labels)
            case Kind.GAUGE:
                metrics.set(metric, 1, **labels)
            case Kind.HISTOGRAM:
                metrics.observe(metric, 1, **labels)
    exposed = {sample for family in _families(metrics) for sample in family}
    for metric in CATALOGUE:
        suffix = "_count" if metric.kind is Kind.HISTOGRAM else ""
        assert metric.exposed_name + suffix in exposed


def _families(metrics: Metrics) -> Iterator[set[str]]:
    health = Health(metrics)
    port = health.serve("127.0.0.1", 0)
    try:
        _, text = _get(port, "/metrics")
    finally:
        health.close()
    for family in text_string_to_metric_families(text):
        yield {sample.name for sample in family.samples}


def test_a_label_that_the_catalogue_lacks_is_refused() -> None:
    with pytest.raises(ValueError, match="abel"):
        Metrics().add(telemetry.RECORDS, topic="x")


def test_a_partition_that_went_away_is_shown_no_more() -> None:
    metrics = Metrics()
    metrics.set(telemetry.LAG, 5, partition=3)
    assert metrics.registry.get_sample_value("senderwatch_lag_records", {"partition": "3"}) == 5
    metrics.drop(telemetry.LAG, partition=3)
    assert metrics.registry.get_sample_value("senderwatch_lag_records", {"partition": "3"}) is None


def test_every_metric_is_moved_by_somebody() -> None:
    others = [path.read_text() for path in PROCESSOR.rglob("*.py") if path.name != "telemetry.py"]
    names = [name for name, value in vars(telemetry).items() if isinstance(value, Metric)]
    assert len(names) == len(CATALOGUE)
    assert [name for name in names if not any(re.search(rf"\b{name}\b", text) for text in others)] == []


def test_no_two_metrics_share_a_name() -> None:
    names = [metric.exposed_name for metric in CATALOGUE]
    assert len(names) == len(set(names))
    assert Metric("x", Kind.COUNTER, (), "").exposed_name == "senderwatch_x_total"


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def health() -> Iterator[Health]:
    health = Health(Metrics())
    yield health
    health.close()


def test_a_worker_is_live_from_the_start_and_ready_when_it_says_so(health: Health) -> None:
    port = health.serve("127.0.0.1", 0)
    assert _get(port, "/livez") == (200, "ok\n")
    assert _get(port, "/readyz") == (503, "starting\n")
    health.set_ready(True)
    assert _get(port, "/readyz") == (200, "ok\n")
    health.set_ready(False, "restoring 2 partitions")
    assert _get(port, "/readyz") == (503, "restoring 2 partitions\n")
    health.set_live(False, "fenced")
    assert _get(port, "/livez") == (503, "fenced\n")


def test_other_paths_say_which_there_are(health: Health) -> None:
    port = health.serve("127.0.0.1", 0)
    status, text = _get(port, "/")
    assert status == 404
    assert "/readyz" in text


def test_after_close_the_port_is_free_again(health: Health) -> None:
    port = health.serve("127.0.0.1", 0)
    health.close()
    assert health.serve("127.0.0.1", port) == port


def test_logs_are_json_where_no_terminal_reads_them() -> None:
    stream = io.StringIO()
    configure_logging("info", "auto", stream)
    structlog.get_logger("senderwatch.test").info("partition restored", partition=3)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["partition"], line["level"], line["logger"]) == (
        "partition restored", 3, "info", "senderwatch.test",
    )  # fmt: skip
    assert line["timestamp"].endswith("Z")


def test_logs_are_readable_on_a_terminal() -> None:
    stream = Terminal()
    configure_logging("info", "auto", stream)
    structlog.get_logger("senderwatch.test").warning("late record", partition=3)
    assert "late record" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


@pytest.mark.parametrize(("form", "stream"), [("json", Terminal()), ("console", io.StringIO())])
def test_the_form_of_logs_can_be_chosen(form: str, stream: io.StringIO) -> None:
    configure_logging("info", "json" if form == "json" else "console", stream)
    structlog.get_logger().info("hello")
    assert stream.getvalue().startswith("{") == (form == "json")


def test_what_libraries_log_takes_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("some.library").warning("%s: %s", "_TRANSPORT", "refused")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == ("_TRANSPORT: refused", "warning", "some.library")


def test_what_is_below_the_level_is_not_logged() -> None:
    stream = io.StringIO()
    configure_logging("warning", "json", stream)
    structlog.get_logger().info("chatter")
    logging.getLogger("library").info("chatter")
    assert stream.getvalue() == ""


def test_an_exception_is_one_json_line_with_its_traceback() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    try:
        raise KeyError("x")
    except KeyError:
        structlog.get_logger().exception("failed")
    (line,) = stream.getvalue().splitlines()
    assert "KeyError: 'x'" in json.loads(line)["exception"]
