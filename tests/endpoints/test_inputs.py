"""Text that clients send, as values: path, query, header and cookie."""

import contextlib
import datetime
import decimal
import enum
import functools
import uuid
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from pagi import ConfigError, Cookie, Depends, Header, Query
from pagi.endpoints.invalid import Unfit
from pagi.endpoints.values import from_text, info_of
from tests.endpoints.asking import ask, errors, served
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio

UserId = NewType("UserId", int)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


def taking(annotation: Any, **default: Any) -> Callable[..., Any]:
    """A handler that answers with the `repr` of its parameter `q`."""

    async def handler(q: Any) -> str:
        return repr(q)

    handler.__annotations__["q"] = annotation
    handler.__defaults__ = tuple(default.values()) or None
    return handler


@pytest.mark.parametrize(
    ("annotation", "query", "value"),
    [
        (str, "q=a+b%20c", "'a b c'"),
        (str, "q=1&q=2", "'2'"),
        (str, "q=", "''"),
        (int, "q=-5", "-5"),
        (float, "q=1e3", "1000.0"),
        (decimal.Decimal, "q=1.10", "Decimal('1.10')"),
        (datetime.date, "q=2026-01-02", "datetime.date(2026, 1, 2)"),
        (datetime.time, "q=10:00:00", "datetime.time(10, 0)"),
        (datetime.timedelta, "q=PT5S", "datetime.timedelta(seconds=5)"),
        (uuid.UUID, f"q={uuid.UUID(int=5)}", repr(uuid.UUID(int=5))),
        (Color, "q=red", "<Color.RED: 'red'>"),
        (Level, "q=1", "<Level.LOW: 1>"),
        (Literal["a", "b"], "q=b", "'b'"),
        (Literal[1, 2], "q=2", "2"),
        (UserId, "q=7", "7"),
        (int | None, "q=null", "None"),
        (str | None, "q=null", "'null'"),
        (Annotated[int, Meta(ge=1)], "q=1", "1"),
        (list[int], "q=1&q=2", "[1, 2]"),
        (set[str], "q=a&q=a", "{'a'}"),
        (tuple[int, ...], "q=1&q=2", "(1, 2)"),
        (tuple[int, bool], "q=1&q=on", "(1, True)"),
        (list[bool], "q=on&q=no", "[True, False]"),
        (list[Annotated[bool, Meta(description="x")]], "q=on", "[True]"),
    ],
    ids=str,
)
async def test_text_becomes_the_annotated_type(annotation: Any, query: str, value: str) -> None:
    assert (await ask(taking(annotation), f"/?{query}")).text == value


@pytest.mark.parametrize("text", ["true", "1", "on", "yes", "TRUE", "On"])
async def test_yes_has_many_spellings(text: str) -> None:
    assert (await ask(taking(bool), f"/?q={text}")).text == "True"


@pytest.mark.parametrize("text", ["false", "0", "off", "no", "NO"])
async def test_no_has_many_spellings(text: str) -> None:
    assert (await ask(taking(bool), f"/?q={text}")).text == "False"


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "five"),
        (int, ""),
        (int, "+1"),
        (int, "1_0"),
        (int, "1" * 5000),
        (int, "%D9%A3"),
        (bool, "maybe"),
        (bool, "2"),
        (float, "nan"),
        (float, "-Infinity"),
        (float, "1e999"),
        (decimal.Decimal, "NaN"),
        (decimal.Decimal, "sNaN"),
        (decimal.Decimal, "inf"),
        (datetime.date, "2026-13-01"),
        (uuid.UUID, "5"),
        (Color, "green"),
        (Annotated[int, Meta(ge=1)], "0"),
        (Annotated[float, Meta(ge=0)], "nan"),
        (Annotated[str, Meta(max_length=2)], "abc"),
        (list[int], "x"),
        (list[float], "inf"),
        (tuple[int, int], "1"),
    ],
    ids=str,
)
async def test_what_does_not_fit_is_422_with_the_place(annotation: Any, text: str) -> None:
    found = errors(await ask(taking(annotation), f"/?q={text}"))
    assert [path.partition("[")[0] for path in found] == ["query.q"]


async def test_a_required_one_is_missed_and_a_default_holds() -> None:
    assert errors(await ask(taking(int))) == {"query.q": "is required"}
    assert errors(await ask(taking(list[int]))) == {"query.q": "is required"}
    assert errors(await ask(taking(int | None))) == {"query.q": "is required"}
    assert (await ask(taking(int, default=3))).text == "3"
    assert (await ask(taking(list[int], default=()))).text == "()"


async def test_headers_and_cookies_are_spelled_as_on_the_wire() -> None:
    async def handler(x_n: Annotated[int, Header], c: Annotated[bool, Cookie], x_list: Annotated[list[int], Header] = []) -> str:  # noqa: B006
        return f"{x_n} {c} {x_list}"

    assert (await ask(handler, headers={"X-N": "5", "cookie": "c=on", "x-list": "1"})).text == "5 True [1]"
    assert errors(await ask(handler)) == {"header.x-n": "is required", "cookie.c": "is required"}


async def test_a_list_of_headers_takes_every_repetition() -> None:
    async def handler(x: Annotated[list[str], Header]) -> list[str]:
        return x

    exchange = Recorder(served(handler)).http("GET", "/")
    exchange.scope["headers"] += [(b"x", b"1"), (b"x", b"2,3")]
    assert (await exchange.run()).text == '["1","2,3"]'


class Page(msgspec.Struct):
    after: int
    limit: Annotated[int, Meta(le=100)] = 10
    tags: list[str] = []
    deep: bool = False
    flags: list[bool] = []
    x_trace: str = ""


async def test_a_struct_takes_all_of_the_query() -> None:
    async def handler(page: Annotated[Page, Query]) -> Page:
        return page

    answer = await ask(handler, "/?after=5&tags=a&tags=b&deep=on&flags=yes&flags=0")
    assert answer.text == '{"after":5,"limit":10,"tags":["a","b"],"deep":true,"flags":[true,false],"x_trace":""}'
    assert errors(await ask(handler, "/?limit=101&deep=maybe")) == {
        "query.after": "is required",
        "query.limit": "Expected `int` <= 100",
        "query.deep": "Expected `bool`",
    }


async def test_a_struct_takes_all_of_the_headers_and_cookies() -> None:
    async def headers(page: Annotated[Page, Header]) -> Page:
        return page

    class Flavour(msgspec.Struct):
        after: int

    async def cookies(page: Annotated[Flavour, Cookie]) -> Flavour:
        return page

    assert '"after":5' in (await ask(headers, headers={"after": "5", "x-trace": "t"})).text
    assert '"x_trace":"t"' in (await ask(headers, headers={"after": "5", "x-trace": "t"})).text
    assert '"after":5' in (await ask(cookies, headers={"cookie": "after=5"})).text


def test_a_struct_of_cookies_has_no_lists() -> None:
    async def handler(page: Annotated[Page, Cookie]) -> None: ...

    with pytest.raises(ConfigError, match="page: a cookie has one value"):
        served(handler).build()


@settings(deadline=None, max_examples=200)
@given(st.text(), st.sampled_from([int, float, bool, decimal.Decimal, datetime.datetime, uuid.UUID, Color, int | None, str]))
def test_no_text_is_more_than_a_misfit(text: str, annotation: Any) -> None:
    convert = from_text(annotation, info_of(annotation), "query.q")
    if convert is not None:
        with contextlib.suppress(Unfit):
            convert(text)


# ---- path parameters and their converters


@pytest.mark.parametrize(
    ("path", "annotation", "target", "value"),
    [
        ("/{q:int}", int, "/5", "5"),
        ("/{q:int}", UserId, "/5", "5"),
        ("/{q:int}", int | None, "/5", "5"),
        ("/{q:int}", Annotated[int, Meta(ge=1)], "/5", "5"),
        ("/{q:int}", Literal[5], "/5", "5"),
        ("/{q:int}", Level, "/1", "<Level.LOW: 1>"),
        ("/{q:int}", Any, "/5", "5"),
        ("/{q:path}", str, "/a/b", "'a/b'"),
        ("/{q:path}", Annotated[str, Meta(max_length=9)], "/a/b", "'a/b'"),
        ("/{q}", UserId, "/5", "5"),
        ("/{q}", bool, "/on", "True"),
    ],
    ids=str,
)
async def test_a_converter_suits_the_annotation(path: str, annotation: Any, target: str, value: str) -> None:
    assert (await ask(taking(annotation), target, path=path)).text == value


async def test_the_limits_of_a_converted_parameter_hold() -> None:
    assert errors(await ask(taking(Annotated[int, Meta(ge=6)]), "/5", path="/{q:int}")) == {"path.q": "Expected `int` >= 6"}
    assert errors(await ask(taking(Level), "/5", path="/{q:int}")) == {"path.q": "Invalid enum value 5"}


@pytest.mark.parametrize(("path", "annotation"), [("/{q:int}", str), ("/{q:int}", bool), ("/{q:int}", Color), ("/{q:path}", int)], ids=str)
def test_a_converter_that_gives_something_else_fails_the_build(path: str, annotation: Any) -> None:
    with pytest.raises(ConfigError, match=r"q is annotated .*, but \{q:\w+\} gives"):
        served(taking(annotation), path).build()


def test_a_path_parameter_is_one_text() -> None:
    for annotation in (list[int], Page):
        with pytest.raises(ConfigError, match=r"text cannot become .*: a path parameter is a scalar"):
            served(taking(annotation), "/{q}").build()


# ---- functions behind functions


async def search(q: int, *, is_admin: bool = False) -> str:
    return f"{q} {is_admin}"


async def test_what_a_partial_gives_is_not_the_clients_to_choose() -> None:
    handler = functools.partial(search, is_admin=False)
    assert (await ask(handler, "/?q=1&is_admin=true")).text == "1 False"


async def test_a_partial_as_a_dependency_keeps_what_it_gives() -> None:
    async def handler(found: Annotated[str, Depends(functools.partial(search, is_admin=True))]) -> str:
        return found

    assert (await ask(handler, "/?q=1&is_admin=false")).text == "1 True"


async def test_what_is_wrapped_is_read_and_the_wrapper_is_called() -> None:
    def doubled(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def wrapper(*args: Any, **kwargs: Any) -> str:
            return 2 * str(await function(*args, **kwargs))

        return wrapper

    assert (await ask(doubled(functools.partial(search, is_admin=True)), "/?q=1&is_admin=false")).text == "1 True1 True"


async def test_parameters_may_have_any_name() -> None:
    async def handler(*, function: str = "", args: str = "", use: str = "", made: str = "", app: str = "", k1: str = "") -> str:
        return function + args + use + made + app + k1

    def plain(*, function: str = "", self: str = "") -> str:
        return function + self

    assert (await ask(handler, "/?function=a&args=b&use=c&made=d&app=e&k1=f")).text == "abcdef"
    assert (await ask(plain, "/?function=a&self=b")).text == "ab"
