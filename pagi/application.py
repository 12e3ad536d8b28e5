"""The App: routers, middleware and lifespan made into one callable that any ASGI server can serve."""

import copy
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, cast

import anyio
from anyio.lowlevel import RunVar

from pagi import edge
from pagi.builder import BASES, Parts, build_site
from pagi.context.answering import run_background
from pagi.context.context import Context
from pagi.context.next import Kind
from pagi.defaults import DEFAULTS
from pagi.endpoints.codecs import PLAIN, Codec, Codecs
from pagi.endpoints.entrance import ROUTE, enter, find, opened, settle, translate
from pagi.endpoints.rescue import ExceptionHandler
from pagi.endpoints.route import AnyMiddleware, Mount
from pagi.endpoints.router import AlreadyBuilt, Included, Router
from pagi.endpoints.site import RouteInfo, Site, Target
from pagi.endpoints.standalone import leave_word
from pagi.gateway.asgi import as_asgi
from pagi.gateway.marker import Marker
from pagi.gateway.types import ASGIApp, Receive, Scope, Send
from pagi.http.errors import AppError, ConfigError
from pagi.injection.plan import Step
from pagi.injection.providers import Provider
from pagi.injection.registry import Overrides, check_untaken
from pagi.lifespan import Lifespan, run_lifespan
from pagi.messages.response import Response
from pagi.routing.converters import Converter
from pagi.routing.table import TrailingSlash

ErrorT = TypeVar("ErrorT", bound=Exception)
ErrorHandlerT = Callable[[Any, ErrorT], Response | Awaitable[Response]]

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


class App(Router, extends_router=True):
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
        providers: what `@provider` made, or classes: found by the type that handlers and dependencies are annotated with.
        exception_handlers: from an exception class or a status (400 to 599) to `(ctx, error) -> Response`, async or not.
        contexts: the context class of each kind, where it is the app's own.
        codecs: how classes that msgspec does not know are read and written, wherever they stand.
        lifespan: an async context manager function that takes the app; the mapping it yields is `ctx.state`.
        threads: how many plain `def` handlers may run at once.
        trailing_slash, converters, namespace: see `Router`.
    """

    debug = False
    """What goes wrong may be shown to whoever asks from this machine: `pagi dev` sets it, and nothing else should."""

    def __init__(
        self,
        prefix: str = "",
        *,
        routers: Sequence[Router | type[Router]] = (),
        middleware: Sequence[AnyMiddleware] = (),
        asgi_middleware: Sequence[Callable[[Any], Any]] = (),
        rewrites: Sequence[Rewrite] = (),
        origins: Sequence[str] | AnyOrigin = (),
        providers: Sequence[Provider[Any] | type[Any]] = (),
        exception_handlers: Mapping[type[Exception] | int, ExceptionHandler] | None = None,
        contexts: Mapping[Kind, type[Context[Any]]] | None = None,
        codecs: Sequence[Codec] = (),
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
        self._providers = tuple(providers)
        self._exception_handlers: dict[Any, ExceptionHandler] = dict(exception_handlers or {})
        self._contexts = _checked_contexts(contexts or {})
        self._codecs = Codecs(codecs) if codecs else PLAIN
        self._overrides: dict[Any, Any] = {}
        self.lifespan = lifespan
        self._threads = threads
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar("pagi.threads")
        self._site: Site | None = None
        self._bridge: ASGIApp = self.__call__
        self._wrapped: ASGIApp | None = None
        self._is_plain = False

    # ---- building

    def build(self) -> None:
        """Compiles routes, signatures and middleware; a second call does nothing.

        Raises:
            ConfigError: anything that could not work while serving.
        """
        if self._site is not None:
            return
        site = build_site(self, self._parts())
        site.origins = self._origins
        site.debug = self.debug
        self._bridge = as_asgi(self._enter, settles_kind=True)
        if self._asgi_middleware:
            wrapped: ASGIApp = self._inside_asgi
            for factory in reversed(self._asgi_middleware):
                wrapped = factory(wrapped)
            self._wrapped = wrapped
        self._is_plain = not (self._rewrites or self._asgi_middleware or site.hosts)
        self._site = site

    def _parts(self) -> Parts:
        return Parts(
            contexts={**BASES, **self._contexts},
            threads=self._threads_of_this_loop,
            providers=self._providers,
            defaults=DEFAULTS,
            codecs=self._codecs,
            exception_handlers=self._exception_handlers,
            overrides=self._overrides,
            parts_of=_parts_of,
        )

    def on_error(self, caught: type[ErrorT], /) -> Callable[[ErrorHandlerT[ErrorT]], ErrorHandlerT[ErrorT]]:
        """Decorates the handler of an exception class: `@app.on_error(ValueError)`; the typed form of `exception_handlers`.

        Raises:
            ConfigError: the class has one already.
        """

        def decorate(handler: ErrorHandlerT[ErrorT]) -> ErrorHandlerT[ErrorT]:
            if self._site is not None:
                raise AlreadyBuilt("the app is built already, and would never call this handler; add it before the first request")
            if caught in self._exception_handlers:
                raise ConfigError(f"{caught.__qualname__} has an exception handler already: {self._exception_handlers[caught]!r}")
            self._exception_handlers[caught] = handler
            return handler

        return decorate

    @property
    def routes(self) -> list[RouteInfo]:
        """Every route and what runs for it, in the order of registration. Builds the app."""
        return list(self._ready.routes)

    def overridden(self, overrides: Overrides, *, is_running: bool = False) -> "App":
        """This app with other values in the place of some dependencies: for tests. It is built anew, and this one is not changed.

        Raises:
            ConfigError: the app `is_running`, and something that lives as long as it was made from what is to be replaced.
        """
        if is_running:
            check_untaken(self._ready.app_steps.values(), overrides, self._overrides)
        other = copy.copy(self)
        other._overrides = {**self._overrides, **overrides}
        other._limiter = RunVar("pagi.threads")
        other._site, other._wrapped, other._bridge = None, None, other.__call__
        other.__pagi__ = Marker(other)
        return other

    @property
    def is_enterable(self) -> bool:
        """Mounted, its routes can be reached directly: it has neither rewrites nor plain ASGI middleware of its own."""
        return not (self._rewrites or self._asgi_middleware)

    def _lifespans(self) -> list[tuple[Any, Lifespan]]:
        return [(app, app.lifespan) for app in _apps(self) if app.lifespan is not None]

    def _app_steps(self) -> Iterable[Step]:
        return self._ready.app_steps.values()

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
            await run_lifespan(self.build, self._lifespans, self._app_steps, scope, receive, send)
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
        # `edge.serve` by hand: every exchange would keep a frame of it, thousands of them idle.
        try:
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
                await run_background(ctx)
        finally:
            if ctx.exits:
                await edge.close_exits(ctx)

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


def _parts_of(router: Router) -> Parts | None:
    return router._parts() if isinstance(router, App) else None  # pyright: ignore[reportPrivateUsage]


def _checked_contexts(contexts: Mapping[Kind, type[Context[Any]]]) -> dict[Kind, type[Context[Any]]]:
    for kind, context_class in contexts.items():
        if kind not in BASES or not issubclass(context_class, BASES[kind]):
            base = BASES[kind].__name__ if kind in BASES else "of http, websocket or sse"
            raise ConfigError(f"contexts[{kind!r}] is {context_class.__qualname__}, which is no {base}")
    return dict(contexts)


def _apps(router: Router) -> Iterator[App]:
    """Every app from here inwards, through what is included and mounted."""
    if isinstance(router, App):
        yield router
    for entry in router.entries:
        inside = entry.router if isinstance(entry, Included) else entry.app if isinstance(entry, Mount) else None
        if isinstance(inside, Router):
            yield from _apps(inside)


def _app_around(thing: Any) -> App:
    if isinstance(thing, Router):
        return App(routers=[thing])
    app = App()
    app.add("/", thing)
    return app


leave_word(_app_around)
