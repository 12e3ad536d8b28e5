"""`when`: a middleware that runs if a predicate says so, asked anew for each exchange."""

from collections.abc import Callable
from typing import Any

from pagi.context.next import Kind, Middleware, Next
from pagi.messages.response import Response
from pagi.middleware.kinds import ContextClasses, KnowsKinds, kinds_of


class When:
    """A middleware under a condition; it serves the kinds of what it wraps."""

    __slots__ = ("_predicate", "middleware")

    def __init__(self, predicate: Callable[[Any], bool], middleware: Middleware) -> None:
        self._predicate = predicate
        self.middleware = middleware

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]:
        """The kinds of the middleware."""
        return kinds_of(self.middleware, classes)

    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None:
        """This middleware, around what the wrapped one is for that kind."""
        inner = self.middleware
        chosen = inner.for_kind(kind, classes) if isinstance(inner, KnowsKinds) else inner
        return None if chosen is None else When(self._predicate, chosen)

    async def __call__(self, ctx: Any, next: Next) -> Response:
        """Runs the middleware if the predicate holds, else what is inside."""
        return await (self.middleware(ctx, next) if self._predicate(ctx) else next())


def when(predicate: Callable[[Any], bool], middleware: Middleware, /) -> When:
    """`middleware` where `predicate(ctx)` is true; a plain function, asked before each run."""
    return When(predicate, middleware)
