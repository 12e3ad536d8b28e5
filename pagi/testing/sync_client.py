"""The test client for tests that are plain functions: the async one on a loop in a thread, and nothing of its own beside that."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

from anyio.from_thread import start_blocking_portal

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.injection.providers import Provider
from pagi.testing.client import TestClient
from pagi.testing.cookies import Cookies
from pagi.testing.reply import Reply
from pagi.testing.request import HeadersInput, ParamsInput, RequestParts
from pagi.testing.sync_sessions import Bridge, SyncEventStreamSession, SyncRawConnection, SyncStreamedReply, SyncWebSocketSession

T = TypeVar("T")

STEP_SECONDS = 30.0
"""How long a step may take: a plain function has no other way to stop waiting for what does not come."""


class SyncTestClient:
    """`TestClient` with the same verbs for `def` tests. Enter it to start the application, leave it to end it.

    `backend` is the loop it runs on, with its `backend_options` (`{"use_uvloop": True}`). Each step, a request or a `receive()`,
    may take `timeout` seconds; None waits for ever. All else is as `TestClient` says.
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
        backend: Literal["asyncio", "trio"] = "asyncio",
        backend_options: dict[str, Any] | None = None,
        timeout: float | None = STEP_SECONDS,
        **options: Any,
    ) -> None:
        self.app = app
        self._client = TestClient(
            app,
            base_url=base_url,
            root_path=root_path,
            client=client,
            headers=headers,
            cookies=cookies,
            follow_redirects=follow_redirects,
            raise_app_exceptions=raise_app_exceptions,
            virtual_clock=virtual_clock,
            overrides=overrides,
            **options,
        )
        self._loop = backend, backend_options
        self._timeout = timeout
        self._bridge: Bridge | None = None
        self._stack = ExitStack()

    # ---- start and end

    def __enter__(self) -> Self:
        if self._bridge is not None:
            raise ConfigError("this SyncTestClient was entered before; make a new one for each run of the application")
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal(*self._loop))
            self._bridge = Bridge(portal, self._timeout)
            # The ends have bounds of their own.
            stack.enter_context(Bridge(portal, None).session(self._client))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def begin_closing(self, seconds: float) -> None:
        """See `TestClient.begin_closing`."""
        self._running().run(self._client.begin_closing, seconds)

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan left for the scopes: the object itself, not a copy."""
        return self._client.state

    @property
    def cookies(self) -> Cookies:
        """The jar. See `TestClient.cookies`."""
        return self._client.cookies

    # ---- time

    @overload
    def override(self, target: Provider[T] | type[T], value: T, /) -> None: ...
    @overload
    def override(self, target: Callable[..., Any], value: Any, /) -> None: ...
    @overload
    def override(self, target: Callable[..., Any], /, *, use: Callable[..., Any]) -> None: ...
    def override(self, target: Any, /, *value: Any, use: Callable[..., Any] | None = None) -> None:
        """See `TestClient.override`."""
        override: Callable[..., None] = self._client.override
        override(target, *value, use=use)

    def advance(self, seconds: float) -> None:
        """See `TestClient.advance`."""
        self._running().call(self._client.advance, seconds)

    @property
    def now(self) -> float:
        """The server's time in seconds, on which `closing_deadline` is told."""
        return self._running().run(lambda: self._client.now)

    # ---- requests

    def request(self, method: str, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `TestClient.request`."""
        return self._running().call(self._client.request, method, path, **parts)

    def get(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("GET", path, **parts)

    def head(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("HEAD", path, **parts)

    def options(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("OPTIONS", path, **parts)

    def post(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("POST", path, **parts)

    def put(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("PUT", path, **parts)

    def patch(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("PATCH", path, **parts)

    def delete(self, path: str, **parts: Unpack[RequestParts]) -> Reply:
        """See `request`."""
        return self.request("DELETE", path, **parts)

    # ---- sessions

    @contextmanager
    def stream(self, method: str, path: str, **parts: Unpack[RequestParts]) -> Generator[SyncStreamedReply]:
        """See `TestClient.stream`."""
        bridge = self._running()
        with bridge.session(self._client.stream(method, path, **parts)) as reply:
            yield SyncStreamedReply(bridge, reply)

    @contextmanager
    def sse(
        self, path: str, *, method: str = "GET", last_event_id: str | None = None, **parts: Unpack[RequestParts]
    ) -> Generator[SyncEventStreamSession]:
        """See `TestClient.sse`."""
        bridge = self._running()
        with bridge.session(self._client.sse(path, method=method, last_event_id=last_event_id, **parts)) as feed:
            yield SyncEventStreamSession(bridge, feed)

    def sse_decline(self, path: str, *, method: str = "GET", last_event_id: str | None = None, **parts: Unpack[RequestParts]) -> Reply:
        """See `TestClient.sse_decline`."""
        return self._running().call(self._client.sse_decline, path, method=method, last_event_id=last_event_id, **parts)

    @contextmanager
    def websocket(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        cookies: Mapping[str, str] | None = None,
        deflate: bool = True,
        answer_pings: bool = True,
    ) -> Generator[SyncWebSocketSession]:
        """See `TestClient.websocket`."""
        bridge = self._running()
        session = self._client.websocket(
            path,
            subprotocols=subprotocols,
            headers=headers,
            params=params,
            cookies=cookies,
            deflate=deflate,
            answer_pings=answer_pings,
        )
        with bridge.session(session) as ws:
            yield SyncWebSocketSession(bridge, ws)

    def websocket_denial(
        self,
        path: str,
        *,
        subprotocols: Sequence[str] = (),
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        cookies: Mapping[str, str] | None = None,
    ) -> Reply:
        """See `TestClient.websocket_denial`."""
        return self._running().call(
            self._client.websocket_denial, path, subprotocols=subprotocols, headers=headers, params=params, cookies=cookies
        )

    def connect(self) -> SyncRawConnection:
        """See `TestClient.connect`."""
        bridge = self._running()
        return SyncRawConnection(bridge, bridge.run(self._client.connect))

    # ---- inside

    def _running(self) -> Bridge:
        if self._bridge is None:
            raise ConfigError("the application was not started; use `with SyncTestClient(app) as client:`")
        return self._bridge
