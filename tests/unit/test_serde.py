"""Framed records, with `mock://`, with a registry that fails in every way, and without any."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import pytest
import structlog
from confluent_kafka.schema_registry import Schema
from hypothesis import given

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.kafka import registry as registry_module
from processor.kafka.cloudevents import headers, rfc3339
from processor.kafka.registry import Registry, RegistryAway, RegistryRefused
from processor.kafka.serde import Framing, Serde
from processor.restrictions.events import RestrictionEvent
from processor.verdicts.event import MessageVerdict, Verdict
from tests.event_strategies import restriction_events

VERDICT = MessageVerdict("e1", 1_760_000_000_123, "acme.example", "ann@acme.example", 1, 2, Verdict.SPAM)
NO_REGISTRY = Serde(None)
BODY = avro.encode_body("MessageVerdict", VERDICT.to_record())

NEWER_TEXT = avro.raw_schema("MessageVerdict").replace(
    '"fields": [', '"fields": [{"name": "subject", "type": "string", "default": ""},', 1
)
NEWER_BODY = b"\x04hi" + BODY
LACKING_TEXT = json.dumps(
    {"type": "record", "name": "MessageVerdict", "fields": [{"name": "event_id", "type": "string"}]}
)


@pytest.fixture
def mock() -> Registry:
    registry_module._mock.cache_clear()
    return Registry("mock://here")


def registered(mock: Registry, text: str, kind: str = "AVRO") -> bytes:
    """The prefix of a schema that somebody else has registered."""
    return b"\x00" + mock._client.register_schema("someone-else", Schema(text, kind)).to_bytes(4, "big")


def refusal(serde: Serde, payload: bytes | None) -> UndecodableRecord:
    with pytest.raises(UndecodableRecord) as caught:
        serde.decode(payload)
    return caught.value


# --- framing -------------------------------------------------------------------


@given(event=restriction_events)
def test_an_event_comes_back_whichever_way_it_is_framed(event: RestrictionEvent) -> None:
    name = type(event).__name__
    with_registry = Serde(Registry("mock://shared"))
    for writer in (NO_REGISTRY, with_registry):
        assert with_registry.decode(writer.encode("t", name, event.to_record())) == (name, event.to_record())


def test_without_a_registry_a_value_starts_with_the_fingerprint() -> None:
    assert NO_REGISTRY.encode("t", "MessageVerdict", VERDICT.to_record()) == (
        b"\xc3\x01" + avro.fingerprint("MessageVerdict") + BODY
    )


def test_with_a_registry_a_value_starts_with_zero_and_four_bytes_of_id(mock: Registry) -> None:
    Serde(mock).prefix("first", "SenderBlocked")
    assert Serde(mock).encode("second", "MessageVerdict", VERDICT.to_record()) == b"\x00\x00\x00\x00\x02" + BODY


def test_each_record_type_of_a_topic_has_its_own_subject(mock: Registry) -> None:
    serde = Serde(mock)
    for topic, name in (("a", "SenderBlocked"), ("a", "SenderUnblocked"), ("b", "SenderBlocked")):
        serde.prefix(topic, name)
    assert sorted(mock._client.get_subjects()) == [
        "a-senderwatch.SenderBlocked",
        "a-senderwatch.SenderUnblocked",
        "b-senderwatch.SenderBlocked",
    ]


def test_all_who_name_a_mock_share_it(mock: Registry) -> None:
    value = Serde(mock).encode("t", "MessageVerdict", VERDICT.to_record())
    assert Serde(Registry("mock://here")).decode(value)[1] == VERDICT.to_record()
    with pytest.raises(UndecodableRecord):
        Serde(Registry("mock://elsewhere")).decode(value)


def test_our_own_schema_is_known_as_current_in_either_framing(mock: Registry) -> None:
    serde = Serde(mock)
    for framing, prefix in (
        (Framing.REGISTRY, serde.prefix("t", "MessageVerdict")),
        (Framing.SINGLE_OBJECT, avro.single_object_prefix("MessageVerdict")),
    ):
        writer = serde.writer_schema(prefix + b"anything")
        assert (writer.framing, writer.name, writer.is_current) == (framing, "MessageVerdict", True)
        assert writer.body_offset == len(prefix)


def test_another_teams_schema_is_read_with_ours_as_the_readers(mock: Registry) -> None:
    prefix = registered(mock, NEWER_TEXT)
    serde = Serde(mock)
    assert not serde.writer_schema(prefix).is_current
    assert serde.decode(prefix + NEWER_BODY) == ("MessageVerdict", VERDICT.to_record())


def test_the_namespace_of_another_teams_schema_is_its_own_business(mock: Registry) -> None:
    prefix = registered(mock, avro.raw_schema("MessageVerdict").replace('"senderwatch"', '"org.example"'))
    assert Serde(mock).decode(prefix + BODY) == ("MessageVerdict", VERDICT.to_record())


def test_a_released_schema_is_found_without_a_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = avro.parse(NEWER_TEXT)
    known = {**avro.writers_by_fingerprint(), avro.fingerprint_of(newer): newer}
    monkeypatch.setattr(avro, "writers_by_fingerprint", lambda: known)
    payload = avro.SINGLE_OBJECT_MAGIC + avro.fingerprint_of(newer) + NEWER_BODY
    assert Serde(None).decode(payload) == ("MessageVerdict", VERDICT.to_record())


# --- what is no record -----------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (None, Undecodable.NULL_VALUE),
        (b"", Undecodable.TRUNCATED),
        (b"\xc3", Undecodable.TRUNCATED),
        (b"\xc3\x01\x00", Undecodable.TRUNCATED),
        (b"\x00\x00\x00", Undecodable.TRUNCATED),
        (b"\xc3\x02" + bytes(8) + BODY, Undecodable.WRONG_MAGIC),
        (b'{"event_id": "e1"}', Undecodable.WRONG_MAGIC),
        (b"\xc3\x01" + bytes(8) + BODY, Undecodable.UNKNOWN_SCHEMA),
        (b"\x00\x00\x00\x00\x63" + BODY, Undecodable.UNKNOWN_SCHEMA),
        (avro.single_object_prefix("MessageVerdict") + BODY[:-1], Undecodable.TRUNCATED),
        (avro.single_object_prefix("MessageVerdict") + BODY + b"\x00", Undecodable.TRAILING_BYTES),
    ],
)
def test_what_is_no_record_is_refused_with_the_reason(
    mock: Registry, payload: bytes | None, reason: Undecodable
) -> None:
    assert refusal(Serde(mock), payload).reason is reason


def test_a_registry_id_without_a_registry_says_which_setting_is_missing() -> None:
    refused = refusal(NO_REGISTRY, b"\x00\x00\x00\x00\x01" + BODY)
    assert refused.reason is Undecodable.UNKNOWN_SCHEMA
    assert "schema_registry.url" in refused.detail


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ('{"type": "object"}', "JSON", "JSON"),
        ('"string"', "AVRO", "not a record"),
        (LACKING_TEXT.replace("MessageVerdict", "Invoice"), "AVRO", "Invoice"),
        ('{"type": "nonsense"}', "AVRO", "not an Avro schema"),
    ],
)
def test_a_schema_of_something_else_is_unknown_to_us(mock: Registry, text: str, kind: str, said: str) -> None:
    refused = refusal(Serde(mock), registered(mock, text, kind) + BODY)
    assert refused.reason is Undecodable.UNKNOWN_SCHEMA
    assert said in refused.detail


def test_a_writer_without_a_required_field_cannot_be_read(mock: Registry) -> None:
    assert refusal(Serde(mock), registered(mock, LACKING_TEXT) + b"\x04e1").reason is Undecodable.UNREADABLE


# --- registries that fail ----------------------------------------------------------

Reply = tuple[int, dict[str, Any] | str]


class ScriptedRegistry:
    """An HTTP server that gives one reply after the other, the last one for ever, and remembers what it was asked."""

    def __init__(self, *, listening: bool = True) -> None:
        self.replies: list[Reply] = []
        self.asked: list[str] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                owner.asked.append(self.path)
                status, content = owner.replies.pop(0) if len(owner.replies) > 1 else owner.replies[0]
                body = (content if isinstance(content, str) else json.dumps(content)).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815 - the name that the server looks for

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        if listening:
            self.listen()

    def listen(self) -> None:
        self._server.server_activate()
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def scripted() -> Iterator[ScriptedRegistry]:
    server = ScriptedRegistry()
    yield server
    server.close()


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_pause: Callable[[], None] = lambda: None

    def pause(self, seconds: float) -> None:
        self.now += seconds
        self.on_pause()

    def monotonic(self) -> float:
        return self.now


class Connect(Protocol):
    """A Serde over the registry at `url`, in the time of a clock that passes only in pauses."""

    def __call__(self, url: str, clock: Clock, should_stop: Callable[[], bool] = lambda: False) -> Serde: ...


@pytest.fixture
def serde_over() -> Iterator[Connect]:
    with ExitStack() as stack:

        def connected(url: str, clock: Clock, should_stop: Callable[[], bool] = lambda: False) -> Serde:
            registry = stack.enter_context(Registry(url))
            return Serde(registry, should_stop=should_stop, pause=clock.pause, monotonic=clock.monotonic)

        yield connected


UNKNOWN: Reply = (404, {"error_code": 40403, "message": "Schema 7 not found"})
FOUND: Reply = (200, {"schema": avro.raw_schema("MessageVerdict")})
PAYLOAD = b"\x00\x00\x00\x00\x07" + BODY


@pytest.mark.parametrize(
    "trouble",
    [
        (500, {"error_code": 50001, "message": "error in the backend"}),
        (503, "Service Unavailable"),
        (429, {"message": "slow down"}),
        (200, "<html>please log in</html>"),
    ],
)
def test_a_registry_that_is_away_is_waited_for(scripted: ScriptedRegistry, trouble: Reply, serde_over: Connect) -> None:
    scripted.replies = [trouble, trouble, FOUND]
    clock = Clock()
    with structlog.testing.capture_logs() as logs:
        assert serde_over(scripted.url, clock).decode(PAYLOAD)[1] == VERDICT.to_record()
    assert len(scripted.asked) == 3
    assert clock.now == pytest.approx(0.25 + 0.5)
    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("warning", "waiting for the schema registry"),
        ("warning", "waiting for the schema registry"),
        ("info", "the schema registry answers again"),
    ]


def test_a_registry_that_nobody_runs_is_waited_for_until_it_is_there(serde_over: Connect) -> None:
    server = ScriptedRegistry(listening=False)
    server.replies = [FOUND]
    clock = Clock()
    clock.on_pause = server.listen
    with structlog.testing.capture_logs() as logs:
        assert serde_over(server.url, clock).decode(PAYLOAD)[1] == VERDICT.to_record()
    server.close()
    assert server.url in logs[0]["reason"]
    assert "refused" in logs[0]["reason"]


def test_the_pauses_grow_to_a_quarter_of_a_minute(scripted: ScriptedRegistry, serde_over: Connect) -> None:
    scripted.replies = [(503, "")] * 12 + [FOUND]
    with structlog.testing.capture_logs() as logs:
        serde_over(scripted.url, Clock()).decode(PAYLOAD)
    pauses = [line["retry_in_s"] for line in logs if line["log_level"] == "warning"]
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15, 15]


def test_a_stop_ends_the_wait_within_a_quarter_of_a_second(scripted: ScriptedRegistry, serde_over: Connect) -> None:
    scripted.replies = [(503, "")]
    clock = Clock()
    serde = serde_over(scripted.url, clock, should_stop=lambda: clock.now > 20)
    with structlog.testing.capture_logs(), pytest.raises(RegistryAway):
        serde.decode(PAYLOAD)
    assert 20 < clock.now <= 20.25


def test_an_unknown_id_is_the_records_fault_and_asked_for_again_only_later(
    scripted: ScriptedRegistry, serde_over: Connect
) -> None:
    scripted.replies = [UNKNOWN, FOUND]
    clock = Clock()
    serde = serde_over(scripted.url, clock)
    for _ in range(3):
        assert refusal(serde, PAYLOAD).reason is Undecodable.UNKNOWN_SCHEMA
    assert len(scripted.asked) == 1
    clock.now += 31
    assert serde.decode(PAYLOAD)[1] == VERDICT.to_record()


def test_an_id_that_is_known_is_asked_for_once(scripted: ScriptedRegistry, serde_over: Connect) -> None:
    scripted.replies = [FOUND]
    serde = serde_over(scripted.url, Clock())
    for _ in range(3):
        serde.decode(PAYLOAD)
    assert scripted.asked == ["/schemas/ids/7"]


def test_a_wrong_address_makes_no_dead_letters(scripted: ScriptedRegistry, serde_over: Connect) -> None:
    """Every record would be "unknown" to a server that is no registry at all."""
    scripted.replies = [(404, "<html>no such page</html>")]
    with pytest.raises(RegistryRefused, match=r"schema_registry\.url"):
        serde_over(scripted.url, Clock()).decode(PAYLOAD)


def test_a_refused_login_names_the_settings(scripted: ScriptedRegistry, serde_over: Connect) -> None:
    scripted.replies = [(401, {"error_code": 401, "message": "Unauthorized"})]
    with pytest.raises(RegistryRefused, match=r"schema_registry\.user"):
        serde_over(scripted.url, Clock()).decode(PAYLOAD)


def test_an_incompatible_schema_is_said_before_anything_is_written(
    scripted: ScriptedRegistry, serde_over: Connect
) -> None:
    scripted.replies = [(409, {"error_code": 409, "message": "incompatible with an earlier schema"})]
    with pytest.raises(RegistryRefused, match=r"t-senderwatch\.SenderBlocked.*incompatible"):
        serde_over(scripted.url, Clock()).prefix("t", "SenderBlocked")


def test_without_registration_a_missing_schema_is_said(scripted: ScriptedRegistry) -> None:
    scripted.replies = [(404, {"error_code": 40401, "message": "Subject not found"})]
    with Registry(scripted.url, auto_register=False) as registry, pytest.raises(RegistryRefused, match="auto_register"):
        Serde(registry).prefix("t", "SenderBlocked")
    assert scripted.asked == ["/subjects/t-senderwatch.SenderBlocked?normalize=False&deleted=False"]


def test_a_password_is_sent_and_never_told(scripted: ScriptedRegistry) -> None:
    scripted.replies = [(403, {"error_code": 40301, "message": "no"})]
    with Registry(scripted.url, user="ann", password="s3cret") as registry, pytest.raises(RegistryRefused) as caught:
        registry.schema_of(1)
    assert "s3cret" not in str(caught.value)


# --- headers -------------------------------------------------------------------


def test_the_headers_are_those_of_cloudevents() -> None:
    assert headers(
        id="b1",
        type="senderwatch.SenderBlocked",
        source="/senderwatch",
        subject="ann@ä.example",
        time_ms=1_760_000_000_005,
    ) == [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"b1"),
        ("ce_type", b"senderwatch.SenderBlocked"),
        ("ce_source", b"/senderwatch"),
        ("ce_subject", "ann@ä.example".encode()),
        ("ce_time", b"2025-10-09T08:53:20.005Z"),
        ("content-type", b"application/avro"),
    ]


@pytest.mark.parametrize(
    ("time_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (999, "1970-01-01T00:00:00.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_times_are_rfc_3339_with_milliseconds(time_ms: int, text: str) -> None:
    assert rfc3339(time_ms) == text
