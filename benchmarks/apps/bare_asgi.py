"""Bare ASGI functions, one for each workload: no router, no framework, nothing between the server and the answer."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from benchmarks.apps.greetings import Card, Greeting, Phrasebook
from benchmarks.apps.orders import Order
from benchmarks.apps.payloads import (
    AREAS,
    CHUNK,
    CHUNKS,
    EVENT_BYTES,
    HELLO_EVENT,
    LARGE_FILE_MIB,
    LAYERS,
    MESSAGE,
    MIB,
    PLAINTEXT,
    large_file,
    served_file,
)

Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

PLAIN_BODY = PLAINTEXT.encode()
PLAIN_TYPE = (b"content-type", b"text/plain; charset=utf-8")
PLAIN_HEADERS = [PLAIN_TYPE, (b"content-length", b"%d" % len(PLAIN_BODY))]
JSON_TYPE = (b"content-type", b"application/json")
EVENTS_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
FILE_TYPE = (b"content-type", b"application/octet-stream")
FILE_PART = 64 * 1024

encode = msgspec.json.Encoder().encode
decode_order = msgspec.json.Decoder(Order).decode


class Starter:
    """Starts a burst for all who wait. Counts the starts, so that nobody misses one between two waits."""

    def __init__(self) -> None:
        self.started = 0
        self.gate = asyncio.Event()

    def start(self) -> None:
        gate, self.gate = self.gate, asyncio.Event()
        self.started += 1
        gate.set()

    async def after(self, seen: int) -> None:
        """Returns once more than `seen` bursts have been started."""
        while self.started <= seen:
            await self.gate.wait()


starter = Starter()


async def plaintext(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": PLAIN_HEADERS})
    await send({"type": "http.response.body", "body": PLAIN_BODY})


async def json(scope: Scope, receive: Receive, send: Send) -> None:
    body = encode(MESSAGE)
    await send({"type": "http.response.start", "status": 200, "headers": [JSON_TYPE, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [PLAIN_TYPE]})
    for _ in range(CHUNKS):
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    size = 0
    more = True
    while more:
        event = await receive()
        size += len(event.get("body", b""))
        more = event.get("more_body", False)
    body = b"%d" % size
    await send({"type": "http.response.start", "status": 200, "headers": [PLAIN_TYPE, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def send_file(path: Path, size: int, scope: Scope, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [FILE_TYPE, (b"content-length", b"%d" % size)]})
    if "http.response.pathsend" in (scope.get("extensions") or {}):
        await send({"type": "http.response.pathsend", "path": str(path)})
        return
    # Blocking reads on the loop: a careful application would not, but it is the cheapest way. The reference is meant to be hard to beat.
    with path.open("rb", buffering=0) as opened:
        while part := opened.read(FILE_PART):
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def file(scope: Scope, receive: Receive, send: Send) -> None:
    await send_file(served_file(), MIB, scope, send)


async def file_large(scope: Scope, receive: Receive, send: Send) -> None:
    await send_file(large_file(), LARGE_FILE_MIB * MIB, scope, send)


async def echo_text(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})


async def echo_bytes(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": event["bytes"]})


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/burst":
        starter.start()
        await plaintext(scope, receive, send)
        return
    seen = starter.started
    await send({"type": "http.response.start", "status": 200, "headers": EVENTS_HEADERS})
    await send({"type": "http.response.body", "body": b"data: %s\n\n" % HELLO_EVENT.encode(), "more_body": True})
    while True:
        await starter.after(seen)
        seen += 1
        for event in EVENT_BYTES:
            await send({"type": "http.response.body", "body": event, "more_body": True})


async def answer(send: Send, value: object) -> None:
    body = encode(value)
    await send({"type": "http.response.start", "status": 200, "headers": [JSON_TYPE, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def params(scope: Scope, receive: Receive, send: Send) -> None:
    _, _, room, _, id = scope["path"].split("/")
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    await answer(send, {"room": room, "id": int(id), "q": query.get("q")})


async def validate(scope: Scope, receive: Receive, send: Send) -> None:
    event = await receive()
    data = event["body"]
    while event.get("more_body", False):
        event = await receive()
        data += event["body"]
    await answer(send, decode_order(data))


phrasebook = Phrasebook()


async def make_greeting() -> Greeting:
    return Greeting(phrasebook)


async def make_card() -> Card:
    return Card(await make_greeting())


async def dependencies(scope: Scope, receive: Receive, send: Send) -> None:
    card = await make_card()
    await answer(send, card.content)


def layer(app: Application) -> Application:
    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)

    return wrapped


middleware: Application = json
for _ in range(LAYERS):
    middleware = layer(middleware)

areas = {f"area{number}": number for number in range(1, AREAS + 1)}


async def routes(scope: Scope, receive: Receive, send: Send) -> None:
    _, area, id = scope["path"].split("/")
    await answer(send, {"area": areas[area], "id": int(id)})
