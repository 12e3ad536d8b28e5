"""Routers: where handlers, other routers and whole applications are registered. The app compiles them once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from pagi.context.next import Kind, Middleware
from pagi.endpoints.place import PathOptions
from pagi.endpoints.route import Mount, Route, RouteOptions
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.routing.converters import Converter
from pagi.routing.table import TrailingSlash

F = TypeVar("F", bound=Callable[..., Any])

ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")


class AlreadyBuilt(ConfigError):
    """Something was added after the app was built."""


class Router:
    """A table of handlers under one prefix, with middleware around all of them.

    What is registered here is seen by the app when it is built, wherever this router was included before.

    Args:
        prefix: stands before every path.
        middleware: around everything here, the first one outermost.
        routers: included, in order.
        trailing_slash: what becomes of a path that a route here matches but for a slash at its end. `"redirect"` sends the
            client to the other one, `"strict"` does not know it, `"ignore"` serves it. WebSockets are never redirected: they
            match both ways, unless it is strict. None: as the router around this one says; an app redirects.
        converters: kinds of path parameters by name, for this router and all that it includes.
        namespace: stands before the names of the routes here, with a colon.
    """

    prefix: ClassVar[str] = ""
    trailing_slash: ClassVar[TrailingSlash | None] = None
    converters: ClassVar[Mapping[str, Converter]] = {}
    namespace: ClassVar[str] = ""

    _prefix: str
    _path_options: PathOptions
    _middleware: tuple[Middleware, ...]
    _entries: list["Route | Mount | Included"]
    _is_built: bool

    def __new__(cls, *_: Any, **__: Any) -> Self:
        self = super().__new__(cls)
        self._prefix = _checked_prefix(cls.prefix)
        self._path_options = PathOptions(trailing_slash=cls.trailing_slash, converters=cls.converters, namespace=cls.namespace)
        self._middleware = ()
        self._entries = []
        self._is_built = False
        return self

    def __init__(
        self,
        prefix: str = "",
        *,
        middleware: Sequence[Middleware] = (),
        routers: Sequence["Router"] = (),
        trailing_slash: TrailingSlash | None = None,
        converters: Mapping[str, Converter] | None = None,
        namespace: str = "",
    ) -> None:
        if prefix:
            self._prefix = _checked_prefix(prefix)
        own = PathOptions(trailing_slash=trailing_slash, converters=converters or {}, namespace=namespace)
        self._path_options = own.over(self._path_options)
        self._middleware = _checked_middleware(middleware)
        for router in routers:
            self.include(router)

    # ---- handlers

    def get(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for GET; HEAD is answered by it too."""
        return self.route(path, methods=("GET",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def post(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for POST."""
        return self.route(path, methods=("POST",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def put(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for PUT."""
        return self.route(path, methods=("PUT",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def patch(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for PATCH."""
        return self.route(path, methods=("PATCH",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def delete(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for DELETE."""
        return self.route(path, methods=("DELETE",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def head(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for HEAD, in place of the one that answers GET."""
        return self.route(path, methods=("HEAD",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def options(
        self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for OPTIONS, in place of the automatic answer."""
        return self.route(path, methods=("OPTIONS",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ANY_METHOD,
        name: str | None = None,
        middleware: Sequence[Middleware] = (),
        cancel_on_disconnect: bool = False,
    ) -> Callable[[F], F]:
        """Registers a handler for several methods; without `methods`, for the five usual ones."""
        options = RouteOptions(cancel_on_disconnect=cancel_on_disconnect)
        return self._decorator("http", path, methods, name, middleware, options)

    def websocket(self, path: str, *, name: str | None = None, middleware: Sequence[Middleware] = ()) -> Callable[[F], F]:
        """Registers a session function: it accepts, and the session ends when it returns."""
        return self._decorator("websocket", path, (), name, middleware, RouteOptions())

    def sse(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        name: str | None = None,
        middleware: Sequence[Middleware] = (),
        retry_seconds: float | None = 3.0,
        keepalive_seconds: float | None = None,
    ) -> Callable[[F], F]:
        """Registers a generator of events: the stream ends when it does.

        `retry_seconds` tells clients when to come back (None: say nothing); `keepalive_seconds` of silence are filled with
        a comment (None: the server's default, 0: never).
        """
        options = RouteOptions(retry_seconds=retry_seconds, keepalive_seconds=keepalive_seconds)
        return self._decorator("sse", path, methods, name, middleware, options)

    def add(
        self,
        path: str,
        handler: Callable[..., Any],
        *,
        kind: Kind = "http",
        methods: Sequence[str] = ("GET",),
        name: str | None = None,
        middleware: Sequence[Middleware] = (),
        options: RouteOptions | None = None,
    ) -> None:
        """Registers a function without decorating it."""
        self._decorator(kind, path, methods, name, middleware, options or RouteOptions())(handler)

    # ---- other routers and applications

    def include(self, router: "Router", prefix: str = "", *, namespace: str | None = None) -> None:
        """Takes over all of `router`, under its own prefix and this one; its middleware stays around its own handlers.

        With a `namespace`, in place of its own, its names become `namespace:name`.

        Raises:
            ConfigError: the router would include itself.
        """
        if router is self or _reaches(router, self):
            raise ConfigError(f"{router!r} cannot be included in itself")
        self._append(Included(router, _checked_prefix(prefix), namespace))

    def mount(self, prefix: str, app: "AnyApp | Router", *, name: str | None = None, middleware: Sequence[Middleware] = ()) -> None:
        """Hands everything under `prefix` to another application, pagi or plain ASGI.

        It finds the prefix moved from what it routes on into `root_path`; `path` stays whole, as ASGI says. Parameters of the
        prefix stand beside those of the routes inside, and in `scope["path_params"]`. With a `name`, `url_for` knows the
        routes of a pagi app as `name:route`, and any other app as `name` with the rest of the path as `path`.
        """
        self._append(Mount(prefix=_checked_prefix(prefix), app=app, name=name, middleware=_checked_middleware(middleware)))

    # ---- what the build reads

    @property
    def full_prefix(self) -> str:
        """What stands before every path of this router."""
        return self._prefix

    @property
    def path_options(self) -> PathOptions:
        """What this router says about its paths, beside the prefix."""
        return self._path_options

    @property
    def layers(self) -> tuple[Middleware, ...]:
        """The middleware around everything here, outermost first."""
        return self._middleware

    @property
    def entries(self) -> list["Route | Mount | Included"]:
        """What was registered, in order."""
        return self._entries

    @property
    def is_enterable(self) -> bool:
        """A mount can go straight to the routes: nothing else of this router would be left out."""
        return True

    def mark_built(self) -> None:
        """From now on nothing may be added."""
        self._is_built = True

    def _append(self, entry: "Route | Mount | Included") -> None:
        if self._is_built:
            raise AlreadyBuilt("the app is built already, what is added now would never be served; add it before the first request")
        self._entries.append(entry)

    def _decorator(
        self, kind: Kind, path: str, methods: Sequence[str], name: str | None, middleware: Sequence[Middleware], options: RouteOptions
    ) -> Callable[[F], F]:
        if kind != "websocket" and not methods:
            raise ConfigError(f"{kind} {path}: no methods are given")
        if isinstance(methods, str):
            raise ConfigError(f"{kind} {path}: methods is a list, write [{methods!r}]")
        if kind == "sse" and {"HEAD", "OPTIONS"} & {method.upper() for method in methods}:
            raise ConfigError(f"sse {path}: HEAD and OPTIONS never start a stream; register a handler of their own")
        layers = _checked_middleware(middleware)

        def register(handler: F) -> F:
            self._append(
                Route(
                    kind=kind,
                    methods=() if kind == "websocket" else tuple(method.upper() for method in methods),
                    path=path,
                    handler=handler,
                    name=name,
                    middleware=layers,
                    options=options,
                )
            )
            return handler

        return register


class Included:
    """A router taken over by another."""

    __slots__ = ("namespace", "prefix", "router")

    def __init__(self, router: Router, prefix: str, namespace: str | None = None) -> None:
        self.router = router
        self.prefix = prefix
        self.namespace = namespace


def _reaches(start: Router, goal: Router) -> bool:
    return any(isinstance(entry, Included) and (entry.router is goal or _reaches(entry.router, goal)) for entry in start.entries)


def _checked_prefix(prefix: str) -> str:
    prefix = prefix.removesuffix("/")
    if prefix and not prefix.startswith("/"):
        raise ConfigError(f"prefix {prefix!r} must start with '/'")
    return prefix


def _checked_middleware(middleware: Sequence[Middleware]) -> tuple[Middleware, ...]:
    for layer in middleware:
        if isinstance(layer, type) or not callable(layer):
            raise ConfigError(f"middleware is an async function (ctx, next), or an instance that can be called so; got {layer!r}")
    return tuple(middleware)
