"""Floods of tiny WebSocket frames over real sockets: everybody else is served meanwhile, memory stays bounded, nothing is lost."""

import gc
import os
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from anyio.abc import SocketAttribute

from pagi.testing import TestClient
from pagi.testing.line import MemoryLine
from tests.server.conftest import Lines
from tests.server.live import GET, GRANTED, Peer, eventually, served
from tests.server.wire.client_frames import BINARY, CONTINUATION, FIN, KIB, MIB, PING, PONG, TEXT, close, frame

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

READ = 256 * KIB
"""The most that a transport reads at once."""
GOOD = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
HELD_SECONDS = 0.1
"""What may be computed while a plain GET waits, all together: these bytes judged in one turn were 0.2 to 0.5 s."""


class Sink:
    """Takes what comes, once it may; answers plain requests."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.texts: list[str] = []
        self.ends: list[tuple[int, str]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
            await send({"type": "http.response.body", "body": b"ok"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        await self.go.wait()
        while (event := await receive())["type"] == "websocket.receive":
            self.texts.append(event.get("text", ""))
        self.ends.append((event["code"], event["reason"]))


async def opened(peer: Peer) -> None:
    await peer.send(GOOD)
    await peer.until(b"\r\n\r\n")


def many(piece: bytes, size: int = READ) -> bytes:
    return piece * (size // len(piece))


def pour(peer: Peer, data: bytes) -> bytes:
    """Sends what the kernel takes at once, so that the server finds much to read. Returns the rest."""
    return data[os.write(peer.stream.extra(SocketAttribute.raw_socket).fileno(), data) :]


async def longest_hold(peer: Peer, is_over: Callable[[], bool]) -> float:
    """The most that this thread, server and clients, computed while one GET waited for its answer."""
    longest = 0.0
    # A full collection looks at everything the whole test run has left: that is not the server's time.
    gc.disable()
    try:
        while not is_over():
            began = time.thread_time()
            assert (await peer.ask(GET)).body == b"ok"
            longest = max(longest, time.thread_time() - began)
    finally:
        gc.enable()
    return longest


FLOODS: dict[str, bytes] = {
    "pings": many(frame(FIN | PING)),
    "pongs": many(frame(FIN | PONG)),
    "messages": many(frame(FIN | TEXT)),
    "fragments": frame(TEXT) + many(frame(CONTINUATION)) + frame(FIN | CONTINUATION),
    "pings inside a message": frame(TEXT) + many(frame(FIN | PING)) + frame(FIN | CONTINUATION),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_others_are_served_during_a_flood(name: str, framing: str) -> None:
    app = Sink()
    app.go.set()
    async with served(app) as server, server.peer() as peer, server.peer() as beside:
        await opened(peer)
        await beside.ask(GET)
        flood = FLOODS[name] + close(1000)
        rest = pour(peer, flood) if framing == "HTTP/1.1" else flood
        async with anyio.create_task_group() as group:
            group.start_soon(peer.send, rest)
            assert await longest_hold(beside, lambda: bool(app.ends)) < HELD_SECONDS
    assert app.ends == [(1000, "")]
    assert len(app.texts) == (len(FLOODS[name]) // 6 if name == "messages" else 0 if name in ("pings", "pongs") else 1)


async def test_a_flood_of_messages_to_a_slow_application_holds_little_memory() -> None:
    app = Sink()
    flood = many(frame(FIN | TEXT), 2 * MIB)
    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        tracemalloc.start()
        try:
            before, _ = tracemalloc.get_traced_memory()
            assert len(pour(peer, flood)) < len(flood) - READ
            tracemalloc.reset_peak()
            await anyio.sleep(0.3)
            # Two copies of one read, and 1,024 messages: 40,000 messages were over 10 MB.
            assert tracemalloc.get_traced_memory()[1] - before < 1.5 * MIB
        finally:
            tracemalloc.stop()
        app.go.set()


async def test_messages_before_a_close_are_all_delivered_and_in_order() -> None:
    app = Sink()
    numbers = [str(number) for number in range(20_000)]
    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        async with anyio.create_task_group() as group:
            group.start_soon(peer.send, b"".join(frame(FIN | TEXT, number.encode()) for number in numbers) + close(4000, b"done"))
            await anyio.sleep(0.1)
            app.go.set()
        await eventually(lambda: bool(app.ends))
    assert app.texts == numbers
    assert app.ends == [(4000, "done")]


async def test_messages_before_the_end_of_input_are_all_delivered() -> None:
    app = Sink()
    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        await peer.send(frame(FIN | TEXT, b"a") * 5000)
        await peer.end_input()
        await anyio.sleep(0.05)
        app.go.set()
        await eventually(lambda: bool(app.ends))
    assert len(app.texts) == 5000
    assert app.ends == [(1006, "client_closed")]


@pytest.mark.http1
async def test_bytes_that_came_with_the_handshake_are_read_in_turns_too() -> None:
    app = Sink()
    app.go.set()
    async with served(app) as server, server.peer() as peer:
        await peer.send(GOOD + frame(FIN | TEXT, b"a") * 5000)
        await peer.end_input()
        await eventually(lambda: bool(app.ends))
    assert len(app.texts) == 5000


async def test_a_fault_behind_a_flood_closes_with_its_code(log: Lines) -> None:
    app = Sink()
    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        await peer.send(frame(FIN | TEXT, b"a") * 5000 + frame(FIN | 3))
        app.go.set()
        assert (await peer.rest())[2:4] == (1002).to_bytes(2, "big")
        await eventually(lambda: bool(app.ends))
    assert len(app.texts) == 5000
    assert log.errors == []


async def test_the_peers_close_is_heard_behind_a_flood_that_the_application_left(log: Lines, framing: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await anyio.sleep(0.1)
        await send({"type": "websocket.close", "code": 4001})

    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        await peer.send(frame(FIN | TEXT, b"a") * 20_000)
        assert (await peer.until(b"\x0f\xa1"))[-4:-2] == b"\x88\x02"
        await peer.send(frame(FIN | BINARY, b"late") + close(4001))
        assert await peer.rest() == b""
        await eventually(lambda: bool(log.access))
    assert f" {GRANTED[framing]} " in log.access[0]
    assert "client_timeout" not in log.access[0]


async def test_a_reset_behind_a_flood_ends_the_session() -> None:
    app = Sink()
    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        await peer.send(frame(FIN | TEXT, b"a") * 5000)
        await peer.reset()
        app.go.set()
        await eventually(lambda: bool(app.ends))
    assert app.ends[0][0] == 1006


async def a_line_that_reads_on(monkeypatch: pytest.MonkeyPatch, last: bytes) -> tuple[Sink, bytes]:
    """What comes of a flood in three reads and the end of input, on a line where pausing comes too late for all of them."""

    def pause_too_late(line: MemoryLine) -> None:
        del line

    monkeypatch.setattr(MemoryLine, "pause_reading", pause_too_late)
    app = Sink()
    async with TestClient(app, lifespan="off") as client:
        wire = client.connect()
        await wire.send(GOOD)
        await wire.receive_until(b"\r\n\r\n")
        for letter in b"abc":
            await wire.send(frame(FIN | TEXT, bytes([letter])) * 2000)
        await wire.send(last)
        wire.eof()
        await anyio.sleep(0.01)
        app.go.set()
        said = await wire.receive_rest()
        await eventually(lambda: bool(app.ends))
    return app, said


async def test_reads_that_were_on_their_way_when_reading_paused_are_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    app, said = await a_line_that_reads_on(monkeypatch, frame(FIN | PING))
    assert app.texts == ["a"] * 2000 + ["b"] * 2000 + ["c"] * 2000
    assert app.ends == [(1006, "client_closed")]
    assert said == b"\x8a\x00"


async def test_a_close_before_an_end_of_input_that_came_too_early_is_heard_and_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    app, said = await a_line_that_reads_on(monkeypatch, close(4000, b"done"))
    assert len(app.texts) == 6000
    assert app.ends == [(4000, "done")]
    assert said == b"\x88\x06\x0f\xa0done"


@pytest.mark.parametrize("data", [b"\xff\xff", b"\x89\xfe", b"\x81\x7e"], ids=["all bits set", "a long ping", "an unmasked text"])
async def test_two_bytes_are_enough_to_refuse_a_frame(data: bytes) -> None:
    app = Sink()
    app.go.set()
    async with served(app) as server, server.peer() as peer:
        await opened(peer)
        await peer.send(data)
        assert (await peer.rest())[2:4] == (1002).to_bytes(2, "big")
