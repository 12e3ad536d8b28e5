"""What makes a value: a function or class, read once, with how it is called and how long its value lives."""

import datetime
import decimal
import enum
import functools
import inspect
import uuid
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Hashable,
    Iterable,
    Iterator,
)
from contextlib import asynccontextmanager, contextmanager
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pagi.gateway.annotations import hints_of, is_async, is_async_generator, name_of, unwrapped
from pagi.injection.errors import BadProvider
from pagi.injection.providers import Lifetime, Provider, is_provider

How = Literal["value", "plain", "async", "generator", "async generator"]

_YIELDS = (AsyncGenerator, AsyncIterator, AsyncIterable, Generator, Iterator, Iterable)
_NAMELESS_MODULES = {"builtins", "collections", "collections.abc", "types", "typing"}
_SCALARS = (datetime.date, datetime.time, datetime.timedelta, decimal.Decimal, uuid.UUID, enum.Enum)


def _nothing() -> Generator[None, None, None]:
    yield


async def _nothing_later() -> AsyncGenerator[None]:
    yield


# What these decorators give is known by its code alone.
_CONTEXT_MANAGERS = {contextmanager(_nothing).__code__, asynccontextmanager(_nothing_later).__code__}


class _Identity:
    """The key of something that has no hash."""

    __slots__ = ("of",)

    def __init__(self, of: object) -> None:
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.of is self.of

    def __hash__(self) -> int:
        return id(self.of)


def key_of(thing: object) -> Hashable:
    """What a dependency is known by: equal callables are one (bound methods are equal, not identical), unhashable ones only themselves."""
    if is_provider(thing):
        thing = thing.function
    try:
        hash(thing)
    except TypeError:
        return _Identity(thing)
    return thing


class Maker:
    """A function or class and how it is used; or a value that stands in its place."""

    __slots__ = ("function", "home", "how", "key", "lifetime", "name", "thread", "value")

    def __init__(self, function: Callable[..., Any], *, lifetime: Lifetime = "request", thread: bool = False, home: object = None) -> None:
        self.home = home
        """The registry in which it stands: what it asks for is looked up there, wherever it is asked for itself."""
        self.key = key_of(function)
        self.function = function
        self.lifetime: Lifetime = lifetime
        self.thread = thread
        self.how: How = how_called(function)
        self.name = name_of(function)
        self.value: Any = None
        if getattr(function, "__code__", None) in _CONTEXT_MANAGERS:
            raise BadProvider(function, "is decorated as a context manager; leave that away, a provider may yield by itself")
        if thread and self.how in ("async", "async generator"):
            raise BadProvider(function, "is async, and thread=True is for plain functions that block")

    @classmethod
    def of(cls, thing: "Provider[Any] | Callable[..., Any]", home: object = None) -> "Maker":
        """The maker of a provider, function or class."""
        if is_provider(thing):
            return cls(thing.function, lifetime=thing.lifetime, thread=thing.thread, home=home)
        return cls(thing, home=home)

    def replaced_by_value(self, value: object) -> "Maker":
        """The same place, taken by a value."""
        other = object.__new__(Maker)
        other.key, other.function, other.name, other.home = self.key, self.function, self.name, self.home
        other.lifetime, other.thread, other.how, other.value = "app", False, "value", value
        return other

    def replaced_by(self, function: Callable[..., Any]) -> "Maker":
        """The same place and lifetime, another function."""
        other = Maker(function, lifetime=self.lifetime, home=self.home)
        other.key = self.key
        return other

    @property
    def is_generator(self) -> bool:
        """It goes on after its value was used."""
        return self.how in ("generator", "async generator")

    def __repr__(self) -> str:
        return f"<maker {self.name}>"


def how_called(function: Callable[..., Any]) -> How:
    """How a value comes out of calling `function`."""
    if is_async(function):
        return "async"
    if is_async_generator(function):
        return "async generator"
    return "generator" if inspect.isgeneratorfunction(unwrapped(function)) else "plain"


def provided_type(thing: "Provider[Any] | Callable[..., Any]") -> Any:
    """The type that a provider is found by.

    Raises:
        BadProvider: it names none, or one that can only be reached through `Depends`.
    """
    function = thing.function if is_provider(thing) else thing
    provided: Any = thing.provides if is_provider(thing) else None
    if provided is None:
        provided = function if inspect.isclass(function) else _returned(function)
    if provided is None:
        raise BadProvider(function, "has no return annotation, by which it would be found; add one, or provides=")
    if not _has_own_name(provided):
        shown = provided.__name__ if inspect.isclass(provided) else provided
        raise BadProvider(
            function, f"makes {shown}, which says too little to be found by: use it through Depends, or give it a NewType or a class"
        )
    return provided


def _returned(function: Callable[..., Any]) -> Any:
    """What a function says it gives in the end."""
    returned = hints_of(function).get("return")
    if how_called(function) in ("generator", "async generator"):
        if get_origin(returned) not in _YIELDS:
            raise BadProvider(function, "is a generator; annotate it as AsyncIterator[X] or Iterator[X]")
        return get_args(returned)[0]
    if get_origin(returned) in (Awaitable, Coroutine):
        return get_args(returned)[-1]
    return returned


def _has_own_name(provided: Any) -> bool:
    """A type that means one thing only: no scalar, and no container of others."""
    if get_origin(provided) is Annotated:
        return _has_own_name(get_args(provided)[0])
    plain = get_origin(provided) or provided
    if plain in (Union, UnionType):
        return all(member is NoneType or _has_own_name(member) for member in get_args(provided))
    if inspect.isclass(plain) and issubclass(plain, _SCALARS):
        return False
    return getattr(plain, "__module__", "builtins") not in _NAMELESS_MODULES


def parameters_by_name(function: Callable[..., Any]) -> bool:
    """Arguments must go by name: the function that is called is not the one whose signature was read."""
    return isinstance(function, functools.partial) or hasattr(function, "__wrapped__")
