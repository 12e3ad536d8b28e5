"""The App: routers, middleware and lifespan made into one callable that any ASGI server can serve."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import anyio
from anyio.lowlevel import RunVar

from pagi import edge
from pagi.builder import build_site
from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Kind, Middleware
from pagi.context.sse import SSEContext
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.entrance import ROUTE, enter, find, opened, settle, translate
from pagi.endpoints.route import Mount
from pagi.endpoints.router import Included, Router
from pagi.endpoints.site import Site, Target
from pagi.gateway.asgi import as_asgi
from pagi.gateway.marker import Marker
from pagi.gateway.types import ASGIApp, Receive, Scope, Send
from pagi.http.errors import AppError, ConfigError
from pagi.lifespan import Lifespan, run_lifespan
from pagi.routing.converters import Converter
from pagi.routing.table import TrailingSlash

CONTEXTS: dict[Kind, type[Context[Any]]] = {"http": HTTPContext, "websocket": WebSocketContext, "sse": SSEContext}

Rewrite = Callable[[Scope], None]
"""Changes path, method, scheme, host or client of a scope before anything is matched."""

AnyOrigin = Literal["*"]

DEFAULT_THREADS = 40
"""How many plain `def` handlers may run at once."""

_MATCHED = "pagi.matched"
"""Where path and method are kept while plain ASGI middleware runs: they are fixed by then."""


class PathChanged(AppError):
    """Plain ASGI middleware changed path or method, which were fixed by then."""

    def __init__(self, before: object, after: object) -> None:
        super().__init__(
            f"plain ASGI middleware changed path or method from {before} to {after}; do it in App(rewrites=[...]), before the match"
        )


class App(Router):
    """An application: handlers of all three kinds, middleware around them, one lifespan, one ASGI callable.

    It is a router too, so `@app.get("/")` works. The first call, the start of the lifespan or `build()` compiles
    everything once; adding anything afterwards is an error.

    Args:
        prefix: stands before every path.
        routers: included, in order.
        middleware: `async def (ctx, next)`, the first one outermost; 404 and 405 pass through it too.
        asgi_middleware: plain ASGI middleware, `factory(app) -> app`, around everything; it sees ASGI's three scope types only.
        rewrites: plain functions of the scope, run before anything is matched.
        origins: from where browsers may open WebSockets besides the request's own host; `"*"` for anywhere.
        lifespan: an async context manager function that takes the app; the mapping it yields is `ctx.state`.
        threads: how many plain `def` handlers may run at once.
        trailing_slash, converters, namespace: see `Router`.
    """

    def __init__(
        self,
        prefix: str = "",
        *,
        routers: Sequence[Router] = (),
        middleware: Sequence[Middleware] = (),
        asgi_middleware: Sequence[Callable[[Any], Any]] = (),
        rewrites: Sequence[Rewrite] = (),
        origins: Sequence[str] | AnyOrigin = (),
        lifespan: Lifespan | None = None,
        threads: int = DEFAULT_THREADS,
        trailing_slash: TrailingSlash | None = None,
        converters: Mapping[str, Converter] | None = None,
        namespace: str = "",
    ) -> None:
        super().__init__(
            prefix, middleware=middleware, routers=routers, trailing_slash=trailing_slash, converters=converters, namespace=namespace
        )
        if isinstance(origins, str) and origins != "*":
            raise ConfigError(f'origins is a list or "*"; write [{origins!r}]')
        self._asgi_middleware = tuple(asgi_middleware)
        self._rewrites = tuple(rewrites)
        self._origins = origins if isinstance(origins, str) else frozenset(origin.lower() for origin in origins)
        self.lifespan = lifespan
        self._threads = threads
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar("pagi.threads")
        self._site: Site | None = None
        self._bridge: ASGIApp = self.__call__
        self._wrapped: ASGIApp | None = None
        self._is_plain = False
        self.__pagi__ = Marker(self)

    # ---- building

    def build(self) -> None:
        """Compiles routes, signatures and middleware; a second call does nothing.

        Raises:
            ConfigError: anything that could not work while serving.
        """
        if self._site is not None:
            return
        site = build_site(self, CONTEXTS, self._threads_of_this_loop)
        site.origins = self._origins
        self._bridge = as_asgi(self._enter, settles_kind=True)
        if self._asgi_middleware:
            wrapped: ASGIApp = self._inside_asgi
            for factory in reversed(self._asgi_middleware):
                wrapped = factory(wrapped)
            self._wrapped = wrapped
        self._is_plain = not (self._rewrites or self._asgi_middleware)
        self._site = site

    @property
    def is_enterable(self) -> bool:
        """Mounted, its routes can be reached directly: it has neither rewrites nor plain ASGI middleware of its own."""
        return not (self._rewrites or self._asgi_middleware)

    def _lifespans(self) -> list[tuple[Any, Lifespan]]:
        return [(app, app.lifespan) for app in _apps(self) if app.lifespan is not None]

    def _threads_of_this_loop(self) -> anyio.CapacityLimiter:
        try:
            return self._limiter.get()
        except LookupError:
            limiter = anyio.CapacityLimiter(self._threads)
            self._limiter.set(limiter)
            return limiter

    # ---- serving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        kind = scope["type"]
        if kind == "lifespan":
            await run_lifespan(self.build, self._lifespans, scope, receive, send)
            return
        site = self._site
        if site is None:
            site = self._ready
        if "pagi.connection" not in scope:
            await self._bridge(scope, receive, send)
            return
        if not self._is_plain:
            await self._enter(scope, receive, send)
            return
        ctx: Any
        target: Target | None = None
        params: dict[str, Any] = {}
        if kind == "http" and not scope["root_path"]:
            # The hot path: `find` and `opened` without their questions, where the method is one for which no Accept field matters.
            leaf, params = site.table.first(scope["path"])
            target = leaf.plain.get(scope["method"]) if leaf is not None else None
        if target is not None:
            scope[ROUTE] = target.label
            if params:
                scope["path_params"] = params
            ctx = target.context_class(scope, receive, send, params, site)
        else:
            target, params, is_translated = find(site, scope, send)
            if is_translated:
                await translate(site, target, params, scope, receive, send)
                return
            ctx = opened(site, target, params, scope, receive, send)
        if target.serve is edge.serve_cancellable:
            await target.serve(ctx, target.run)
            return
        # The edge itself, `serve_http` and `serve_session` in one: every exchange would keep a frame of them, thousands of them idle.
        try:
            response = await target.run(ctx)
            full = getattr(send, "full", None)
            if full is not None and response.is_whole and ctx.hooks is None and ctx.channel is None and target.kind == "http":
                full(response.status, response.raw_headers, response.body)
            elif target.kind == "http" or not response.is_sent:
                await edge.send(ctx, response)
        except Exception as error:
            await edge.recover(ctx, error)
        if ctx.background is not None:
            await edge.run_background(ctx)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrites, plain ASGI middleware, then the match and all that follows from it."""
        for rewrite in self._rewrites:
            rewrite(scope)
        if self._wrapped is None:
            await enter(self._ready, scope, receive, send)
            return
        if scope["type"] == "sse":
            settle(scope, send, "http")  # the stream begins inside the middleware
        scope[_MATCHED] = (scope["path"], scope.get("method"))
        await self._wrapped(scope, receive, send)

    async def _inside_asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The innermost app of the plain ASGI middleware."""
        if scope["type"] not in ("http", "websocket"):
            return
        if scope.get(_MATCHED) != (scope["path"], scope.get("method")):
            raise PathChanged(scope.get(_MATCHED), (scope["path"], scope.get("method")))
        await enter(self._ready, scope, receive, send)

    @property
    def _ready(self) -> Site:
        if self._site is None:
            self.build()
        return cast("Site", self._site)


def _apps(router: Router) -> Iterator[App]:
    """Every app from here inwards, through what is included and mounted."""
    if isinstance(router, App):
        yield router
    for entry in router.entries:
        inside = entry.router if isinstance(entry, Included) else entry.app if isinstance(entry, Mount) else None
        if isinstance(inside, Router):
            yield from _apps(inside)
