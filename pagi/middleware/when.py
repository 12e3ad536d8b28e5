"""`when`: a middleware that runs if a predicate says so, asked anew for each exchange."""

from collections.abc import Callable
from typing import Any

from pagi.context.next import Kind, Middleware, Next
from pagi.gateway.annotations import is_async, name_of
from pagi.http.errors import ConfigError
from pagi.messages.response import Response
from pagi.middleware.kinds import ContextClasses, KnowsKinds, checked, kinds_of


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
    """`middleware` where `predicate(ctx)` is true; a plain function, asked before each run.

    Raises:
        ConfigError: `predicate` is async or cannot be called, or `middleware` is none.
    """
    if not callable(predicate):
        raise ConfigError(f"when() asks a function of the context, got {predicate!r}")
    if is_async(predicate):
        # What it gives is never awaited, and a coroutine is always true.
        raise ConfigError(f"when() asks a plain function, and {name_of(predicate)} is async; ask in a middleware of your own instead")
    return When(predicate, checked(middleware))
