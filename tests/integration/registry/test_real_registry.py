"""What `mock://` cannot show: ids, compatibility, unknown ids and absence as a real registry answers them."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import structlog
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

from processor import avro
from processor.avro import Undecodable, UndecodableRecord
from processor.kafka.registry import Registry, RegistryRefused
from processor.kafka.serde import Serde
from processor.verdicts.event import MessageVerdict, Verdict
from tests.registry import RealRegistry, find_java
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(600)  # the first run fetches the registry

VERDICT = MessageVerdict("e1", 1_760_000_000_123, "acme.example", "ann@acme.example", 1, 2, Verdict.SPAM).to_record()


class Connect(Protocol):
    """A new Serde that shares nothing with those before it."""

    def __call__(self, url: str | None = None, *, auto_register: bool = True) -> Serde: ...


@pytest.fixture
def connect(real_registry: RealRegistry) -> Iterator[Connect]:
    with ExitStack() as stack:

        def connected(url: str | None = None, *, auto_register: bool = True) -> Serde:
            return Serde(stack.enter_context(Registry(url or real_registry.url, auto_register=auto_register)))

        yield connected


@pytest.fixture
def serde(connect: Connect) -> Serde:
    return connect()


@pytest.fixture
def others_client(real_registry: RealRegistry) -> Iterator[SchemaRegistryClient]:
    """Another team at the same registry."""
    with SchemaRegistryClient({"url": real_registry.url}) as client:
        yield client


def test_every_schema_can_be_registered_and_read_back_by_another_process(
    connect: Connect, serde: Serde, unique: str
) -> None:
    another = connect()
    for name in avro.names():
        writer = another.writer_schema(serde.prefix(unique, name))
        assert (writer.name, writer.is_current) == (name, True)


def test_a_record_comes_back_over_the_registry(connect: Connect, serde: Serde, unique: str) -> None:
    payload = serde.encode(unique, "MessageVerdict", VERDICT)
    assert payload[:1] == b"\x00"
    assert connect().decode(payload) == ("MessageVerdict", VERDICT)


def test_registering_again_gives_the_same_id(connect: Connect, serde: Serde, unique: str) -> None:
    first = serde.prefix(unique, "SenderBlocked")
    assert connect().prefix(unique, "SenderBlocked") == first
    assert connect(auto_register=False).prefix(unique, "SenderBlocked") == first


def test_without_registration_a_schema_has_to_be_there(connect: Connect, unique: str) -> None:
    with pytest.raises(RegistryRefused, match=r"schema_registry\.auto_register"):
        connect(auto_register=False).prefix(unique, "SenderBlocked")


def test_an_unknown_id_is_the_records_fault(serde: Serde) -> None:
    with pytest.raises(UndecodableRecord) as caught:
        serde.decode(b"\x00\x7f\xff\xff\xff" + bytes(20))
    assert caught.value.reason is Undecodable.UNKNOWN_SCHEMA


def test_an_address_that_is_no_registrys_is_said(real_registry: RealRegistry, connect: Connect) -> None:
    beside = real_registry.url.replace("/ccompat/v7", "/nothing/here")
    with pytest.raises(RegistryRefused, match=r"schema_registry\.url"):
        connect(beside).decode(b"\x00\x00\x00\x00\x01" + bytes(20))


def test_another_teams_newer_schema_is_read_with_ours(
    others_client: SchemaRegistryClient, serde: Serde, unique: str
) -> None:
    newer = json.loads(avro.raw_schema("MessageVerdict"))
    newer["fields"].insert(0, {"name": "subject", "type": "string", "default": ""})
    number = others_client.register_schema(f"{unique}-newer", Schema(json.dumps(newer), "AVRO"))
    payload = b"\x00" + number.to_bytes(4, "big") + b"\x04hi" + avro.encode_body("MessageVerdict", VERDICT)
    assert not serde.writer_schema(payload).is_current
    assert serde.decode(payload) == ("MessageVerdict", VERDICT)


def test_a_schema_that_does_not_fit_what_is_there_is_refused_before_anything_is_written(
    others_client: SchemaRegistryClient, serde: Serde, unique: str
) -> None:
    subject = f"{unique}-senderwatch.SenderBlocked"
    other = {
        "type": "record",
        "name": "SenderBlocked",
        "namespace": "senderwatch",
        "fields": [{"name": "block_id", "type": "int"}],
    }
    others_client.register_schema(subject, Schema(json.dumps(other), "AVRO"))
    others_client.set_compatibility(subject, "FULL")
    with pytest.raises(RegistryRefused, match=rf"{subject}.*does not fit"):
        serde.prefix(unique, "SenderBlocked")


def test_a_registry_that_starts_after_us_is_waited_for(tmp_path: Path, connect: Connect) -> None:
    java = find_java()
    assert java is not None
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    early = connect(f"http://127.0.0.1:{port}/apis/ccompat/v7")
    registry = RealRegistry(java, tmp_path / "registry.log", port)
    encoded: list[bytes] = []
    try:
        with structlog.testing.capture_logs() as logs:
            thread = threading.Thread(target=lambda: encoded.append(early.encode("t", "MessageVerdict", VERDICT)))
            thread.start()
            wait_until(lambda: logs, "a line that says what is waited for")
            registry.start()
            thread.join(60)
        assert "refused" in logs[0]["reason"]
        assert logs[-1]["event"] == "the schema registry answers again"
        assert connect(registry.url).decode(encoded[0]) == ("MessageVerdict", VERDICT)
    finally:
        registry.stop()
