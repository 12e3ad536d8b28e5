"""The graceful end: who hears of it, who may finish, and what is cut at the deadline."""

import socket
from typing import Any

import anyio
import anyio.to_thread
import pytest
from wsproto.events import CloseConnection, TextMessage

from pagi.gateway import app as pagi_app
from tests.server.conftest import Lines
from tests.server.live import GET, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
WISH = b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"


CLOSES = {"HTTP/1.1": b"close", "HTTP/2": None}
"""What an answer says of its connection, which HTTP/2 says by a GOAWAY."""


class Held:
    """An application whose answers wait for `go`."""

    def __init__(self) -> None:
        self.go = anyio.Event()
        self.began = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.began += 1
        await self.go.wait()
        send.full(200, [], b"finished")


async def test_an_idle_server_ends_at_once(log: Lines) -> None:
    async with served(Held()) as server:
        server.server.shutdown()
    assert not server.server.was_cut
    assert log.errors == []


async def test_an_idle_connection_is_closed_at_once() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"")

    async with served(app) as server, server.peer() as used:
        await used.ask()
        await anyio.sleep(0.02)
        server.server.shutdown()
        with anyio.fail_after(3):
            assert await used.rest() == b""


async def test_a_connection_that_has_said_nothing_yet_has_a_moment_for_its_request(framing: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"just in time")

    async with served(app, keep_alive_seconds=1.5) as server, server.peer() as late, server.peer() as silent, server.peer() as slow:
        await slow.send(GET[:10])
        await anyio.sleep(0.02)
        server.server.shutdown()
        await anyio.sleep(0.2)
        reply = await late.ask()
        assert (reply.body, reply.header(b"connection")) == (b"just in time", CLOSES[framing])
        await slow.send(GET[10:])
        assert (await slow.reply()).body == b"just in time"
        with anyio.fail_after(10):
            assert await silent.rest() == b""


async def test_a_request_in_hand_finishes_and_its_connection_closes(framing: str) -> None:
    app = Held()
    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: app.began == 1)
        server.server.shutdown()
        await anyio.sleep(0.05)
        app.go.set()
        reply = await peer.reply()
        assert (reply.body, reply.header(b"connection")) == (b"finished", CLOSES[framing])
        assert await peer.rest() == b""
    assert not server.server.was_cut


@pytest.mark.http1
async def test_a_pipelined_request_behind_the_one_in_hand_is_not_begun() -> None:
    app = Held()
    async with served(app) as server, server.peer() as peer:
        await peer.send(GET * 2)
        await eventually(lambda: app.began == 1)
        server.server.shutdown()
        await anyio.sleep(0.05)
        app.go.set()
        assert (await peer.rest()).count(b"finished") == 1
    assert app.began == 1


async def test_nothing_more_is_accepted() -> None:
    app = Held()
    async with served(app) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: app.began == 1)
        server.server.shutdown()
        await anyio.sleep(0.05)
        with pytest.raises(OSError):
            await server.ask()
        app.go.set()


async def test_connections_that_wait_to_be_accepted_are_answered() -> None:
    app = Held()
    async with served(app) as server:
        clients = [socket.create_connection(("127.0.0.1", server.port), timeout=3) for _ in range(20)]
        for client in clients:
            client.sendall(GET)
        server.server.shutdown()
        await eventually(lambda: app.began == 20)
        app.go.set()
        for client in clients:
            answer = await anyio.to_thread.run_sync(client.recv, 65536)
            assert answer.endswith(b"finished")
            client.close()


@pytest.mark.http1
async def test_until_the_delay_is_over_it_accepts_and_answers_but_is_not_ready() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"from the application")

    async with served(app, shutdown_delay_seconds=0.3, readiness_path="/ready") as server, server.peer() as kept:
        ready = b"GET /ready HTTP/1.1\r\nHost: x\r\n\r\n"
        assert [(await kept.ask(ready)).status, (await kept.ask()).body] == [200, b"from the application"]
        began = anyio.current_time()
        server.server.shutdown()
        await anyio.sleep(0.05)
        fresh = await server.ask()
        assert (fresh.status, fresh.header(b"connection"), fresh.body) == (200, b"close", b"from the application")
        not_ready = await server.ask(ready)
        assert (not_ready.status, not_ready.body) == (503, b"closing\n")
        assert (await kept.ask()).header(b"connection") == b"close"
        await eventually(lambda: not server.server.is_accepting)
        assert anyio.current_time() - began >= 0.3


async def test_a_second_signal_ends_the_delay() -> None:
    async with served(Held(), shutdown_delay_seconds=30) as server:
        server.server.shutdown()
        await anyio.sleep(0.02)
        server.server.shutdown(force=True)
        await eventually(lambda: not server.server.is_accepting, seconds=15)


@pytest.mark.http1
async def test_an_idle_connection_of_one_that_retires_may_still_ask() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"")

    async with served(app, keep_alive_seconds=1.5) as server, server.peer() as asking, server.peer() as idle:
        await asking.ask()
        await idle.ask()
        server.server.shutdown(retiring=True)
        await anyio.sleep(0.2)
        assert (await asking.ask()).header(b"connection") == b"close"
        with anyio.fail_after(10):
            assert await idle.rest() == b""


async def test_a_stream_hears_the_closing_signal_and_the_deadline() -> None:
    heard: list[float] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        handle = scope["pagi.connection"]
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "on"})
        heard.append(await handle.closing() - anyio.current_time())
        assert handle.is_closing
        assert handle.is_connected
        await send({"type": "sse.send", "data": "bye"})

    async with served(app, graceful_seconds=7) as server, server.peer() as peer:
        await peer.send(WISH)
        await peer.until(b"data: on\n\n")
        server.server.shutdown()
        assert (await peer.rest()).endswith(b"data: bye\n\n\r\n0\r\n\r\n")
    assert 6 < heard[0] <= 7
    assert not server.server.was_cut


async def test_a_callback_hears_the_closing_signal_late_too() -> None:
    told: list[float] = []
    late: list[float] = []
    app = Held()

    async def listening(scope: Any, receive: Any, send: Any) -> None:
        handle = scope["pagi.connection"]
        handle.on_closing(told.append)
        await app.go.wait()
        handle.on_closing(late.append)
        await app(scope, receive, send)

    async with served(listening) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        assert told == []
        server.server.shutdown()
        await eventually(lambda: bool(told))
        assert late == []
        app.go.set()
        await peer.reply()
    assert told == late


async def test_a_websocket_of_a_pagi_application_closes_itself() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await scope["pagi.connection"].closing()
        await send({"type": "websocket.send", "text": "last words"})
        await send({"type": "websocket.close", "code": 1001, "reason": "deploy"})

    async with served(app) as server, server.websocket() as session:
        server.server.shutdown()
        assert await session.next() == TextMessage("last words")
        event: Any = await session.next()
        assert (event.code, event.reason) == (1001, "deploy")
        await session.send(event.response())
        assert await session.peer.rest() == b""
    assert not server.server.was_cut


async def test_a_websocket_of_a_plain_application_is_closed_with_1001(log: Lines) -> None:
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        ends.append(await receive())

    async with served(app) as server, server.websocket() as session:
        server.server.shutdown()
        event: Any = await session.next()
        assert isinstance(event, CloseConnection)
        assert event.code == 1001
        await session.send(event.response())
        assert await session.peer.rest() == b""
        await eventually(lambda: bool(ends))
    assert ends == [{"type": "websocket.disconnect", "code": 1001, "reason": "server_shutdown"}]
    assert not server.server.was_cut
    assert log.errors == []


async def test_a_handshake_in_hand_can_still_be_answered() -> None:
    go = anyio.Event()
    began: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        began.append(1)
        await go.wait()
        await send({"type": "websocket.close"})

    async with served(app) as server, server.peer() as peer:
        await peer.send(
            b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        await eventually(lambda: bool(began))
        server.server.shutdown()
        go.set()
        assert (await peer.reply()).status == 403


# ---- the deadline


async def test_what_is_left_at_the_deadline_is_cut(log: Lines) -> None:
    ends: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.connection"].on_disconnect(ends.append)
        try:
            await anyio.sleep(30)
        except BaseException as error:
            ends.append(type(error).__name__)
            raise

    async with served(app, graceful_seconds=0.2) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        began = anyio.current_time()
        server.server.shutdown()
        assert await peer.rest() == b""
        assert 0.15 < anyio.current_time() - began < 15
        await eventually(lambda: len(ends) == 2)
    assert server.server.was_cut
    assert ends[0] == "server_shutdown"
    assert "Cancelled" in ends[1]
    assert any("1 exchanges were still open and were cut (server_shutdown)" in line for line in log.server)
    assert log.access[0].endswith("server_shutdown")
    assert log.errors == []


async def test_a_stream_whose_client_has_left_is_given_up_at_once() -> None:
    ends: list[str] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        connection = scope["pagi.connection"]
        with anyio.CancelScope() as held:
            connection.on_abandoned(held.cancel)
            await connection.disconnected()
            ends.append("client")
            await anyio.sleep_forever()
        ends.append("abandoned")

    async with served(app, disconnect_grace_seconds=60, graceful_seconds=60) as server:
        async with server.peer() as peer:
            await peer.send(WISH)
            await anyio.sleep(0.05)
            await peer.reset()
        await eventually(lambda: ends == ["client"])
        with anyio.fail_after(20):
            server.server.shutdown()
            await eventually(lambda: ends == ["client", "abandoned"])
    assert not server.server.was_cut


@pytest.mark.parametrize("request_", [GET, WISH], ids=["http", "sse"])
async def test_who_is_left_at_the_deadline_is_told_that_it_was_the_server(request_: bytes) -> None:
    """The original told its event streams that the client had gone."""
    told: list[str] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.connection"].on_disconnect(told.append)
        await send({"type": "sse.start"} if scope["type"] == "sse" else START)
        await anyio.sleep(30)

    async with served(app, graceful_seconds=0.1) as server, server.peer() as peer:
        await peer.send(request_)
        await peer.until(b"\r\n\r\n")
        server.server.shutdown()
        await eventually(lambda: bool(told))
    assert told == ["server_shutdown"]


async def test_a_stream_that_hears_nothing_is_cut_without_a_clean_end() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        while True:
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await anyio.sleep(0.01)

    async with served(app, graceful_seconds=0.2) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.until(b"x\r\n")
        server.server.shutdown()
        assert not (await peer.rest()).endswith(b"0\r\n\r\n")
    assert server.server.was_cut


async def test_a_forced_shutdown_waits_for_nobody() -> None:
    app = Held()
    async with served(app, graceful_seconds=30) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: app.began == 1)
        server.server.shutdown()
        await anyio.sleep(0.05)
        server.server.shutdown(force=True)
        with anyio.fail_after(10):
            assert await peer.rest() == b""
    assert server.server.was_cut


async def test_an_application_that_ignores_its_cancellation_is_left_behind(log: Lines) -> None:
    """Nothing can end it; on trio, whose tasks cannot be abandoned, the server says so and waits for it."""
    stop = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while not stop.is_set():
            try:
                with anyio.CancelScope(shield=True):
                    await stop.wait()
            except anyio.get_cancelled_exc_class():
                pass  # this is the very thing it may not do

    async with served(app, graceful_seconds=0.1) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        server.server.shutdown()
        await eventually(lambda: any("ignore their cancellation" in line for line in log.errors))
        stop.set()
    assert server.server.was_cut


async def test_a_cancelled_serve_leaves_nothing_running() -> None:
    ends: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await anyio.sleep(30)
        finally:
            ends.append("ended")

    with anyio.CancelScope() as scope:
        async with served(app) as server, server.peer() as peer:
            await peer.send(GET)
            await anyio.sleep(0.05)
            scope.cancel()
            await anyio.sleep(1)
    await eventually(lambda: ends == ["ended"], 1)


async def test_the_lifespan_ends_after_the_last_exchange() -> None:
    order: list[str] = []
    app = Held()

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            order.append("lifespan")
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await app(scope, receive, send)
            order.append("request")

    async with served(whole, lifespan="on") as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: app.began == 1)
        server.server.shutdown()
        await anyio.sleep(0.05)
        assert order == []
        app.go.set()
        await peer.reply()
    assert order == ["request", "lifespan"]


async def test_the_lifespan_ends_even_when_work_was_cut() -> None:
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            order.append("lifespan")
            await send({"type": "lifespan.shutdown.complete"})
        else:
            await anyio.sleep(30)

    async with served(app, lifespan="on", graceful_seconds=0.1) as server, server.peer() as peer:
        await peer.send(GET)
        await anyio.sleep(0.05)
        server.server.shutdown()
        await peer.rest()
        await eventually(lambda: bool(order))
    assert server.server.was_cut
