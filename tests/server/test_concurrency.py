"""A bound on what runs at once: past it 503, and whatever ends makes room again."""

from typing import Any

import pytest

from pagi.gateway import app as pagi_app
from tests.server.live import GET, HandshakeDenied, Served, served

pytestmark = pytest.mark.anyio

FEED = b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"


@pagi_app
async def app(scope: Any, receive: Any, send: Any) -> None:
    """Holds on where asked to, until its client leaves; fails where asked to."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
    elif scope["type"] == "sse":
        await send({"type": "sse.start"})
        await scope["pagi.connection"].disconnected()
    elif scope["path"] == "/hold":
        await scope["pagi.connection"].disconnected()
    elif scope["path"] == "/fail":
        raise ZeroDivisionError
    else:
        send.full(200, [], b"hello")


async def has_room(server: Served) -> None:
    """Waits until a request is answered."""
    while (await server.ask()).status != 200:
        pass


async def test_past_the_bound_a_request_is_503_and_told_when_to_come_back() -> None:
    async with served(app, max_exchanges=1) as server, server.peer() as held:
        await held.send(HOLD)
        reply = await server.ask()
        while reply.status == 200:  # the other has not begun yet
            reply = await server.ask()
    assert reply.status == 503
    assert (reply.header(b"retry-after"), reply.header(b"connection")) == (b"5", b"close")
    assert b"1 exchanges run already" in reply.body


@pytest.mark.parametrize("opening", [HOLD, FEED], ids=["request", "stream"])
async def test_what_ends_with_its_client_makes_room(opening: bytes) -> None:
    async with served(app, max_exchanges=1) as server:
        async with server.peer() as held:
            await held.send(opening)
            while (await server.ask()).status == 200:
                pass
            await held.reset()
        await has_room(server)


async def test_a_websocket_counts_and_is_refused_like_any_other() -> None:
    async with served(app, max_exchanges=1) as server:
        async with server.websocket() as session:
            with pytest.raises(HandshakeDenied, match="503"):
                async with server.websocket():
                    pass
            await session.peer.reset()
        await has_room(server)


async def test_answers_and_failures_make_room() -> None:
    async with served(app, max_exchanges=1) as server, server.peer() as peer:
        for _ in range(5):
            assert (await peer.ask()).status == 200
        for _ in range(5):
            assert (await server.ask(b"GET /fail HTTP/1.1\r\nHost: x\r\n\r\n")).status == 500
        assert (await peer.ask()).status == 200


async def test_pipelined_requests_come_one_after_the_other() -> None:
    async with served(app, max_exchanges=1) as server, server.peer() as peer:
        await peer.send(GET * 5)
        assert [(await peer.reply()).status for _ in range(5)] == [200] * 5


async def test_without_a_bound_nothing_is_refused() -> None:
    async with served(app) as server, server.peer() as one, server.peer() as two:
        await one.send(HOLD)
        await two.send(HOLD)
        assert (await server.ask()).status == 200
