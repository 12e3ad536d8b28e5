"""Routers: where handlers, other routers and whole applications are registered. The app compiles them once."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from pagi.context.next import Kind, Middleware
from pagi.endpoints.route import Mount, Route, RouteOptions
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError

F = TypeVar("F", bound=Callable[..., Any])

ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")


class AlreadyBuilt(ConfigError):
    """Something was added after the app was built."""


class Router:
    """A table of handlers under one prefix, with middleware around all of them.

    What is registered here is seen by the app when it is built, wherever this router was included before.
    """

    prefix: ClassVar[str] = ""

    _prefix: str
    _middleware: tuple[Middleware, ...]
    _entries: list["Route | Mount | Included"]
    _is_built: bool

    def __new__(cls, *_: Any, **__: Any) -> Self:
        self = super().__new__(cls)
        self._prefix = _checked_prefix(cls.prefix)
        self._middleware = ()
        self._entries = []
        self._is_built = False
        return self

    def __init__(self, prefix: str = "", *, middleware: Sequence[Middleware] = (), routers: Sequence["Router"] = ()) -> None:
        if prefix:
            self._prefix = _checked_prefix(prefix)
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

    def include(self, router: "Router", prefix: str = "") -> None:
        """Takes over all of `router`, under its own prefix and this one; its middleware stays around its own handlers.

        Raises:
            ConfigError: the router would include itself.
        """
        if router is self or _reaches(router, self):
            raise ConfigError(f"{router!r} cannot be included in itself")
        self._append(Included(router, _checked_prefix(prefix)))

    def mount(self, prefix: str, app: "AnyApp | Router", *, middleware: Sequence[Middleware] = ()) -> None:
        """Hands everything under `prefix` to another application, pagi or plain ASGI.

        It finds the prefix moved from what it routes on into `root_path`; `path` stays whole, as ASGI says.
        """
        self._append(Mount(prefix=_checked_prefix(prefix), app=app, middleware=_checked_middleware(middleware)))

    # ---- what the build reads

    @property
    def full_prefix(self) -> str:
        """What stands before every path of this router."""
        return self._prefix

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

    __slots__ = ("prefix", "router")

    def __init__(self, router: Router, prefix: str) -> None:
        self.router = router
        self.prefix = prefix


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
