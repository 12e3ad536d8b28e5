"""`RequestId`: one id for each exchange, wherever it is looked for, and whom it believes."""

import logging
import re

import pytest

from pagi import App, ConfigError, Context, HTTPContext, HTTPException, Next, Response, Router, SSEContext, Text, WebSocketContext
from pagi.gateway.types import Receive, Scope, Send
from pagi.middleware import REQUEST_ID, RequestId
from pagi.testing import StreamDeclined, TestClient, WebSocketDenied
from tests.middleware.apps import app_of
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio

ID = re.compile(r"[0-9a-f]{32}")


async def test_every_kind_of_answer_carries_an_id_of_its_own() -> None:
    ids: list[str | None] = []
    async with TestClient(app_of(RequestId()), raise_app_exceptions=False) as client:
        paths = ("/text", "/pieces", "/raw", "/refuses", "/fails", "/nowhere", "/inner/text", "/plain/x")
        ids += [(await client.get(path)).headers.get("x-request-id") for path in paths]
        ids.append((await client.post("/text")).headers.get("x-request-id"))
        ids.append((await client.options("/text")).headers.get("x-request-id"))
        async with client.sse("/feed") as feed:
            ids.append(feed.headers.get("x-request-id"))
        with pytest.raises(StreamDeclined) as declined:
            async with client.sse("/declines"):
                raise AssertionError("opened")
        ids.append(declined.value.headers.get("x-request-id"))
        async with client.websocket("/echo") as ws:
            ids.append(ws.headers.get("x-request-id"))
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/nowhere"):
                raise AssertionError("opened")
        ids.append(denied.value.headers.get("x-request-id"))
    assert all(each is not None and ID.fullmatch(each) for each in ids), ids
    assert len(set(ids)) == len(ids)


async def test_the_id_is_the_same_in_stash_scope_and_head() -> None:
    app = App(middleware=[RequestId()])

    @app.get("/")
    async def show(ctx: HTTPContext) -> list[str]:
        return [ctx.stash[REQUEST_ID], ctx.scope["pagi.request_id"]]

    @app.websocket("/ws")
    async def tell(ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.send_text(ctx.stash[REQUEST_ID])

    async with TestClient(app) as client:
        reply = await client.get("/")
        assert reply.json() == [reply.headers["x-request-id"]] * 2
        async with client.websocket("/ws") as ws:
            assert await ws.receive_text() == ws.headers["x-request-id"]


async def test_a_mounted_plain_application_finds_it_in_the_scope() -> None:
    seen: list[str] = []

    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["pagi.request_id"])
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = App(middleware=[RequestId()])
    app.mount("/plain", plain)
    async with TestClient(app) as client:
        assert [(await client.get("/plain")).headers["x-request-id"]] == seen


async def test_two_of_them_agree_on_one_id() -> None:
    router = Router(middleware=[RequestId(header="x-trace")])

    @router.get("/")
    async def show(ctx: HTTPContext) -> str:
        return ctx.stash[REQUEST_ID]

    async with TestClient(App(middleware=[RequestId()], routers=[router])) as client:
        reply = await client.get("/")
    assert {reply.text} == {reply.headers["x-request-id"], reply.headers["x-trace"]}


TOKENS = ["abc-123", "a" * 128, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "2f1e.4~b!#$%&'*+^_`|"]
UNSAFE = ["", "a" * 129, "two words", "a,b", "a;b", "é", 'a"b', "a\tb", "<script>", "a/b", "a=b"]


@pytest.mark.parametrize("value", TOKENS + UNSAFE)
async def test_nobody_is_believed_by_default(value: str) -> None:
    async with TestClient(app_of(RequestId())) as client:
        reply = await client.get("/text", headers={"x-request-id": value})
    assert reply.headers["x-request-id"] != value


@pytest.mark.parametrize("value", TOKENS)
async def test_a_trusted_id_of_a_safe_shape_is_taken(value: str) -> None:
    async with TestClient(app_of(RequestId(trust_incoming=True))) as client:
        reply = await client.get("/text", headers={"x-request-id": value})
    assert reply.headers.get_all("x-request-id") == [value]


@pytest.mark.parametrize("value", UNSAFE)
async def test_an_unsafe_id_is_replaced_even_if_trusted(value: str) -> None:
    for trusted in (True, r"(?s).*"):
        async with TestClient(app_of(RequestId(trust_incoming=trusted))) as client:
            reply = await client.get("/text", headers={"x-request-id": value})
        assert ID.fullmatch(reply.headers["x-request-id"])


async def test_two_ids_are_no_id() -> None:
    async with TestClient(app_of(RequestId(trust_incoming=True))) as client:
        reply = await client.get("/text", headers=[("x-request-id", "a"), ("x-request-id", "b")])
    assert ID.fullmatch(reply.headers["x-request-id"])


async def test_a_pattern_must_match_the_whole_id() -> None:
    async with TestClient(app_of(RequestId(trust_incoming=r"lb-\d+", header="X-Amzn-Id"))) as client:
        assert (await client.get("/text", headers={"x-amzn-id": "lb-7"})).headers["x-amzn-id"] == "lb-7"
        for other in ("lb-7x", "xlb-7", "lb-"):
            assert ID.fullmatch((await client.get("/text", headers={"x-amzn-id": other})).headers["x-amzn-id"])


async def test_ids_can_be_made_by_the_author() -> None:
    numbers = iter(range(10))
    async with TestClient(app_of(RequestId(generate=lambda: f"n-{next(numbers)}"))) as client:
        assert [(await client.get("/text")).headers["x-request-id"] for _ in range(3)] == ["n-0", "n-1", "n-2"]


async def test_a_failure_is_logged_with_the_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await Recorder(app_of(RequestId())).get("/fails")
    (record,) = caplog.records
    assert record.getMessage() == f"GET /fails [{answer.headers['x-request-id']}] failed: lost it"


async def test_a_failure_that_the_server_logs_has_the_id_too(caplog: pytest.LogCaptureFixture) -> None:
    app = App(middleware=[RequestId(generate=lambda: "abc")])

    @app.sse("/cut")
    async def cut(ctx: SSEContext) -> None:
        await ctx.start()
        raise LookupError("lost it")

    with caplog.at_level(logging.ERROR):
        async with TestClient(app, raise_app_exceptions=False) as client, client.sse("/cut") as feed:
            assert [event async for event in feed] == []
    assert any("sse GET '/cut' [abc]: " in record.getMessage() for record in caplog.records)


async def test_work_after_the_answer_is_logged_with_the_id(caplog: pytest.LogCaptureFixture) -> None:
    app = App(middleware=[RequestId(generate=lambda: "abc")])

    def break_down() -> None:
        raise LookupError("lost it")

    @app.get("/")
    async def later(ctx: HTTPContext) -> Text:
        ctx.after_response(break_down)
        return Text("now")

    with caplog.at_level(logging.ERROR):
        await Recorder(app).get("/")
    assert [record.getMessage() for record in caplog.records] == ["work after the answer to / [abc] failed: lost it"]


async def test_the_access_log_has_the_id(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pagi.access"):
        async with TestClient(app_of(RequestId(generate=lambda: "abc"))) as client:
            await client.get("/text")
            async with client.sse("/feed") as feed:
                await feed.receive()
            async with client.websocket("/echo"):
                pass
    lines = [record.getMessage() for record in caplog.records if record.name == "pagi.access"]
    assert len(lines) == 3
    assert all(line.endswith(" id=abc") for line in lines)


async def test_a_refusal_by_middleware_inside_has_the_id() -> None:
    async def refuse(ctx: Context, next: Next) -> Response:
        raise HTTPException(403)

    async with TestClient(app_of(RequestId(), refuse)) as client:
        reply = await client.get("/text")
    assert (reply.status, len(reply.headers["x-request-id"])) == (403, 32)


def test_a_field_that_is_no_name_and_a_broken_pattern_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no field name"):
        RequestId(header="x request id")
    with pytest.raises(ConfigError, match="no pattern"):
        RequestId(trust_incoming="(")
