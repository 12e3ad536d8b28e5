"""The test client: the server's real connection and exchanges over memory, with nothing between them and the test but bytes."""

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import urlsplit

import anyio

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError, PagiError
from pagi.server.connection import SERVER_FULL, Connection
from pagi.server.exchanges.scope import Peer
from pagi.server.options import server_options
from pagi.server.process.lifespan import Lifespan, StartupFailed
from pagi.testing.event_stream import EventStreamSession, StreamDeclined, is_event_stream
from pagi.testing.exchange import ClientExchange
from pagi.testing.line import MemoryLine, RawConnection
from pagi.testing.reply import Reply, ReplyHead, StreamedReply
from pagi.testing.request import HeadersInput, OutgoingRequest, ParamsInput, RequestParts, header_list, target_of
from pagi.testing.runtime import HostedRuntime, HostedTask
from pagi.testing.served import Failures, ServiceUnderTest
from pagi.testing.websocket import WebSocketSession

log = logging.getLogger("pagi.testing")

LEAVE_SECONDS = 1.0
"""How long leaving a session waits for the application to be done with it."""
CUT_SECONDS = 1.0
"""How long what was cancelled may take to end before it is left behind."""
TEST_DEFAULTS: dict[str, Any] = {"graceful_seconds": 2.0, "disconnect_grace_seconds": 0.5}
"""Where the client's server differs from the command's: nobody is at the other end, so it waits less for those who linger."""


class LifespanFailed(PagiError):
    """Raised at the client's exit when the application failed to end, or while it ran beside the requests."""


class _Start:
    """What `Lifespan.run` reports to."""

    def __init__(self) -> None:
        self.decided = anyio.Event()
        self.failure: StartupFailed | None = None

    def started(self, value: None = None) -> None:
        self.decided.set()


class TestClient:
    """Talks to `app` through the real server, over memory. Enter it to start the application, leave it to end it.

    `base_url` gives scheme and Host, `client` the address the application sees, `root_path` the prefix a proxy took off.
    `options` are the server's, by name (`max_body_bytes=1000`). With `raise_app_exceptions` what the application fails with
    is raised where the test waits for it: by the request, the next `receive()`, or at the latest when the client is left.

    Each request has a connection of its own; `connect` gives one for bytes. The client holds no cancel scope of the caller's
    task: enter it in one task and leave it in another.
    """

    __test__ = False  # pytest: nothing to collect

    def __init__(
        self,
        app: AnyApp,
        *,
        base_url: str = "http://testserver",
        root_path: str = "",
        client: tuple[str, int] = ("testclient", 50000),
        raise_app_exceptions: bool = True,
        **options: Any,
    ) -> None:
        url = urlsplit(base_url)
        if url.scheme not in ("http", "https") or not url.hostname or url.path not in ("", "/"):
            raise ConfigError(f"base_url is a scheme and a host, like http://testserver, got {base_url!r}")
        self.app = app
        self._options = server_options(**{**TEST_DEFAULTS, **options, "root_path": root_path})
        self._host = url.netloc
        self._peer = Peer(client, (url.hostname, url.port or {"http": 80, "https": 443}[url.scheme]), url.scheme)
        self._failures = Failures(raise_app_exceptions=raise_app_exceptions)
        self._runtime: HostedRuntime | None = None
        self._service: ServiceUnderTest | None = None
        self._lifespan: Lifespan | None = None
        self._lifespan_task: HostedTask | None = None
        self._open: set[MemoryLine] = set()

    # ---- start and end

    async def __aenter__(self) -> Self:
        if self._runtime is not None:
            raise ConfigError("this TestClient was entered before; make a new one for each run of the application")
        build = getattr(self.app, "build", None)
        if callable(build):
            build()
        runtime = self._runtime = HostedRuntime(self._failures.keep_own)
        self._service = ServiceUnderTest(self.app, self._options, runtime, self._failures)
        try:
            await self._start_lifespan(runtime, self._service)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await runtime.end(CUT_SECONDS)
            raise
        self._service.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        runtime, service = self._running()
        failure: str | None = None
        # Shielded, and bounded by what it waits for: a test that is cancelled leaves no task behind either.
        with anyio.CancelScope(shield=True):
            for line in list(self._open):
                line.reset()
            graceful = self._options.timeouts.graceful_seconds
            if service.closing_deadline is None:
                service.begin_closing(runtime.now() + graceful)
            with anyio.move_on_at(service.closing_deadline or 0.0):
                await service.quiet()
            if left := service.cut():
                log.warning("%d exchanges were still open when the client was left and the deadline had passed: they were cut", len(left))
                await runtime.cancel(left, CUT_SECONDS)
            failure = await self._end_lifespan(max((service.closing_deadline or 0.0) - runtime.now(), CUT_SECONDS))
            service.stop()
            if stubborn := await runtime.end(CUT_SECONDS):
                log.error("%d tasks of the application ignore their cancellation and are left behind", stubborn)
        if error is None:
            self._failures.check()
            if failure is not None:
                raise LifespanFailed(failure)

    def begin_closing(self, seconds: float) -> None:
        """The server's closing signal: every open exchange is told, and what is left after `seconds` is cut."""
        runtime, service = self._running()
        deadline = runtime.now() + seconds
        service.begin_closing(deadline)

        async def cut() -> None:
            await anyio.sleep_until(deadline)
            await runtime.cancel(service.cut(), CUT_SECONDS)

        runtime.spawn(cut)

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan left for the scopes: the object itself, not a copy."""
        return self._running()[1].state

    # ---- requests

    async def request(self, method: str, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """Sends a request, reads the whole answer, and waits a moment for work that the application does after it.

        Raises:
            ServerHungUp: there was no answer.
            ServerBrokeProtocol: it is not HTTP.
        """
        async with self._exchange(OutgoingRequest(method, path, host=self._host, **parts)) as (exchange, head):
            return await exchange.read_all(head)

    async def get(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("GET", path, **parts)

    async def head(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("HEAD", path, **parts)

    async def options(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("OPTIONS", path, **parts)

    async def post(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("POST", path, **parts)

    async def put(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("PUT", path, **parts)

    async def patch(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("PATCH", path, **parts)

    async def delete(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return await self.request("DELETE", path, **parts)

    # ---- sessions

    @asynccontextmanager
    async def stream(self, method: str, path: str, **parts: Unpack[RequestParts]) -> AsyncGenerator[StreamedReply]:
        """Sends a request and gives the answer at its head: the body is read as it comes, and leaving before its end is leaving.

        Raises:
            ServerHungUp: there was no answer.
        """
        async with self._exchange(OutgoingRequest(method, path, host=self._host, **parts)) as (exchange, head):
            yield StreamedReply(head, exchange)

    @asynccontextmanager
    async def sse(
        self, path: str, *, method: str = "GET", last_event_id: str | None = None, **parts: Unpack[RequestParts]
    ) -> AsyncGenerator[EventStreamSession]:
        """Opens an event stream, as a browser's EventSource would; leaving closes it.

        Raises:
            StreamDeclined: the answer is something else.
        """
        request = OutgoingRequest(method, path, host=self._host, **parts)
        own = [("accept", "text/event-stream"), ("cache-control", "no-store")]
        if last_event_id is not None:
            own.append(("last-event-id", last_event_id))
        request.fill_in(own)
        async with self._exchange(request) as (exchange, head):
            if not is_event_stream(head):
                raise StreamDeclined(await exchange.read_all(head))
            yield EventStreamSession(exchange, head)

    @asynccontextmanager
    async def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        deflate: bool = True,
    ) -> AsyncGenerator[WebSocketSession]:
        """Opens a WebSocket; leaving closes it with 1000. `deflate` offers permessage-deflate, as browsers do.

        Raises:
            WebSocketDenied: the handshake was answered by something else.
        """
        wire = self.connect()
        served = wire.line.connection
        session = WebSocketSession(wire, self._failures)
        try:
            await session.start(self._host, target_of(path, params), subprotocols, header_list(headers), deflate=deflate)
            yield session
            await session.close()
        finally:
            wire.abort()
        await self._settle(served)

    def connect(self) -> RawConnection:
        """A connection for bytes: malformed requests, pipelines, halves of frames.

        Raises:
            ConnectionRefusedError: the server was told to close.
        """
        runtime, service = self._running()
        if service.closing_deadline is not None:
            raise ConnectionRefusedError("the server is closing and accepts no more connections")
        line = MemoryLine(runtime, service.options.flow)
        if service.is_full:
            line.write([SERVER_FULL])
            line.close(linger=True)
        else:
            line.connection = Connection(service, line, self._peer)
        self._open = {line, *(other for other in self._open if not other.is_gone)}
        return RawConnection(line)

    # ---- inside

    @asynccontextmanager
    async def _exchange(self, request: OutgoingRequest) -> AsyncGenerator[tuple[ClientExchange, ReplyHead]]:
        """One request on its own connection, which ends with the block."""
        wire = self.connect()
        served = wire.line.connection
        exchange = ClientExchange(wire, self._running()[0], self._failures)
        try:
            yield exchange, await exchange.start(request)
        finally:
            await exchange.leave()
        await self._settle(served)

    async def _settle(self, connection: Connection | None) -> None:
        """Gives the application a moment to be done with a connection that the test has left, then says how it failed."""
        if connection is not None:
            with anyio.move_on_after(LEAVE_SECONDS):
                await self._running()[1].gone(connection)
        self._failures.check()

    async def _start_lifespan(self, runtime: HostedRuntime, service: ServiceUnderTest) -> None:
        serve = self._options.serve
        if serve.lifespan == "off":
            return
        lifespan = Lifespan(self.app, mode=serve.lifespan, startup_seconds=self._options.timeouts.startup_seconds, state=service.state)
        start = _Start()

        async def run() -> None:
            try:
                await lifespan.run(task_status=start)
            except StartupFailed as error:
                start.failure = error
            finally:
                start.decided.set()

        self._lifespan, self._lifespan_task = lifespan, runtime.spawn(run)
        await start.decided.wait()
        if start.failure is not None:
            raise start.failure
        self._failures.check()

    async def _end_lifespan(self, seconds: float) -> str | None:
        """Ends what `_start_lifespan` began, and says how that failed."""
        if self._lifespan is None or self._lifespan_task is None:
            return None
        await self._lifespan.shutdown(seconds)
        with anyio.move_on_after(seconds):
            await self._lifespan_task.wait()
        return self._lifespan.shutdown_failure

    def _running(self) -> tuple[HostedRuntime, ServiceUnderTest]:
        if self._runtime is None or self._service is None:
            raise ConfigError("the application was not started; use `async with TestClient(app) as client:`")
        return self._runtime, self._service
