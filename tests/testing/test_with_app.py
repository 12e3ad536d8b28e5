"""The test client on an App: all three kinds, its lifespan, its failures."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from pagi import App, Event, HTTPContext, SSEContext, WebSocketContext
from pagi.testing import StartupFailed, StreamDeclined, StreamEnded, TestClient, WebSocketClosed, WebSocketDenied

pytestmark = pytest.mark.anyio

closed: list[str] = []
"""Which streams and sessions came to their `finally`."""


def make_app(lifespan: Any = None) -> App:
    app = App(lifespan=lifespan)

    @app.post("/items")
    async def items(ctx: HTTPContext[Any]) -> dict[str, Any]:
        return {"got": await ctx.request.json()}

    @app.get("/fails")
    async def fails(ctx: HTTPContext[Any]) -> None:
        raise LookupError("lost it")

    @app.websocket("/echo")
    async def echo(ctx: WebSocketContext[Any]) -> None:
        await ctx.accept()
        try:
            async for text in ctx.iter_text():
                await ctx.send_text(text)
        finally:
            closed.append("echo")

    @app.websocket("/once")
    async def once(ctx: WebSocketContext[Any]) -> None:
        await ctx.accept()
        raise LookupError(await ctx.receive_text())

    @app.websocket("/fails")
    async def fails_early(ctx: WebSocketContext[Any]) -> None:
        raise LookupError("lost it")

    @app.sse("/ticks")
    async def ticks(ctx: SSEContext[Any]) -> AsyncIterator[Event[int]]:
        n = int(ctx.last_event_id or 0)
        try:
            while True:
                n += 1
                yield Event(n, id=str(n))
                await anyio.sleep(0.005)
        finally:
            closed.append("ticks")

    @app.sse("/cut")
    async def cut(ctx: SSEContext[Any]) -> AsyncIterator[Event[int]]:
        yield Event(1)
        raise LookupError("lost it")

    return app


async def test_each_kind_is_talked_to() -> None:
    async with TestClient(make_app()) as client:
        assert (await client.post("/items", json={"a": 1})).json() == {"got": {"a": 1}}
        async with client.websocket("/echo") as ws:
            await ws.send_text("hello")
            assert await ws.receive_text() == "hello"
        async with client.sse("/ticks", last_event_id="6") as feed:
            assert [(await feed.receive()).data for _ in range(2)] == [7, 8]


async def test_leaving_reaches_the_handlers_end() -> None:
    closed.clear()
    async with TestClient(make_app()) as client:
        async with client.websocket("/echo"):
            pass
        assert closed == ["echo"]
        async with client.sse("/ticks") as feed:
            await feed.receive()
        assert closed == ["echo", "ticks"]


async def test_a_failing_handler_fails_the_request() -> None:
    async with TestClient(make_app()) as client:
        with pytest.raises(LookupError, match="lost it"):
            await client.get("/fails")
    async with TestClient(make_app(), raise_app_exceptions=False) as client:
        assert (await client.get("/fails")).status == 500


async def test_a_failing_session_fails_the_test() -> None:
    async with TestClient(make_app()) as client:
        with pytest.raises(LookupError, match="lost it"):
            async with client.websocket("/fails"):
                raise AssertionError("opened")
        async with client.websocket("/once") as ws:
            await ws.send_text("lost it")
            with pytest.raises(LookupError, match="lost it"):
                await ws.receive_text()


async def test_a_failing_session_can_be_seen_as_the_client_sees_it() -> None:
    async with TestClient(make_app(), raise_app_exceptions=False) as client:
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/fails"):
                raise AssertionError("opened")
        assert denied.value.status == 500
        async with client.websocket("/once") as ws:
            await ws.send_text("lost it")
            with pytest.raises(WebSocketClosed) as ended:
                await ws.receive_text()
        assert ended.value.code == 1011


async def test_a_failing_stream_fails_the_test() -> None:
    async with TestClient(make_app()) as client, client.sse("/cut") as feed:
        assert (await feed.receive()).data == 1
        with pytest.raises(LookupError, match="lost it"):
            await feed.receive()


async def test_a_missing_stream_is_declined() -> None:
    async with TestClient(make_app()) as client:
        with pytest.raises(StreamDeclined) as declined:
            async with client.sse("/nowhere"):
                raise AssertionError("opened")
    assert declined.value.status == 404


async def test_the_closing_signal_ends_streams_and_sessions() -> None:
    async with TestClient(make_app()) as client, client.websocket("/echo") as ws, client.sse("/ticks") as feed:
        await feed.receive()
        client.begin_closing(5)
        with pytest.raises(WebSocketClosed) as ended:
            await ws.receive()
        assert ended.value.code == 1001
        with anyio.fail_after(20):
            async for event in feed:
                assert event.data > 1
        with pytest.raises(StreamEnded, match="the stream ended"):
            await feed.receive()


async def test_the_lifespan_is_run_and_its_state_is_there() -> None:
    log: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[dict[str, str]]:
        log.append("up")
        yield {"name": "ada"}
        log.append("down")

    async with TestClient(make_app(lifespan)) as client:
        assert log == ["up"]
        assert client.state["name"] == "ada"
    assert log == ["up", "down"]


async def test_a_lifespan_that_fails_is_raised_on_entry() -> None:
    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncGenerator[dict[str, str]]:
        if app is not None:
            raise LookupError("no database")
        yield {}

    with pytest.raises(StartupFailed, match="no database"):
        async with TestClient(make_app(lifespan)):
            raise AssertionError("entered")
