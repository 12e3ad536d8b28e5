"""One registration on a router, as its author said it; nothing is compiled yet."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Kind, Middleware, Next
from pagi.messages.response import Response


@dataclass(frozen=True, slots=True)
class MadeOnce:
    """A method of a class-based router that is middleware, while there is no object of it yet."""

    owner: type[Any]
    method: str

    async def __call__(self, ctx: Any, next: Next) -> Response:
        """Never called: the build puts the method itself in its place."""
        raise AssertionError(f"{self.owner.__qualname__}.{self.method} was not wired")


AnyMiddleware = Middleware | type[Any]
"""Middleware, or a class that makes one when the app starts, its constructor filled by injection."""


ErrorEvent = Callable[[Any, Exception], Awaitable[Any]]
"""`(ctx, error)`: gives the last event of a stream that fails, or None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """What a route may say beside its path and handler."""

    cancel_on_disconnect: bool = False
    """http: cancel the handler, too, when the grace after a disconnect is over."""
    retry_seconds: float | None = 3.0
    """sse: how long clients wait before they come back; sent at every start."""
    keepalive_seconds: float | None = None
    """sse: how long the stream may be silent before a comment is sent; None: the server's default. 0 turns it off."""
    on_error: ErrorEvent | None = None
    """sse: what is said to the client when the stream fails after it started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A handler under a path, for one kind and some methods."""

    kind: Kind
    methods: tuple[str, ...]
    """Upper case; empty for a websocket."""
    path: str
    handler: Any
    """A function; for websocket and sse an endpoint, too, as a class or an instance."""
    name: str | None = None
    middleware: tuple[AnyMiddleware, ...] = ()
    options: RouteOptions = field(default_factory=RouteOptions)
    owner: type[Any] | None = None
    """The class of which `handler` is a method that is not bound yet."""
    is_owned_once: bool = False
    """One object of `owner` serves the whole run of the app, not one exchange."""
    context_class: type[Context[Any]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """An application under a prefix, or for a host."""

    prefix: str
    app: Any
    host: str | None = None
    name: str | None = None
    middleware: tuple[AnyMiddleware, ...] = ()
