"""The live server: a real socket on either loop."""

import anyio
import pytest

from pagi.gateway.types import Receive, Scope, Send
from pagi.testing import StartupFailed, live_server
from tests.testing.apps import describe

pytestmark = pytest.mark.anyio


async def test_it_answers_on_a_real_socket() -> None:
    async with live_server(describe) as server:
        assert server.url == f"http://127.0.0.1:{server.port}"
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await stream.send(b"GET /live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            answer = b""
            try:
                while True:
                    answer += await stream.receive()
            except anyio.EndOfStream:
                pass
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"path":"/live"' in answer


async def test_nothing_listens_after_the_block() -> None:
    async with live_server(describe) as server:
        port = server.port
    with pytest.raises(OSError, match=r".*"):
        await anyio.connect_tcp("127.0.0.1", port)


async def test_a_failed_start_is_raised_on_entry() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    with pytest.raises(StartupFailed, match="no disk"):
        async with live_server(broken):
            raise AssertionError("entered")


async def test_a_failing_assert_in_the_block_stays_what_it_is() -> None:
    with pytest.raises(AssertionError, match="plain"):
        async with live_server(describe):
            raise AssertionError("plain")
