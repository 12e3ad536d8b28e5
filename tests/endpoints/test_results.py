"""Results: what a handler returns, and the answer it becomes."""

import asyncio
import dataclasses
import datetime
import enum
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

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
