"""The way into an app: match first, settle what kind the exchange is, refuse foreign WebSockets, then run the target."""

from collections.abc import Awaitable
from typing import Any

from pagi.context.next import KINDS, Kind
from pagi.endpoints.matching import INNER, InnerMatch, match
from pagi.endpoints.site import Site, Target
from pagi.gateway.event_stream import adapt
from pagi.gateway.types import Receive, Scope, Send
from pagi.http.errors import AppError
from pagi.http.url import same_origin
from pagi.messages.channel import Head

ROUTE = "pagi.route"
"""Where the pattern of the matched path stands in the scope, for logs."""


class UnknownScope(AppError):
    """The server speaks of a kind that nobody here has heard of."""

    def __init__(self, kind: object) -> None:
        super().__init__(f"scope type {kind!r} is unknown; there are {', '.join(KINDS)} and lifespan")


def enter(site: Site, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """What serves one exchange, of whatever kind it turns out to be; to be awaited at once.

    A plain function, so that an idle stream does not keep a frame of it.

    Raises:
        UnknownScope: the scope is of no kind we know.
    """
    target, params, is_translated = find(site, scope, send)
    if is_translated:
        return translate(site, target, params, scope, receive, send)
    return target.serve(opened(site, target, params, scope, receive, send), target.run)


def find(site: Site, scope: Scope, send: Send) -> tuple[Target, dict[str, Any], bool]:
    """The target of an exchange and its parameters, with the kind settled. True: the server cannot stream, see `translate`.

    Raises:
        UnknownScope: the scope is of no kind we know.
    """
    if scope["type"] not in KINDS:
        raise UnknownScope(scope["type"])
    target, params = match(site, scope)
    kind = target.kind
    if kind == "websocket":
        if not may_open(site, scope):
            target, params = site.forbidden, {}
    elif kind != scope["type"] and not settle(scope, send, kind):
        return target, params, True
    return target, params, False


def translate(site: Site, target: Target, params: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    """What serves an event stream over a server that knows none."""

    def run(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return target.serve(opened(site, target, params, scope, receive, send), target.run)

    return adapt(run, scope, receive, send)


def opened(site: Site, target: Target, params: dict[str, Any], scope: Scope, receive: Receive, send: Send) -> Any:
    """The context of an exchange whose kind is settled."""
    inside: list[InnerMatch] | None = scope.get(INNER)
    scope[ROUTE] = (inside[-1].target.label if inside else "") or target.label
    if params:
        scope["path_params"] = params
    ctx = target.context_class(scope, receive, send, params, site)
    if target.varies:
        ctx.on_response_start(_vary)
    return ctx


def settle(scope: Scope, send: Send, kind: Kind) -> bool:
    """Makes the exchange one of `kind`, http or sse. False where the server cannot: then a stream has to be translated."""
    settles = getattr(send, "settle", None)
    if settles is not None:
        settles(kind)
    elif kind == "sse":
        return False
    # Without `settle`, an sse exchange is declined by ordinary http events: the agreement allows it.
    scope["type"] = kind
    return True


def may_open(site: Site, scope: Scope) -> bool:
    """A handshake may go on: it names no origin, that of its own host, or one that the app allows (RFC 6455 section 10.2)."""
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    if not origins or site.origins == "*":
        return True
    if len(origins) > 1:
        return False
    origin = origins[0].decode("latin-1")
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return origin.lower() in site.origins or same_origin(origin, scope.get("scheme", "ws"), host)


def _vary(head: Head) -> None:
    head.headers.vary("Accept")
