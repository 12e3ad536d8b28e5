"""Fuses middleware and a handler into one function, once: `next` is bound per layer, nothing is looked up while serving."""

from collections.abc import Awaitable, Callable, Sequence
from types import MethodType
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Kind, Layer, Middleware, Next
from pagi.http.errors import AppError, PeerError
from pagi.messages.problems import HTTPException
from pagi.messages.response import AlreadySent, Response
from pagi.middleware.kinds import ContextClasses, KnowsKinds, named


class NoResponse(AppError):
    """A middleware returned something that is no Response."""

    def __init__(self, middleware: object, result: object) -> None:
        super().__init__(
            f"middleware {named(middleware)} returned {type(result).__name__}, not a Response; "
            f"`return await next()`, or return an answer of its own"
        )


def fuse(layers: Sequence[Middleware], inner: Layer, kind: Kind, classes: ContextClasses) -> Layer:
    """`inner` with `layers` around it, the first one outermost. Those that step aside for `kind` cost nothing."""
    for middleware in reversed(layers):
        chosen = middleware.for_kind(kind, classes) if isinstance(middleware, KnowsKinds) else middleware
        if isinstance(chosen, Stack):
            inner = chosen.around(inner)
        elif chosen is not None:
            inner = _around(chosen, inner)
    return inner


class Stack:
    """Several middleware as one, the first one outermost. In a chain of its own it is taken apart: then it costs nothing."""

    __slots__ = ("layers",)

    def __init__(self, layers: Sequence[Middleware]) -> None:
        self.layers = tuple(layers)

    def around(self, inner: Layer) -> Layer:
        """`inner` with all of them around it."""
        for middleware in reversed(self.layers):
            inner = _around(middleware, inner)
        return inner

    async def __call__(self, ctx: Any, next: Next) -> Response:
        """Runs all of them around `next`."""

        async def inner(_: Context[Any]) -> Response:
            return await next()

        return await self.around(inner)(ctx)


def _around(middleware: Callable[[Any, Next], Awaitable[Any]], inner: Layer) -> Layer:
    async def layer(ctx: Context[Any]) -> Response:
        # A refusal becomes a value right here, so that every middleware outside sees a Response.
        try:
            response = await middleware(ctx, MethodType(inner, ctx))
        except (HTTPException, PeerError) as error:
            answer = await ctx.site.rescue(ctx, error)
            if answer is None:
                raise
            return answer
        if not isinstance(response, Response):
            raise NoResponse(middleware, response)
        if ctx.channel is not None and ctx.channel.head is not None and not response.is_sent:
            raise AlreadySent(f"middleware {named(middleware)} returned another answer after one had left; return what next() gave")
        return response

    return layer
