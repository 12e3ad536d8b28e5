"""The marker that tells a pagi app from any other ASGI callable: only a pagi app is ever given an `sse` scope."""

from typing import TypeVar

from pagi.gateway.types import AnyApp

A = TypeVar("A", bound=AnyApp)


class Marker:
    """What an app carries as `__pagi__`. It is bound: it counts only on the very object it was made for."""

    __slots__ = ("app",)

    def __init__(self, app: object) -> None:
        self.app = app


def app(function: A) -> A:
    """Marks a raw `async def (scope, receive, send)` as one that knows pagi's scope types, `sse` included.

    >>> @app
    ... async def clock(scope, receive, send): ...
    >>> is_pagi(clock)
    True
    """
    function.__pagi__ = Marker(function)  # type: ignore[attr-defined]
    return function


def is_pagi(candidate: object) -> bool:
    """True for an app that knows pagi's scope types. A wrapper that copies or forwards attributes does not inherit it."""
    marker = getattr(candidate, "__pagi__", None)
    return isinstance(marker, Marker) and marker.app is candidate
