"""WebSockets through the test client."""

from typing import Any

import anyio
import pytest

import pagi.gateway
from pagi.testing import TestClient, UnexpectedMessage, WebSocketClosed, WebSocketDenied
from tests.testing.apps import echo, seen

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("deflate", [True, False])
async def test_messages_of_each_form_come_back(deflate: bool) -> None:
    async with TestClient(echo) as client, client.websocket("/", deflate=deflate) as ws:
        await ws.send_text("héllo")
        assert await ws.receive_text() == "héllo"
        await ws.send_bytes(b"\x00" * 70_000)
        assert await ws.receive_bytes() == b"\x00" * 70_000
        await ws.send_json({"a": [1]})
        assert await ws.receive_json() == {"a": [1]}
        await ws.send_text("any")
        assert await ws.receive() == "any"


async def test_the_handshake_is_the_tests() -> None:
    async with TestClient(echo) as client:
        async with client.websocket("/", subprotocols=["v1", "v2"]) as ws:
            assert ws.subprotocol == "v2"
            assert ws.headers["x-kind"] == "echo"
        async with client.websocket("/") as ws:
            assert ws.subprotocol is None


async def test_fields_of_the_client_and_of_the_test_go_with_the_handshake() -> None:
    told: dict[str, str] = {}

    @pagi.gateway.app
    async def listens(scope: Any, receive: Any, send: Any) -> None:
        told.update((name.decode(), value.decode()) for name, value in scope["headers"])
        await receive()
        await send({"type": "websocket.accept"})

    async with TestClient(listens, lifespan="off", headers={"x-tag": "7", "origin": "http://a"}) as client:
        async with client.websocket("/", headers={"Host": "other", "Origin": "http://b"}):
            pass
    assert (told["x-tag"], told["origin"], told["host"]) == ("7", "http://b", "other")


async def test_pings_are_answered_while_the_test_receives() -> None:
    @pagi.gateway.app
    async def late(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await anyio.sleep(0.2)
        await send({"type": "websocket.send", "text": "late"})
        await receive()

    async with TestClient(late, lifespan="off", ws_ping_interval_seconds=0.05, ws_ping_timeout_seconds=0.1) as client:
        async with client.websocket("/") as ws:
            assert await ws.receive() == "late"
            assert ws.pings >= 2
        async with client.websocket("/", answer_pings=False) as ws:
            with pytest.raises(WebSocketClosed) as closed:
                await ws.receive()
            assert closed.value.code == 1006


async def test_a_ping_that_crosses_the_close_is_not_answered() -> None:
    async with TestClient(echo, ws_ping_interval_seconds=0.01, ws_ping_timeout_seconds=10) as client, client.websocket("/") as ws:
        with anyio.move_on_after(5):
            while not ws.wire.line.buffered():  # a ping that came along with the handshake was read, but not looked at
                await anyio.sleep(0.01)
        await ws.close(4001)
        assert ws.closed is not None
        assert ws.closed.code == 4001
        assert ws.pings > 0


async def test_a_denial_is_an_answer() -> None:
    async with TestClient(echo) as client:
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/denied"):
                raise AssertionError("opened")
    assert denied.value.status == 401
    assert denied.value.headers["www-authenticate"] == "Basic"
    assert denied.value.body == b"who are you?"


async def test_a_close_by_the_server_is_told_with_code_and_reason() -> None:
    async with TestClient(echo) as client, client.websocket("/left") as ws:
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive()
        assert (closed.value.code, closed.value.reason) == (4000, "enough")
        with pytest.raises(WebSocketClosed):
            await ws.send_text("late")


async def test_leaving_closes_with_1000() -> None:
    seen.clear()
    async with TestClient(echo) as client, client.websocket("/"):
        pass
    assert seen == [(1000, "")]


async def test_a_close_by_the_test_reaches_the_app_whole() -> None:
    seen.clear()
    async with TestClient(echo) as client, client.websocket("/") as ws:
        await ws.close(4001, "done here")
        assert ws.closed is not None
        assert ws.closed.code == 4001
    assert seen == [(4001, "done here")]


async def test_a_failing_assert_in_the_block_stays_what_it_is() -> None:
    seen.clear()

    async def a_test() -> None:
        async with TestClient(echo) as client, client.websocket("/") as ws:
            await ws.send_text("a")
            assert await ws.receive_text() == "plain"

    with pytest.raises(AssertionError, match="plain"):
        await a_test()
    assert [code for code, _ in seen] == [1006]


async def test_what_the_app_fails_with_is_raised_by_receive() -> None:
    async with TestClient(echo) as client, client.websocket("/broken") as ws:
        await ws.send_text("a")
        with pytest.raises(ValueError, match="broken echo"):
            await ws.receive_text()


async def test_without_raising_a_failure_is_1011() -> None:
    async with TestClient(echo, raise_app_exceptions=False) as client, client.websocket("/broken") as ws:
        await ws.send_text("a")
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive_text()
    assert closed.value.code == 1011


async def test_a_failure_unheard_is_raised_when_the_session_is_left() -> None:
    async with TestClient(echo) as client:
        with pytest.raises(ValueError, match="broken echo"):
            async with client.websocket("/broken") as ws:
                await ws.send_text("a")


async def test_the_other_type_of_message_is_told() -> None:
    async with TestClient(echo) as client, client.websocket("/") as ws:
        await ws.send_text("a")
        with pytest.raises(UnexpectedMessage, match="expected bytes"):
            await ws.receive_bytes()
        await ws.send_bytes(b"a")
        with pytest.raises(UnexpectedMessage, match="expected text"):
            await ws.receive_text()


async def test_iteration_ends_with_the_session() -> None:
    @pagi.gateway.app
    async def counts(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for n in range(3):
            await send({"type": "websocket.send", "text": str(n)})
        await send({"type": "websocket.close"})

    async with TestClient(counts, lifespan="off") as client, client.websocket("/") as ws:
        assert [message async for message in ws] == ["0", "1", "2"]


async def test_a_sender_is_held_back_by_an_app_that_does_not_receive() -> None:
    @pagi.gateway.app
    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await scope["pagi.connection"].disconnected()

    sent = 0
    async with TestClient(deaf, lifespan="off") as client, client.websocket("/", deflate=False) as ws:
        with anyio.move_on_after(0.2):
            while True:
                await ws.send_bytes(b"x" * 10_000)
                sent += 1
        assert 6 <= sent <= 8
        ws.wire.abort()


async def test_the_closing_signal_reaches_the_app() -> None:
    @pagi.gateway.app
    async def until_closing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await scope["pagi.connection"].closing()
        await send({"type": "websocket.close", "code": 1001, "reason": "bye"})

    async with TestClient(until_closing, lifespan="off") as client, client.websocket("/") as ws:
        await anyio.sleep(0.01)
        client.begin_closing(5)
        with pytest.raises(WebSocketClosed) as closed:
            await ws.receive()
    assert (closed.value.code, closed.value.reason) == (1001, "bye")
