"""The virtual clock: what the server does in time is done at once, in order, and never by itself."""

import time
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from trio.testing import MockClock

import pagi.gateway
from pagi import App, Event, SSEContext, WebSocketContext
from pagi.gateway.types import Receive, Scope, Send
from pagi.http.errors import ConfigError
from pagi.testing import StreamEnded, TestClient, WebSocketClosed
from pagi.testing.virtual import VirtualRuntime
from tests.testing.apps import answer, echo, endless

pytestmark = pytest.mark.anyio

released: list[str] = []
"""Which handlers came to their end."""


def make_app() -> App:
    app = App()

    @app.sse("/quiet")
    async def quiet(ctx: SSEContext[Any]) -> AsyncIterator[Event[str]]:
        try:
            yield Event("hello")
            await anyio.sleep_forever()
        finally:
            released.append("quiet")

    @app.sse("/silent")
    async def silent(ctx: SSEContext[Any]) -> AsyncIterator[Event[str]]:
        await anyio.sleep_forever()
        yield Event("never")

    @app.sse("/brisk", keepalive_seconds=0.3)
    async def brisk(ctx: SSEContext[Any]) -> AsyncIterator[Event[str]]:
        yield Event("hello")
        await anyio.sleep_forever()

    @app.websocket("/echo")
    async def echoes(ctx: WebSocketContext[Any]) -> None:
        await ctx.accept()
        async for text in ctx.iter_text():
            await ctx.send_text(text)

    return app


# ---- what it is for


async def keepalive_and_idle_limit() -> None:
    """A test of a 15-second keepalive and a 30-second idle limit."""
    async with TestClient(make_app(), virtual_clock=True, sse_keepalive_seconds=15, sse_idle_seconds=30) as client:
        async with client.sse("/quiet") as feed:
            assert (await feed.receive()).data == "hello"
            await client.advance(14)
            assert feed.comments() == []
            await client.advance(1)
            assert len(feed.comments()) == 1
            await client.advance(14)
            assert feed.comments() == []
            await client.advance(1)
            with pytest.raises(StreamEnded):
                await feed.receive()
            released.clear()
            await client.advance(1)  # the grace after which a handler that nobody reads is let go
            assert released == ["quiet"]


async def test_a_keepalive_and_an_idle_limit_take_no_time() -> None:
    """In under 50 ms, once in twenty: another program on the machine may take the processor away, but nothing here may wait."""
    spent: list[float] = []
    while len(spent) < 20 and min(spent, default=1.0) >= 0.05:
        began = time.perf_counter()
        await keepalive_and_idle_limit()
        spent.append(time.perf_counter() - began)
    assert min(spent) < 0.05


@pytest.mark.parametrize("path", ["/quiet", "/silent"])
async def test_a_minute_has_four_keepalives_of_15_seconds(path: str) -> None:
    async with TestClient(make_app(), virtual_clock=True) as client, client.sse(path) as feed:
        await client.advance(60)
        assert len(feed.comments()) == 4
        for _ in range(12):
            await client.advance(5)
        assert len(feed.comments()) == 4


async def test_a_short_interval_does_not_drift() -> None:
    async with TestClient(make_app(), virtual_clock=True) as client, client.sse("/brisk") as feed:
        await client.advance(300.1)
        assert len(feed.comments()) == 1000


async def test_pings_are_answered_while_the_clock_is_advanced() -> None:
    async with TestClient(make_app(), virtual_clock=True) as client, client.websocket("/echo") as ws:
        await ws.send_text("before")
        await client.advance(3600)
        assert ws.pings == 180
        await ws.send_text("after")
        assert [await ws.receive_text(), await ws.receive_text()] == ["before", "after"]


async def test_a_client_that_answers_no_ping_is_given_up() -> None:
    async with TestClient(make_app(), virtual_clock=True) as client:
        async with client.websocket("/echo", answer_pings=False) as ws:
            await client.advance(39)
            assert (ws.pings, ws.wire.is_closed) == (1, False)
            await client.advance(1)
            assert ws.wire.is_closed
            with pytest.raises(WebSocketClosed) as closed:
                await ws.receive()
            assert closed.value.code == 1006


async def test_an_idle_websocket_is_closed_and_its_close_answered() -> None:
    async with TestClient(make_app(), virtual_clock=True, ws_idle_seconds=30) as client, client.websocket("/echo") as ws:
        await client.advance(29)
        await ws.send_text("a")
        await client.advance(29)
        assert await ws.receive_text() == "a"
        await client.advance(1)
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive()
        assert closed.value.code == 1001


async def test_a_slow_request_is_cut_by_the_servers_deadlines() -> None:
    async with TestClient(make_app(), virtual_clock=True) as client:
        wire = client.connect()
        await wire.send(b"GET / HT")
        await client.advance(9.9)
        assert not wire.is_closed
        await client.advance(0.1)
        assert (await wire.receive_rest()).startswith(b"HTTP/1.1 408")


async def test_an_answer_that_nobody_reads_is_cut_once_the_clients_buffer_is_full() -> None:
    async with TestClient(endless, virtual_clock=True) as client, client.stream("GET", "/"):
        await client.advance(29)
        assert client.state["log"] == []
        await client.advance(2)
        assert client.state["log"] == ["write_timeout"]


async def test_what_ended_in_order_can_still_be_read() -> None:
    async with TestClient(make_app(), virtual_clock=True) as client:
        wire = client.connect()
        await wire.send(b"GET /nowhere HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        await client.advance(60)
        assert not wire.is_closed
        assert wire.unread_bytes > 0
        assert (await wire.receive_rest()).startswith(b"HTTP/1.1 404")
        assert wire.is_closed


# ---- what the clock does


async def test_the_clock_stands_still() -> None:
    async with TestClient(echo, virtual_clock=True) as client, client.websocket("/") as ws:
        before = client.now
        await ws.send_text("a")
        await ws.receive()
        await anyio.sleep(0.02)
        assert client.now == before
        await client.advance(2.5)
        assert client.now == before + 2.5


async def test_without_a_virtual_clock_there_is_none_to_advance() -> None:
    async with TestClient(echo) as client:
        assert abs(client.now - anyio.current_time()) < 60
        with pytest.raises(ConfigError, match="virtual_clock=True"):
            await client.advance(1)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
async def test_the_clock_does_not_go_back(seconds: float) -> None:
    async with TestClient(echo, virtual_clock=True) as client:
        with pytest.raises(ValueError, match="go back"):
            await client.advance(seconds)


async def test_the_closing_deadline_is_on_the_clock() -> None:
    told: list[float | None] = []

    @pagi.gateway.app
    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await scope["pagi.connection"].closing()
        told.append(scope["pagi.connection"].closing_deadline)

    async with TestClient(waits, lifespan="off", virtual_clock=True) as client, client.sse("/"):
        await client.advance(1000)
        client.begin_closing(5)
        await client.advance(0)
        assert told == [client.now + 5]


async def test_a_failure_on_the_way_is_raised_by_advance() -> None:
    @pagi.gateway.app
    async def fails_when_idle(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await scope["pagi.connection"].disconnected()
        raise LookupError("lost it")

    async with TestClient(fails_when_idle, lifespan="off", virtual_clock=True, sse_idle_seconds=30) as client, client.sse("/"):
        await client.advance(29)
        with pytest.raises(LookupError, match="lost it"):
            await client.advance(1)


@pytest.mark.parametrize("anyio_backend", [("trio", {"clock": MockClock(autojump_threshold=0)})], ids=["trio"])
async def test_under_trios_own_mock_clock_everything_is_virtual(anyio_backend: Any) -> None:
    app = App()

    @app.sse("/minutes")
    async def minutes(ctx: SSEContext[Any]) -> AsyncIterator[Event[int]]:
        for minute in range(3):
            yield Event(minute)
            await anyio.sleep(60)

    async with TestClient(app) as client, client.sse("/minutes") as feed:
        assert [event.data async for event in feed] == [0, 1, 2]
        assert len(feed.comments()) >= 3 * 3


async def test_a_handler_may_take_its_real_time() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await anyio.sleep(0.05)
        await answer(send, 200, b"at last")

    async with TestClient(slow, lifespan="off", virtual_clock=True) as client:
        assert (await client.get("/")).text == "at last"


async def test_leaving_does_not_wait_for_ever() -> None:
    ended: list[str] = []

    @pagi.gateway.app
    async def lingers(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("cut")

    async with TestClient(lingers, lifespan="off", virtual_clock=True, graceful_seconds=0.05) as client:
        async with client.websocket("/"):
            pass
    assert ended == ["cut"]


# ---- the runtime by hand


def runtime() -> VirtualRuntime:
    failures: list[BaseException] = []
    return VirtualRuntime(failures.append, lambda: None)


async def test_timers_are_called_in_order_each_at_its_time() -> None:
    clock = runtime()
    start = clock.now()
    called: list[tuple[str, float]] = []

    def note(name: str) -> None:
        called.append((name, clock.now() - start))

    def note_and_arrange() -> None:
        note("b")
        clock.at(start + 2.5, lambda: note("between"))

    clock.at(start + 3, lambda: note("c"))
    clock.at(start + 1, lambda: note("a"))
    off = clock.at(start + 2, lambda: note("off"))
    clock.at(start + 2, note_and_arrange)
    clock.at(start + 4.5, lambda: note("later"))
    off.cancel()
    await clock.advance(4)
    assert called == [("a", 1), ("b", 2), ("between", 2.5), ("c", 3)]
    await clock.advance(0.5)
    assert called[-1] == ("later", 4.5)


async def test_what_a_timer_sets_off_runs_before_the_next() -> None:
    clock = runtime()
    start = clock.now()
    log: list[str] = []

    def begin(name: str) -> None:
        async def work() -> None:
            log.append(f"{name} begins")
            for _ in range(10):
                await anyio.lowlevel.checkpoint()
            log.append(f"{name} ends")

        clock.spawn(work)

    clock.at(start + 1, lambda: begin("a"))
    clock.at(start + 1.001, lambda: begin("b"))
    await clock.advance(2)
    assert log == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_timer_that_fails_is_reported_and_the_clock_goes_on() -> None:
    failures: list[BaseException] = []
    clock = VirtualRuntime(failures.append, lambda: None)
    start = clock.now()
    called: list[str] = []

    def fail() -> None:
        raise LookupError("no such thing")

    clock.at(start + 1, fail)
    clock.at(start + 2, lambda: called.append("b"))
    await clock.advance(2)
    assert [type(error) for error in failures] == [LookupError]
    assert called == ["b"]


async def test_one_task_advances_at_a_time() -> None:
    clock = runtime()
    begun = anyio.Event()

    async def advance() -> None:
        begun.set()
        await clock.advance(10)

    async with anyio.create_task_group() as group:
        group.start_soon(advance)
        await begun.wait()
        with pytest.raises(ConfigError, match="another task"):
            await clock.advance(1)


async def test_an_application_that_never_rests_does_not_stop_the_clock() -> None:
    clock = runtime()
    start = clock.now()

    async def busy() -> None:
        while True:
            clock.soon(lambda: None)
            await anyio.lowlevel.checkpoint()

    task = clock.spawn(busy)
    await clock.advance(2)
    assert clock.now() == start + 2
    await clock.cancel([task], 1)


async def test_a_followed_clock_goes_with_the_loops_and_stops_again() -> None:
    clock = runtime()
    start = clock.now()
    called: list[float] = []
    rung = anyio.Event()

    def ring() -> None:
        called.append(clock.now() - start)
        rung.set()

    with clock.following(), clock.following():
        clock.at(start + 0.02, ring)
        with anyio.fail_after(20):
            await rung.wait()
    assert called[0] >= 0.02
    stopped = clock.now()
    await anyio.sleep(0.02)
    assert clock.now() == stopped >= start + 0.02
    await clock.advance(1)
    assert clock.now() == stopped + 1


async def test_a_followed_clock_can_be_advanced() -> None:
    clock = runtime()
    start = clock.now()
    rung = anyio.Event()
    with clock.following():
        clock.at(start + 3600, rung.set)
        await anyio.sleep(0)
        await clock.advance(3600)
        assert rung.is_set()
        assert clock.now() >= start + 3600
