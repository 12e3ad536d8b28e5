"""Providers: functions and classes that make what handlers ask for by type."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Generic, Literal, Protocol, TypeVar, overload

from typing_extensions import TypeIs

from pagi.gateway.annotations import name_of
from pagi.http.errors import ConfigError

T = TypeVar("T")

Lifetime = Literal["app", "request", "call"]

LIFETIMES: tuple[Lifetime, ...] = ("app", "request", "call")
"""The longest first."""


class Provider(Generic[T]):
    """A function that makes a `T`, and for how long it lives. It can still be called as before, by unit tests for example."""

    __slots__ = ("function", "lifetime", "provides", "thread")

    def __init__(self, function: Callable[..., Any], *, lifetime: Lifetime = "request", provides: Any = None, thread: bool = False) -> None:
        if not callable(function):
            raise ConfigError(f"a provider is a function or a class, got {function!r}")
        if lifetime not in LIFETIMES:
            raise ConfigError(f"scope of provider {name_of(function)} must be one of {', '.join(LIFETIMES)}, got {lifetime!r}")
        self.function = function
        self.lifetime: Lifetime = lifetime
        self.provides = provides
        """The type it is found by, where that is not the one its annotation names."""
        self.thread = thread
        """A plain function that may block: it is called in a worker thread."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<provider {name_of(self.function)}, scope {self.lifetime}>"


def is_provider(thing: object) -> TypeIs[Provider[Any]]:
    """Tells a provider from a bare function or class."""
    return isinstance(thing, Provider)


class _Decorator(Protocol):
    @overload
    def __call__(self, function: Callable[..., AsyncIterator[T]], /) -> Provider[T]: ...
    @overload
    def __call__(self, function: Callable[..., Iterator[T]], /) -> Provider[T]: ...
    @overload
    def __call__(self, function: Callable[..., Awaitable[T]], /) -> Provider[T]: ...
    @overload
    def __call__(self, function: Callable[..., T], /) -> Provider[T]: ...


@overload
def provider(
    function: Callable[..., AsyncIterator[T]], /, *, scope: Lifetime = ..., provides: Any = ..., thread: bool = ...
) -> Provider[T]: ...
@overload
def provider(function: Callable[..., Iterator[T]], /, *, scope: Lifetime = ..., provides: Any = ..., thread: bool = ...) -> Provider[T]: ...
@overload
def provider(
    function: Callable[..., Awaitable[T]], /, *, scope: Lifetime = ..., provides: Any = ..., thread: bool = ...
) -> Provider[T]: ...
@overload
def provider(function: Callable[..., T], /, *, scope: Lifetime = ..., provides: Any = ..., thread: bool = ...) -> Provider[T]: ...
@overload
def provider(*, scope: Lifetime = ..., provides: Any = ..., thread: bool = ...) -> _Decorator: ...
def provider(
    function: Callable[..., Any] | None = None,
    /,
    *,
    scope: Lifetime = "request",
    provides: Any = None,
    thread: bool = False,
) -> Any:
    """Makes a provider of a function or a class, found by what it returns (or by `provides`), or used through `Depends`.

    `scope` says how long a value lives: `"app"` from start-up to the end, `"request"` (the default) for one exchange, `"call"`
    for one call of your code. A generator gives its value by `yield`, and goes on when the scope ends: with the exception that
    ended it thrown in, else `yield` gives the `Outcome` (scope `request`) or None. A plain function runs on the loop, with
    `thread=True` in a worker thread.

    Raises:
        ConfigError: `scope` is none of the three.
    """

    def decorate(function: Callable[..., Any], /) -> Provider[Any]:
        return Provider(function, lifetime=scope, provides=provides, thread=thread)

    return decorate if function is None else decorate(function)
