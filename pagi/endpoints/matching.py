"""From a scope to the target that serves it. The route comes first: where it has no sse handler, the exchange is http."""

from typing import Any, cast

from pagi.context.next import Kind
from pagi.endpoints.site import MountPoint, Site, Target
from pagi.gateway.mounting import root_of, route_path
from pagi.gateway.types import Scope
from pagi.http.media_types import accepts, names_event_stream
from pagi.messages.problems import problem
from pagi.messages.response import Response
from pagi.routing.table import Leaf

INNER = "pagi.inner"
"""Where a match inside a mounted pagi app waits in the scope, for the layer that enters it."""

ALLOW = "pagi.allow"
"""Where the Allow field waits in the scope, if several patterns match one path."""

EVENT_STREAM = "text/event-stream"

Match = tuple[Target, dict[str, Any]]

_NO_STREAM = frozenset({"HEAD", "OPTIONS"})


class InnerMatch:
    """What was found inside a mounted pagi app."""

    __slots__ = ("params", "root_path", "site", "target")

    def __init__(self, site: Site, root_path: str, target: Target, params: dict[str, Any]) -> None:
        self.site = site
        self.root_path = root_path
        self.target = target
        self.params = params


def match(site: Site, scope: Scope) -> Match:
    """The target for this exchange; its `kind` is what the exchange is from now on."""
    return _match(site, scope, route_path(scope), root_of(scope))


def _match(site: Site, scope: Scope, path: str, root_path: str) -> Match:
    kind: Kind = scope["type"]
    mount = next((each for each in site.mounts if each.rest(path) is not None), None)
    misfits: list[Leaf[Target]] = []
    for leaf, params in site.table.find(path):
        if mount is not None and leaf.reach is not None and leaf.reach <= len(mount.prefix):
            break  # a rest of the path says less than the prefix of the mount
        if kind == "websocket":
            if leaf.websocket is not None:
                return leaf.websocket, params
            continue
        target = _by_method(leaf, scope)
        if target is not None:
            return target, params
        if leaf.other is not None:
            misfits.append(leaf)
    if misfits:
        return _other(misfits, scope), {}
    if mount is not None:
        return _mounted(mount, scope, path, root_path)
    return site.missing["websocket" if kind == "websocket" else "http"], {}


def _by_method(leaf: Leaf[Target], scope: Scope) -> Target | None:
    method: str = scope["method"]
    stream = leaf.sse.get(method)
    if stream is None or (method not in _NO_STREAM and wants_stream(scope)):
        return stream or leaf.http.get(method)
    # The path has a stream, and nobody asked for it by name.
    plain = leaf.http.get(method)
    if plain is None and accepts(accept_field(scope), EVENT_STREAM) > 0:
        return stream
    return plain or leaf.unacceptable


def _other(misfits: list[Leaf[Target]], scope: Scope) -> Target:
    """What answers a method that no leaf of this path serves: the most exact one's, which allows what all of them do."""
    if len(misfits) > 1:
        scope[ALLOW] = allow_field(set[str]().union(*(leaf.methods for leaf in misfits)))
    return cast("Target", misfits[0].other)


def allow_field(methods: set[str]) -> str:
    """Value of an Allow field: what is served, and OPTIONS, which always is."""
    return ", ".join(sorted({*methods, "OPTIONS"}))


def _mounted(mount: MountPoint, scope: Scope, path: str, root_path: str) -> Match:
    rest = mount.rest(path) or "/"
    root_path += mount.prefix
    kind: Kind = scope["type"]
    if mount.inner is None:
        if kind != "websocket":
            wants = mount.speaks_sse and scope["method"] not in _NO_STREAM and wants_stream(scope)
            kind = "sse" if wants else "http"
        return mount.targets[kind], {}
    target, params = _match(mount.inner, scope, rest, root_path)
    found = InnerMatch(mount.inner, root_path, target, params)
    found_inside = scope.get(INNER)
    scope[INNER] = [found] if found_inside is None else [found, *found_inside]
    return mount.targets[target.kind], {}


def wants_stream(scope: Scope) -> bool:
    """The request asks for an event stream by name. Servers of ours said so already, by the type."""
    return scope["type"] == "sse" or any(name == b"accept" and names_event_stream(value) for name, value in scope["headers"])


def accept_field(scope: Scope) -> str | None:
    """The Accept fields as one; None where there is none, which accepts everything (RFC 9110 section 12.5.1)."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    return ", ".join(values) if values else None


def not_acceptable() -> Response:
    """The answer where only a stream is offered and the client takes none."""
    return problem(406, f"only {EVENT_STREAM} is offered here, and the Accept field rules it out", {"vary": "Accept"})
