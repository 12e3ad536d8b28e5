"""From what an author registers to routes and middleware, checked as far as that can be done before the build."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from pagi.endpoints.decorators import Mark, NamedMiddleware
from pagi.endpoints.endpoint import AnyEndpoint, HTTPEndpoint, SSEEndpoint, endpoint_class, is_without_self, verbs_of
from pagi.endpoints.route import AnyMiddleware, MadeOnce, Route, RouteOptions
from pagi.gateway.annotations import is_async
from pagi.http.errors import ConfigError


def checked_prefix(prefix: str) -> str:
    """A prefix without the slash at its end; empty for none.

    Raises:
        ConfigError: it does not start with a slash.
    """
    prefix = prefix.removesuffix("/")
    if prefix and not prefix.startswith("/"):
        raise ConfigError(f"prefix {prefix!r} must start with '/'")
    return prefix


def checked_middleware(middleware: Sequence[Any]) -> tuple[AnyMiddleware, ...]:
    """Middleware that can be one, as far as it shows by itself.

    Raises:
        ConfigError: something cannot be called, or is a class whose objects cannot.
    """
    for layer in middleware:
        if not callable(layer) or (isinstance(layer, type) and not _is_called_async(cast("type[Any]", layer))):
            raise ConfigError(
                f"middleware is an async function (ctx, next), an instance that can be called so, or a class of such; got {layer!r}"
            )
    return tuple(middleware)


def _is_called_async(cls: type[Any]) -> bool:
    call = next((vars(base)["__call__"] for base in cls.__mro__ if "__call__" in vars(base)), None)
    return call is not None and is_async(call)


def middleware_of(router: Any, cls: type[Any], layer: NamedMiddleware) -> AnyMiddleware:
    """A middleware, looked up on `router` where it is a name."""
    if not isinstance(layer, str):
        return layer
    method = getattr(router, layer, None)
    if method is None:
        raise ConfigError(f"{cls.__module__}.{cls.__qualname__} names the middleware {layer!r}, and has no such method")
    return cast("AnyMiddleware", method)


def marked_route(mark: Mark, handler: Callable[..., Any], middleware: Sequence[Any], owner: type[Any] | None = None) -> Route:
    """The route of a marked method: bound already, or with `owner` a method of an object that is made when the app starts."""
    return Route(
        kind=mark.kind,
        methods=tuple(method.upper() for method in mark.methods),
        path=mark.path,
        handler=handler,
        name=mark.name,
        middleware=checked_middleware(middleware),
        options=mark.options,
        owner=owner,
        is_owned_once=owner is not None,
    )


def late_middleware(cls: type[Any], layer: NamedMiddleware) -> Any:
    """`middleware_of` for a class of which there is no object yet.

    Raises:
        ConfigError: the class has no method of that name.
    """
    if not isinstance(layer, str):
        return layer
    if not hasattr(cls, layer):
        raise ConfigError(f"{cls.__module__}.{cls.__qualname__} names the middleware {layer!r}, and has no such method")
    if is_without_self(inspect.getattr_static(cls, layer)):
        return getattr(cls, layer)
    return MadeOnce(cls, layer)


def endpoint_routes(path: str, endpoint: AnyEndpoint, name: str | None, middleware: tuple[AnyMiddleware, ...]) -> Iterator[Route]:
    """One route for each verb of an HTTP endpoint, one for any other."""
    cls = endpoint_class(endpoint)
    shared: dict[str, Any] = {"kind": cls.kind, "path": path, "middleware": middleware, "context_class": cls.context_class}
    if issubclass(cls, HTTPEndpoint):
        owner = cls if isinstance(endpoint, type) else None
        for index, (method, handler) in enumerate(verbs_of(endpoint).items()):
            yield Route(methods=(method,), handler=handler, name=name if index == 0 else None, owner=owner, **shared)
    elif issubclass(cls, SSEEndpoint):
        options = RouteOptions(retry_seconds=cls.retry, keepalive_seconds=cls.keepalive_interval)
        check_stream_methods(path, cls.methods)
        yield Route(methods=tuple(method.upper() for method in cls.methods), handler=endpoint, name=name, options=options, **shared)
    else:
        yield Route(methods=(), handler=endpoint, name=name, **shared)


def check_stream_methods(path: str, methods: Sequence[str]) -> None:
    """Methods that can ask for a stream.

    Raises:
        ConfigError: they are no list, or one never starts a stream.
    """
    if isinstance(methods, str):
        raise ConfigError(f"sse {path}: methods is a list, write [{methods!r}]")
    if {"HEAD", "OPTIONS"} & {method.upper() for method in methods}:
        raise ConfigError(f"sse {path}: HEAD and OPTIONS never start a stream; register a handler of their own")
