"""Routers: where handlers, other routers and whole applications are registered. The app compiles them once."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self, TypeVar

from pagi.context.context import Context
from pagi.context.next import Kind
from pagi.endpoints.decorators import ANY_METHOD, marked_methods
from pagi.endpoints.endpoint import AnyEndpoint, endpoint_class, is_endpoint, is_without_self
from pagi.endpoints.place import PathOptions
from pagi.endpoints.registration import (
    check_stream_methods,
    checked_middleware,
    checked_prefix,
    endpoint_routes,
    late_middleware,
    marked_route,
    middleware_of,
)
from pagi.endpoints.route import AnyMiddleware, Mount, Route, RouteOptions
from pagi.endpoints.standalone import app_around
from pagi.gateway.marker import Marker
from pagi.gateway.types import AnyApp, ASGIApp, Receive, Scope, Send
from pagi.http.errors import ConfigError
from pagi.routing.converters import Converter
from pagi.routing.hosts import host_pattern
from pagi.routing.table import TrailingSlash

F = TypeVar("F", bound=Callable[..., Any])


class AlreadyBuilt(ConfigError):
    """Something was added after the app was built."""


class Router:
    """A table of handlers under one prefix, with middleware around all of them.

    What is registered here is seen by the app when it is built, wherever this router was included before. A subclass may mark
    its methods (`@get("/stats")`) as handlers, and name others as middleware.

    Args:
        prefix: stands before every path.
        middleware: around everything here, the first one outermost.
        routers: included, in order; a class is made once when the app starts, its constructor filled by injection.
        context_class: the context of the handlers of its kind; None: that of the router or app around.
        trailing_slash: what becomes of a path that a route here matches but for a slash at its end. `"redirect"` sends the
            client to the other one, `"strict"` does not know it, `"ignore"` serves it. WebSockets are never redirected: they
            match both ways, unless it is strict. None: as the router around this one says; an app redirects.
        converters: kinds of path parameters by name, for this router and all that it includes.
        namespace: stands before the names of the routes here, with a colon.
    """

    prefix: ClassVar[str] = ""
    middleware: ClassVar[Sequence[Any]] = ()
    """Of a class-based router: middleware, or names of methods that are."""
    context_class: ClassVar[type[Context[Any]] | None] = None
    trailing_slash: ClassVar[TrailingSlash | None] = None
    converters: ClassVar[Mapping[str, Converter]] = {}
    namespace: ClassVar[str] = ""

    _prefix: str
    _path_options: PathOptions
    _middleware: tuple[AnyMiddleware, ...]
    _entries: list["Route | Mount | Included"]
    _context_class: type[Context[Any]] | None
    _is_built: bool
    _app: ASGIApp | None
    """The app around it, once it was called by itself."""
    __pagi__: Marker

    def __init_subclass__(cls, *, extends_router: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        taken = sorted(name for name, member in vars(cls).items() if name in _OWN_NAMES and callable(member))
        if taken and not extends_router:
            raise ConfigError(
                f"{cls.__module__}.{cls.__qualname__} defines {', '.join(taken)}, which Router itself needs; "
                f"give the method another name, its path stands in the decorator anyway"
            )

    # In `__new__`, so that a subclass that forgets `super().__init__()` harms nothing.
    def __new__(cls, *_: Any, **__: Any) -> Self:
        self = super().__new__(cls)
        self._prefix = checked_prefix(cls.prefix)
        self._path_options = PathOptions(trailing_slash=cls.trailing_slash, converters=cls.converters, namespace=cls.namespace)
        self._context_class = cls.context_class
        self._is_built = False
        self._app = None
        self.__pagi__ = Marker(self)
        self._middleware = checked_middleware([middleware_of(self, cls, layer) for layer in cls.middleware])
        self._entries = [
            marked_route(mark, getattr(self, name), [middleware_of(self, cls, layer) for layer in mark.middleware])
            for name, _, mark in marked_methods(cls)
        ]
        return self

    def __init__(
        self,
        prefix: str = "",
        *,
        middleware: Sequence[AnyMiddleware] = (),
        routers: Sequence["Router | type[Router]"] = (),
        context_class: type[Context[Any]] | None = None,
        trailing_slash: TrailingSlash | None = None,
        converters: Mapping[str, Converter] | None = None,
        namespace: str = "",
    ) -> None:
        if prefix:
            self._prefix = checked_prefix(prefix)
        own = PathOptions(trailing_slash=trailing_slash, converters=converters or {}, namespace=namespace)
        self._path_options = own.over(self._path_options)
        if context_class is not None:
            self._context_class = context_class
        self._middleware += checked_middleware(middleware)
        for router in routers:
            self.include(router)

    # ---- handlers

    def get(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for GET; HEAD is answered by it too."""
        return self.route(path, methods=("GET",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def post(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for POST."""
        return self.route(path, methods=("POST",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def put(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for PUT."""
        return self.route(path, methods=("PUT",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def patch(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for PATCH."""
        return self.route(path, methods=("PATCH",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def delete(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for DELETE."""
        return self.route(path, methods=("DELETE",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def head(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for HEAD, in place of the one that answers GET."""
        return self.route(path, methods=("HEAD",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def options(
        self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = (), cancel_on_disconnect: bool = False
    ) -> Callable[[F], F]:
        """Registers a handler for OPTIONS, in place of the automatic answer."""
        return self.route(path, methods=("OPTIONS",), name=name, middleware=middleware, cancel_on_disconnect=cancel_on_disconnect)

    def route(
        self,
        path: str,
        *,
        methods: Sequence[str] = ANY_METHOD,
        name: str | None = None,
        middleware: Sequence[AnyMiddleware] = (),
        cancel_on_disconnect: bool = False,
    ) -> Callable[[F], F]:
        """Registers a handler for several methods; without `methods`, for the five usual ones."""
        options = RouteOptions(cancel_on_disconnect=cancel_on_disconnect)
        return self._decorator("http", path, methods, name, middleware, options)

    def websocket(self, path: str, *, name: str | None = None, middleware: Sequence[AnyMiddleware] = ()) -> Callable[[F], F]:
        """Registers a session function: it accepts, and the session ends when it returns."""
        return self._decorator("websocket", path, (), name, middleware, RouteOptions())

    def sse(
        self,
        path: str,
        *,
        methods: Sequence[str] = ("GET",),
        name: str | None = None,
        middleware: Sequence[AnyMiddleware] = (),
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
        handler: Callable[..., Any] | AnyEndpoint,
        *,
        kind: Kind = "http",
        methods: Sequence[str] | None = None,
        name: str | None = None,
        middleware: Sequence[AnyMiddleware] = (),
        options: RouteOptions | None = None,
    ) -> None:
        """Registers an endpoint, as a class or an instance; or a function, without decorating it.

        An endpoint says itself of which kind it is and which methods it serves.

        Raises:
            ConfigError: what an endpoint says itself is said here, too.
        """
        if not is_endpoint(handler):
            self._decorator(kind, path, methods or ("GET",), name, middleware, options or RouteOptions())(handler)
            return
        if kind != "http" or methods is not None or options is not None:
            raise ConfigError(
                f"{path}: {endpoint_class(handler).__qualname__} is an endpoint, which says its kind, methods and options itself"
            )
        for route in endpoint_routes(path, handler, name, checked_middleware(middleware)):
            self._append(route)

    # ---- other routers and applications

    def include(self, router: "Router | type[Router]", prefix: str = "", *, namespace: str | None = None) -> None:
        """Takes over all of `router`, under its own prefix and this one; its middleware stays around its own handlers.

        A class is made once when the app starts, its constructor filled by injection. With a `namespace`, in place of its own,
        its names become `namespace:name`.

        Raises:
            ConfigError: the router would include itself, or it is none.
        """
        if not _is_router(router):
            raise ConfigError(f"a router or a class of routers is included, got {router!r}; an application is mounted: mount(prefix, app)")
        if isinstance(router, type):
            router = _unbound(router)
        if router is self or _reaches(router, self):
            raise ConfigError(f"{router!r} cannot be included in itself")
        self._append(Included(router, checked_prefix(prefix), namespace))

    def group(self, prefix: str = "", *, middleware: Sequence[AnyMiddleware] = (), namespace: str = "") -> "Router":
        """A new router, included here: for a handful of routes that share a prefix or middleware.

        >>> app = Router()
        >>> users = app.group("/users", namespace="users")
        >>> @users.get("/{id:int}", name="one")
        ... async def one(id: int) -> int:
        ...     return id
        """
        router = Router(prefix, middleware=middleware, namespace=namespace)
        self.include(router)
        return router

    def mount(self, prefix: str, app: "AnyApp | Router", *, name: str | None = None, middleware: Sequence[AnyMiddleware] = ()) -> None:
        """Hands everything under `prefix` to another application, pagi or plain ASGI.

        It finds the prefix moved from what it routes on into `root_path`; `path` stays whole, as ASGI says. Parameters of the
        prefix stand beside those of the routes inside, and in `scope["path_params"]`. With a `name`, `url_for` knows the
        routes of a pagi app as `name:route`, and any other app as `name` with the rest of the path as `path`.
        """
        self._append(Mount(prefix=checked_prefix(prefix), app=app, name=name, middleware=checked_middleware(middleware)))

    def host(self, pattern: str, app: "AnyApp | Router", *, middleware: Sequence[AnyMiddleware] = ()) -> None:
        """Hands everything that is asked of a host to another application, before any path is matched: `api.example.org`.

        A label may be left open, and is then a parameter: `{tenant}.example.org`. Letters' case and the port do not matter. The
        host is what the client says: behind a proxy, what the proxy lets pass.

        Raises:
            BadHost: the pattern is none.
        """
        host_pattern(pattern)
        self._append(Mount(prefix="", host=pattern, app=app, middleware=checked_middleware(middleware)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The router as an application of its own."""
        if self._app is None:
            self._app = app_around(self)
        await self._app(scope, receive, send)

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
    def layers(self) -> tuple[AnyMiddleware, ...]:
        """The middleware around everything here, outermost first."""
        return self._middleware

    @property
    def own_context_class(self) -> type[Context[Any]] | None:
        """The context of the handlers here; None: that of the router or app around."""
        return self._context_class

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

    def mark_made_late(self) -> None:
        """It was made when the app had been built from its class: what its constructor said beside that would never be heard.

        Raises:
            ConfigError: the constructor registered routes or middleware, or chose a prefix or the like.
        """
        blank = type(self).__new__(type(self))
        names = ("_prefix", "_context_class", "_path_options")
        said = [name.strip("_") for name in names if getattr(self, name) != getattr(blank, name)]
        said += ["middleware"] if len(self._middleware) != len(blank._middleware) else []
        said += ["routes"] if len(self._entries) != len(blank._entries) else []
        if said:
            raise ConfigError(
                f"{type(self).__qualname__} was given as a class, and its constructor says more of {', '.join(said)}, when the app has "
                f"been built: say it in the class body, or give routers=[...] an instance"
            )
        self.mark_built()

    def _append(self, entry: "Route | Mount | Included") -> None:
        if self._is_built:
            raise AlreadyBuilt("the app is built already, what is added now would never be served; add it before the first request")
        self._entries.append(entry)

    def _decorator(
        self, kind: Kind, path: str, methods: Sequence[str], name: str | None, middleware: Sequence[AnyMiddleware], options: RouteOptions
    ) -> Callable[[F], F]:
        if kind != "websocket" and not methods:
            raise ConfigError(f"{kind} {path}: no methods are given")
        if isinstance(methods, str):
            raise ConfigError(f"{kind} {path}: methods is a list, write [{methods!r}]")
        if kind == "sse":
            check_stream_methods(path, methods)
        layers = checked_middleware(middleware)

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


def _is_router(thing: object) -> bool:
    return isinstance(thing, Router) or (isinstance(thing, type) and issubclass(thing, Router))


def _unbound(cls: type[Router]) -> Router:
    """What a class-based router registers, before there is an object of it."""
    table = Router(
        cls.prefix,
        context_class=cls.context_class,
        trailing_slash=cls.trailing_slash,
        converters=cls.converters,
        namespace=cls.namespace,
        middleware=[late_middleware(cls, layer) for layer in cls.middleware],
    )
    for name, member, mark in marked_methods(cls):
        owner = None if is_without_self(member) else cls
        table._append(marked_route(mark, getattr(cls, name), [late_middleware(cls, layer) for layer in mark.middleware], owner=owner))  # pyright: ignore[reportPrivateUsage]
    return table


_OWN_NAMES = frozenset(name for name in vars(Router) if not name.startswith("_")) - {
    "prefix",
    "middleware",
    "context_class",
    "trailing_slash",
    "converters",
    "namespace",
}
