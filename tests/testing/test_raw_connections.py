"""Connections by the byte: keep-alive, pipelines, half-closes, resets, refusals."""

import anyio
import pytest

from pagi.gateway.types import Receive, Scope, Send
from pagi.testing import TestClient
from tests.testing.apps import answer, endless

pytestmark = pytest.mark.anyio


async def path_app(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, 200, scope["path"].encode())


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


async def test_one_connection_serves_several_requests() -> None:
    async with TestClient(path_app, lifespan="off") as client:
        wire = client.connect()
        for path in ("/one", "/two"):
            await wire.send(get(path))
            head = await wire.receive_until(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert (await wire.receive_until(path.encode())).endswith(path.encode())
        assert not wire.is_closed


async def test_a_pipeline_is_answered_in_order() -> None:
    async with TestClient(path_app, lifespan="off") as client:
        wire = client.connect()
        await wire.send(get("/a") + get("/b") + get("/c").replace(b"host: x", b"host: x\r\nconnection: close"))
        answers = await wire.receive_rest()
    assert [answers.index(f"/{name}".encode()) for name in "abc"] == sorted(answers.index(f"/{name}".encode()) for name in "abc")
    assert answers.count(b"HTTP/1.1 200") == 3


async def test_bytes_one_by_one_are_a_request_too() -> None:
    async with TestClient(path_app, lifespan="off") as client:
        wire = client.connect()
        for byte in get("/slowly"):
            await wire.send(bytes([byte]))
        assert b"/slowly" in await wire.receive_until(b"/slowly")


async def test_nonsense_is_refused_and_closed() -> None:
    async with TestClient(path_app, lifespan="off") as client:
        wire = client.connect()
        await wire.send(b"GET / HTTP/1.1\n\n")
        assert (await wire.receive_rest()).startswith(b"HTTP/1.1 400")
        await anyio.sleep(0.01)
        assert wire.is_closed
        assert await wire.receive() == b""
        await wire.send(b"dropped")


async def test_an_answer_reaches_a_client_that_half_closed() -> None:
    async with TestClient(path_app, lifespan="off") as client:
        wire = client.connect()
        await wire.send(get("/half"))
        wire.eof()
        assert (await wire.receive_rest()).endswith(b"/half")


async def test_a_closed_client_is_met_at_the_next_write() -> None:
    async with TestClient(endless) as client:
        wire = client.connect()
        await wire.send(get("/"))
        await wire.receive()
        wire.close()
        await anyio.sleep(0.05)
        assert client.state["log"] == ["client_closed"]


async def test_a_reset_is_known_at_once() -> None:
    reasons: list[str] = []

    async def waits(scope: Scope, receive: Receive, send: Send) -> None:
        reasons.append(await scope["pagi.connection"].disconnected())

    async with TestClient(waits, lifespan="off") as client:
        wire = client.connect()
        await wire.send(get("/"))
        await anyio.sleep(0.01)
        wire.abort()
        await anyio.sleep(0.01)
        assert reasons == ["client_closed"]


async def test_unread_bytes_are_the_servers_buffer() -> None:
    high: list[tuple[int, bool]] = []

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        transport = scope["pagi.transport"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"40000")]})
        for more in (True, True, True, False):
            await send({"type": "http.response.body", "body": b"x" * 10_000, "more_body": more})
            high.append((transport.buffered_amount, transport.is_high))
            await anyio.sleep(0.001)

    async with TestClient(watched, lifespan="off", high_water_bytes=15_000, low_water_bytes=1_000) as client:
        wire = client.connect()
        await wire.send(get("/"))
        await anyio.sleep(0.05)
        stopped = wire.unread_bytes
        assert 15_000 <= stopped < 40_000
        assert len(high) < 4
        assert len(await wire.receive(5_000)) == 5_000
        assert wire.unread_bytes == stopped - 5_000
        while len(high) < 4:
            await wire.receive(5_000)
    assert high[0][0] > 10_000
    assert not high[0][1]


async def test_a_connection_too_many_is_refused() -> None:
    async with TestClient(path_app, lifespan="off", max_connections=1) as client:
        client.connect()
        assert (await client.connect().receive_rest()).startswith(b"HTTP/1.1 503")


async def test_an_idle_connection_is_closed_in_time() -> None:
    async with TestClient(path_app, lifespan="off", keep_alive_seconds=0.1) as client:
        wire = client.connect()
        await wire.send(get("/"))
        with anyio.fail_after(4):
            await wire.receive_rest()


async def test_the_end_of_a_mark_stays_unread() -> None:
    async with TestClient(path_app, lifespan="off") as client:
        wire = client.connect()
        await wire.send(get("/abc"))
        assert (await wire.receive_until(b"\r\n")) == b"HTTP/1.1 200 OK\r\n"
        rest = await wire.receive_until(b"/abc")
        assert rest.endswith(b"\r\n\r\n/abc")
        wire.eof()
        assert await wire.receive_until(b"never") == b""
