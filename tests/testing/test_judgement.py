"""What the client makes of a server that does not speak the protocol: here its end of the line is written by hand."""

import pytest

from pagi.server.options import FlowOptions
from pagi.testing import ServerBrokeProtocol, ServerHungUp
from pagi.testing.exchange import ClientExchange
from pagi.testing.line import MemoryLine, RawConnection
from pagi.testing.request import OutgoingRequest
from pagi.testing.runtime import HostedRuntime
from pagi.testing.served import Failures
from pagi.testing.websocket import WebSocketSession

pytestmark = pytest.mark.anyio


async def exchange_with(*said: bytes) -> ClientExchange:
    """An exchange with a server that says this and closes."""
    failures = Failures(raise_app_exceptions=True)
    runtime = HostedRuntime(failures.keep_own)
    line = MemoryLine(runtime, FlowOptions())
    line.write(list(said))
    line.close()
    return ClientExchange(RawConnection(line), runtime, failures)


REQUEST = OutgoingRequest("GET", "/", host="x")


async def test_an_answer_that_is_no_http_is_told() -> None:
    exchange = await exchange_with(b"HELLO\r\n\r\n" + b"x" * 100)
    with pytest.raises(ServerBrokeProtocol, match="h11"):
        await exchange.start(REQUEST)


async def test_a_body_that_breaks_its_framing_is_told() -> None:
    exchange = await exchange_with(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"zz\r\nabc\r\n0\r\n\r\n")
    head = await exchange.start(REQUEST)
    assert head.status == 200
    with pytest.raises(ServerBrokeProtocol, match="h11"):
        await exchange.read_all(head)


async def test_a_body_that_is_too_short_is_incomplete() -> None:
    exchange = await exchange_with(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"abc")
    reply = await exchange.read_all(await exchange.start(REQUEST))
    assert (reply.content, reply.is_complete) == (b"abc", False)


async def test_a_server_that_says_nothing_hung_up() -> None:
    exchange = await exchange_with()
    with pytest.raises(ServerHungUp, match="GET /"):
        await exchange.start(REQUEST)


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ],
)
async def test_a_handshake_with_the_wrong_accept_is_told(said: bytes) -> None:
    session = WebSocketSession((await exchange_with(said)).wire, Failures(raise_app_exceptions=True))
    with pytest.raises(ServerBrokeProtocol, match="wsproto"):
        await session.start("x", "/", [], [], deflate=False)


async def test_a_handshake_without_an_answer_hung_up() -> None:
    session = WebSocketSession((await exchange_with()).wire, Failures(raise_app_exceptions=True))
    with pytest.raises(ServerHungUp, match="handshake"):
        await session.start("x", "/", [], [], deflate=False)
