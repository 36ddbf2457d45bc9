"""The port of metrics and health: whatever comes in, others are answered, and the process does not grow."""

import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from processor.http_port import MOST_AT_ONCE, REQUEST_MAX_BYTES, Port
from tests.http_client import said
from tests.waiting import wait_until

BODY = b"ok\n"


@pytest.fixture
def port() -> Iterator[Port]:
    port = Port("127.0.0.1", 0, lambda path: (HTTPStatus.OK, "text/plain", BODY + path.encode()))
    port.begin()
    try:
        yield port
    finally:
        port.end()


def is_answering(port: Port) -> bool:
    return said(port.number, b"GET /livez HTTP/1.0\r\n\r\n").endswith(BODY + b"/livez")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET /x\r\n\r\n", b"ok"),
        (b"GET /x HTTP/1.0\r\n\r\n" * 50, b"200"),
        (b"POST / HTTP/1.1\r\nContent-Length: 9999999999\r\n\r\n", b"501"),
        (b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03" + b"\x00\xff" * 200, b""),
        (b"GET / HTTP/9.9\r\n\r\n", b""),
        (b"\xff\xfe\r\n\r\n", b""),
        (b"GET /" + b"a" * 10 * REQUEST_MAX_BYTES, b""),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 50_000, b""),
        (b"GET / HTTP/1.1\r\na: " + b"b" * 10 * REQUEST_MAX_BYTES, b""),
        (b"", b""),
        (b"\r\n" * 1000, b""),
    ],
)
def test_any_request_is_answered_or_hung_up_on_and_the_next_client_is_served(
    port: Port, request_: bytes, status: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = said(port.number, request_)
    assert status in answer[:40]
    assert len(answer) < 4 * REQUEST_MAX_BYTES
    assert is_answering(port)
    assert capfd.readouterr().err == ""


def test_clients_who_say_nothing_or_little_do_not_keep_others_out(port: Port) -> None:
    threads = threading.active_count()
    slow = [socket.create_connection(("127.0.0.1", port.number), 20) for _ in range(4 * MOST_AT_ONCE)]
    try:
        for client in slow[::2]:
            client.send(b"GET /l")
        assert is_answering(port)
        wait_until(
            lambda: threading.active_count() <= threads + MOST_AT_ONCE + 2, "the threads of those hung up on to end"
        )
        assert is_answering(port)
    finally:
        for client in slow:
            client.close()


def test_a_client_who_takes_too_long_is_hung_up_on(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processor.http_port.PATIENCE_S", 0.0)
    with socket.create_connection(("127.0.0.1", port.number), 20) as client:
        client.send(b"GET /livez HTT")
        while client.recv(1000):  # raises TimeoutError where nobody hangs up
            pass


def test_an_answer_that_fails_is_told_and_the_port_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    failures = iter([KeyError("x")])

    def answer(path: str) -> tuple[HTTPStatus, str, bytes]:
        for failure in failures:
            raise failure
        return HTTPStatus.OK, "text/plain", BODY + path.encode()

    port = Port("127.0.0.1", 0, answer)
    port.begin()
    try:
        assert said(port.number, b"GET / HTTP/1.0\r\n\r\n") == b""
        assert is_answering(port)
    finally:
        port.end()
    assert "could not be answered" in caplog.text
