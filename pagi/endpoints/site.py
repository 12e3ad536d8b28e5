"""An app, compiled: what every exchange reads and none changes."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import msgspec

from pagi.context.context import Context
from pagi.context.next import Kind, Layer
from pagi.routing.table import Table
from pagi.routing.urls import Names

Serve = Callable[[Any, Layer], Awaitable[None]]
"""The outermost edge of one kind: runs the layers and sends what comes out."""


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

    __slots__ = ("inner", "prefix", "speaks_sse", "targets")

    def __init__(self, prefix: str, targets: dict[Kind, Target], inner: "Site | None", speaks_sse: bool) -> None:
        self.prefix = prefix
        self.targets = targets
        self.inner = inner
        """The site of a mounted pagi app: its routes decide the kind."""
        self.speaks_sse = speaks_sse
        """A raw application that carries the marker: Accept decides the kind."""

    def rest(self, path: str) -> str | None:
        """What is left of `path` inside; None if it is not under the prefix."""
        if path == self.prefix:
            return "/"
        return path[len(self.prefix) :] if path.startswith(self.prefix + "/") else None


class Site:
    """An app, compiled."""

    def __init__(self, contexts: Mapping[Kind, type[Context[Any]]]) -> None:
        self.table: Table[Target] = Table()
        self.names = Names()
        self.contexts = contexts
        self.encode: Callable[[Any], bytes] = msgspec.json.Encoder().encode
        self.mounts: list[MountPoint] = []
        self.missing: dict[Kind, Target] = {}
        """What answers where nothing matched, on http and websocket."""
        self.forbidden: Target
        """What answers a WebSocket of a foreign origin."""
        self.origins: Literal["*"] | frozenset[str] | str = frozenset()
        """From where browsers may open WebSockets, besides the request's own host. In lower case."""
        self.kinds: set[Kind] = set()
        """The kinds of all routes here."""

    def add_mount(self, mount: MountPoint) -> None:
        """Registers a mount: the longest prefix is tried first, then the first registered."""
        self.mounts.append(mount)
        self.mounts.sort(key=lambda each: -len(each.prefix))

    def url_for(self, name: str, root_path: str, values: Mapping[str, Any], /) -> str:
        """The path of a named route (see `Names.path`)."""
        return self.names.path(name, root_path, values)
