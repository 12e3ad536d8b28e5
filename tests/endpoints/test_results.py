"""Results: what a handler returns, and the answer it becomes."""

import asyncio
import collections
import dataclasses
import datetime
import enum
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any, NamedTuple

import msgspec
import pytest

from pagi import JSON, App, HTTPContext, Response, Text
from tests.recorder import Answer, Recorder

pytestmark = pytest.mark.anyio


class Point(msgspec.Struct):
    x: int


@dataclasses.dataclass
class Pair:
    a: int


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


async def answer(handler: Callable[..., Any]) -> Answer:
    app = App()
    app.get("/")(handler)
    return await Recorder(app).get("/")


JSON_TYPE = "application/json"
TEXT = "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    ("value", "body", "content_type"),
    [
        ("é", "é".encode(), TEXT),
        ("", b"", TEXT),
        (Color.RED, b"red", TEXT),
        (b"\x00", b"\x00", "application/octet-stream"),
        (bytearray(b"a"), b"a", "application/octet-stream"),
        ({"a": 1}, b'{"a":1}', JSON_TYPE),
        ([1], b"[1]", JSON_TYPE),
        (5, b"5", JSON_TYPE),
        (True, b"true", JSON_TYPE),
        (Point(1), b'{"x":1}', JSON_TYPE),
        (Pair(1), b'{"a":1}', JSON_TYPE),
        (datetime.date(2026, 1, 2), b'"2026-01-02"', JSON_TYPE),
        (msgspec.Raw(b"[2]"), b"[2]", JSON_TYPE),
        (Text("t"), b"t", TEXT),
        (JSON({"a": 1}), b'{"a":1}', JSON_TYPE),
    ],
)
async def test_a_value_becomes_an_answer_by_its_type(value: Any, body: bytes, content_type: str) -> None:
    async def handler() -> Any:
        return value

    got = await answer(handler)
    assert (got.status, got.body, got.headers["content-type"]) == (200, body, content_type)


async def test_none_is_204_where_annotated_so() -> None:
    async def nothing() -> None: ...

    got = await answer(nothing)
    assert (got.status, got.body, got.raw_headers) == (204, b"", [])


async def test_none_is_null_where_something_else_could_be() -> None:
    async def maybe() -> Point | None:
        return None

    assert (await answer(maybe)).body == b"null"


async def test_any_other_none_is_an_error_that_names_the_handler(caplog: pytest.LogCaptureFixture) -> None:
    async def forgetful() -> dict[str, int]:
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    assert (await answer(forgetful)).status == 500
    assert "forgetful" in caplog.text
    assert "annotate -> None" in caplog.text


async def test_a_tuple_is_refused_with_the_remedy(caplog: pytest.LogCaptureFixture) -> None:
    async def pair() -> tuple[str, int]:
        return "x", 201

    assert (await answer(pair)).status == 500
    assert "ctx.json(value, status=...)" in caplog.text


async def test_what_has_no_json_form_is_an_error_that_names_the_handler(caplog: pytest.LogCaptureFixture) -> None:
    async def odd() -> object:
        return object()

    assert (await answer(odd)).status == 500
    assert "odd returned object" in caplog.text


async def test_iterators_of_every_make_are_streams() -> None:
    async def generator() -> AsyncIterator[str]:
        yield "a"
        yield "é"

    async def gives() -> AsyncIterator[str]:
        return generator()

    def plain() -> Iterator[bytes]:
        yield b"a"
        yield "é".encode()

    async def gives_plain() -> Iterator[bytes]:
        return plain()

    for handler in (generator, gives, plain, gives_plain):
        assert (await answer(handler)).text == "aé"
    assert (await answer(generator)).headers["content-type"] == TEXT


async def test_a_stream_of_values_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async def values() -> AsyncIterator[int]:
        yield 1

    assert (await answer(values)).status == 500
    assert "router.sse" in caplog.text


async def test_what_is_set_on_the_builder_goes_into_plain_results() -> None:
    async def made(ctx: HTTPContext) -> dict[str, int]:
        ctx.response.status(201).header("x-a", "1").cookie("c", "v").content_type("application/vnd.x+json")
        return {"a": 1}

    got = await answer(made)
    assert (got.status, got.headers["x-a"], got.headers["content-type"]) == (201, "1", "application/vnd.x+json")
    assert "set-cookie" in got.headers


async def test_what_is_set_on_the_builder_does_not_go_into_other_responses() -> None:
    async def other(ctx: HTTPContext) -> Response:
        ctx.response.status(201)
        return Text("x")

    assert (await answer(other)).status == 200


async def test_a_plain_function_runs_in_a_worker_thread() -> None:
    def where() -> bool:
        return threading.current_thread() is threading.main_thread()

    assert (await answer(where)).body == b"false"


async def test_a_plain_function_that_gives_an_awaitable_is_awaited() -> None:
    async def later() -> str:
        return "later"

    def now() -> Any:
        return later()

    assert (await answer(now)).text == "later"


def test_the_threads_of_an_app_are_its_own_on_every_loop() -> None:
    app = App(threads=1)
    app.get("/")(lambda: "x")
    for _ in range(2):
        assert asyncio.run(Recorder(app).get("/")).text == "x"


class Named(NamedTuple):
    a: int
    b: int


class Shade(str, enum.Enum):  # noqa: UP042 -- the older spelling, whose str() is no value
    DARK = "dark"


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({1, 2}, b"[1,2]"),
        (frozenset({1}), b"[1]"),
        (uuid.UUID(int=5), b'"00000000-0000-0000-0000-000000000005"'),
        (datetime.timedelta(seconds=5), b'"PT5S"'),
        (Level.LOW, b"1"),
        (1.5, b"1.5"),
        (Named(1, 2), b"[1,2]"),
        (collections.Counter("a"), b'{"a":1}'),
    ],
    ids=repr,
)
async def test_everything_that_json_can_say_is_json(value: Any, body: bytes) -> None:
    async def handler() -> Any:
        return value

    got = await answer(handler)
    assert (got.body, got.headers["content-type"]) == (body, JSON_TYPE)


async def test_text_is_what_a_text_enum_holds() -> None:
    async def handler() -> Shade:
        return Shade.DARK

    assert ((got := await answer(handler)).body, got.headers["content-type"]) == (b"dark", TEXT)


async def test_null_is_for_a_result_that_may_be_none_itself() -> None:
    async def within() -> list[None]:
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    async def annotated() -> Annotated[Point | None, "a note"]:
        return None

    async def anything() -> Any:
        return None

    async def unsaid():  # type: ignore[no-untyped-def]
        return None

    assert (await answer(annotated)).body == b"null"
    for handler in (within, anything, unsaid):
        assert (await answer(handler)).status == 500


async def test_the_annotation_may_keep_the_type_of_a_response() -> None:
    async def handler() -> JSON[Point]:
        return JSON(Point(1), status=201)

    assert ((got := await answer(handler)).status, got.body) == (201, b'{"x":1}')


@pytest.mark.parametrize(
    "value", [object(), range(3), {1: object()}, JSON, "\ud800"], ids=["object", "range", "in_a_dict", "class", "surrogate"]
)
async def test_what_cannot_be_an_answer_is_an_error(value: Any) -> None:
    async def handler() -> Any:
        return value

    assert (await answer(handler)).status == 500


async def test_a_plain_iterator_is_stepped_in_a_worker_thread() -> None:
    def lines() -> Iterator[str]:
        yield str(threading.current_thread() is threading.main_thread())

    async def gives() -> Iterator[str]:
        return lines()

    assert (await answer(lines)).text == "False"
    assert (await answer(gives)).text == "False"


async def test_a_plain_iterator_of_values_is_refused_too() -> None:
    def values() -> Iterator[Any]:
        yield 5

    assert (await answer(values)).status == 500
