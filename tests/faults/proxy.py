"""The network between two processes, in our hands: TCP gates that pass everything on, nothing, or refuse it.

A gate can also look for a Kafka request and act in the moment when it passes: that is how a fault falls into the middle of a
commit. All gates live in one thread; their methods may be called from any other.
"""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from enum import IntEnum
from typing import Any, Self

_CHUNK = 65_536


class Request(IntEnum):
    """The API keys of Kafka's requests that a commit consists of (https://kafka.apache.org/protocol#protocol_api_keys)."""

    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


COMMIT = (Request.TXN_OFFSET_COMMIT, Request.END_TXN)


class Watch:
    """Acts once, when one of some requests passes; `held`: before it goes on to the broker, else just after."""

    def __init__(self, wanted: Sequence[Request], act: Callable[[int], None], *, held: bool) -> None:
        """`act` gets the port of the broker that the request is for. It runs in the gates' thread and must not wait."""
        self._wanted = frozenset(int(each) for each in wanted)
        self._act = act
        self.held = held
        self.has_acted = False

    def wants(self, keys: Sequence[int]) -> bool:
        return not self.has_acted and not self._wanted.isdisjoint(keys)

    def act(self, target: int) -> None:
        self.has_acted = True
        self._act(target)


class Requests:
    """Which requests begin in a stream of bytes: each has its size (4 bytes) and its API key (2) before all else."""

    def __init__(self) -> None:
        self._left = 0
        self._head = b""

    def begun(self, data: bytes) -> list[int]:
        keys, at = [], 0
        while at < len(data):
            if self._left:
                passed = min(self._left, len(data) - at)
                self._left -= passed
                at += passed
                continue
            taken = data[at : at + 6 - len(self._head)]
            self._head += taken
            at += len(taken)
            if len(self._head) == 6:
                self._left = int.from_bytes(self._head[:4], "big") - 2
                keys.append(int.from_bytes(self._head[4:], "big"))
                self._head = b""
        return keys


class Gate:
    """A port of this machine that leads to another one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: int, target: int) -> None:
        self.port = port
        self.target = target
        self.watch: Watch | None = None
        self._loop = loop
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def open(self) -> None:
        """Everything passes; what was held back goes on."""
        self._run(self._open())

    def silence(self) -> None:
        """Connections stay and new ones are taken, but nothing passes in either direction."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def refuse(self) -> None:
        """Connections are reset, and new ones refused."""
        self._run(self._refuse())

    def silence_here(self) -> None:
        """As `silence`, for who is in the gates' thread already."""
        self._passes.clear()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self) -> None:
        self._passes.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            await self._passes.wait()
            with suppress(OSError):
                answers, onward = await asyncio.open_connection("127.0.0.1", self.target)
                self._writers.add(onward)
                pumps = [
                    asyncio.ensure_future(self._pump(reader, onward, Requests())),
                    asyncio.ensure_future(self._pump(answers, writer, None)),
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)
        except asyncio.CancelledError:
            pass  # the campaign is over
        finally:
            for each in (writer, onward):
                if each is not None:
                    self._writers.discard(each)
                    each.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, requests: Requests | None
    ) -> None:
        while data := await reader.read(_CHUNK):
            keys, watch = requests.begun(data) if requests is not None else [], self.watch
            if watch is not None and not watch.wants(keys):
                watch = None
            if watch is not None and watch.held:
                watch.act(self.target)
            await self._passes.wait()
            writer.write(data)
            await writer.drain()
            if watch is not None and not watch.held:
                watch.act(self.target)


class Proxy:
    """The thread that all gates live in. Used as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._gates: list[Gate] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for gate in self._gates:
            gate.refuse()
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def gate(self, port: int, target: int) -> Gate:
        """A gate at `port` that leads to `target`, open."""
        gate = Gate(self._loop, port, target)
        gate.open()
        self._gates.append(gate)
        return gate


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):  # the loop closes what was aborted before it comes back here
        await asyncio.sleep(0)


def free_ports(count: int) -> list[int]:
    """Ports below the range for outgoing connections: nobody takes one while its gate refuses."""
    found: list[int] = []
    candidate = 21_000 + _start()
    while len(found) < count:
        candidate = 20_000 + (candidate + 1 - 20_000) % 12_000
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        found.append(candidate)
    return found


def _start() -> int:
    with socket.socket() as probe:  # a number that differs from process to process
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1]) % 10_000
