"""The verbs of `TestClient` for an example that is served: one test asks the application in memory and on every server."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anyio
import httpx2
from httpx2.websockets import AsyncWebSocketSession, WebSocketUpgradeError

from pagi import App
from pagi.http.event_stream import Decoder, ReceivedEvent
from pagi.testing import TestClient
from tests.conftest import BACKENDS
from tests.examples.servers import EVERY, ExampleServer

PATIENCE_SECONDS = 30.0


class ServedStream:
    """An open event stream."""

    def __init__(self, response: httpx2.Response) -> None:
        self.headers = response.headers
        self._decoder = Decoder()
        self._chunks: AsyncIterator[bytes] = response.aiter_bytes()
        self._events: list[ReceivedEvent] = []

    async def receive(self) -> ReceivedEvent:
        """The next event.

        Raises:
            StopAsyncIteration: the stream ended.
            TimeoutError: it went on without one.
        """
        with anyio.fail_after(PATIENCE_SECONDS):
            while not self._events:
                self._events += self._decoder.feed(await anext(self._chunks))
        return self._events.pop(0)


class ServedClient:
    """One visitor of a server, who keeps cookies as a browser does. It lacks what only the test client can do, as `overrides`."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.AsyncClient(base_url=url, timeout=PATIENCE_SECONDS)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def request(self, method: str, path: str, **parts: Any) -> httpx2.Response:
        """As `TestClient.request`."""
        return await self._client.request(method, path, **parts)

    async def get(self, path: str, **parts: Any) -> httpx2.Response:
        """As `TestClient.get`."""
        return await self.request("GET", path, **parts)

    async def head(self, path: str, **parts: Any) -> httpx2.Response:
        """As `TestClient.head`."""
        return await self.request("HEAD", path, **parts)

    async def options(self, path: str, **parts: Any) -> httpx2.Response:
        """As `TestClient.options`."""
        return await self.request("OPTIONS", path, **parts)

    async def post(self, path: str, **parts: Any) -> httpx2.Response:
        """As `TestClient.post`."""
        return await self.request("POST", path, **parts)

    async def delete(self, path: str, **parts: Any) -> httpx2.Response:
        """As `TestClient.delete`."""
        return await self.request("DELETE", path, **parts)

    @asynccontextmanager
    async def sse(self, path: str, *, last_event_id: str | None = None) -> AsyncGenerator[ServedStream]:
        """As `TestClient.sse`."""
        headers = {"accept": "text/event-stream", **({"last-event-id": last_event_id} if last_event_id else {})}
        async with self._client.stream("GET", path, headers=headers) as response:
            assert (response.status_code, response.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
            yield ServedStream(response)

    @asynccontextmanager
    async def websocket(
        self, path: str, *, subprotocols: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[AsyncWebSocketSession]:
        """As `TestClient.websocket`."""
        async with self._client.websocket(path, subprotocols=list(subprotocols) or None, headers=dict(headers or {})) as session:
            yield session

    async def websocket_denial(self, path: str, *, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        """As `TestClient.websocket_denial`. The body is not read."""
        try:
            async with self.websocket(path, headers=headers):
                raise AssertionError(f"the WebSocket at {path} was accepted, not denied")
        except WebSocketUpgradeError as denied:
            return denied.response


class Place:
    """Where an application is asked, and the loop of who asks. Entered, it may be asked; left, no server runs any more.

    Args:
        server: a name of `EVERY`; None: in memory, by the test client.
        loop: a name of `BACKENDS`.
        example: a folder of `examples/`.
        environment: variables of a server.
    """

    def __init__(self, server: str | None, loop: str, example: str, environment: Mapping[str, str] | None = None) -> None:
        self.backend = loop, BACKENDS[loop]
        """What the fixture `anyio_backend` gives here."""
        self.server = ExampleServer(server, example, environment=environment) if server is not None else None

    def client(self, app: App, **options: Any) -> "TestClient | ServedClient":
        """What `TestClient(app)` means here: an application of its own in memory, or the one that is served."""
        return TestClient(app, **options) if self.server is None else ServedClient(self.server.url, **options)

    def __enter__(self) -> Self:
        if self.server is not None:
            self.server.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.server is not None:
            self.server.stop()


IN_MEMORY: dict[str, tuple[str | None, str]] = {f"memory-{loop}": (None, loop) for loop in BACKENDS}
PLACES = {**IN_MEMORY, **{server: (server, "asyncio") for server in EVERY}}
"""The first arguments of a `Place`. A server has a loop of its own, so there that of the client does not matter."""
