"""What the drills are run against: a raw application of every kind. Started as a file by `pagi run`, so it imports only pagi."""

import json
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from pagi.gateway import app as pagi_app

CHUNK = b"x" * 65_536
TRANSPORTS: list[Any] = []
"""Of the streams that run."""

TOLD: list[MemoryObjectSendStream[Any]] = []
"""Where WebSockets that heard the closing signal leave their `send`."""


async def answer(send: Any, body: bytes) -> None:
    """A whole plain answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """A WebSocket that says what it hears. An idle one holds no task and no scope but its own exchange's."""
    await receive()
    await send({"type": "websocket.accept"})
    scope["pagi.connection"].on_closing(partial(leave_word, send))
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


def leave_word(send: Any, deadline: float) -> None:
    """The closing signal, as a callback."""
    TOLD[0].send_nowait(send)


async def close_websockets(told: MemoryObjectReceiveStream[Any]) -> None:
    """One task that ends all WebSockets which heard the closing signal."""
    async for send in told:
        with suppress(OSError):
            await send({"type": "websocket.close", "code": 1001, "reason": "server_shutdown"})


async def ticks(scope: Any, receive: Any, send: Any) -> None:
    """An event stream that says one word, and another when the server closes."""
    await send({"type": "sse.start"})
    await send({"type": "sse.send", "data": "hello"})
    await scope["pagi.connection"].closing()
    await send({"type": "sse.send", "data": "server_shutdown", "event": "end"})
    await send({"type": "sse.close"})


async def stream(scope: Any, send: Any) -> None:
    """A stream without end, that ends when the server closes."""
    TRANSPORTS.append(scope["pagi.transport"])
    handle = scope["pagi.connection"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not handle.is_closing:
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b"the end"})


async def upload(receive: Any, send: Any) -> None:
    """Takes a body with a pause after every 32 pieces."""
    size = pieces = 0
    more = True
    while more:
        event = await receive()
        size += len(event["body"])
        more = event["more_body"]
        pieces += 1
        if pieces % 32 == 0:
            await anyio.sleep(0.005)
    await answer(send, b"%d" % size)


async def live(receive: Any, send: Any) -> None:
    """The lifespan."""
    await receive()
    telling, told = anyio.create_memory_object_stream[Any](20_000)
    TOLD.append(telling)
    async with anyio.create_task_group() as group:
        group.start_soon(close_websockets, told)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        telling.close()
    told.close()
    await send({"type": "lifespan.shutdown.complete"})


@pagi_app
async def app(scope: Any, receive: Any, send: Any) -> None:
    """All of it, by kind and path."""
    if scope["type"] == "lifespan":
        await live(receive, send)
    elif scope["type"] == "websocket":
        await echo(scope, receive, send)
    elif scope["type"] == "sse":
        await ticks(scope, receive, send)
    elif scope["path"] == "/stream":
        await stream(scope, send)
    elif scope["path"] == "/upload":
        await upload(receive, send)
    elif scope["path"] == "/buffered":
        await answer(send, json.dumps([transport.buffered_amount for transport in TRANSPORTS]).encode())
    else:
        await answer(send, b"hello")
