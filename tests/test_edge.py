"""The outermost edge: refusals, failures, hooks, background work, and streams whose client is gone."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from pagi import App, Context, FileResponse, HTTPContext, HTTPException, Next, Response, SSEContext, Stream, Text, WebSocketContext
from pagi.context.context import HeadHasLeft
from pagi.gateway.reasons import Outcome
from pagi.messages.channel import Head
from tests.recorder import Recorder, Server

pytestmark = pytest.mark.anyio


def stop_with(error: Exception) -> None:
    """Raises, where the checkers would else see that nothing can be yielded after it."""
    raise error


@pytest.fixture(params=["own", "wrapped", "foreign"])
def server(request: pytest.FixtureRequest) -> Server:
    """Every server an app may find itself on."""
    value: Server = request.param
    return value


async def stamp(ctx: Context, next: Next) -> Response:
    ctx.on_response_start(lambda head: head.headers.set("x-stamp", "1"))
    return await next()


async def test_a_refusal_is_a_problem_response(server: Server) -> None:
    app = App()

    @app.get("/")
    async def refuse() -> None:
        raise HTTPException(409, "too late", headers={"retry-after": "5"})

    answer = await Recorder(app, server).get("/")
    assert (answer.status, answer.headers["retry-after"]) == (409, "5")
    assert answer.body == b'{"type":"about:blank","title":"Conflict","status":409,"detail":"too late"}'


async def test_middleware_sees_a_refusal_as_a_response() -> None:
    seen: list[int] = []

    async def watch(ctx: Context, next: Next) -> Response:
        response = await next()
        seen.append(response.status)
        return response

    async def guard(ctx: Context, next: Next) -> Response:
        raise HTTPException(403)

    app = App(middleware=[watch, guard])
    app.get("/")(lambda: "never")
    assert (await Recorder(app).get("/")).status == 403
    assert seen == [403]


async def test_an_unknown_error_is_500_with_hooks_and_is_logged_once(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    app = App(middleware=[stamp])

    @app.get("/")
    async def broken() -> None:
        raise RuntimeError("secret")

    with caplog.at_level(logging.ERROR):
        answer = await Recorder(app, server).get("/")
    assert (answer.status, answer.headers["x-stamp"]) == (500, "1")
    assert b"secret" not in answer.body
    assert [record.exc_info is not None for record in caplog.records] == [True]


async def test_unknown_errors_pass_through_middleware_as_they_are() -> None:
    caught: list[Exception] = []

    async def watch(ctx: Context, next: Next) -> Response:
        try:
            return await next()
        except ZeroDivisionError as error:
            caught.append(error)
            return Text("mended")

    app = App(middleware=[watch])

    @app.get("/")
    async def broken() -> float:
        return 1 / 0

    assert (await Recorder(app).get("/")).text == "mended"
    assert len(caught) == 1


async def test_hooks_run_innermost_first_on_whatever_answers(server: Server) -> None:
    order: list[str] = []

    async def outer(ctx: Context, next: Next) -> Response:
        ctx.on_response_start(lambda head: order.append("outer"))
        return await next()

    async def inner(ctx: Context, next: Next) -> Response:
        ctx.on_response_start(lambda head: order.append("inner"))
        return await next()

    app = App(middleware=[outer, inner])
    app.get("/")(lambda: "x")
    await Recorder(app, server).get("/")
    assert order == ["inner", "outer"]


async def test_hooks_reach_a_stream_an_event_stream_a_websocket_and_the_raw_channel(server: Server) -> None:
    app = App(middleware=[stamp])

    @app.get("/stream")
    async def stream() -> AsyncIterator[str]:
        yield "a"

    @app.sse("/feed")
    async def feed() -> AsyncIterator[str]:
        yield "a"

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext) -> None:
        await ctx.accept(headers={"x-own": "2"})

    @app.websocket("/denied")
    async def denied() -> None:
        raise HTTPException(401)

    @app.get("/raw")
    async def raw(ctx: HTTPContext) -> None:
        await ctx.send({"type": "http.response.start", "status": 201, "headers": [(b"x-own", b"2")]})
        await ctx.send({"type": "http.response.body", "body": b"raw"})

    recorder = Recorder(app, server)
    assert (await recorder.get("/stream")).headers["x-stamp"] == "1"
    assert (await recorder.stream("/feed")).headers["x-stamp"] == "1"
    assert (await recorder.talk("/chat")).of("websocket.accept")[0]["headers"] == [(b"x-own", b"2"), (b"x-stamp", b"1")]
    denial = await recorder.talk("/denied")
    assert (denial.status, denial.headers["x-stamp"]) == (401, "1")
    answer = await recorder.get("/raw")
    assert (answer.status, answer.headers["x-stamp"], answer.headers["x-own"], answer.text) == (201, "1", "2", "raw")


async def test_a_hook_may_change_the_status() -> None:
    def teapot(head: Head) -> None:
        head.status = 418

    app = App()

    @app.get("/")
    async def tea(ctx: HTTPContext) -> str:
        ctx.on_response_start(teapot)
        return "tea"

    assert (await Recorder(app).get("/")).status == 418


async def test_a_hook_does_not_change_a_response_that_is_used_again() -> None:
    constant = Text("always")
    app = App(middleware=[stamp])

    @app.get("/")
    async def always() -> Response:
        return constant

    for _ in range(2):
        await Recorder(app).get("/")
    assert len(constant.raw_headers) == 1


async def test_an_async_hook_is_refused() -> None:
    async def slow(head: Head) -> None: ...

    app = App()

    @app.get("/")
    async def page(ctx: HTTPContext) -> str:
        with pytest.raises(TypeError, match="async"):
            ctx.on_response_start(slow)
        return "x"

    assert (await Recorder(app).get("/")).status == 200


async def test_a_hook_after_the_head_left_is_an_error() -> None:
    app = App()

    @app.sse("/")
    async def feed(ctx: SSEContext) -> AsyncIterator[str]:
        yield "a"
        with pytest.raises(HeadHasLeft):
            ctx.on_response_start(lambda head: None)

    assert (await Recorder(app).stream("/")).data == ["a"]


async def test_a_hook_that_fails_loses_its_header_not_the_answer(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/")
    async def page(ctx: HTTPContext) -> str:
        ctx.on_response_start(lambda head: 1 / 0)
        return "x"

    assert (await Recorder(app).get("/")).status == 500
    assert len(caplog.records) == 1


async def test_a_value_after_the_raw_channel_was_used_is_an_error() -> None:
    app = App()

    @app.get("/")
    async def both(ctx: HTTPContext) -> str:
        await ctx.send({"type": "http.response.start", "status": 200, "headers": []})
        return "and this"

    with pytest.raises(Exception, match="raw channel"):
        await Recorder(app).get("/")


async def test_a_refusal_after_the_raw_channel_was_used_reaches_the_server_as_it_is() -> None:
    app = App()

    @app.get("/")
    async def both(ctx: HTTPContext) -> None:
        await ctx.send({"type": "http.response.start", "status": 200, "headers": []})
        raise HTTPException(403)

    with pytest.raises(HTTPException):
        await Recorder(app).get("/")


async def test_streams_and_sessions_may_be_driven_through_the_raw_channel() -> None:
    app = App(middleware=[stamp])

    @app.sse("/feed")
    async def feed(ctx: SSEContext) -> None:
        await ctx.send({"type": "sse.start"})
        await anyio.sleep(0.15)
        await ctx.send({"type": "sse.send", "data": "raw"})

    @app.sse("/declined")
    async def declined(ctx: SSEContext) -> None:
        await ctx.send({"type": "http.response.start", "status": 410, "headers": []})
        await ctx.send({"type": "http.response.body", "body": b"gone"})

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext) -> None:
        assert (await ctx.receive())["type"] == "websocket.connect"
        await ctx.send({"type": "websocket.accept"})
        await ctx.send({"type": "websocket.send", "text": "raw"})
        await ctx.send({"type": "websocket.close", "code": 4000})

    recorder = Recorder(app)
    stream = await recorder.stream("/feed")
    assert (stream.data, stream.headers["x-stamp"]) == (["raw"], "1")
    decline = await recorder.stream("/declined")
    assert (decline.status, decline.text, decline.headers["x-stamp"]) == (410, "gone", "1")
    session = await recorder.talk("/chat", stays=True)
    assert (session.sent, session.of("websocket.close")[0]["code"]) == (["raw"], 4000)


async def test_an_error_after_the_head_left_is_raised_to_the_server(server: Server) -> None:
    app = App()

    @app.get("/")
    async def stream() -> AsyncIterator[bytes]:
        yield b"a"
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        await Recorder(app, server).get("/")


async def test_a_stream_may_refuse_until_its_first_piece() -> None:
    app = App(middleware=[stamp])

    @app.get("/")
    async def stream() -> AsyncIterator[bytes]:
        stop_with(HTTPException(410))
        yield b""

    assert (await Recorder(app).get("/")).status == 410


async def test_a_stream_that_a_middleware_replaces_is_closed() -> None:
    ended: list[str] = []

    async def replace(ctx: Context, next: Next) -> Response:
        await next()
        if "fail" in ctx.query:
            raise RuntimeError("after next")
        return Text("mine")

    app = App(middleware=[replace])

    @app.get("/")
    async def stream() -> AsyncIterator[bytes]:
        try:
            yield b"a"
        finally:
            ended.append("stream")

    assert (await Recorder(app).get("/")).text == "mine"
    assert (await Recorder(app).get("/?fail")).status == 500
    assert ended == ["stream", "stream"]


async def test_head_does_not_start_a_generator() -> None:
    started: list[int] = []
    app = App()

    @app.get("/")
    async def stream() -> AsyncIterator[bytes]:
        started.append(1)
        yield b"a"

    answer = await Recorder(app).http("HEAD", "/").run()
    assert (answer.status, answer.body, started) == (200, b"", [])


async def test_work_after_the_answer_runs_after_it_in_order_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    order: list[object] = []
    app = App()

    async def later(what: str) -> None:
        order.append(what)

    @app.get("/")
    async def page(ctx: HTTPContext) -> str:
        ctx.after_response(lambda: 1 / 0)
        ctx.after_response(later, "async")
        ctx.after_response(lambda: order.append(ctx.has_left))
        return "x"

    await Recorder(app).get("/")
    assert order == ["async", True]
    assert len(caplog.records) == 1


async def test_a_client_that_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    app = App()

    @app.get("/")
    async def page(ctx: HTTPContext) -> str:
        return "x"

    for server in ("own", "wrapped"):
        exchange = Recorder(app, server).http("GET", "/")
        exchange.leave()
        await exchange.run()
    assert not caplog.records


async def test_a_stream_stuck_after_its_client_left_is_cancelled() -> None:
    ended: list[str] = []
    app = App()

    @app.get("/function")
    async def function() -> AsyncIterator[bytes]:
        try:
            yield b"a"
            await anyio.sleep_forever()
        finally:
            ended.append("function")

    @app.get("/value")
    async def value() -> Response:
        return Stream(function())

    for path in ("/function", "/value"):
        exchange = Recorder(app).http("GET", path)
        async with anyio.create_task_group() as group:
            group.start_soon(exchange.run)
            await anyio.wait_all_tasks_blocked()
            exchange.leave()
            exchange.handle.abandon()
    assert ended == ["function", "function"]


async def test_a_one_shot_handler_is_cancelled_only_if_it_asked() -> None:
    ended: list[str] = []
    app = App()

    async def work(name: str) -> str:
        try:
            await anyio.sleep(0.05)
        except BaseException:
            ended.append(f"{name} cancelled")
            raise
        ended.append(f"{name} done")
        return name

    @app.get("/kept")
    async def kept() -> str:
        return await work("kept")

    @app.get("/dropped", cancel_on_disconnect=True)
    async def dropped() -> str:
        return await work("dropped")

    for path in ("/kept", "/dropped"):
        exchange = Recorder(app).http("GET", path)
        async with anyio.create_task_group() as group:
            group.start_soon(exchange.run)
            await anyio.wait_all_tasks_blocked()
            exchange.leave()
            exchange.handle.abandon()
    assert ended == ["kept done", "dropped cancelled"]


async def test_a_file_is_handed_to_the_server(tmp_path: Any) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>hi</p>")
    app = App()

    @app.get("/")
    async def page(ctx: HTTPContext) -> FileResponse:
        return ctx.file(path)

    answer = await Recorder(app).get("/")
    assert answer.headers["content-length"] == "9"
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.events[-1]["file"] == str(path)
    assert (await Recorder(app, "foreign").get("/")).text == "<p>hi</p>"


async def test_a_missing_file_is_500_and_says_which(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.get("/")(lambda: FileResponse("/no/such/file"))
    assert (await Recorder(app).get("/")).status == 500
    assert "/no/such/file" in caplog.text


async def test_the_outcome_is_known_after_the_end() -> None:
    contexts: list[Context] = []
    app = App()

    @app.get("/")
    async def page(ctx: HTTPContext) -> str:
        contexts.append(ctx)
        assert ctx.outcome is None
        return "x"

    await Recorder(app).get("/")
    assert contexts[0].outcome is Outcome.SENT
