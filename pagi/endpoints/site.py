"""An app, compiled: what every exchange reads and none changes."""

from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pagi.context.context import Context
from pagi.context.next import Kind, Layer
from pagi.endpoints.rescue import Rescue
from pagi.endpoints.resolving import Resolvers
from pagi.injection.plan import Step
from pagi.injection.registry import Registry
from pagi.messages.response import Response
from pagi.routing.hosts import Hosts
from pagi.routing.prefixes import Prefixes
from pagi.routing.table import Table
from pagi.routing.urls import Names

Serve = Callable[[Any, Layer], Awaitable[None]]
"""The outermost edge of one kind: runs the layers and sends what comes out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteInfo:
    """What a route is and what runs for it, for people to read."""

    kind: Kind | Literal["mount"]
    methods: tuple[str, ...]
    path: str
    name: str | None
    handler: str
    middleware: tuple[str, ...]
    """Around the handler, the outermost first."""
    dependencies: tuple[str, ...]
    """Made for it, in that order."""


class Target:
    """One handler, compiled: everything an exchange needs once it was matched."""

    __slots__ = ("context_class", "kind", "label", "run", "serve", "varies")

    def __init__(self, kind: Kind, context_class: type[Context[Any]], label: str, run: Layer, serve: Serve) -> None:
        self.kind: Kind = kind
        self.context_class = context_class
        self.label = label
        """The pattern of the path, for logs; empty where nothing matched."""
        self.run = run
        """The fused layers."""
        self.serve = serve
        self.varies = False
        """The Accept field decided between this and a handler of another kind."""


class MountPoint:
    """An application under a prefix: plain ASGI, or a pagi app with a site of its own."""

    __slots__ = ("_entering", "inner", "speaks_sse", "targets")

    def __init__(self, targets: dict[Kind, Target], inner: "Site | None", speaks_sse: bool) -> None:
        self.targets = targets
        self.inner = inner
        """The site of a mounted pagi app: its routes decide the kind."""
        self.speaks_sse = speaks_sse
        """A raw application that carries the marker: Accept decides the kind."""
        self._entering: dict[Target, Target] = {}

    def entering(self, inner: Target) -> Target:
        """What enters the mounted app for a target of its own: with the context that one was compiled for, and cancelled like it."""
        found = self._entering.get(inner)
        if found is None:
            outer = self.targets[inner.kind]
            found = self._entering[inner] = Target(inner.kind, inner.context_class, outer.label, outer.run, inner.serve)
        return found


class Site:
    """An app, compiled."""

    def __init__(
        self,
        contexts: Mapping[Kind, type[Context[Any]]],
        rescue: Rescue | None = None,
        resolvers: Resolvers | None = None,
        app_steps: Mapping[Hashable, Step] | None = None,
    ) -> None:
        self.table: Table[Target] = Table()
        self.names = Names()
        self.contexts = contexts
        self.debug = False
        """What went wrong may be shown to whoever develops it."""
        self.exceptions = rescue or Rescue()
        self.resolvers = resolvers or Resolvers(Registry())
        self.app_steps: Mapping[Hashable, Step] = {} if app_steps is None else app_steps
        """What is made when the app starts, each after what it needs; by key."""
        self.routes: list[RouteInfo] = []
        self.encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
        self.mounts: Prefixes[MountPoint] = Prefixes()
        self.hosts: Hosts[MountPoint] = Hosts()
        self.missing: dict[Kind, Target] = {}
        """What answers where nothing matched, on http and websocket."""
        self.elsewhere: Target
        """What sends a client to the same path with a slash at its end, or without."""
        self.forbidden: Target
        """What answers a WebSocket of a foreign origin."""
        self.origins: Literal["*"] | frozenset[str] | str = frozenset()
        """From where browsers may open WebSockets, besides the request's own host. In lower case."""
        self.kinds: set[Kind] = set()
        """The kinds of all routes here."""
        self.contexts_of: dict[Kind, set[type[Context[Any]]]] = {kind: set() for kind in contexts}
        """Every context class that exchanges of a kind may have here."""

    # ---- what contexts ask

    def url_for(self, name: str, root_path: str, values: Mapping[str, Any], /) -> str:
        """The path of a named route (see `Names.path`)."""
        return self.names.path(name, root_path, values)

    def rescue(self, ctx: Any, error: Exception, /) -> Awaitable[Response | None]:
        """The answer that an error becomes where it was raised (see `Rescue.answer`)."""
        return self.exceptions.answer(ctx, error)

    def last_answer(self, ctx: Any, error: Exception, /) -> Awaitable[Response | None]:
        """The app's own answer to an error that nobody caught (see `Rescue.last`)."""
        return self.exceptions.last(ctx, error)

    def resolve(self, ctx: Any, wanted: Any, /) -> Awaitable[Any]:
        """What injection makes of a type or dependency (see `Resolvers.resolve`)."""
        return self.resolvers.resolve(ctx, wanted)
