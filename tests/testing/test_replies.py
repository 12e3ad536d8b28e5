"""What the client shows of an answer, whatever shape the question had."""

from pathlib import Path
from typing import Any

import pytest

import pagi.gateway
from pagi import App, FileResponse, HTTPContext, Response, SSEContext
from pagi.gateway.types import Receive, Scope, Send
from pagi.testing import TestClient, WebSocketClosed
from tests.testing.apps import describe, echo

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(("status", "is_success"), [(200, True), (204, True), (299, True), (300, False), (404, False), (500, False)])
async def test_an_answer_is_a_success_or_none(status: int, is_success: bool) -> None:
    app = App()

    @app.get("/")
    async def page() -> Response:
        return Response(status=status, headers={"x-a": "1", "content-type": "text/x"})

    async with TestClient(app) as client:
        reply = await client.get("/")
    assert (reply.status, reply.status_code, reply.is_success) == (status, status, is_success)
    assert (reply.headers["X-A"], reply.headers["content-type"]) == ("1", "text/x")


async def test_part_of_a_file_is_the_body(tmp_path: Path) -> None:
    path = tmp_path / "digits"
    path.write_bytes(b"0123456789")
    app = App()

    @app.get("/")
    async def part(ctx: HTTPContext, offset: int = 0, length: int | None = None) -> Response:
        return FileResponse(path, offset=offset, length=length)

    async with TestClient(app) as client:
        bodies = [(await client.get("/", params=params)).content for params in ({}, {"offset": 7}, {"offset": 2, "length": 3})]
        assert (await client.head("/")).content == b""
    assert bodies == [b"0123456789", b"789", b"234"]


@pytest.mark.parametrize("shape", [dict, list])
async def test_fields_and_pairs_come_in_every_shape(shape: type[Any]) -> None:
    def shaped(*pairs: tuple[str, Any]) -> Any:
        return dict(pairs) if shape is dict else list(pairs)

    async with TestClient(describe) as client:
        told = (
            await client.post(
                "/?z=0", params=shaped(("a", ["1", "2"])), headers=shaped(("X-A", "3")), data=shaped(("b", ["4", 5]), ("c", None))
            )
        ).json()
        assert (told["query"], told["body"]) == ("z=0&a=1&a=2", "b=4&b=5&c=")
        assert ["x-a", "3"] in told["headers"]
        told = (await client.post("/", headers=shaped(("X-A", "3")), json=[1])).json()
    assert (told["body"], ["x-a", "3"] in told["headers"]) == ("[1]", True)


async def test_a_field_that_repeats_goes_out_as_often() -> None:
    async with TestClient(describe) as client:
        told = (await client.get("/", headers=[("x-a", "1"), ("x-a", "2")])).json()
    assert [value for name, value in told["headers"] if name == "x-a"] == ["1", "2"]


async def test_the_question_of_a_stream_is_the_tests_to_give() -> None:
    app = App()

    @app.sse("/", methods=["GET", "POST"])
    async def feed(ctx: SSEContext) -> Any:
        yield [ctx.method, ctx.query["q"], ctx.headers.get_all("x-a"), await ctx.sse.text()]

    async with TestClient(app) as client:
        async with client.sse("/?q=1", headers=[("x-a", "2"), ("x-a", "3")]) as events:
            assert (await events.receive()).data == ["GET", "1", ["2", "3"], ""]
        async with client.sse("/", method="post", params={"q": 1}, content="hi") as events:
            assert (await events.receive()).data == ["POST", "1", [], "hi"]


async def test_the_query_of_a_handshake_is_none_of_its_path() -> None:
    seen: list[tuple[str, bytes]] = []

    @pagi.gateway.app
    async def session(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["path"], scope["query_string"]))
        await echo(scope, receive, send)

    async with TestClient(session, lifespan="off") as client:
        async with client.websocket("/chat?a=1", params={"b": 2}):
            pass
    assert seen == [("/chat", b"a=1&b=2")]


async def test_a_send_after_the_close_is_told() -> None:
    async with TestClient(echo) as client, client.websocket("/") as ws:
        await ws.close(4001)
        with pytest.raises(WebSocketClosed):
            await ws.send_text("late")


async def test_an_application_that_answers_nothing_is_a_failed_one() -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None: ...

    async with TestClient(silent, lifespan="off", raise_app_exceptions=False) as client:
        assert (await client.get("/")).status == 500
