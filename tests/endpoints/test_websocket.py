"""WebSocket handlers: the session begins, talks and ends as its function does."""

import gc
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from pagi import App, HTTPException, Response, WebSocketClosed, WebSocketContext
from pagi.endpoints.binding import BadSignature
from pagi.gateway.types import Message
from pagi.messages.websocket import WrongState
from tests.recorder import Exchange, Recorder

pytestmark = pytest.mark.anyio

Handler = Callable[..., Any]


def chat(handler: Handler, **options: Any) -> Recorder:
    app = App(**options)
    app.websocket("/{room}")(handler)
    return Recorder(app)


def closes(events: list[Message]) -> list[tuple[int, str]]:
    return [(event["code"], event.get("reason", "")) for event in events if event["type"] == "websocket.close"]


async def test_messages_of_both_kinds_come_back() -> None:
    async def echo(ctx: WebSocketContext) -> None:
        await ctx.accept()
        while True:
            message = await ctx.ws.receive()
            await (ctx.send_text(message) if isinstance(message, str) else ctx.send_bytes(message))

    answer = await chat(echo).talk("/a", ["hi", b"\x00", "", b""])
    assert answer.sent == ["hi", b"\x00", "", b""]


async def test_iteration_goes_on_past_empty_messages_and_ends_with_the_session() -> None:
    ended: list[tuple[int | None, str]] = []

    async def count(ctx: WebSocketContext) -> None:
        await ctx.accept()
        async for text in ctx.iter_text():
            await ctx.send_json({"got": text})
        ended.append((ctx.ws.close_code, ctx.ws.close_reason))

    answer = await chat(count).talk("/a", ["", "0", "é"])
    assert answer.sent == ['{"got":""}', '{"got":"0"}', '{"got":"é"}']
    assert ended == [(1001, "bye")]


@pytest.mark.parametrize("loop", ["iter_text", "iter_bytes", "iter_json"])
async def test_a_loop_may_be_left_early_and_nothing_is_left_unclosed(loop: str) -> None:
    left: list[Any] = []

    async def first(ctx: WebSocketContext) -> None:
        await ctx.accept()
        async for message in getattr(ctx, loop)():
            left.append(message)
            break
        left.append(await ctx.receive_text())

    await chat(first).talk("/a", [b"1" if loop == "iter_bytes" else "1", "two"])
    gc.collect()  # an async generator that is dropped here warns on trio
    assert left == [{"iter_text": "1", "iter_bytes": b"1", "iter_json": 1}[loop], "two"]


async def test_an_iterator_that_ended_stays_at_its_end() -> None:
    async def drain(ctx: WebSocketContext) -> None:
        await ctx.accept()
        messages = ctx.iter_bytes()
        assert [message async for message in messages] == [b"a"]
        assert [message async for message in messages] == []

    await chat(drain).talk("/a", [b"a"])


async def test_iterating_before_accept_is_refused() -> None:
    async def early(ctx: WebSocketContext) -> None:
        with pytest.raises(WrongState, match="await accept"):
            await anext(ctx.iter_text())

    await chat(early).talk("/a")


async def test_iteration_over_the_wrong_kind_closes_1003() -> None:
    async def texts(ctx: WebSocketContext) -> None:
        await ctx.accept()
        async for _ in ctx.iter_text():
            pass

    (close,) = closes((await chat(texts).talk("/a", [b"x"], stays=True)).events)
    assert close[0] == 1003


async def test_json_is_read_from_text_and_bytes() -> None:
    async def echo(ctx: WebSocketContext) -> None:
        await ctx.accept()
        async for value in ctx.iter_json():
            await ctx.send_text(repr(value))

    assert (await chat(echo).talk("/a", ['{"é":1}', b"[2]"])).sent == ["{'é': 1}", "[2]"]


async def test_the_session_ends_normally_when_its_function_returns() -> None:
    async def brief(ctx: WebSocketContext) -> None:
        await ctx.accept()

    assert closes((await chat(brief).talk("/a", stays=True)).events) == [(1000, "")]


async def test_a_function_that_never_accepts_denies_with_403() -> None:
    async def shy(ctx: WebSocketContext) -> None: ...

    assert (await chat(shy).talk("/a")).status == 403


async def test_a_path_parameter_is_given_by_name() -> None:
    async def greet(ctx: WebSocketContext, room: str) -> None:
        await ctx.accept()
        await ctx.send_text(room)

    assert (await chat(greet).talk("/lobby", stays=True)).sent == ["lobby"]


async def test_a_subprotocol_must_have_been_offered() -> None:
    async def pick(ctx: WebSocketContext) -> None:
        with pytest.raises(ValueError, match="was not offered"):
            await ctx.accept(subprotocol="v9")
        await ctx.accept(subprotocol=ctx.subprotocols[1])

    answer = await chat(pick).talk("/a", subprotocols=["v1", "v2"])
    assert answer.of("websocket.accept")[0]["subprotocol"] == "v2"


async def test_a_second_accept_is_refused() -> None:
    async def twice(ctx: WebSocketContext) -> None:
        await ctx.accept()
        with pytest.raises(WrongState, match="open already"):
            await ctx.accept()

    await chat(twice).talk("/a")


async def test_sending_before_accept_is_refused() -> None:
    async def early(ctx: WebSocketContext) -> None:
        with pytest.raises(WrongState, match="await accept"):
            await ctx.send_text("x")

    await chat(early).talk("/a")


async def test_sending_after_close_is_refused() -> None:
    async def late(ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.close(4000, "enough")
        await ctx.close()
        with pytest.raises(WrongState, match="is closed"):
            await ctx.send_text("x")

    assert closes((await chat(late).talk("/a", stays=True)).events) == [(4000, "enough")]


async def test_a_denial_is_an_ordinary_response() -> None:
    async def deny(ctx: WebSocketContext) -> None:
        await ctx.deny(Response("go away", status=418, headers={"x-why": "tea"}))

    answer = await chat(deny).talk("/a")
    assert (answer.status, answer.text, answer.headers["x-why"]) == (418, "go away", "tea")


async def test_without_the_extension_a_denial_is_a_close() -> None:
    async def deny(ctx: WebSocketContext) -> None:
        raise HTTPException(401)

    exchange = chat(deny).websocket("/a")
    exchange.scope["extensions"] = {}
    assert closes((await exchange.run()).events) == [(1008, "")]


async def test_a_refusal_after_accept_closes_1008_with_its_detail() -> None:
    async def refuse(ctx: WebSocketContext) -> None:
        await ctx.accept()
        raise HTTPException(403, "ü" * 100)

    assert closes((await chat(refuse).talk("/a", stays=True)).events) == [(1008, "ü" * 61)]


async def test_a_message_of_the_wrong_kind_closes_1003() -> None:
    async def texts(ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.receive_text()

    (close,) = closes((await chat(texts).talk("/a", [b"x"], stays=True)).events)
    assert close[0] == 1003


async def test_a_message_that_is_no_json_closes_1007() -> None:
    async def values(ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.receive_json()

    (close,) = closes((await chat(values).talk("/a", ["{"], stays=True)).events)
    assert close[0] == 1007


async def test_a_failure_after_accept_closes_1011_and_reaches_the_server() -> None:
    async def broken(ctx: WebSocketContext) -> None:
        await ctx.accept()
        raise RuntimeError("no")

    exchange = chat(broken).websocket("/a", stays=True)
    with pytest.raises(RuntimeError, match="no"):
        await exchange.run()
    assert closes(exchange.events) == [(1011, "")]


async def test_a_failure_before_accept_denies_with_500(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(ctx: WebSocketContext) -> None:
        raise RuntimeError("no")

    with caplog.at_level(logging.ERROR):
        assert (await chat(broken).talk("/a")).status == 500
    assert len(caplog.records) == 1


async def test_the_end_of_the_session_is_told_by_receive() -> None:
    ends: list[WebSocketClosed] = []

    async def wait(ctx: WebSocketContext) -> None:
        await ctx.accept()
        for _ in range(2):
            with pytest.raises(WebSocketClosed) as caught:
                await ctx.receive_text()
            ends.append(caught.value)

    await chat(wait).talk("/a")
    assert [(end.code, end.text) for end in ends] == [(1001, "bye"), (1001, "bye")]


async def finish(exchange: Exchange) -> None:
    """Runs an exchange that the server closes while its handler waits."""
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.wait_all_tasks_blocked()
        exchange.handle.mark_closing(anyio.current_time() + 10)


async def wait_for_ever(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for _ in ctx.iter_text():
        pass


async def test_the_closing_signal_ends_a_waiting_session_with_1001() -> None:
    exchange = chat(wait_for_ever).websocket("/a", stays=True)
    await finish(exchange)
    assert closes(exchange.events) == [(1001, "")]


async def test_a_session_that_listens_ends_itself() -> None:
    async def farewell(ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.connection.closing()
        await ctx.send_text("bye")
        await ctx.close(4001)

    exchange = chat(farewell).websocket("/a", stays=True)
    await finish(exchange)
    assert closes(exchange.events) == [(4001, "")]


async def test_a_session_whose_client_is_gone_for_good_is_cancelled() -> None:
    ended: list[str] = []

    async def deaf(ctx: WebSocketContext) -> None:
        await ctx.accept()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("deaf")

    exchange = chat(deaf).websocket("/a", stays=True)
    async with anyio.create_task_group() as group:
        group.start_soon(exchange.run)
        await anyio.wait_all_tasks_blocked()
        exchange.leave()
        exchange.handle.abandon()
    assert ended == ["deaf"]


async def test_next_gives_what_the_handshake_was_answered_with() -> None:
    seen: list[tuple[int, bool]] = []

    async def watch(ctx: Any, next: Any) -> Response:
        response: Response = await next()
        seen.append((response.status, response.is_sent))
        return response

    await chat(wait_for_ever, middleware=[watch]).talk("/a")
    assert seen == [(101, True)]


async def test_a_plain_function_is_refused_at_build() -> None:
    app = App()
    app.websocket("/")(print)
    with pytest.raises(BadSignature, match="async"):
        app.build()
