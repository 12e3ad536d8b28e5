"""A recorded ASGI server: what it will say, what it was sent, and when it breaks."""

from collections import deque
from typing import Any

import anyio
import anyio.lowlevel

from pagi.gateway.types import AnyApp, Message, Scope


def http_scope(**changes: Any) -> Scope:
    """A scope as small as ASGI allows."""
    scope: Scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "path": "/", "headers": []}
    scope.update(changes)
    return scope


def websocket_scope(**changes: Any) -> Scope:
    """The same for a WebSocket."""
    scope: Scope = {"type": "websocket", "asgi": {"version": "3.0"}, "http_version": "1.1", "path": "/", "headers": []}
    scope.update(changes)
    return scope


class ForeignServer:
    """Says `inbox` and then waits, for `say`. `fails_from` is the number of the first send that finds the client gone."""

    def __init__(self, *inbox: Message, fails_from: int | None = None) -> None:
        self.inbox = deque(inbox)
        self.sent: list[Message] = []
        self.receives = 0
        self.concurrent_receives = 0
        self.fails_from = fails_from
        self.failures = 0
        self._arrival = anyio.Event()

    def say(self, event: Message) -> None:
        self.inbox.append(event)
        self._arrival.set()

    async def receive(self) -> Message:
        self.receives += 1
        self.concurrent_receives += 1
        assert self.concurrent_receives == 1, "two receives at once"
        try:
            while not self.inbox:
                self._arrival = anyio.Event()
                await self._arrival.wait()
            await anyio.lowlevel.checkpoint()
            return self.inbox.popleft()
        finally:
            self.concurrent_receives -= 1

    async def send(self, event: Message) -> None:
        await anyio.lowlevel.checkpoint()
        if self.fails_from is not None and len(self.sent) + 1 >= self.fails_from:
            self.failures += 1
            raise OSError("gone")
        self.sent.append(event)

    async def run(self, app: AnyApp, scope: Scope) -> None:
        with anyio.fail_after(20):
            await app(scope, self.receive, self.send)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.sent]

    @property
    def body(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.sent if event["type"] == "http.response.body")


EMPTY_REQUEST: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}
