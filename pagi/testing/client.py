"""The test client: the server's real connection and exchanges over memory, with nothing between them and the test but bytes."""

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload

from pagi.gateway.types import AnyApp, HeaderList
from pagi.http.errors import ConfigError, PagiError
from pagi.injection.providers import Provider
from pagi.server.options import server_options
from pagi.testing.cookies import Cookies
from pagi.testing.event_stream import EventStreamSession, StreamDeclined, is_event_stream
from pagi.testing.exchange import ClientExchange
from pagi.testing.line import RawConnection
from pagi.testing.origin import Origin
from pagi.testing.overriding import overridden, stand_in
from pagi.testing.redirects import is_redirect, redirected
from pagi.testing.reply import Reply, ReplyHead, StreamedReply
from pagi.testing.request import (
    HeadersInput,
    OutgoingRequest,
    ParamsInput,
    RequestParts,
    checked_cookies,
    header_list,
    layered,
    target_of,
)
from pagi.testing.run import Run
from pagi.testing.served import Failures
from pagi.testing.websocket import WebSocketDenied, WebSocketSession

T = TypeVar("T")

TEST_DEFAULTS: dict[str, Any] = {"graceful_seconds": 2.0, "disconnect_grace_seconds": 0.5}
"""Where the client's server differs from the command's: nobody is at the other end, so it waits less for those who linger."""


class LifespanFailed(PagiError):
    """Raised at the client's exit when the application failed to end, or while it ran beside the requests."""


class NotRefused(PagiError, AssertionError):
    """Raised when a test asked for the refusal of a WebSocket or a stream, and the application accepted it."""


class TestClient:
    """Talks to `app` through the real server, over memory. Enter it to start the application, leave it to end it.

    `base_url` gives scheme and Host, `client` the address the application sees, `root_path` the prefix a proxy took off.
    `headers` go with every request that has no others of that name, and `cookies` are in the jar from the start. Redirects are
    answers like others unless `follow_redirects` says so, here or with the request. `options` are the server's, by
    name (`max_body_bytes=1000`).

    With `raise_app_exceptions` what the application fails with is raised where the test waits for it: by the request, the next
    `receive()`, or at the latest when the client is left. With `virtual_clock` the server's time stands still until `advance`.

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
        headers: HeadersInput | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool = False,
        raise_app_exceptions: bool = True,
        virtual_clock: bool = False,
        overrides: Mapping[Any, Any] | None = None,
        **options: Any,
    ) -> None:
        self.app = app if overrides is None else overridden(app, overrides)
        self.follow_redirects = follow_redirects
        self._origin = Origin(base_url, root_path, client)
        self._headers = header_list(headers)
        self._options = server_options(**{**TEST_DEFAULTS, **options, "root_path": root_path})
        self._failures = Failures(raise_app_exceptions=raise_app_exceptions)
        self._has_virtual_clock = virtual_clock
        self._run: Run | None = None
        self._began = 0.0, 0.0
        """The epoch's time and the server's when the application was started."""
        self.cookies = Cookies(self._origin.name, self._wall_clock)
        """What answers have set, and what the test puts there: goes with requests, streams and WebSockets alike."""
        for name, value in (cookies or {}).items():
            self.cookies.set(name, value)

    # ---- start and end

    async def __aenter__(self) -> Self:
        if self._run is not None:
            raise ConfigError("this TestClient was entered before; make a new one for each run of the application")
        self._build()
        run = self._run = Run(self.app, self._options, self._failures, virtual_clock=self._has_virtual_clock)
        self._began = time.time(), run.runtime.now()
        await run.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        failure = await self._running().end()
        if error is None:
            self._failures.check()
            if failure is not None:
                raise LifespanFailed(failure)

    def begin_closing(self, seconds: float) -> None:
        """The server's closing signal: every open exchange is told, and what is left after `seconds` is cut."""
        self._running().begin_closing(seconds)

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan left for the scopes: the object itself, not a copy."""
        return self._running().state

    # ---- other dependencies

    @overload
    def override(self, target: Provider[T] | type[T], value: T, /) -> None: ...
    @overload
    def override(self, target: Callable[..., Any], value: Any, /) -> None: ...
    @overload
    def override(self, target: Callable[..., Any], /, *, use: Callable[..., Any]) -> None: ...
    def override(self, target: Any, /, *value: Any, use: Callable[..., Any] | None = None) -> None:
        """Puts a value, or what another function gives, in the place of a dependency, for all that is asked from now on.

        Raises:
            ConfigError: something that lives as long as the application was made from it already.
        """
        self.app = overridden(self.app, {target: stand_in(value, use)}, is_running=self._run is not None)
        if self._run is not None:
            self._run.serve(self.app)

    # ---- time

    async def advance(self, seconds: float) -> None:
        """Moves the virtual clock on, through everything that falls due on the way, in order; tasks run in between.

        The clock is the server's: keepalives, pings, idle limits, deadlines, and the cookies of this client. `anyio.sleep`
        in the application takes its real time.

        Raises:
            ConfigError: the client has no virtual clock.
        """
        await self._running().advance(seconds)

    @property
    def now(self) -> float:
        """The server's time in seconds, on which `closing_deadline` is told."""
        return self._running().runtime.now()

    # ---- requests

    async def request(self, method: str, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """Sends a request, reads the whole answer, and waits a moment for work that the application does after it.

        Raises:
            ServerHungUp: there was no answer.
            ServerBrokeProtocol: it is not HTTP.
            RedirectNotFollowed: redirects are followed, and one leads away from the application.
        """
        async with self._answer(self._outgoing(method, path, parts)) as (exchange, head):
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
        async with self._answer(self._outgoing(method, path, parts)) as (exchange, head):
            yield StreamedReply(head, exchange)

    @asynccontextmanager
    async def sse(
        self, path: str, *, method: str = "GET", last_event_id: str | None = None, **parts: Unpack[RequestParts]
    ) -> AsyncGenerator[EventStreamSession]:
        """Opens an event stream, as a browser's EventSource would; leaving closes it.

        To come back as a browser does, give the `last_event_id` of the feed that ended.

        Raises:
            StreamDeclined: the answer is something else.
        """
        request = self._outgoing(method, path, parts)
        own = [("accept", "text/event-stream"), ("cache-control", "no-store")]
        if last_event_id:  # browsers send none that is empty
            own.append(("last-event-id", last_event_id))
        request.fill_in(own)
        async with self._answer(request) as (exchange, head):
            if not is_event_stream(head):
                raise StreamDeclined(await exchange.read_all(head))
            yield EventStreamSession(exchange, head)

    async def sse_decline(
        self, path: str, *, method: str = "GET", last_event_id: str | None = None, **parts: Unpack[RequestParts]
    ) -> Reply:
        """Asks for an event stream that the application declines, and gives the answer it does so with. See `sse`.

        Raises:
            NotRefused: there is a stream.
        """
        try:
            async with self.sse(path, method=method, last_event_id=last_event_id, **parts):
                raise NotRefused(f"the stream at {path} was opened, not declined")
        except StreamDeclined as declined:
            return declined.reply

    @asynccontextmanager
    async def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        cookies: Mapping[str, str] | None = None,
        deflate: bool = True,
        answer_pings: bool = True,
    ) -> AsyncGenerator[WebSocketSession]:
        """Opens a WebSocket; leaving closes it with 1000. `deflate` offers permessage-deflate, as browsers do.

        Without `answer_pings` it is a client whose network is gone: the server's pings stay unanswered.

        Raises:
            WebSocketDenied: the handshake was answered by something else.
        """
        run = self._running()
        target = target_of(path, params)
        fields = layered(self._headers, header_list(headers))
        host = next((value.decode("latin-1") for name, value in fields if name == b"host"), self._origin.host)
        fields = [field for field in fields if field[0] != b"host"]
        fields += self._cookie_field(target, checked_cookies(cookies, headers))
        wire = self.connect()
        session = WebSocketSession(wire, self._failures, answers_pings=answer_pings)
        try:
            try:
                with run.runtime.following():
                    await session.start(host, target, subprotocols, fields, deflate=deflate)
            except WebSocketDenied as denied:
                self._keep_cookies(target, denied.reply)
                raise
            self._keep_cookies(target, session)
            run.tended.add(session.tend)
            yield session
            await session.close()
        finally:
            run.tended.discard(session.tend)
            wire.abort()
        await run.settle(wire.line.listener)

    async def websocket_denial(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> Reply:
        """Asks for a WebSocket that the application denies, and gives the answer it does so with. See `websocket`.

        Raises:
            NotRefused: the handshake was accepted.
        """
        try:
            async with self.websocket(path, subprotocols=subprotocols, headers=headers, params=params, cookies=cookies):
                raise NotRefused(f"the WebSocket at {path} was accepted, not denied")
        except WebSocketDenied as denied:
            return denied.reply

    def connect(self) -> RawConnection:
        """A connection for bytes: malformed requests, pipelines, halves of frames.

        Raises:
            ConnectionRefusedError: the server was told to close.
        """
        return self._running().connect(self._origin.peer)

    # ---- inside

    def _build(self) -> None:
        """Makes of the application what will be served."""
        build = getattr(self.app, "build", None)
        if callable(build):
            build()

    def _outgoing(self, method: str, path: str, parts: RequestParts) -> OutgoingRequest:
        return OutgoingRequest(method, path, host=self._origin.host, defaults=self._headers, **parts)

    @asynccontextmanager
    async def _answer(self, request: OutgoingRequest) -> AsyncGenerator[tuple[ClientExchange, ReplyHead]]:
        """The exchange that answers a request for good: the last, where redirects are followed."""
        follows = self.follow_redirects if request.follow_redirects is None else request.follow_redirects
        history: list[Reply] = []
        while True:
            async with self._exchange(request) as (exchange, head):
                head.history = history.copy()
                if not (follows and is_redirect(head)):
                    yield exchange, head
                    return
                reply = await exchange.read_all(head)
            request = redirected(request, reply, self._origin)
            history.append(reply)

    @asynccontextmanager
    async def _exchange(self, request: OutgoingRequest) -> AsyncGenerator[tuple[ClientExchange, ReplyHead]]:
        """One request on its own connection, which ends with the block."""
        run = self._running()
        cookie = self._cookie_field(request.target, request.cookies)
        wire = self.connect()
        exchange = ClientExchange(wire, run.runtime, self._failures)
        try:
            with run.runtime.following():
                head = await exchange.start(request, cookie)
            self._keep_cookies(request.target, head)
            yield exchange, head
        finally:
            await exchange.leave()
        await run.settle(wire.line.listener)

    def _cookie_field(self, target: str, more: Mapping[str, str] | None) -> HeaderList:
        """The Cookie field of a request, if it has one. `more` of None: the test wrote its own."""
        if more is None:
            return []
        field = self.cookies.field(self._origin.path_of(target), more, is_secure=self._origin.is_secure)
        return header_list([("cookie", field)]) if field is not None else []

    def _keep_cookies(self, target: str, answer: ReplyHead | WebSocketSession) -> None:
        fields = answer.headers.get_all("set-cookie")
        self.cookies.keep(fields, self._origin.path_of(target), is_secure=self._origin.is_secure)

    def _wall_clock(self) -> float:
        """Seconds since the epoch, as far on as the virtual clock is."""
        if self._run is None or not self._has_virtual_clock:
            return time.time()
        epoch, began = self._began
        return epoch + self._run.runtime.now() - began

    def _running(self) -> Run:
        if self._run is None:
            raise ConfigError("the application was not started; use `async with TestClient(app) as client:`")
        return self._run
