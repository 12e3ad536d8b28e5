"""`@get("/stats")` on a method of a class-based router: a mark, found when the router is made."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pagi.context.next import Kind
from pagi.endpoints.route import AnyMiddleware, RouteOptions

F = TypeVar("F", bound=Callable[..., Any])

ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")

NamedMiddleware = AnyMiddleware | str
"""Middleware, or the name of the router's method that is one."""

_MARKS = "__pagi_marks__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What a decorator said of a method."""

    kind: Kind
    path: str
    methods: tuple[str, ...]
    name: str | None
    middleware: tuple[NamedMiddleware, ...]
    options: RouteOptions


def marked_methods(cls: type[Any]) -> Iterator[tuple[str, Callable[..., Any], Mark]]:
    """Every marked method of a class, those of its bases first, each with its marks in order. No property is run to find out."""
    found: dict[str, Callable[..., Any]] = {}
    for base in reversed(cls.__mro__):
        for name, member in vars(base).items():
            found.pop(name, None)  # defined anew: without a mark it is no handler any more
            if _marks_of(member):
                found[name] = member
    for name, member in found.items():
        for mark in _marks_of(member):
            yield name, member, mark


def _marks_of(member: object) -> tuple[Mark, ...]:
    marks: tuple[Mark, ...] = getattr(member, _MARKS, ())
    return marks or getattr(getattr(member, "__func__", None), _MARKS, ())  # below @staticmethod


def _marking(mark: Mark) -> Callable[[F], F]:
    def decorate(method: F) -> F:
        # The decorator nearest to the method is applied first, and is read last: keep the order of the text.
        setattr(method, _MARKS, (mark, *getattr(method, _MARKS, ())))
        return method

    return decorate


def _http(
    methods: Sequence[str], path: str, name: str | None, middleware: Sequence[NamedMiddleware], cancel_on_disconnect: bool
) -> Callable[[F], F]:
    return _marking(
        Mark(
            kind="http",
            path=path,
            methods=tuple(methods),
            name=name,
            middleware=tuple(middleware),
            options=RouteOptions(cancel_on_disconnect=cancel_on_disconnect),
        )
    )


def get(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of GET, and of HEAD."""
    return _http(("GET",), path, name, middleware, cancel_on_disconnect)


def post(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of POST."""
    return _http(("POST",), path, name, middleware, cancel_on_disconnect)


def put(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of PUT."""
    return _http(("PUT",), path, name, middleware, cancel_on_disconnect)


def patch(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of PATCH."""
    return _http(("PATCH",), path, name, middleware, cancel_on_disconnect)


def delete(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of DELETE."""
    return _http(("DELETE",), path, name, middleware, cancel_on_disconnect)


def head(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of HEAD, in place of the one of GET."""
    return _http(("HEAD",), path, name, middleware, cancel_on_disconnect)


def options(
    path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = (), cancel_on_disconnect: bool = False
) -> Callable[[F], F]:
    """Marks a method as the handler of OPTIONS, in place of the automatic answer."""
    return _http(("OPTIONS",), path, name, middleware, cancel_on_disconnect)


def route(
    path: str,
    *,
    methods: Sequence[str] = ANY_METHOD,
    name: str | None = None,
    middleware: Sequence[NamedMiddleware] = (),
    cancel_on_disconnect: bool = False,
) -> Callable[[F], F]:
    """Marks a method as the handler of several methods; without `methods`, of the five usual ones."""
    return _http(methods, path, name, middleware, cancel_on_disconnect)


def websocket(path: str, *, name: str | None = None, middleware: Sequence[NamedMiddleware] = ()) -> Callable[[F], F]:
    """Marks a method as a session function."""
    return _marking(Mark(kind="websocket", path=path, methods=(), name=name, middleware=tuple(middleware), options=RouteOptions()))


def sse(
    path: str,
    *,
    methods: Sequence[str] = ("GET",),
    name: str | None = None,
    middleware: Sequence[NamedMiddleware] = (),
    retry_seconds: float | None = 3.0,
    keepalive_seconds: float | None = None,
) -> Callable[[F], F]:
    """Marks a method as a generator of events."""
    options = RouteOptions(retry_seconds=retry_seconds, keepalive_seconds=keepalive_seconds)
    return _marking(Mark(kind="sse", path=path, methods=tuple(methods), name=name, middleware=tuple(middleware), options=options))
