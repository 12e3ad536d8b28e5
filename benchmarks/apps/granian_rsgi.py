"""The same workloads as bare functions of RSGI, granian's own interface."""

from collections.abc import AsyncIterator
from typing import Any, Protocol, TypeAlias

import msgspec

from benchmarks.apps.bare_asgi import Starter
from benchmarks.apps.payloads import (
    CHUNK,
    CHUNKS,
    EVENT_BYTES,
    HELLO_EVENT,
    LARGE_FILE_MIB,
    MESSAGE,
    MIB,
    PLAINTEXT,
    large_file,
    served_file,
)

Headers: TypeAlias = list[tuple[str, str]]

PLAIN_HEADERS = [("content-type", "text/plain; charset=utf-8")]
JSON_HEADERS = [("content-type", "application/json")]
EVENTS_HEADERS = [("content-type", "text/event-stream"), ("cache-control", "no-cache")]
FILE_HEADERS = [("content-type", "application/octet-stream"), ("content-length", str(MIB))]
LARGE_FILE_HEADERS = [("content-type", "application/octet-stream"), ("content-length", str(LARGE_FILE_MIB * MIB))]
CLOSED = 0  # WebsocketMessageType.close

encode = msgspec.json.Encoder().encode
starter = Starter()


class Scope(Protocol):
    @property
    def path(self) -> str: ...


class StreamTransport(Protocol):
    async def send_bytes(self, data: bytes) -> None: ...


class HTTPProtocol(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def response_str(self, status: int, headers: Headers, body: str) -> None: ...
    def response_bytes(self, status: int, headers: Headers, body: bytes) -> None: ...
    def response_file(self, status: int, headers: Headers, file: str) -> None: ...
    def response_stream(self, status: int, headers: Headers) -> StreamTransport: ...


class Message(Protocol):
    @property
    def kind(self) -> int: ...
    @property
    def data(self) -> Any: ...


class WebSocketTransport(Protocol):
    async def receive(self) -> Message: ...
    async def send_bytes(self, data: bytes) -> None: ...
    async def send_str(self, data: str) -> None: ...


class WebSocketProtocol(Protocol):
    async def accept(self) -> WebSocketTransport: ...


async def plaintext(scope: Scope, protocol: HTTPProtocol) -> None:
    protocol.response_str(200, PLAIN_HEADERS, PLAINTEXT)


async def json(scope: Scope, protocol: HTTPProtocol) -> None:
    protocol.response_bytes(200, JSON_HEADERS, encode(MESSAGE))


async def stream(scope: Scope, protocol: HTTPProtocol) -> None:
    transport = protocol.response_stream(200, PLAIN_HEADERS)
    for _ in range(CHUNKS):
        await transport.send_bytes(CHUNK)


async def upload(scope: Scope, protocol: HTTPProtocol) -> None:
    size = 0
    async for part in protocol:
        size += len(part)
    protocol.response_str(200, PLAIN_HEADERS, str(size))


async def file(scope: Scope, protocol: HTTPProtocol) -> None:
    protocol.response_file(200, FILE_HEADERS, str(served_file()))


async def file_large(scope: Scope, protocol: HTTPProtocol) -> None:
    protocol.response_file(200, LARGE_FILE_HEADERS, str(large_file()))


async def echo_text(scope: Scope, protocol: WebSocketProtocol) -> None:
    transport = await protocol.accept()
    while (message := await transport.receive()).kind != CLOSED:
        await transport.send_str(message.data)


async def echo_bytes(scope: Scope, protocol: WebSocketProtocol) -> None:
    transport = await protocol.accept()
    while (message := await transport.receive()).kind != CLOSED:
        await transport.send_bytes(message.data)


async def events(scope: Scope, protocol: HTTPProtocol) -> None:
    if scope.path == "/burst":
        starter.start()
        protocol.response_str(200, PLAIN_HEADERS, PLAINTEXT)
        return
    seen = starter.started
    transport = protocol.response_stream(200, EVENTS_HEADERS)
    await transport.send_bytes(b"data: %s\n\n" % HELLO_EVENT.encode())
    while True:
        await starter.after(seen)
        seen += 1
        for event in EVENT_BYTES:
            await transport.send_bytes(event)
