"""The server under lint: it keeps the agreement itself, and an application that does not is told so where it counts."""

from typing import Any

import pytest
import wsproto.events

from pagi.gateway import app as pagi_app
from tests.server.conftest import Lines
from tests.server.live import GET, eventually, served

pytestmark = pytest.mark.anyio

UPLOAD = b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
FEED = b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"


@pagi_app
async def everything(scope: Any, receive: Any, send: Any) -> None:
    """An application of all kinds that does nothing wrong."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event["text"]})
    elif scope["type"] == "sse":
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "x"})
    else:
        size = 0
        more = True
        while more:
            event = await receive()
            size, more = size + len(event["body"]), event["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"%d" % size})


async def test_the_server_itself_keeps_the_agreement(log: Lines) -> None:
    async with served(everything, lint=True, lifespan="on") as server:
        assert (await server.ask()).body == b"0"
        assert (await server.ask(UPLOAD)).body == b"200000"
        assert b"data: x" in (await server.ask(FEED)).body
        async with server.websocket() as session:
            await session.send(wsproto.events.TextMessage("hi"))
            assert getattr(await session.next(), "data", None) == "hi"
            await session.send(wsproto.events.CloseConnection(1000))
            await session.next()
        await eventually(lambda: len(log.access) == 4)
    assert log.errors == []


async def unfinished(scope: Any, receive: Any, send: Any) -> None:
    """Sends `websocket` events on http, and swallows what it is told."""
    try:
        await send({"type": "http.response.start", "status": 200, "headers": [("x-a", b"1")]})
    except Exception:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})


async def test_an_application_that_swallowed_what_it_was_told_stands_in_the_log(log: Lines) -> None:
    async with served(unfinished, lint=True) as server:
        assert (await server.ask()).body == b"hello"
    assert "the application failed after its answer was complete <- LintError" in log.errors[0]
    assert "a header must be a pair of bytes, got ('x-a', b'1')" in log.errors[0]


async def test_an_answer_that_is_missing_is_500_with_the_reason_in_the_log(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()

    async with served(app, lint=True) as server:
        assert (await server.ask()).status == 500
    assert "the application returned, and nothing was sent yet; http.response.start is missing" in log.errors[0]


async def test_a_client_that_left_is_nobodys_mistake(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await scope["pagi.connection"].disconnected()

    async with served(app, lint=True) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.reset()
        await eventually(lambda: bool(log.access))
    assert log.errors == []


async def test_without_lint_nothing_is_in_between() -> None:
    kept: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        kept.append(hasattr(send, "full"))
        send.full(200, [], b"")

    async with served(app) as server:
        await server.ask()
    assert kept == [True]
