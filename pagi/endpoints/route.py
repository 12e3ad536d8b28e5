"""One registration on a router, as its author said it; nothing is compiled yet."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pagi.context.next import Kind, Middleware


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """What a route may say beside its path and handler."""

    cancel_on_disconnect: bool = False
    """http: cancel the handler, too, when the grace after a disconnect is over."""
    retry_seconds: float | None = 3.0
    """sse: how long clients wait before they come back; sent at every start."""
    keepalive_seconds: float | None = None
    """sse: how long the stream may be silent before a comment is sent; None: the server's default. 0 turns it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A handler under a path, for one kind and some methods."""

    kind: Kind
    methods: tuple[str, ...]
    """Upper case; empty for a websocket."""
    path: str
    handler: Callable[..., Any]
    name: str | None = None
    middleware: tuple[Middleware, ...] = ()
    options: RouteOptions = field(default_factory=RouteOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """An application under a prefix."""

    prefix: str
    app: Any
    name: str | None = None
    middleware: tuple[Middleware, ...] = ()
