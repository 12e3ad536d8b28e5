"""Providers: what a function is found by, and what cannot be one."""

import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, Generic, Literal, NewType, TypeVar

import pytest

from pagi import App, ConfigError, Depends, HTTPContext, Outcome, Provider, provider
from pagi.injection.makers import key_of, provided_type
from tests.endpoints.asking import ask, served

pytestmark = pytest.mark.anyio

T = TypeVar("T")
Name = NewType("Name", str)


class Thing: ...


class Box(Generic[T]): ...


class Color(enum.Enum):
    RED = 1


def gives(annotation: Any) -> Callable[..., Any]:
    """A function that says it gives this."""

    def function() -> Any: ...

    function.__annotations__["return"] = annotation
    return function


def yields(annotation: Any) -> Callable[..., Any]:
    """A generator that says it gives this."""

    def function() -> Any:
        yield

    function.__annotations__["return"] = annotation
    return function


@pytest.mark.parametrize(
    ("function", "found_by"),
    [
        (gives(Thing), Thing),
        (gives(Box[int]), Box[int]),
        (gives(Name), Name),
        (gives(Thing | None), Thing | None),
        (gives(Annotated[Thing, "x"]), Annotated[Thing, "x"]),
        (gives(Awaitable[Thing]), Thing),
        (yields(Iterator[Thing]), Thing),
        (yields(AsyncIterator[Thing]), Thing),
        (yields(AsyncGenerator[Thing, Outcome]), Thing),
        (Thing, Thing),
        (provider(Thing, scope="app"), Thing),
        (provider(gives(Any), provides=Thing), Thing),
        (functools.partial(gives(Thing)), Thing),
    ],
)
def test_a_provider_is_found_by_what_it_gives(function: Any, found_by: Any) -> None:
    assert provided_type(function) == found_by


@pytest.mark.parametrize(
    "annotation",
    [
        str, int, float, bool, bytes, dict, list, object, Any, None, dict[str, Thing], list[Thing], tuple[Thing, ...], Mapping[str, Thing],
        Sequence[Thing], Callable[..., Thing], Iterator[Thing], decimal.Decimal, datetime.datetime, datetime.date, datetime.timedelta,
        uuid.UUID, Color, Literal["a"], str | None, Annotated[str, "dsn"],
    ],
    ids=str,
)  # fmt: skip
def test_what_says_too_little_is_refused(annotation: Any) -> None:
    """A scalar that is provided would take the place of every query parameter of that type."""
    things: list[Any] = [gives(annotation), provider(gives(annotation), provides=annotation)]
    for thing in things:
        with pytest.raises(ConfigError, match=r"says too little to be found by: use it through Depends|has no return annotation"):
            App(providers=[thing]).build()
    if isinstance(annotation, type) and annotation is not type(None):
        with pytest.raises(ConfigError, match="says too little"):
            App(providers=[annotation]).build()


def test_without_annotation_there_is_nothing_to_be_found_by() -> None:
    def bare(): ...  # type: ignore[no-untyped-def]

    with pytest.raises(ConfigError, match="bare has no return annotation, by which it would be found; add one, or provides="):
        App(providers=[bare]).build()  # type: ignore[list-item]


def test_a_generator_says_that_it_is_one() -> None:
    with pytest.raises(ConfigError, match=r"is a generator; annotate it as AsyncIterator\[X\] or Iterator\[X\]"):
        App(providers=[provider(yields(Thing))]).build()


def test_a_context_manager_is_refused_with_the_remedy() -> None:
    @asynccontextmanager
    async def later() -> AsyncGenerator[Thing]:
        yield Thing()

    @contextmanager
    def now() -> Generator[Thing]:
        yield Thing()

    functions: list[Any] = [later, now]
    for function in functions:
        with pytest.raises(ConfigError, match="is decorated as a context manager; leave that away, a provider may yield by itself"):
            App(providers=[function]).build()

        async def handler(thing: Annotated[Any, Depends(function)]) -> None: ...

        with pytest.raises(ConfigError, match="context manager"):
            served(handler).build()


def test_two_providers_of_one_type_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"Thing is provided twice, by .*Thing and by .*function; remove one, or give one a type of its own"
    ):
        App(providers=[Thing, provider(gives(Thing))]).build()


@pytest.mark.parametrize("thing", [5, "board", None, Thing()])
def test_what_cannot_be_called_is_no_provider(thing: Any) -> None:
    with pytest.raises(ConfigError, match=r"providers are functions, classes or what @provider gives"):
        App(providers=[thing]).build()
    with pytest.raises(ConfigError, match="Depends takes a function, a class or a provider"):
        Depends(thing)
    if thing is not None:
        with pytest.raises(ConfigError, match="a provider is a function or a class"):
            provider(thing)


def test_there_are_three_scopes() -> None:
    with pytest.raises(ConfigError, match="must be one of app, request, call, got 'session'"):
        provider(scope="session")(gives(Thing))  # type: ignore[call-overload]


def test_threads_are_for_plain_functions() -> None:
    @provider(thread=True)
    async def later() -> Thing:
        return Thing()

    with pytest.raises(ConfigError, match="later is async, and thread=True is for plain functions that block"):
        App(providers=[later]).build()


def test_a_provider_can_be_called_as_before() -> None:
    @provider(scope="app")
    def double(n: int) -> int:
        return 2 * n

    assert double(4) == 8
    assert repr(double).endswith("double, scope app>")


async def test_a_provider_with_two_scopes_is_refused() -> None:
    def make() -> Thing:
        return Thing()

    lasting: Provider[Thing] = provider(make, scope="app")

    async def handler(a: Annotated[Thing, Depends(make)], b: Annotated[Thing, Depends(lasting)]) -> None: ...
    async def agreed(a: Annotated[Thing, Depends(lasting)], b: Annotated[Thing, Depends(make)]) -> None: ...

    with pytest.raises(ConfigError, match=r"has scope 'app', and is used as a function of scope 'request' elsewhere"):
        served(handler).build()
    served(agreed).build()


# ---- keys


class Service:
    def make(self) -> str:
        return "made"


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __call__(self) -> Thing:
        return Thing()


def test_equal_callables_are_one_and_unhashable_ones_only_themselves() -> None:
    service = Service()
    assert key_of(service.make) == key_of(service.make)
    assert key_of(service.make) != key_of(Service().make)
    first, second = Unhashable(), Unhashable()
    assert key_of(first) == key_of(first)
    assert hash(key_of(first)) == hash(key_of(first))
    assert key_of(first) != key_of(second)
    wrapped = provider(service.make)
    assert key_of(wrapped) == key_of(service.make)


async def test_a_bound_method_is_one_dependency_however_often_it_is_named() -> None:
    calls: list[str] = []

    class Counter:
        def count(self, ctx: HTTPContext) -> int:
            calls.append(ctx.path)
            return len(calls)

    counter = Counter()

    async def handler(a: Annotated[int, Depends(counter.count)], b: Annotated[int, Depends(counter.count)]) -> list[int]:
        return [a, b]

    assert (await ask(handler)).text == "[1,1]"
