"""The shape of middleware: `async def (ctx, next)`, and `next()` gives the answer of everything inside."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, Protocol, TypeAlias

from pagi.messages.response import Response

Next: TypeAlias = Callable[[], Awaitable[Response]]
"""Runs everything inside, and gives its answer."""

Middleware: TypeAlias = Callable[[Any, Next], Awaitable[Response]]
"""The annotation of its context says which kinds it serves. `Any`, because a union would refuse users' own context classes."""

Kind: TypeAlias = Literal["http", "websocket", "sse"]

KINDS: tuple[Kind, ...] = ("http", "websocket", "sse")


class Layer(Protocol):
    """Everything from here inwards, as one function."""

    def __call__(self, ctx: Any, /) -> Awaitable[Response]: ...
