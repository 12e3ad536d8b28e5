"""The bridge to plain ASGI, both ways: a pagi app under a foreign server, and a plain ASGI app under ours."""

import logging
import urllib.parse
from typing import Any

from pagi.gateway.event_stream import KEEPALIVE_SECONDS, adapt
from pagi.gateway.foreign_exchange import DISCONNECT_GRACE_SECONDS, ForeignExchange
from pagi.gateway.marker import is_pagi
from pagi.gateway.reasons import ClientGone
from pagi.gateway.types import AnyApp, ASGIApp, HeaderList, Message, Receive, Scope, Send
from pagi.http.media_types import parse_accept

log = logging.getLogger("pagi.gateway")

PAGI_VERSION = "0.3"
"""The version of the agreement, `scope["pagi"]["version"]`."""

_NO_EVENTS = frozenset({"HEAD", "OPTIONS"})


def as_asgi(
    app: AnyApp,
    *,
    settles_kind: bool = False,
    keepalive_seconds: float = KEEPALIVE_SECONDS,
    disconnect_grace_seconds: float = DISCONNECT_GRACE_SECONDS,
) -> ASGIApp:
    """Makes a pagi app a whole ASGI application, for any server.

    What a foreign server lacks is supplied: `scope["pagi"]`, `scope["pagi.connection"]`, files as bodies, and for an app
    that carries the marker the `sse` scope, when Accept names `text/event-stream`. Events the server knows nothing of do
    no harm: a keepalive of a WebSocket does nothing, trailers and early hints are dropped, a denial becomes a close (403).
    There is no closing signal, no `pagi.transport` and no `send.full` under a foreign server.

    Args:
        settles_kind: the app matches its route first and calls `adapt` itself: it gets http scopes only.
        keepalive_seconds: silence after which an event stream gets a comment; 0 for never.
        disconnect_grace_seconds: how long after the client left `on_abandoned` callbacks wait, to cancel what still runs.
    """

    async def bridged(scope: Scope, receive: Receive, send: Send) -> None:
        if "pagi.connection" in scope:  # our own server, seen through middleware
            await _call(app, scope, receive, send, settles_kind, keepalive_seconds)
            return
        whole = whole_scope(scope)
        if scope["type"] not in ("http", "websocket"):
            await app(whole, receive, send)
            return
        exchange = ForeignExchange(whole, receive, send, disconnect_grace_seconds)
        whole["pagi.connection"] = exchange.handle

        async def called(scope: Scope, receive: Receive, send: Send) -> None:
            await _call(app, scope, receive, send, settles_kind, keepalive_seconds)

        try:
            await exchange.run(called)
        except ClientGone as gone:
            log.debug("the application stopped: %s", gone)

    return bridged


async def _call(app: AnyApp, scope: Scope, receive: Receive, send: Send, settles_kind: bool, keepalive_seconds: float) -> None:
    if scope["type"] == "http" and not settles_kind and is_pagi(app) and wants_events(scope):
        await adapt(app, scope, receive, send, keepalive_interval=keepalive_seconds)
    else:
        await app(scope, receive, send)


def wants_events(scope: Scope) -> bool:
    """True if an Accept field names `text/event-stream` with a weight over 0, on any method but HEAD and OPTIONS.

    >>> wants_events({"method": "GET", "headers": [(b"accept", b"text/html, Text/Event-Stream;q=0.5")]})
    True
    >>> wants_events({"method": "GET", "headers": [(b"accept", b"*/*")]})
    False
    """
    if scope["method"] in _NO_EVENTS:
        return False
    headers: HeaderList = scope["headers"]
    for name, value in headers:
        if name == b"accept" and b"event-stream" in value.lower():
            ranges = parse_accept(value.decode("latin-1"))
            if any(part.range.essence == "text/event-stream" and part.quality > 0 for part in ranges):
                return True
    return False


def whole_scope(scope: Scope) -> Scope:
    """A copy of a foreign server's scope with every key that ASGI leaves optional and the agreement promises."""
    whole: Scope = {"asgi": {"version": "3.0"}, "pagi": {"version": PAGI_VERSION}, **scope}
    whole["extensions"] = dict(scope.get("extensions") or {})
    whole.setdefault("state", {})
    if whole["type"] in ("http", "websocket"):
        whole.setdefault("root_path", "")
        whole.setdefault("query_string", b"")
        whole.setdefault("http_version", "1.1")
        whole.setdefault("scheme", "http" if whole["type"] == "http" else "ws")
        if whole.get("raw_path") is None:
            whole["raw_path"] = urllib.parse.quote(whole["path"]).encode("ascii")
    if whole["type"] == "websocket":
        whole.setdefault("subprotocols", [])
    return whole


_PLAIN_NAMES = {"sse.request": "http.request", "sse.disconnect": "http.disconnect"}


def plain_scope(scope: Scope, receive: Receive) -> tuple[Scope, Receive]:
    """What a plain ASGI application below ours is given: ASGI's own scope types and receive events only.

    An `sse` exchange becomes http, answered by ordinary `http.response.*` events, which is how a stream is declined;
    everything else comes back as it is.
    """
    if scope["type"] != "sse":
        return scope, receive

    async def receive_plain() -> Message:
        event = await receive()
        plain: dict[str, Any] = {**event, "type": _PLAIN_NAMES.get(event["type"], event["type"])}
        if plain["type"] == "http.disconnect":
            plain.pop("reason", None)
        return plain

    return {**scope, "type": "http"}, receive_plain
