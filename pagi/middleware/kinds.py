"""Which kinds a middleware serves, by the annotation of its context; and the refusal of what would be silently absent."""

import inspect
from collections.abc import Mapping
from types import UnionType
from typing import Any, Protocol, TypeVar, Union, get_args, get_origin, runtime_checkable

from pagi.context.context import Context
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.gateway.annotations import is_async, name_of, parameters_of
from pagi.http.errors import ConfigError
from pagi.messages.response import Response

ContextClasses = Mapping[Kind, type[Context[Any]]]


class BadMiddleware(ConfigError):
    """A middleware cannot be used as it is."""

    def __init__(self, middleware: object, problem: str) -> None:
        super().__init__(f"middleware {name_of(middleware)} {problem}")


class UnguardedRoute(ConfigError):
    """A middleware stands around a route of a kind that it does not serve: it would be silently absent there."""

    def __init__(self, middleware: object, kinds: frozenset[Kind], route: str, kind: Kind) -> None:
        serves = " and ".join(sorted(kinds)) or "nothing"
        super().__init__(
            f"middleware {name_of(middleware)} serves {serves}, but stands around {route}, which is {kind}; "
            f"annotate its context as Context to serve every kind, or register only(HTTPContext, ...) to skip the others"
        )


@runtime_checkable
class KnowsKinds(Protocol):
    """A middleware that says itself which kinds it serves, and steps aside for some when the chain is fused."""

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]: ...
    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None: ...
    async def __call__(self, ctx: Any, next: Next) -> Response: ...


def kinds_of(middleware: Middleware, classes: ContextClasses) -> frozenset[Kind]:
    """The kinds that `middleware` may stand around.

    Raises:
        BadMiddleware: it is not async, or does not take `(ctx, next)`.
    """
    if isinstance(middleware, KnowsKinds):
        return middleware.kinds(classes)
    if not is_async(middleware):
        raise BadMiddleware(middleware, "must be an async function (ctx, next); a plain one cannot await next()")
    parameters = list(parameters_of(middleware).values())
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return frozenset(KINDS)
    if len(positional) != 2:
        raise BadMiddleware(middleware, f"must take (ctx, next), but takes ({', '.join(each.name for each in parameters)})")
    annotation = positional[0].annotation
    served = frozenset[Kind](kind for kind in KINDS if _suits(classes[kind], annotation))
    if not served:
        raise BadMiddleware(middleware, f"asks for {annotation!r}, which no context of this app is")
    return served


def _suits(context_class: type[Context[Any]], annotation: Any) -> bool:
    if annotation is inspect.Parameter.empty or annotation is Any:
        return True
    if isinstance(annotation, TypeVar):
        return annotation.__bound__ is None or _suits(context_class, annotation.__bound__)
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return any(_suits(context_class, member) for member in get_args(annotation))
    plain = origin or annotation
    return inspect.isclass(plain) and issubclass(context_class, plain)
