"""Makes an app's declarations into tables and fused chains, once; every mistake of wiring ends here."""

from collections.abc import Sequence
from typing import Any, cast

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import KINDS, Kind, Layer, Middleware
from pagi.context.ready import ReadyApp
from pagi.edge import serve_cancellable, serve_http, serve_session
from pagi.endpoints.http import Threads, http_layer, streams
from pagi.endpoints.matching import ALLOW, allow_field, not_acceptable
from pagi.endpoints.mounted import foreign_layer, pagi_layer, ready_layer
from pagi.endpoints.route import Mount, Route
from pagi.endpoints.router import Included, Router
from pagi.endpoints.site import MountPoint, Serve, Site, Target
from pagi.endpoints.sse import sse_layer
from pagi.endpoints.websocket import websocket_layer
from pagi.gateway.annotations import name_of
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.messages.problems import problem
from pagi.messages.response import Response
from pagi.middleware.chain import fuse
from pagi.middleware.kinds import ContextClasses, UnguardedRoute, kinds_of
from pagi.routing.patterns import parse_pattern
from pagi.routing.table import Leaf

_SERVE: dict[Kind, Serve] = {"http": serve_http, "websocket": serve_session, "sse": serve_session}


def build_site(root: Router, contexts: ContextClasses, threads: Threads) -> Site:
    """Compiles everything that `root` reaches.

    Raises:
        ConfigError: anything that could not work while serving: paths, names, signatures, middleware.
    """
    site = Site(contexts)
    builder = _Builder(site, threads)
    builder.take(root, "", ())
    builder.finish(root.layers)
    return site


class _Builder:
    """What is known while one site is compiled."""

    def __init__(self, site: Site, threads: Threads) -> None:
        self.site = site
        self.threads = threads
        self.owners: dict[str, tuple[Middleware, ...]] = {}
        """The router-level layers of the first route under each pattern."""

    def take(self, router: Router, prefix: str, outer: tuple[Middleware, ...]) -> None:
        """Everything of `router`, flattened."""
        router.mark_built()
        prefix += router.full_prefix
        layers = (*outer, *router.layers)
        for entry in router.entries:
            if isinstance(entry, Included):
                self.take(entry.router, prefix + entry.prefix, layers)
            elif isinstance(entry, Route):
                self.route(entry, prefix, layers)
            else:
                self.mount(entry, prefix, layers)

    def route(self, route: Route, prefix: str, owner: tuple[Middleware, ...]) -> None:
        """One handler."""
        path = prefix + route.path if route.path != "/" or not prefix else prefix
        pattern = parse_pattern(path)
        label = f"{route.kind} {path} ({name_of(route.handler)})"
        layers = (*owner, *route.middleware)
        self.check(layers, route.kind, label)
        site = self.site
        site.kinds.add(route.kind)
        if route.kind == "http":
            inner = http_layer(route.handler, pattern, site.encode, self.threads)
        elif route.kind == "websocket":
            inner = websocket_layer(route.handler, pattern)
        else:
            inner = sse_layer(route.handler, pattern, route.options)
        serve = _SERVE[route.kind]
        if route.kind == "http" and (route.options.cancel_on_disconnect or streams(route.handler)):
            serve = serve_cancellable
        target = Target(route.kind, site.contexts[route.kind], pattern.text, self.fused(layers, inner, route.kind), serve)
        for method in route.methods or ("",):
            leaf = site.table.add(pattern, route.kind, method, target)
            self.owners.setdefault(leaf.pattern.text, owner)
        if route.name is not None:
            site.names.add(route.name, pattern)

    def mount(self, mount: Mount, prefix: str, owner: tuple[Middleware, ...]) -> None:
        """One application under a prefix."""
        full = prefix + mount.prefix
        layers = (*owner, *mount.middleware)
        inner: Site | None = None
        # An app that cannot be entered settles the kind itself: its streams begin inside, out here they are http.
        speaks_sse = is_pagi(mount.app) and not isinstance(mount.app, Router)
        if isinstance(mount.app, Router) and mount.app.is_enterable:
            inner = build_site(mount.app, self.site.contexts, self.threads)
            kinds = frozenset(inner.kinds)
        elif isinstance(mount.app, ReadyApp):
            kinds = frozenset[Kind](("http",))
        elif callable(mount.app):
            kinds = frozenset[Kind](KINDS if speaks_sse else ("http", "websocket"))
        else:
            raise ConfigError(f"mount {full}: an application is async (scope, receive, send), or a Router; got {mount.app!r}")
        label = f"the application mounted at {full or '/'}"
        for kind in sorted(kinds):
            self.check(layers, kind, label)
        self.site.kinds |= kinds
        targets: dict[Kind, Target] = {}
        served: Layer = pagi_layer
        if isinstance(mount.app, ReadyApp):
            served = ready_layer(mount.app, full)
        elif inner is None:
            served = foreign_layer(cast("AnyApp", mount.app), full, speaks_sse)
        for kind in KINDS:
            run = self.fused(self.serving(layers, kind), served, kind)
            targets[kind] = Target(kind, self.site.contexts[kind], f"{full}/{{rest:path}}", run, _SERVE[kind])
        self.site.add_mount(MountPoint(full, targets, inner, speaks_sse))

    def finish(self, layers: tuple[Middleware, ...]) -> None:
        """What answers where no handler does: other methods, OPTIONS, and paths that lead nowhere."""
        for leaf in self.site.table.leaves():
            self.other(leaf, self.owners[leaf.pattern.text])
        unrouted: tuple[Kind, ...] = ("http", "websocket")
        for kind in unrouted:
            run = self.fused(self.serving(layers, kind), _not_found, kind)
            self.site.missing[kind] = Target(kind, self.site.contexts[kind], "", run, _SERVE[kind])

        self.site.forbidden = Target("websocket", self.site.contexts["websocket"], "", _foreign_origin, serve_session)

    def other(self, leaf: Leaf[Target], layers: tuple[Middleware, ...]) -> None:
        """HEAD by GET, and the automatic answers of one path."""
        if "GET" in leaf.http:
            leaf.http.setdefault("HEAD", leaf.http["GET"])
        leaf.plain = {method: target for method, target in leaf.http.items() if method not in leaf.sse}
        around = self.serving(layers, "http")
        context_class = self.site.contexts["http"]
        if leaf.methods:
            run = self.fused(around, _other_methods(allow_field(leaf.methods)), "http")
            leaf.other = Target("http", context_class, leaf.pattern.text, run, serve_http)
        if leaf.sse:
            run = self.fused(around, _unacceptable, "http")
            leaf.unacceptable = Target("http", context_class, leaf.pattern.text, run, serve_http)
        for method in leaf.sse.keys() & leaf.http.keys():
            leaf.sse[method].varies = leaf.http[method].varies = True

    def fused(self, layers: Sequence[Middleware], inner: Layer, kind: Kind) -> Layer:
        """`inner` with `layers` around it."""
        return fuse(layers, inner, kind, self.site.contexts)

    def check(self, layers: Sequence[Middleware], kind: Kind, label: str) -> None:
        """Every middleware around a route serves its kind.

        Raises:
            UnguardedRoute: one does not.
        """
        for middleware in layers:
            kinds = kinds_of(middleware, self.site.contexts)
            if kind not in kinds:
                raise UnguardedRoute(middleware, kinds, label, kind)

    def serving(self, layers: Sequence[Middleware], kind: Kind) -> list[Middleware]:
        """The layers that serve `kind`: where no route is, none can be missed."""
        return [middleware for middleware in layers if kind in kinds_of(middleware, self.site.contexts)]


async def _not_found(ctx: Context[Any]) -> Response:
    return problem(404)


async def _foreign_origin(ctx: Context[Any]) -> Response:
    return problem(403, "WebSockets may not be opened from this origin")


async def _unacceptable(ctx: Context[Any]) -> Response:
    return not_acceptable()


def _other_methods(own: str) -> Layer:
    """OPTIONS says what there is, everything else is 405 (RFC 9110 sections 9.3.7 and 15.5.6)."""

    async def layer(ctx: HTTPContext[Any]) -> Response:
        allow: str = ctx.scope.get(ALLOW, own)
        if ctx.method == "OPTIONS":
            return Response(status=204, headers={"allow": allow})
        return problem(405, f"{ctx.method} is not served here; {allow} are", {"allow": allow})

    return layer
