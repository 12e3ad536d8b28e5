"""Deadlines on a clock that stands still: which of them count when, that 0 is none, and that nobody's work is cut for being long."""

from typing import Any

import anyio
import pytest

from pagi.gateway import app as pagi_app
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio

LONG = 300.0
"""Longer than any deadline is by default."""
NONE: dict[str, Any] = dict.fromkeys(
    (
        "head_seconds",
        "keep_alive_seconds",
        "body_stall_seconds",
        "write_stall_seconds",
        "ws_idle_seconds",
        "ws_ping_interval_seconds",
        "sse_idle_seconds",
        "sse_keepalive_seconds",
    ),
    0,
)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
WISH = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)


@pagi_app
async def patient(scope: Any, receive: Any, send: Any) -> None:
    """Reads what there is to read, and stays where there is something to stay for."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
    elif scope["type"] == "sse":
        await send({"type": "sse.start"})
        await receive()
        await receive()
    else:
        more = True
        while more:
            more = (await receive()).get("more_body", False)
        send.full(200, [], b"at last")


STALLS: dict[str, bytes] = {
    "nothing": b"",
    "half a head": GET[:10],
    "half a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello",
    "an idle connection": GET,
    "a quiet event stream": WISH,
    "a quiet WebSocket": UPGRADE,
}


@pytest.mark.parametrize("name", STALLS)
async def test_a_deadline_of_0_is_none(name: str) -> None:
    async with TestClient(patient, lifespan="off", virtual_clock=True, **NONE) as client:
        wire = client.connect()
        if STALLS[name]:
            await wire.send(STALLS[name])
        await client.advance(LONG)
        assert not wire.is_closed
        wire.close()


@pytest.mark.parametrize("name", ["nothing", "half a head", "half a body", "an idle connection"])
async def test_by_default_nobody_may_stand_still_for_ever(name: str) -> None:
    async with TestClient(patient, lifespan="off", virtual_clock=True) as client:
        wire = client.connect()
        if STALLS[name]:
            await wire.send(STALLS[name])
        await client.advance(31)
        await wire.receive_rest()
        assert wire.is_closed


@pytest.mark.parametrize("request_", [GET, STALLS["half a body"] + b"world"], ids=["a GET", "a POST"])
async def test_no_deadline_cuts_a_handler_that_takes_its_time(request_: bytes) -> None:
    """The idle timeout of the original runs while a request is handled, and cut off what took longer than 60 s."""
    go = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body", False):
            pass
        await go.wait()
        send.full(200, [], b"at last")

    async with TestClient(app, lifespan="off", virtual_clock=True) as client:
        wire = client.connect()
        await wire.send(request_)
        await client.advance(LONG)
        assert not wire.is_closed
        go.set()
        assert (await wire.receive_until(b"at last")).startswith(b"HTTP/1.1 200")


async def test_a_byte_now_and_then_does_not_put_the_end_of_a_head_off() -> None:
    """In the original a byte every 59 s kept a connection for ever."""
    async with TestClient(patient, lifespan="off", virtual_clock=True) as client:
        wire = client.connect()
        for byte in GET[:9]:
            await wire.send(bytes([byte]))
            await client.advance(1)
        assert not wire.is_closed
        await client.advance(1.5)
        assert (await wire.receive_rest()).startswith(b"HTTP/1.1 408")


async def test_events_put_the_idle_limit_of_a_stream_off() -> None:
    more = anyio.Event()

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal more
        await send({"type": "sse.start"})
        while True:
            await more.wait()
            more = anyio.Event()
            await send({"type": "sse.send", "data": "tick"})

    async with TestClient(app, lifespan="off", virtual_clock=True, sse_idle_seconds=30) as client:
        wire = client.connect()
        await wire.send(WISH)
        for _ in range(3):
            await client.advance(29)
            more.set()
            assert (await wire.receive_until(b"data: tick\n\n")).endswith(b"tick\n\n")
        await client.advance(31)
        await wire.receive_rest()
        assert wire.is_closed
        more.set()  # the next event finds nobody
