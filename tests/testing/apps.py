"""Small raw applications that the test client's own tests talk to."""

from typing import Any

import anyio
import msgspec

import pagi.gateway
from pagi.gateway.types import Message, Receive, Scope, Send


async def answer(send: Send, status: int, body: bytes, content_type: bytes = b"text/plain; charset=utf-8") -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        event: Any = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            return body


async def describe(scope: Scope, receive: Receive, send: Send) -> None:
    """A plain ASGI application without a lifespan: answers with what it was asked."""
    assert scope["type"] == "http"
    told: dict[str, Any] = {
        "method": scope["method"],
        "path": scope["path"],
        "root_path": scope["root_path"],
        "query": scope["query_string"].decode(),
        "scheme": scope["scheme"],
        "client": scope["client"],
        "server": scope["server"],
        "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]],
        "body": (await body_of(receive)).decode(),
    }
    await answer(send, 200, msgspec.json.encode(told), b"application/json")


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    """Streams pieces of 1,000 bytes until the client leaves. `state["sent"]` counts what `send` took."""
    if scope["type"] == "lifespan":
        await receive()
        scope["state"]["log"] = []
        scope["state"]["sent"] = [0]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
            scope["state"]["sent"][0] += 1000
            await anyio.sleep(0)
    except OSError:
        scope["state"]["log"].append(scope["pagi.connection"].disconnect_reason)
        raise


@pagi.gateway.app
async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Echoes WebSocket messages; `/denied` is denied, `/left` ends with 4000, `/broken` fails."""
    assert scope["type"] == "websocket"
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/denied":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]})
        await send({"type": "websocket.http.response.body", "body": b"who are you?"})
        return
    offered = scope["subprotocols"]
    await send({"type": "websocket.accept", "subprotocol": offered[-1] if offered else None, "headers": [(b"x-kind", b"echo")]})
    if scope["path"] == "/left":
        await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        return
    while True:
        event: Message = await receive()
        if event["type"] == "websocket.disconnect":
            seen.append((event["code"], event["reason"]))
            return
        if scope["path"] == "/broken":
            raise ValueError("broken echo")
        await send({"type": "websocket.send", **{key: event[key] for key in ("text", "bytes") if event.get(key) is not None}})


seen: list[tuple[int, str]] = []
"""How `echo`'s sessions ended."""


@pagi.gateway.app
async def ticker(scope: Any, receive: Any, send: Any) -> None:
    """Three ticks by SSE, or for ever on `/forever`; `/no` is declined, `/cut` fails after the first; http gets text."""
    if scope["type"] == "http":
        await answer(send, 406, b"only a stream")
        return
    assert scope["type"] == "sse"
    since = next((int(value) for name, value in scope["headers"] if name == b"last-event-id"), 0)
    if scope["path"] == "/no":
        await send({"type": "sse.http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "sse.http.response.body", "body": b"not you"})
        return
    await send({"type": "sse.start", "headers": []})
    n = since
    while scope["path"] == "/forever" or n < since + 3:
        n += 1
        await send({"type": "sse.send", "event": "tick", "data": msgspec.json.encode({"n": n}).decode(), "id": str(n), "retry": 1500})
        if scope["path"] == "/cut":
            raise ValueError("no more ticks")
        if scope["path"] == "/forever":
            await anyio.sleep(0.005)
