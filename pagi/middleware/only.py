"""`only`: a middleware for some kinds, absent from the others because the author said so."""

from types import UnionType
from typing import Any, Union, get_args, get_origin

from typing_extensions import TypeIs

from pagi.context.context import Context
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.http.errors import ConfigError
from pagi.messages.response import Response
from pagi.middleware.kinds import ContextClasses, KnowsKinds, checked, kinds_of, named


class Only:
    """A middleware that stands around some kinds and costs nothing on the others."""

    __slots__ = ("_classes", "middleware")

    def __init__(self, classes: tuple[type[Context[Any]], ...], middleware: Middleware) -> None:
        self._classes = classes
        self.middleware = middleware

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]:
        """Every kind: it is skipped on purpose where it does not serve.

        Raises:
            ConfigError: it is asked to stand around a kind that the middleware itself does not serve, or around none at all.
        """
        for each in self._classes:
            if not any(issubclass(classes[kind], each) for kind in KINDS):
                raise ConfigError(
                    f"only(...) keeps {named(self.middleware)} to {each.__qualname__}, which no context of this app is: "
                    f"it would be silently absent"
                )
        missing = self._chosen(classes) - kinds_of(self.middleware, classes)
        if missing:
            raise ConfigError(
                f"only(...) asks {named(self.middleware)} to serve {' and '.join(sorted(missing))}, which its context annotation rules out"
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
        ConfigError: no context class is given, or something else; or what is no middleware.
    """
    classes = _classes_of(contexts)
    if not classes:
        raise ConfigError("only() needs a context class, HTTPContext for example")
    return Only(classes, checked(middleware))


def _classes_of(contexts: object) -> tuple[type[Context[Any]], ...]:
    if _is_tuple(contexts):
        return tuple(each for member in contexts for each in _classes_of(member))
    if get_origin(contexts) in (Union, UnionType):
        return _classes_of(get_args(contexts))
    plain = get_origin(contexts) or contexts  # HTTPContext[AppState] is HTTPContext here
    if not _is_context_class(plain):
        raise ConfigError(f"only() takes context classes, HTTPContext for example, got {contexts!r}")
    return (plain,)


def _is_tuple(value: object) -> TypeIs[tuple[object, ...]]:
    return isinstance(value, tuple)


def _is_context_class(value: object) -> TypeIs[type[Context[Any]]]:
    return isinstance(value, type) and issubclass(value, Context)
