"""Which kinds a middleware serves, by the annotation of its context; and the refusal of what would be silently absent."""

import inspect
from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Protocol, TypeVar, Union, cast, get_args, get_origin, runtime_checkable

from typing_extensions import TypeAliasType, is_protocol

from pagi.context.context import Context
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.gateway.annotations import is_async, name_of, parameters_of
from pagi.http.errors import ConfigError
from pagi.messages.response import Response

ContextClasses = Mapping[Kind, type[Context[Any]]]


class BadMiddleware(ConfigError):
    """A middleware cannot be used as it is."""

    def __init__(self, middleware: object, problem: str) -> None:
        super().__init__(f"middleware {named(middleware)} {problem}")


class UnguardedRoute(ConfigError):
    """A middleware stands around a route of a kind that it does not serve: it would be silently absent there."""

    def __init__(self, middleware: object, kinds: frozenset[Kind], route: str, kind: Kind) -> None:
        serves = " and ".join(sorted(kinds)) or "nothing"
        super().__init__(
            f"middleware {named(middleware)} serves {serves}, but stands around {route}, which is {kind}; "
            f"annotate its context as Context to serve every kind, or register only(HTTPContext, ...) to skip the others"
        )


@runtime_checkable
class KnowsKinds(Protocol):
    """A middleware that says itself which kinds it serves, and steps aside for some when the chain is fused."""

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]: ...
    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None: ...
    async def __call__(self, ctx: Any, next: Next) -> Response: ...


def checked(middleware: Middleware) -> Middleware:
    """`middleware`, if it can be one.

    Raises:
        BadMiddleware: it is a class, or cannot be called.
    """
    if isinstance(middleware, type):
        raise BadMiddleware(middleware, "is a class; register an instance of it")
    if not callable(middleware):
        raise BadMiddleware(middleware, "cannot be called; it is an async function (ctx, next), or an instance that can be called so")
    return middleware


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
    takes_more = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    if len(positional) > 2 or (len(positional) < 2 and not takes_more):
        raise BadMiddleware(middleware, f"must take (ctx, next), but takes ({', '.join(each.name for each in parameters)})")
    missing = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY and each.default is each.empty]
    if missing:
        raise BadMiddleware(middleware, f"needs {', '.join(missing)}, which nobody gives it; register functools.partial(...) of it")
    annotation = positional[0].annotation if positional else Any
    try:
        served = frozenset[Kind](kind for kind in KINDS if _suits(classes[kind], annotation))
    except _Undecidable:
        raise BadMiddleware(
            middleware, f"asks for {annotation!r}; a protocol does not say which kinds it serves, a context class does"
        ) from None
    if not served:
        raise BadMiddleware(middleware, f"asks for {annotation!r}, which no context of this app is")
    return served


def named(middleware: object) -> str:
    """How errors call a middleware: by its function or class, and what is wrapped by what it wraps."""
    if isinstance(middleware, (type, str, NoneType)):
        return repr(middleware)
    if isinstance(middleware, KnowsKinds):
        inner: object = getattr(middleware, "middleware", ())
        members = cast("tuple[object, ...]", inner) if isinstance(inner, tuple) else (inner,)
        return f"{type(middleware).__name__}({', '.join(map(named, members))})"
    return name_of(middleware)


class _Undecidable(Exception):
    """An annotation that no class can be compared with."""


def _suits(context_class: type[Context[Any]], annotation: Any) -> bool:
    if annotation is inspect.Parameter.empty or annotation is Any:
        return True
    if isinstance(annotation, TypeVar):
        # Bounded by one, free to be one of several, or free.
        allowed = annotation.__constraints__ or (annotation.__bound__ if annotation.__bound__ is not None else Any,)
        return any(_suits(context_class, each) for each in allowed)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(_suits(context_class, member) for member in arguments)
    if origin is Annotated:
        return _suits(context_class, arguments[0])
    if isinstance(annotation, TypeAliasType):
        return _suits(context_class, annotation.__value__)
    if isinstance(origin, TypeAliasType):
        # The alias alone still has its variables in it: they are filled in by position.
        value: Any = origin.__value__
        if isinstance(value, TypeVar):
            return _suits(context_class, arguments[origin.__type_params__.index(value)])
        return _suits(context_class, value[arguments] if getattr(value, "__parameters__", ()) else value)
    plain = origin or annotation
    if not inspect.isclass(plain):
        return False
    if is_protocol(plain):
        raise _Undecidable
    return issubclass(context_class, plain)
