"""From a scope to the target that serves it. The route comes first: where it has no sse handler, the exchange is http."""

import string
from typing import Any, cast
from urllib.parse import quote

from pagi.context.next import Kind
from pagi.endpoints.site import MountPoint, Site, Target
from pagi.gateway.mounting import root_of, route_path
from pagi.gateway.types import Scope
from pagi.http.media_types import accepts, names_event_stream
from pagi.http.url import encode_path
from pagi.messages.problems import HTTPException
from pagi.routing.table import Leaf

INNER = "pagi.inner"
"""Where a match inside a mounted pagi app waits in the scope, for the layer that enters it."""

ALLOW = "pagi.allow"
"""Where the Allow field waits in the scope, if several patterns match one path."""

LOCATION = "pagi.location"
"""Where the same path in its other form waits in the scope, for the layer that sends the client there."""

EVENT_STREAM = "text/event-stream"

Match = tuple[Target, dict[str, Any]]

Mounted = tuple[MountPoint, tuple[int, ...], dict[str, Any], str]
"""See `Prefixes.find`."""

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
    if site.hosts:
        answering = site.hosts.find(_host(scope))
        if answering is not None:
            return _entered(answering[0], scope, path, root_path, answering[1])
    mount = site.mounts.find(path) if site.mounts else None
    misfits: list[Leaf[Target]] = []
    found = _routed(site, scope, path, mount, misfits, is_other=False)
    other = _other_form(path)
    if found is None and other is not None:
        found = _routed(site, scope, other, mount, misfits, is_other=True)
        if found is not None and kind != "websocket" and found[0].slash == "redirect":
            scope[LOCATION] = _location(root_path + other, scope["query_string"])
            return site.elsewhere, {}
    if found is not None:
        return found[1], found[2]
    if misfits:
        return _other(misfits, scope), {}
    if mount is not None:
        return _mounted(mount, scope, path, root_path)
    return site.missing["websocket" if kind == "websocket" else "http"], {}


def _routed(
    site: Site, scope: Scope, path: str, mount: Mounted | None, misfits: list[Leaf[Target]], *, is_other: bool
) -> tuple[Leaf[Target], Target, dict[str, Any]] | None:
    """The route of a path; what matches it for other methods goes to `misfits`. `is_other`: the client spelled the path otherwise."""
    is_websocket = scope["type"] == "websocket"
    for leaf, params in site.table.find(path):
        if mount is not None and leaf.exactness > mount[1]:
            break  # the prefix of the mount says more, and all that comes now says less
        if is_other and (leaf.slash == "strict" or (leaf.slash == "redirect" and mount is not None and not is_websocket)):
            continue
        target = leaf.websocket if is_websocket else _by_method(leaf, scope)
        if target is not None:
            return leaf, target, params
        if leaf.other is not None and not is_websocket:
            misfits.append(leaf)
    return None


def _other_form(path: str) -> str | None:
    """The same path with a slash at its end, or without."""
    if not path.startswith("/") or path == "/":
        return None
    return path[:-1] if path.endswith("/") else path + "/"


def _location(path: str, query: bytes) -> str:
    """Where a client is sent. It stays on this host: two slashes at the start would be taken for another one.

    >>> _location("//evil.example/a b/", b"x=%2F")
    '/evil.example/a%20b/?x=%2F'
    """
    location = "/" + encode_path(path.lstrip("/"))
    return f"{location}?{quote(query, safe=string.punctuation)}" if query else location


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


def _mounted(mounted: Mounted, scope: Scope, path: str, root_path: str) -> Match:
    mount, _, params, prefix = mounted
    return _entered(mount, scope, path[len(prefix) :] or "/", root_path + prefix, params)


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")


def _entered(mount: MountPoint, scope: Scope, path: str, root_path: str, mount_params: dict[str, Any]) -> Match:
    """The way into an application, where `path` and `root_path` are those inside of it."""
    kind: Kind = scope["type"]
    if mount.inner is None:
        if kind != "websocket":
            wants = mount.speaks_sse and scope["method"] not in _NO_STREAM and wants_stream(scope)
            kind = "sse" if wants else "http"
        return mount.targets[kind], mount_params
    target, params = _match(mount.inner, scope, path, root_path)
    found = InnerMatch(mount.inner, root_path, target, params)
    found_inside = scope.get(INNER)
    scope[INNER] = [found] if found_inside is None else [found, *found_inside]
    return mount.entering(target), mount_params


def wants_stream(scope: Scope) -> bool:
    """The request asks for an event stream by name. Servers of ours said so already, by the type."""
    return scope["type"] == "sse" or any(name == b"accept" and names_event_stream(value) for name, value in scope["headers"])


def accept_field(scope: Scope) -> str | None:
    """The Accept fields as one; None where there is none, which accepts everything (RFC 9110 section 12.5.1)."""
    values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"accept"]
    return ", ".join(values) if values else None


def not_acceptable() -> HTTPException:
    """The refusal where only a stream is offered and the client takes none."""
    return HTTPException(406, f"only {EVENT_STREAM} is offered here, and the Accept field rules it out", headers={"vary": "Accept"})
