"""Makes an app's declarations into tables and fused chains, once; every mistake of wiring ends here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import KINDS, Kind, Layer, Middleware
from pagi.context.ready import ReadyApp
from pagi.context.sse import SSEContext
from pagi.context.websocket import WebSocketContext
from pagi.edge import serve, serve_cancellable
from pagi.endpoints.codecs import PLAIN, Codecs
from pagi.endpoints.endpoint import SSEEndpoint, WebSocketEndpoint, is_endpoint
from pagi.endpoints.http import Threads, http_layer, streams
from pagi.endpoints.matching import ALLOW, LOCATION, allow_field, not_acceptable
from pagi.endpoints.mounted import foreign_layer, pagi_layer, ready_layer
from pagi.endpoints.place import Place
from pagi.endpoints.rescue import ExceptionHandler, Rescue, refused
from pagi.endpoints.resolving import Resolvers
from pagi.endpoints.route import AnyMiddleware, Mount, Route
from pagi.endpoints.router import Included, Router
from pagi.endpoints.site import MountPoint, RouteInfo, Site, Target
from pagi.endpoints.sse import sse_layer
from pagi.endpoints.sse_hooks import sse_endpoint_layer
from pagi.endpoints.websocket import websocket_layer
from pagi.endpoints.websocket_hooks import websocket_endpoint_layer
from pagi.endpoints.wiring import Owner, Wiring
from pagi.gateway.annotations import name_of
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.injection.providers import Provider
from pagi.injection.registry import Overrides, Registry
from pagi.messages.problems import HTTPException
from pagi.messages.response import Redirect, Response
from pagi.middleware.chain import fuse
from pagi.middleware.kinds import ContextClasses, UnguardedRoute, kinds_of, named
from pagi.routing.hosts import host_pattern
from pagi.routing.patterns import Pattern
from pagi.routing.prefixes import check_reachable
from pagi.routing.table import Leaf
from pagi.supplies import Supplies

BASES: dict[Kind, type[Context[Any]]] = {"http": HTTPContext, "websocket": WebSocketContext, "sse": SSEContext}
"""The context of each kind that all others of it derive from."""

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""What RFC 9110 section 9.3 and RFC 5789 define."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an app is built from, beside its routes."""

    contexts: ContextClasses
    threads: Threads
    providers: Sequence[Provider[Any] | type[Any]] = ()
    defaults: Sequence[Provider[Any]] = ()
    """Providers of what the app has by itself, for types that nobody else provides."""
    codecs: Codecs = PLAIN
    exception_handlers: Mapping[Any, ExceptionHandler] = field(default_factory=dict[Any, ExceptionHandler])
    overrides: Overrides = field(default_factory=dict[Any, Any])
    parts_of: Callable[[Router], "Parts | None"] = lambda router: None
    """The parts of a mounted app; None for a router, which has those of the app around."""


def build_site(root: Router, parts: Parts) -> Site:
    """Compiles everything that `root` reaches.

    Raises:
        ConfigError: anything that could not work while serving: paths, names, signatures, middleware, providers.
    """
    supplies = Supplies(Registry(parts.providers, defaults=parts.defaults, overrides=parts.overrides), parts.codecs)
    return _built(root, parts, supplies, Rescue(parts.exception_handlers), None)


def _built(root: Router, parts: Parts, supplies: Supplies, rescue: Rescue, mounted_at: Pattern | None) -> Site:
    """The parameters of the prefix it is `mounted_at` are its handlers' parameters too."""
    contexts = _with_own(parts.contexts, root.own_context_class)
    site = Site(contexts, rescue, Resolvers(supplies.registry, supplies.codecs), supplies.app_steps)
    site.encode = supplies.codecs.encoder()
    builder = _Builder(site, parts, supplies, mounted_at)
    builder.take(root, Place().inside(root.full_prefix, root.path_options), (), contexts)
    builder.finish(builder.wired(root.layers))
    supplies.finish(site.resolvers, contexts)
    return site


class _Builder:
    """What is known while one site is compiled."""

    def __init__(self, site: Site, parts: Parts, supplies: Supplies, mounted_at: Pattern | None) -> None:
        self.site = site
        self.parts = parts
        self.supplies = supplies
        self.mounted_at = mounted_at
        self.owners: dict[Leaf[Target], tuple[tuple[Middleware, ...], ContextClasses]] = {}
        """The router-level layers of the first route under each pattern, with the context classes they were checked with."""
        self.routes: list[tuple[Pattern, Kind, str]] = []
        self.mounts: list[tuple[Pattern | None, str]] = []
        """What was registered, with its label."""

    def take(self, router: Router, place: Place, outer: tuple[Middleware, ...], contexts: ContextClasses) -> None:
        """Everything of `router`, flattened. `place` is the one inside of it."""
        router.mark_built()
        layers = (*outer, *self.wired(router.layers))
        contexts = _with_own(contexts, router.own_context_class)
        for entry in router.entries:
            if isinstance(entry, Included):
                self.check_included(entry.router)
                inside = place.below(entry.prefix).inside(entry.router.full_prefix, entry.router.path_options, entry.namespace)
                self.take(entry.router, inside, layers, contexts)
            elif isinstance(entry, Route):
                self.route(entry, place, layers, contexts)
            else:
                self.mount(entry, place, layers)

    def check_included(self, router: Router) -> None:
        """An app that is included gives its routes, and nothing else that it has.

        Raises:
            ConfigError: it has more.
        """
        own = self.parts.parts_of(router)
        if own is not None and (own.providers or own.exception_handlers or own.overrides or not router.is_enterable):
            raise ConfigError(
                f"{router!r} is an App with providers, exception handlers, rewrites or ASGI middleware of its own, which would be lost "
                f"where it is included; mount it instead: app.mount({router.full_prefix!r}, ...)"
            )

    def route(self, route: Route, place: Place, owner: tuple[Middleware, ...], around: ContextClasses) -> None:
        """One handler. `around` are the context classes of its router."""
        contexts = _with_own(around, route.context_class, route.kind)
        pattern = place.pattern(route.path)
        whole = pattern.under(self.mounted_at)
        label = f"{route.kind} {pattern.text} ({name_of(route.handler)})"
        layers = (*owner, *self.wired(route.middleware))
        self.check(layers, route.kind, label, contexts)
        site = self.site
        site.kinds.add(route.kind)
        site.contexts_of[route.kind] |= {contexts[route.kind], around[route.kind]}
        wiring = Wiring(route.kind, contexts[route.kind], whole, self.supplies.registry, self.supplies.saw, self.supplies.codecs)
        is_cancellable = route.kind == "http" and (route.options.cancel_on_disconnect or streams(route.handler))
        run = fuse(layers, self.innermost(route, wiring), route.kind, contexts)
        target = Target(route.kind, contexts[route.kind], whole.text, run, serve_cancellable if is_cancellable else serve)
        for method in dict.fromkeys(route.methods or ("",)):
            leaf = site.table.add(pattern, route.kind, method, target, label, place.slash)
            self.owners.setdefault(leaf, (owner, around))
        self.routes.append((pattern, route.kind, label))
        name = None if route.name is None else place.name(route.name, label)
        if name is not None:
            site.names.add(name, pattern, label)
        site.routes.append(
            RouteInfo(
                kind=route.kind,
                methods=route.methods,
                path=whole.text,
                name=name,
                handler=name_of(route.handler),
                middleware=_names(layers),
                dependencies=tuple(
                    dict.fromkeys(
                        maker.name for plan in wiring.plans for maker in plan.makers() if maker.function not in (route.handler, route.owner)
                    )
                ),
            )
        )

    def innermost(self, route: Route, wiring: Wiring) -> Layer:
        """What calls the handler of a route."""
        handler: Any = route.handler
        owner = Owner.of(route.owner, once=route.is_owned_once) if route.owner is not None else None
        if is_endpoint(handler):
            if route.kind == "websocket":
                return websocket_endpoint_layer(cast("WebSocketEndpoint", handler), wiring)
            return sse_endpoint_layer(cast("SSEEndpoint", handler), wiring, route.options)
        if route.kind == "http":
            return http_layer(handler, owner, wiring, self.site.encode, self.parts.threads)
        if route.kind == "websocket":
            return websocket_layer(handler, owner, wiring)
        return sse_layer(handler, owner, wiring, route.options)

    def mount(self, mount: Mount, place: Place, owner: tuple[Middleware, ...]) -> None:
        """One application under a prefix."""
        full = place.prefix + mount.prefix
        prefix = place.below(mount.prefix).pattern("") if full and mount.host is None else None
        whole = prefix.under(self.mounted_at) if prefix else self.mounted_at
        if mount.host is not None:
            whole = host_pattern(mount.host).under(self.mounted_at)
        layers = (*owner, *self.wired(mount.middleware))
        label = f"the application mounted at {mount.host or full or '/'} ({name_of(mount.app)})"
        inner: Site | None = None
        served: Layer
        # An app that cannot be entered settles the kind itself: its streams begin inside, out here they are http.
        speaks_sse = is_pagi(mount.app) and not isinstance(mount.app, Router)
        if isinstance(mount.app, Router) and mount.app.is_enterable:
            inner = self.mounted(mount.app, whole)
            kinds, served = frozenset(inner.kinds), pagi_layer
        elif isinstance(mount.app, ReadyApp):
            kinds, served = frozenset[Kind](("http",)), ready_layer(mount.app, prefix)
        elif callable(mount.app):
            kinds = frozenset[Kind](KINDS if speaks_sse else ("http", "websocket"))
            served = foreign_layer(cast("AnyApp", mount.app), prefix, speaks_sse)
        else:
            raise ConfigError(f"mount {full}: an application is async (scope, receive, send), or a Router; got {mount.app!r}")
        contexts = self.site.contexts
        for kind in sorted(kinds):
            for context_class in inner.contexts_of[kind] if inner else {contexts[kind]}:
                self.check(layers, kind, label, {**contexts, kind: context_class})
                self.site.contexts_of[kind].add(context_class)
        self.site.kinds |= kinds
        text = whole.text if whole else ""
        targets: dict[Kind, Target] = {}
        for kind in KINDS:
            run = fuse(self.serving(layers, kind), served, kind, contexts)
            targets[kind] = Target(kind, contexts[kind], f"{text}/{{rest:path}}", run, serve)
        point = MountPoint(targets, inner, speaks_sse)
        if mount.host is not None:
            self.site.hosts.add(mount.host, point)
        else:
            self.site.mounts.add(prefix, point, label)
            self.mounts.append((prefix, label))
        self.name_mount(mount, prefix, place, inner, label)
        self.describe_mount(mount, mount.host or text or "/", layers, inner)

    def name_mount(self, mount: Mount, prefix: Pattern | None, place: Place, inner: Site | None, label: str) -> None:
        """What `url_for` knows of a mount."""
        if mount.name is None:
            return
        name = place.name(mount.name, label)
        if inner is not None:
            self.site.names.mount(name, prefix, inner.names)
        else:
            self.site.names.add(name, place.below(mount.prefix).pattern("/{path:path}"), label)

    def describe_mount(self, mount: Mount, path: str, layers: Sequence[Middleware], inner: Site | None) -> None:
        """The rows of a mount: all routes of a pagi app, one for any other."""
        around = _names(layers)
        if inner is not None:
            host = mount.host or ""
            self.site.routes += [replace(row, path=host + row.path, middleware=(*around, *row.middleware)) for row in inner.routes]
            return
        app = name_of(mount.app)
        if app.endswith(".__call__"):
            app = f"{type(mount.app).__module__}.{type(mount.app).__qualname__}"
        self.site.routes.append(
            RouteInfo(kind="mount", methods=(), path=path, name=mount.name, handler=app, middleware=around, dependencies=())
        )

    def mounted(self, router: Router, at: Pattern | None) -> Site:
        """The site of a mounted app or router: what it does not provide or handle itself, the app around does."""
        own = self.parts.parts_of(router)
        # What is mounted and says nothing of its contexts has those of the app around: they are one exchange.
        contexts = self.site.contexts
        if own is None:
            return _built(router, replace(self.parts, contexts=contexts), self.supplies, self.site.exceptions, at)
        own = replace(own, contexts={kind: contexts[kind] if said is BASES[kind] else said for kind, said in own.contexts.items()})
        registry = Registry(own.providers, parent=self.supplies.registry, overrides=own.overrides)
        codecs = self.supplies.codecs if own.codecs is PLAIN else own.codecs
        return _built(router, own, self.supplies.within(registry, codecs), Rescue(own.exception_handlers, self.site.exceptions), at)

    def finish(self, layers: Sequence[Middleware]) -> None:
        """What answers where no handler does: other methods, OPTIONS, other slashes, and paths that lead nowhere."""
        check_reachable(self.mounts, self.routes)
        methods = _KNOWN_METHODS.union(*(leaf.methods for leaf in self.site.table.leaves()))
        for leaf in self.site.table.leaves():
            self.other(leaf, *self.owners[leaf], methods)
        contexts = self.site.contexts
        unrouted: tuple[Kind, ...] = ("http", "websocket")
        for kind in unrouted:
            run = fuse(self.serving(layers, kind), _not_found, kind, contexts)
            self.site.missing[kind] = Target(kind, contexts[kind], "", run, serve)
        run = fuse(self.serving(layers, "http"), _elsewhere, "http", contexts)
        self.site.elsewhere = Target("http", contexts["http"], "", run, serve)
        self.site.forbidden = Target("websocket", contexts["websocket"], "", _foreign_origin, serve)

    def other(self, leaf: Leaf[Target], layers: tuple[Middleware, ...], contexts: ContextClasses, known: frozenset[str]) -> None:
        """HEAD by GET, and the automatic answers of one path."""
        if "GET" in leaf.http:
            leaf.http.setdefault("HEAD", leaf.http["GET"])
        if not self.site.mounts.may_precede(leaf.exactness):
            leaf.plain = {method: target for method, target in leaf.http.items() if method not in leaf.sse}
        around = self.serving(layers, "http", contexts)
        if leaf.methods:
            run = fuse(around, _other_methods(allow_field(leaf.methods), known), "http", contexts)
            leaf.other = Target("http", contexts["http"], leaf.pattern.text, run, serve)
        if leaf.sse:
            run = fuse(around, _unacceptable, "http", contexts)
            leaf.unacceptable = Target("http", contexts["http"], leaf.pattern.text, run, serve)
        for method in leaf.sse.keys() & leaf.http.keys():
            leaf.sse[method].varies = leaf.http[method].varies = True

    def wired(self, layers: Sequence[AnyMiddleware]) -> tuple[Middleware, ...]:
        """The layers, with what is made at start-up reached where it will be."""
        return tuple(self.supplies.wired(layer) for layer in layers)

    def check(self, layers: Sequence[Middleware], kind: Kind, label: str, contexts: ContextClasses) -> None:
        """Every middleware around a route serves its kind, and takes the context it has.

        Raises:
            UnguardedRoute: one does not.
        """
        for middleware in layers:
            kinds = kinds_of(middleware, contexts)
            if kind not in kinds:
                raise UnguardedRoute(middleware, kinds, label, kind)

    def serving(self, layers: Sequence[Middleware], kind: Kind, contexts: ContextClasses | None = None) -> list[Middleware]:
        """The layers that serve `kind`: where no route is, none can be missed."""
        return [middleware for middleware in layers if kind in kinds_of(middleware, contexts or self.site.contexts)]


def _names(layers: Sequence[Middleware]) -> tuple[str, ...]:
    """How people read what stands around a handler: an instance by its class."""
    return tuple(named(layer).replace(".__call__", "") for layer in layers)


def _with_own(contexts: ContextClasses, own: type[Context[Any]] | None, of: Kind | None = None) -> ContextClasses:
    """The context classes where a router or endpoint has one of its own, for the kind that it is of."""
    if own is None:
        return contexts
    kinds = [kind for kind in contexts if issubclass(own, BASES[kind])]
    if of is not None and of not in kinds:
        raise ConfigError(f"context_class {own.__qualname__} is no {BASES[of].__name__}, and stands in an endpoint of kind {of}")
    if not kinds:
        raise ConfigError(f"context_class {own.__qualname__} is neither an HTTPContext, a WebSocketContext nor an SSEContext")
    return {kind: own if kind in kinds else known for kind, known in contexts.items()}


async def _not_found(ctx: Context[Any]) -> Response:
    return await refused(ctx, HTTPException(404))


async def _elsewhere(ctx: HTTPContext[Any]) -> Response:
    return Redirect(ctx.scope[LOCATION], status=308)


async def _foreign_origin(ctx: Context[Any]) -> Response:
    return await refused(ctx, HTTPException(403, "WebSockets may not be opened from this origin"))


async def _unacceptable(ctx: Context[Any]) -> Response:
    return await refused(ctx, not_acceptable())


def _other_methods(own: str, known: frozenset[str]) -> Layer:
    """OPTIONS says what there is, another method is 405, and one that nobody knows 501 (RFC 9110 sections 9.1 and 9.3.7)."""

    async def layer(ctx: HTTPContext[Any]) -> Response:
        allow: str = ctx.scope.get(ALLOW, own)
        if ctx.method == "OPTIONS":
            return Response(status=204, headers={"allow": allow})
        if ctx.method not in known:
            return await refused(ctx, HTTPException(501, "this method is not known here"))
        return await refused(ctx, HTTPException(405, f"{ctx.method} is not served here; {allow} are", headers={"allow": allow}))

    return layer
