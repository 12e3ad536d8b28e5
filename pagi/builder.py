"""Makes an app's declarations into tables and fused chains, once; every mistake of wiring ends here."""

from collections.abc import Sequence
from typing import Any, cast

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import KINDS, Kind, Layer, Middleware
from pagi.edge import serve_cancellable, serve_http, serve_session
from pagi.endpoints.http import Threads, http_layer, streams
from pagi.endpoints.matching import ALLOW, LOCATION, allow_field, not_acceptable
from pagi.endpoints.mounted import foreign_layer, pagi_layer
from pagi.endpoints.place import Place
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
from pagi.messages.response import Redirect, Response
from pagi.middleware.chain import fuse
from pagi.middleware.kinds import ContextClasses, UnguardedRoute, kinds_of
from pagi.routing.patterns import Pattern
from pagi.routing.prefixes import check_reachable
from pagi.routing.table import Leaf

_SERVE: dict[Kind, Serve] = {"http": serve_http, "websocket": serve_session, "sse": serve_session}

_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
"""What RFC 9110 section 9.3 and RFC 5789 define."""


def build_site(root: Router, contexts: ContextClasses, threads: Threads, mounted_at: Pattern | None = None) -> Site:
    """Compiles everything that `root` reaches. The parameters of the prefix it is `mounted_at` are its handlers' parameters too.

    Raises:
        ConfigError: anything that could not work while serving: paths, names, signatures, middleware.
    """
    site = Site(contexts)
    builder = _Builder(site, threads, mounted_at)
    builder.take(root, Place().inside(root.full_prefix, root.path_options), ())
    builder.finish(root.layers)
    return site


class _Builder:
    """What is known while one site is compiled."""

    def __init__(self, site: Site, threads: Threads, mounted_at: Pattern | None) -> None:
        self.site = site
        self.threads = threads
        self.mounted_at = mounted_at
        self.owners: dict[Leaf[Target], tuple[Middleware, ...]] = {}
        """The router-level layers of the first route under each pattern."""
        self.routes: list[tuple[Pattern, Kind, str]] = []
        self.mounts: list[tuple[Pattern | None, str]] = []
        """What was registered, with its label."""

    def take(self, router: Router, place: Place, outer: tuple[Middleware, ...]) -> None:
        """Everything of `router`, flattened. `place` is the one inside of it."""
        router.mark_built()
        layers = (*outer, *router.layers)
        for entry in router.entries:
            if isinstance(entry, Included):
                inside = place.below(entry.prefix).inside(entry.router.full_prefix, entry.router.path_options, entry.namespace)
                self.take(entry.router, inside, layers)
            elif isinstance(entry, Route):
                self.route(entry, place, layers)
            else:
                self.mount(entry, place, layers)

    def route(self, route: Route, place: Place, owner: tuple[Middleware, ...]) -> None:
        """One handler."""
        pattern = place.pattern(route.path)
        whole = pattern.under(self.mounted_at)
        label = f"{route.kind} {pattern.text} ({name_of(route.handler)})"
        layers = (*owner, *route.middleware)
        self.check(layers, route.kind, label)
        site = self.site
        site.kinds.add(route.kind)
        if route.kind == "http":
            inner = http_layer(route.handler, whole, site.encode, self.threads)
        elif route.kind == "websocket":
            inner = websocket_layer(route.handler, whole)
        else:
            inner = sse_layer(route.handler, whole, route.options)
        serve = _SERVE[route.kind]
        if route.kind == "http" and (route.options.cancel_on_disconnect or streams(route.handler)):
            serve = serve_cancellable
        target = Target(route.kind, site.contexts[route.kind], whole.text, self.fused(layers, inner, route.kind), serve)
        for method in dict.fromkeys(route.methods or ("",)):
            leaf = site.table.add(pattern, route.kind, method, target, label, place.slash)
            self.owners.setdefault(leaf, owner)
        self.routes.append((pattern, route.kind, label))
        if route.name is not None:
            site.names.add(place.name(route.name, label), pattern, label)

    def mount(self, mount: Mount, place: Place, owner: tuple[Middleware, ...]) -> None:
        """One application under a prefix."""
        full = place.prefix + mount.prefix
        prefix = place.below(mount.prefix).pattern("") if full else None
        whole = prefix.under(self.mounted_at) if prefix else self.mounted_at
        layers = (*owner, *mount.middleware)
        inner: Site | None = None
        # An app that cannot be entered settles the kind itself: its streams begin inside, out here they are http.
        speaks_sse = is_pagi(mount.app) and not isinstance(mount.app, Router)
        if isinstance(mount.app, Router) and mount.app.is_enterable:
            inner = build_site(mount.app, self.site.contexts, self.threads, whole)
            kinds = frozenset(inner.kinds)
        elif callable(mount.app):
            kinds = frozenset[Kind](KINDS if speaks_sse else ("http", "websocket"))
        else:
            raise ConfigError(f"mount {full}: an application is async (scope, receive, send), or a Router; got {mount.app!r}")
        label = f"the application mounted at {full or '/'} ({name_of(mount.app)})"
        for kind in sorted(kinds):
            self.check(layers, kind, label)
        self.site.kinds |= kinds
        targets: dict[Kind, Target] = {}
        served = pagi_layer if inner is not None else foreign_layer(cast("AnyApp", mount.app), prefix, speaks_sse)
        for kind in KINDS:
            run = self.fused(self.serving(layers, kind), served, kind)
            text = f"{whole.text if whole else ''}/{{rest:path}}"
            targets[kind] = Target(kind, self.site.contexts[kind], text, run, _SERVE[kind])
        self.site.mounts.add(prefix, MountPoint(targets, inner, speaks_sse), label)
        self.mounts.append((prefix, label))
        if mount.name is not None:
            name = place.name(mount.name, label)
            if inner is not None:
                self.site.names.mount(name, prefix, inner.names)
            else:
                self.site.names.add(name, place.below(mount.prefix).pattern("/{path:path}"), label)

    def finish(self, layers: tuple[Middleware, ...]) -> None:
        """What answers where no handler does: other methods, OPTIONS, and paths that lead nowhere."""
        check_reachable(self.mounts, self.routes)
        methods = _KNOWN_METHODS.union(*(leaf.methods for leaf in self.site.table.leaves()))
        for leaf in self.site.table.leaves():
            self.other(leaf, self.owners[leaf], methods)
        unrouted: tuple[Kind, ...] = ("http", "websocket")
        for kind in unrouted:
            run = self.fused(self.serving(layers, kind), _not_found, kind)
            self.site.missing[kind] = Target(kind, self.site.contexts[kind], "", run, _SERVE[kind])
        run = self.fused(self.serving(layers, "http"), _elsewhere, "http")
        self.site.elsewhere = Target("http", self.site.contexts["http"], "", run, serve_http)
        self.site.forbidden = Target("websocket", self.site.contexts["websocket"], "", _foreign_origin, serve_session)

    def other(self, leaf: Leaf[Target], layers: tuple[Middleware, ...], known: frozenset[str]) -> None:
        """HEAD by GET, and the automatic answers of one path."""
        if "GET" in leaf.http:
            leaf.http.setdefault("HEAD", leaf.http["GET"])
        if not self.site.mounts.may_precede(leaf.exactness):
            leaf.plain = {method: target for method, target in leaf.http.items() if method not in leaf.sse}
        around = self.serving(layers, "http")
        context_class = self.site.contexts["http"]
        if leaf.methods:
            run = self.fused(around, _other_methods(allow_field(leaf.methods), known), "http")
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


async def _elsewhere(ctx: HTTPContext[Any]) -> Response:
    return Redirect(ctx.scope[LOCATION], status=308)


async def _foreign_origin(ctx: Context[Any]) -> Response:
    return problem(403, "WebSockets may not be opened from this origin")


async def _unacceptable(ctx: Context[Any]) -> Response:
    return not_acceptable()


def _other_methods(own: str, known: frozenset[str]) -> Layer:
    """OPTIONS says what there is, another method is 405, and one that nobody knows 501 (RFC 9110 sections 9.1 and 9.3.7)."""

    async def layer(ctx: HTTPContext[Any]) -> Response:
        allow: str = ctx.scope.get(ALLOW, own)
        if ctx.method == "OPTIONS":
            return Response(status=204, headers={"allow": allow})
        if ctx.method not in known:
            return problem(501, "this method is not known here")
        return problem(405, f"{ctx.method} is not served here; {allow} are", {"allow": allow})

    return layer
