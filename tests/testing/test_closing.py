"""The closing signal on every kind: who is told, what may still end by itself, and what is cut."""

from typing import Any

import pytest

import pagi.gateway
from pagi.http.errors import ConfigError
from pagi.testing import StreamEnded, TestClient, WebSocketClosed

pytestmark = pytest.mark.anyio


class Listener:
    """An application that tells when it heard the signal, with the time it has; then ends, or with `stubborn` does not."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self.told: list[float] = []
        self.ended: list[str] = []
        self.stubborn = stubborn

    def app(self) -> Any:
        @pagi.gateway.app
        async def app(scope: Any, receive: Any, send: Any) -> None:
            kind, connection = scope["type"], scope["pagi.connection"]
            try:
                if kind == "websocket":
                    await receive()
                    await send({"type": "websocket.accept"})
                elif kind == "sse":
                    await send({"type": "sse.start"})
                else:
                    await send({"type": "http.response.start", "status": 200, "headers": []})
                    await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
                await connection.closing()
                self.told.append(connection.closing_deadline)
                if self.stubborn:
                    await connection.disconnected()
                elif kind == "websocket":
                    await send({"type": "websocket.close", "code": 1001, "reason": "bye"})
                elif kind == "sse":
                    await send({"type": "sse.send", "data": "bye"})
                else:
                    await send({"type": "http.response.body", "body": b"ended"})
            finally:
                self.ended.append(str(connection.disconnect_reason.value if connection.disconnect_reason else "clean"))

        return app


async def test_every_kind_is_told_with_the_deadline_and_ends_by_itself() -> None:
    listener = Listener()
    async with TestClient(listener.app(), lifespan="off", virtual_clock=True) as client:
        async with client.websocket("/") as ws, client.sse("/") as feed, client.stream("GET", "/") as reply:
            pieces = reply.aiter_bytes()
            assert await anext(pieces) == b"begun "
            client.begin_closing(30)
            deadline = client.now + 30
            with pytest.raises(WebSocketClosed) as closed:
                await ws.receive()
            assert (closed.value.code, closed.value.reason) == (1001, "bye")
            assert (await feed.receive()).text == "bye"
            with pytest.raises(StreamEnded) as ended:
                await feed.receive()
            assert ended.value.is_complete
            assert await anext(pieces) == b"ended"
            assert await reply.read() == b""
            assert reply.is_complete
    assert listener.told == [deadline] * 3


async def test_what_is_open_at_the_deadline_is_cut() -> None:
    listener = Listener(stubborn=True)
    async with TestClient(listener.app(), lifespan="off", virtual_clock=True) as client:
        async with client.sse("/") as feed, client.stream("GET", "/") as reply:
            client.begin_closing(30)
            await client.advance(29)
            assert (len(listener.told), listener.ended) == (2, [])
            await client.advance(1)
            assert listener.ended == ["server_shutdown"] * 2
            with pytest.raises(StreamEnded) as ended:
                await feed.receive()
            assert not ended.value.is_complete
            await reply.read()
            assert not reply.is_complete


async def test_a_websocket_that_is_open_at_the_deadline_is_cut() -> None:
    listener = Listener(stubborn=True)
    async with TestClient(listener.app(), lifespan="off") as client, client.websocket("/") as ws:
        client.begin_closing(0.05)
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive()
        assert closed.value.code == 1006
    assert listener.ended == ["server_shutdown"]


async def test_idle_connections_end_and_new_ones_are_refused() -> None:
    async with TestClient(Listener().app(), lifespan="off") as client:
        wire = client.connect()
        await wire.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await wire.receive()).startswith(b"HTTP/1.1 200 ")
        client.begin_closing(30)
        while await wire.receive():
            pass
        for opening in (client.get("/"), client.websocket_denial("/"), client.sse_decline("/")):
            with pytest.raises(ConnectionRefusedError, match="closing"):
                await opening


async def test_the_signal_needs_a_running_application() -> None:
    with pytest.raises(ConfigError, match="async with"):
        TestClient(Listener().app()).begin_closing(1)
