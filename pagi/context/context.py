"""The part of a context that all kinds share. It opens doors to the operations and computes nothing until asked."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Generic, Never, Protocol, TypeVar, cast, overload

from typing_extensions import TypeVar as DefaultedTypeVar

from pagi.context.next import Kind
from pagi.context.session import SESSION, NoSession, Session
from pagi.context.stash import Stash
from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.reasons import Outcome
from pagi.gateway.scopes import APP_SCOPE
from pagi.gateway.transport import TransportHandle
from pagi.gateway.types import HeaderList, Receive, Scope, Send
from pagi.http.errors import AppError
from pagi.http.headers import Headers
from pagi.http.query import Query
from pagi.http.url import absolute
from pagi.messages.channel import Channel, Head
from pagi.messages.opening import Opening
from pagi.messages.response import Response

StateT = DefaultedTypeVar("StateT", bound=Mapping[str, Any], default=Any)

T = TypeVar("T")

HeadHook = Callable[[Head], object]


class Site(Protocol):
    """What a context asks of the app it belongs to."""

    encode: Callable[[Any], bytes]
    debug: bool

    def url_for(self, name: str, root_path: str, values: Mapping[str, Any], /) -> str: ...
    def rescue(self, ctx: Any, error: Exception, /) -> Awaitable[Response | None]: ...
    def last_answer(self, ctx: Any, error: Exception, /) -> Awaitable[Response | None]: ...
    def resolve(self, ctx: Any, wanted: Any, /) -> Awaitable[Any]: ...


class HeadHasLeft(AppError):
    """Something was asked for that must happen before the head of the answer leaves."""


class Settled(AppError):
    """Something was assigned that the match of the route has settled."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} was settled when the route was matched; change it before that, in App(rewrites=[...])")


class Context(Generic[StateT]):
    """One exchange, for everything on its way. `Context[AppState]` types `state`."""

    __slots__ = (
        "_opening",
        "_stash",
        "background",
        "channel",
        "exits",
        "failure",
        "hooks",
        "made",
        "path_params",
        "raw_send",
        "receive",
        "scope",
        "site",
    )

    scope: Scope
    receive: Receive
    """The raw channel inwards; the operations of the subclass read from it too."""
    path_params: dict[str, Any]
    """What the route's parameters matched, converted."""
    site: Site
    """The app that serves this exchange, as far as a context knows it."""
    raw_send: Send
    """`send` as the server gave it: no hooks, and `send.full` where there is one. What the edge sends through."""
    channel: Channel | None
    """`send`, once somebody asked for it."""
    hooks: list[HeadHook] | None
    """What `on_response_start` registered; None where nobody did, and after the head left."""
    background: list[Callable[[], Any]] | None
    """What `after_response` registered; None where nobody did."""
    made: dict[Any, Any] | None
    """What was made for this exchange by injection; None while nothing was."""
    exits: list[Any] | None
    """What injection has to close when the exchange is over; None where there is nothing."""
    failure: BaseException | None
    """What ended the handler, where an exception did."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, path_params: dict[str, Any], site: Site) -> None:
        self.scope = scope
        self.receive = receive
        self.path_params = path_params
        self.site = site
        self.raw_send = send
        self.channel = self.hooks = self.background = self.made = self.exits = self.failure = None
        self._opening: Opening | None = None
        self._stash: Stash | None = None

    # ---- what is made for the exchange; here, because `type` below hides the builtin

    @overload
    async def resolve(self, wanted: type[T], /) -> T: ...
    @overload
    async def resolve(self, wanted: Callable[..., Any], /) -> Any: ...
    async def resolve(self, wanted: Any, /) -> Any:
        """What handlers would be given for this type, provider or dependency; made now if it was not made yet.

        Raises:
            NotResolvable: nothing was known about it when the app was built.
        """
        return await self.site.resolve(self, wanted)

    # ---- what the client said first

    def _open(self) -> Opening:
        """The opening; a subclass keeps its Request, WebSocket or SSE here."""
        if self._opening is None:
            self._opening = Opening(self.scope)
        return self._opening

    @property
    def type(self) -> Kind:
        """http, websocket or sse."""
        return cast("Kind", self.scope["type"])

    @property
    def path(self) -> str:
        """The path, decoded, with the `root_path` the app is mounted at."""
        return cast("str", self.scope["path"])

    @path.setter
    def path(self, value: Never) -> None:
        raise Settled("path")

    @property
    def headers(self) -> Headers:
        """The header fields, names without regard to case."""
        return self._open().headers

    @property
    def query(self) -> Query:
        """The fields of the query string."""
        return self._open().query

    @property
    def cookies(self) -> dict[str, str]:
        """What the Cookie field holds."""
        return self._open().cookies

    @property
    def client(self) -> tuple[str, int] | None:
        """Host and port of the client; None on a Unix socket."""
        return self._open().client

    @property
    def scheme(self) -> str:
        """http, https, ws or wss."""
        return self._open().scheme

    @property
    def url(self) -> str:
        """The absolute URL that was asked for."""
        return self._open().url

    # ---- what belongs to the exchange

    @property
    def state(self) -> StateT:
        """What the lifespan yielded; this exchange has a shallow copy of it."""
        state = self.scope.setdefault("state", {})
        if APP_SCOPE in state:
            # It travels with the state, and is none of the author's. Not taken out of it: some servers share one for a connection.
            self.scope[APP_SCOPE] = state[APP_SCOPE]
            state = self.scope["state"] = {name: value for name, value in state.items() if name != APP_SCOPE}
        return cast("StateT", state)

    @property
    def stash(self) -> Stash:
        """What middleware and handlers of this exchange leave for each other."""
        if self._stash is None:
            # In the scope too: mounted applications and their contexts find the same one.
            self._stash = Stash(self.scope.setdefault("pagi.stash", {}))
        return self._stash

    @property
    def session(self) -> Session:
        """What is remembered of this client across exchanges.

        Raises:
            NoSession: no middleware keeps one.
        """
        session: Session | None = self.scope.get(SESSION)
        if session is None:
            raise NoSession
        return session

    @property
    def has_session(self) -> bool:
        """A middleware keeps a session for this exchange."""
        return SESSION in self.scope

    @property
    def connection(self) -> ConnectionHandle:
        """How this exchange ends, and the server's closing signal."""
        return cast("ConnectionHandle", self.scope["pagi.connection"])

    @property
    def transport(self) -> TransportHandle:
        """How many bytes wait to leave, and the marks around them."""
        return self._open().transport

    @property
    def outcome(self) -> Outcome | None:
        """How the exchange ended; None while it is open."""
        return self.connection.outcome

    @property
    def send(self) -> Channel:
        """The raw channel outwards: takes events. Hooks still see the head of whatever is sent."""
        if self.channel is None:
            self.channel = Channel(self.raw_send, self.run_hooks)
        return self.channel

    def url_for(self, name: str, /, **params: Any) -> str:
        """The path of a named route, escaped, with the `root_path` in front.

        Raises:
            UnknownName: no route has that name.
            ValueError: a parameter is missing, too many, or would not match.
        """
        return self.site.url_for(name, self.scope.get("root_path", ""), params)

    def absolute(self, path: str) -> str:
        """The absolute form of a path, as from `url_for`: on the scheme and host that the client asked, http for a WebSocket too.

        Raises:
            ValueError: the host is none, or the path is absolute already.
        """
        scheme = "https" if self.scheme in ("https", "wss") else "http"
        return absolute(scheme, self._open().host, path)

    # ---- around the answer

    def on_response_start(self, hook: HeadHook) -> None:
        """Runs `hook(head)` on status and headers just before they leave, whatever made them. The innermost hook runs first.

        Raises:
            TypeError: `hook` is an async function; await before you register, or after `next()`.
            HeadHasLeft: the head left already.
        """
        if iscoroutinefunction(hook):
            raise TypeError(f"on_response_start takes a plain function, and {hook!r} is async: the head cannot wait for it")
        if self.has_left:
            raise HeadHasLeft("the head of this answer has left; register on_response_start before next(), or before you start")
        if self.hooks is None:
            self.hooks = [hook]
        else:
            self.hooks.append(hook)

    def after_response(self, function: Callable[..., Any], /, *args: Any) -> None:
        """Calls `function(*args)` once the answer has left, and awaits it if there is something to await. Its errors are logged."""
        if self.background is None:
            self.background = []
        self.background.append(partial(function, *args))

    @property
    def has_left(self) -> bool:
        """The head of an answer has left."""
        return (self.channel is not None and self.channel.head is not None) or self.connection.response_started

    # ---- what the edge and mounts ask

    def enter(self, site: Site, root_path: str, params: dict[str, Any]) -> None:
        """Goes on inside a mounted app, or outside of it again: its names, its root path, its parameters."""
        self.site = site
        self.path_params = params
        self.scope["root_path"] = root_path
        self.scope["path_params"] = self.path_params

    def run_hooks(self, head: Head) -> None:
        """Runs the hooks on a head that is about to leave, the one registered last first."""
        hooks, self.hooks = self.hooks, None
        for hook in reversed(hooks or ()):
            hook(head)

    def dressed(self, status: int, raw_headers: HeaderList) -> Head:
        """Status and headers as they leave, after the hooks. The list given is not changed."""
        head = Head(status, list(raw_headers))
        self.run_hooks(head)
        return head
