"""`only`: a middleware for some kinds, absent from the others because the author said so."""

from typing import Any

from pagi.context.context import Context
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.http.errors import ConfigError
from pagi.messages.response import Response
from pagi.middleware.kinds import ContextClasses, KnowsKinds, kinds_of


class Only:
    """A middleware that stands around some kinds and costs nothing on the others."""

    __slots__ = ("_classes", "middleware")

    def __init__(self, classes: tuple[type[Context[Any]], ...], middleware: Middleware) -> None:
        self._classes = classes
        self.middleware = middleware

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]:
        """Every kind: it is skipped on purpose where it does not serve.

        Raises:
            ConfigError: it is asked to stand around a kind that the middleware itself does not serve.
        """
        missing = self._chosen(classes) - kinds_of(self.middleware, classes)
        if missing:
            raise ConfigError(
                f"only(...) asks {self.middleware!r} to serve {' and '.join(sorted(missing))}, which its context annotation rules out"
            )
        return frozenset(KINDS)

    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None:
        """The middleware itself where it serves, else nothing."""
        if kind not in self._chosen(classes):
            return None
        inner = self.middleware
        return inner.for_kind(kind, classes) if isinstance(inner, KnowsKinds) else inner

    def _chosen(self, classes: ContextClasses) -> frozenset[Kind]:
        return frozenset(kind for kind in KINDS if issubclass(classes[kind], self._classes))

    async def __call__(self, ctx: Any, next: Next) -> Response:
        """Runs the middleware if the context is one of those it is for."""
        return await (self.middleware(ctx, next) if isinstance(ctx, self._classes) else next())


def only(contexts: type[Context[Any]] | tuple[type[Context[Any]], ...], middleware: Middleware, /) -> Only:
    """`middleware` for the kinds of these contexts only: `only(HTTPContext, no_store)`.

    Raises:
        ConfigError: no context class is given.
    """
    classes = contexts if isinstance(contexts, tuple) else (contexts,)
    if not classes:
        raise ConfigError("only() needs a context class, HTTPContext for example")
    return Only(classes, middleware)
