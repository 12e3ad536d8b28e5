"""Scopes: what the application is told about an exchange before anything happens."""

import os
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any

import msgspec
from typing_extensions import TypeIs

from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.transport import TransportHandle
from pagi.http.url import decode_path
from pagi.server.exchanges.secured import Secured
from pagi.server.wire.events import RequestHead

ASGI_VERSIONS = {"version": "3.0", "spec_version": "2.5"}
PAGI_VERSIONS = {"version": "0.3", "spec_version": "0.3"}
HTTP_EXTENSIONS: dict[str, dict[str, Any]] = {"http.response.pathsend": {}, "http.response.trailers": {}, "http.response.early_hint": {}}
WEBSOCKET_EXTENSIONS: dict[str, dict[str, Any]] = {"websocket.http.response": {}}


class Peer(msgspec.Struct, frozen=True, gc=False):
    """The two ends of one connection."""

    client: tuple[str, int] | None
    """None on a Unix socket; then the scope has no `client` at all."""
    server: tuple[str, int | None]
    scheme: str = "http"
    is_announced: bool = False
    """A PROXY header named these ends; without a client where it did not say who that is."""
    forwarding: Callable[[MutableMapping[str, Any]], None] | None = None
    """What becomes of forwarding fields in this peer's scopes; None where nobody looks at them."""
    tls: Secured | None = None


def peer_of(peername: Any, sockname: Any) -> Peer:
    """The two ends as the operating system names them: a tuple that begins with host and port, or a Unix socket's path.

    >>> peer_of(("::1", 5000, 0, 0), ("::1", 80, 0, 0)).client
    ('::1', 5000)
    >>> peer_of("", b"/run/app.sock").server
    ('/run/app.sock', None)
    """
    client = (_host(peername), int(peername[1])) if _is_address(peername) else None
    return Peer(client, _server_of(sockname))


@lru_cache(maxsize=64)
def _server_of(sockname: Any) -> tuple[str, int | None]:
    """Our end. All connections of a listener share it: an idle one keeps nothing that others keep too."""
    if _is_address(sockname):
        return _host(sockname), int(sockname[1])
    return os.fsdecode(sockname or ""), None


def _host(address: tuple[Any, ...]) -> str:
    """The host of an address; IPv4 as such, where a socket for both (systemd's are) says it within IPv6."""
    host = str(address[0])
    return host.removeprefix("::ffff:") if "." in host else host


def _is_address(name: object) -> TypeIs[tuple[Any, ...]]:
    return isinstance(name, tuple)


def common_scope(peer: Peer, root_path: str) -> dict[str, Any]:
    """What all scopes of one listener have in common. Copying it is cheaper than naming it all for each request."""
    return {
        "type": "http",
        "asgi": ASGI_VERSIONS,
        "pagi": PAGI_VERSIONS,
        "http_version": "1.1",
        "method": "GET",
        "scheme": peer.scheme,
        "path": "",
        "raw_path": b"",
        "query_string": b"",
        "root_path": root_path,
        "headers": None,
        "server": peer.server,
        "state": None,
        "extensions": None,
        "pagi.transport": None,
        "pagi.connection": None,
    }


def http_scope(
    common: dict[str, Any],
    peer: Peer,
    kind: str,
    head: RequestHead,
    state: dict[str, Any],
    handle: ConnectionHandle,
    transport: TransportHandle,
) -> dict[str, Any]:
    """The scope of an http or sse exchange. `state` is copied, one level deep, as ASGI asks."""
    raw_path, _, query = head.target.partition(b"?")
    # Most paths are plain ASCII: the call alone would cost as much as the look.
    path = raw_path.decode() if b"%" not in raw_path and raw_path.isascii() else decode_path(raw_path)
    scope = common.copy()
    if root_path := scope["root_path"]:
        path = root_path + path
        raw_path = root_path.encode() + raw_path
    scope["type"] = kind
    scope["http_version"] = head.http_version
    scope["method"] = head.method
    scope["path"] = path
    scope["raw_path"] = raw_path
    scope["query_string"] = query
    scope["headers"] = head.headers
    scope["state"] = state.copy()
    scope["extensions"] = extensions = HTTP_EXTENSIONS.copy()
    if peer.tls is not None:
        extensions["tls"] = peer.tls.extension()
    scope["pagi.connection"] = handle
    scope["pagi.transport"] = transport
    if peer.client is not None:
        scope["client"] = peer.client
    if peer.forwarding is not None:
        peer.forwarding(scope)
    return scope


def websocket_scope(
    common: dict[str, Any],
    peer: Peer,
    head: RequestHead,
    subprotocols: list[str],
    state: dict[str, Any],
    handle: ConnectionHandle,
    transport: TransportHandle,
) -> dict[str, Any]:
    """The scope of a WebSocket session: no method, `ws` or `wss`, and the subprotocols the client offers."""
    scope = http_scope(common, peer, "websocket", head, state, handle, transport)
    del scope["method"]
    scope["scheme"] = "wss" if scope["scheme"] in ("https", "wss") else "ws"
    scope["subprotocols"] = subprotocols
    scope["extensions"] = extensions = WEBSOCKET_EXTENSIONS.copy()
    if peer.tls is not None:
        extensions["tls"] = peer.tls.extension()
    return scope
