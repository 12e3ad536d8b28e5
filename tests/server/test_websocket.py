"""WebSockets over real sockets: what a handshake must be, what ends a session, and what both sides learn of the end."""

import zlib
from typing import Any

import anyio
import pytest
import websockets
from websockets.asyncio.client import connect
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

from pagi.gateway import app as pagi_app
from pagi.testing import TestClient
from tests.server.conftest import Lines
from tests.server.live import GRANTED, HandshakeDenied, eventually, served
from tests.server.wire.client_frames import BINARY, CONTINUATION, FIN, RSV1, TEXT, close, frame

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

KEY = b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="
UPGRADE = (b"Host: x", b"Upgrade: websocket", b"Connection: upgrade")
VERSION = b"Sec-WebSocket-Version: 13"
Ends = list[tuple[int, str]]


def head(*lines: bytes, start: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([start, *lines, b"", b""])


GOOD = head(*UPGRADE, VERSION, KEY)


class Echo:
    """Sends back what it receives, and remembers how the session ended and why."""

    def __init__(self) -> None:
        self.ends: Ends = []
        self.reasons: list[str | None] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert (await receive()) == {"type": "websocket.connect"}
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
        self.ends.append((event["code"], event["reason"]))
        handle = scope["pagi.connection"]
        self.reasons.append(handle.disconnect_reason)


# ---- handshakes


HANDSHAKES: dict[str, tuple[bytes, int]] = {
    "a key of 15 bytes": (head(*UPGRADE, VERSION, b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2Rl"), 400),
    "a key that is no base64": (head(*UPGRADE, VERSION, b"Sec-WebSocket-Key: !!EyMzQ1Njc4OWFiY2RlZg=="), 400),
    "no key": (head(*UPGRADE, VERSION), 400),
    "two keys": (head(*UPGRADE, VERSION, KEY, KEY), 400),
    "no version": (head(*UPGRADE, KEY), 426),
    "version 8": (head(*UPGRADE, b"Sec-WebSocket-Version: 8", KEY), 426),
    "two versions": (head(*UPGRADE, VERSION, VERSION, KEY), 426),
    "a POST": (head(*UPGRADE, VERSION, KEY, start=b"POST / HTTP/1.1"), 405),
    "a body": (head(*UPGRADE, VERSION, KEY, b"Content-Length: 3") + b"abc", 400),
    "a chunked body": (head(*UPGRADE, VERSION, KEY, b"Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
    "a malformed subprotocol": (head(*UPGRADE, VERSION, KEY, b"Sec-WebSocket-Protocol: a/b"), 400),
    "a malformed extension": (head(*UPGRADE, VERSION, KEY, b"Sec-WebSocket-Extensions: a;=b"), 400),
}


@pytest.mark.http1
@pytest.mark.parametrize("name", HANDSHAKES)
async def test_a_bad_handshake_is_refused_and_never_reaches_the_application(name: str, log: Lines) -> None:
    request, status = HANDSHAKES[name]
    calls: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        calls.append(scope["type"])

    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask(request)
        assert reply.status == status, reply.body
        assert reply.body
        if status == 426:
            assert reply.header(b"sec-websocket-version") == b"13"
        assert await peer.rest() == b""
    assert calls == []
    assert [line for line in log.server if f": {status} " in line]
    assert [line for line in log.access if f" {status} " in line]


@pytest.mark.http1
async def test_an_upgrade_over_http_1_0_is_no_upgrade(log: Lines) -> None:
    """RFC 9110 section 7.8: an Upgrade field in HTTP/1.0 must be ignored; refusing it is as good: never a 101."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], scope["type"].encode())

    async with served(app) as server:
        data = await server.answer_to(head(*UPGRADE, VERSION, KEY, start=b"GET / HTTP/1.0"))
    assert b" 101 " not in data
    assert b" 400 " in data or data.endswith(b"http")


async def test_the_right_key_is_answered_as_the_rfc_computes_it() -> None:
    async with served(Echo()) as server, server.peer() as peer:
        await peer.send(head(*UPGRADE, VERSION, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
        answer = await peer.until(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in answer


async def test_frames_in_the_same_read_as_the_handshake_are_not_lost() -> None:
    async with served(Echo()) as server, server.peer() as peer:
        await peer.send(GOOD + frame(FIN | TEXT, b"early"))
        await peer.until(b"\x81\x05early")


async def test_the_scope_names_what_the_client_offers_and_no_method(framing: str) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": scope["subprotocols"][1], "headers": [(b"x-room", b"lobby")]})

    async with served(app) as server, server.websocket(subprotocols=["v1", "v2"]):
        await eventually(lambda: bool(scopes))
    scope = scopes[0]
    assert (scope["type"], scope["scheme"], scope["subprotocols"]) == ("websocket", "ws", ["v1", "v2"])
    assert f"HTTP/{scope['http_version']}" == framing
    assert "method" not in scope


async def test_a_handshake_denied_by_close_is_403(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close"})

    async with served(app) as server:
        with pytest.raises(HandshakeDenied, match="403"):
            async with server.websocket():
                pass
    assert log.errors == []


async def test_a_handshake_can_be_denied_by_any_answer() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"www-authenticate", b"Basic")]})
        await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
        await send({"type": "websocket.http.response.body", "body": b"are you?"})

    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask(GOOD)
        assert (reply.status, reply.body, reply.header(b"www-authenticate")) == (401, b"who are you?", b"Basic")
        assert await peer.rest() == b""


# ---- what the client breaks


FAULTS: dict[str, tuple[bytes, int]] = {
    "a message over the limit": (frame(FIN | BINARY, b"x" * 1025), 1009),
    "fragments over the limit": (frame(BINARY, b"x" * 600) + frame(FIN | CONTINUATION, b"x" * 600), 1009),
    "a length that lies far over the limit": (frame(FIN | BINARY, b"", size=1 << 40), 1009),
    "broken UTF-8": (frame(FIN | TEXT, b"\xff\xfe"), 1007),
    "UTF-8 broken over two fragments": (frame(TEXT, b"\xe2\x82") + frame(FIN | CONTINUATION, b"x"), 1007),
    "an unmasked frame": (frame(FIN | TEXT, b"x", masked=False), 1002),
    "a reserved bit": (frame(FIN | RSV1 | TEXT, b"x"), 1002),
    "an unknown opcode": (frame(FIN | 3, b"x"), 1002),
    "a continuation of nothing": (frame(FIN | CONTINUATION, b"x"), 1002),
    "a fragmented ping": (frame(9, b"x"), 1002),
    "a ping over 125 bytes": (frame(FIN | 9, b"x" * 126), 1002),
    "a close of one byte": (frame(FIN | 8, b"x"), 1002),
    "a close that names 1006": (close(1006), 1002),
    "a close with a broken reason": (close(1000, b"\xff"), 1007),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_broken_frame_closes_with_its_code(name: str, log: Lines) -> None:
    data, code = FAULTS[name]
    app = Echo()
    async with served(app, ws_max_message_bytes=1024, ws_close_seconds=0.2) as server, server.peer() as peer:
        await peer.send(GOOD)
        await peer.until(b"\r\n\r\n")
        await peer.send(data)
        answer = await peer.rest()
        assert answer[:1] == b"\x88"
        assert int.from_bytes(answer[2:4], "big") == code
        await eventually(lambda: bool(app.ends))
    assert app.ends == [(code, "protocol_error")]
    assert app.reasons == ["protocol_error"]
    assert [line for line in log.server if f"closed with {code}" in line]
    assert log.access[0].endswith("protocol_error")
    assert log.errors == []


@pytest.mark.parametrize(
    "data", [frame(FIN | TEXT, b"\xff"), frame(FIN | BINARY, b"x" * 1025), frame(FIN | 3)], ids=["1007", "1009", "1002"]
)
async def test_a_session_that_is_broken_off_harms_no_other(data: bytes) -> None:
    async with served(Echo(), ws_max_message_bytes=1024) as server, server.websocket() as beside, server.peer() as broken:
        await broken.send(GOOD)
        await broken.until(b"\r\n\r\n")
        await broken.send(data)
        await broken.rest()
        await beside.send(TextMessage("grüß ☕"))
        assert await beside.next() == TextMessage("grüß ☕")
        async with server.websocket() as fresh:
            await fresh.send(TextMessage("x"))
            assert await fresh.next() == TextMessage("x")


async def test_an_inflated_message_over_the_limit_closes_with_1009(log: Lines) -> None:
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(b"\0" * 2_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    app = Echo()
    async with served(app, ws_max_message_bytes=1_000_000) as server, server.peer() as peer:
        await peer.send(head(*UPGRADE, VERSION, KEY, b"Sec-WebSocket-Extensions: permessage-deflate"))
        assert b"permessage-deflate" in await peer.until(b"\r\n\r\n")
        await peer.send(frame(FIN | RSV1 | BINARY, packed[:-4]))
        assert (await peer.rest())[2:4] == (1009).to_bytes(2, "big")
        await eventually(lambda: app.reasons == ["protocol_error"])


async def test_deflate_is_negotiated_by_default_and_carries_messages() -> None:
    async with served(Echo()) as server, server.websocket(extensions=[PerMessageDeflate()]) as session:
        await session.send(TextMessage("ab" * 1000))
        assert await session.next() == TextMessage("ab" * 1000)
        assert session.protocol.connection is not None


async def test_deflate_can_be_refused_by_option() -> None:
    async with served(Echo(), ws_deflate=False) as server, server.peer() as peer:
        await peer.send(head(*UPGRADE, VERSION, KEY, b"Sec-WebSocket-Extensions: permessage-deflate"))
        assert b"extensions" not in (await peer.until(b"\r\n\r\n")).lower()


# ---- messages and ends


@pytest.mark.parametrize(
    "event", [TextMessage("käse ☕"), BytesMessage(b"\x00\xff" * 40_000), TextMessage("")], ids=["text", "80 kB", "empty"]
)
async def test_a_message_comes_back_whole(event: TextMessage | BytesMessage) -> None:
    async with served(Echo()) as server, server.websocket() as session:
        await session.send(event)
        got: Any = b"" if isinstance(event, BytesMessage) else ""
        while True:
            part: Any = await session.next()
            got += part.data
            if part.message_finished:
                break
        assert got == event.data


async def test_a_ping_is_answered_with_its_payload() -> None:
    async with served(Echo()) as server, server.websocket() as session:
        await session.send(Ping(b"there?"))
        assert await session.next() == Pong(b"there?")


async def test_the_clients_close_reaches_the_application_and_is_answered(log: Lines) -> None:
    app = Echo()
    async with served(app) as server, server.websocket() as session:
        await session.send(CloseConnection(code=4001, reason="done here"))
        assert isinstance(await session.next(), CloseConnection)
        assert await session.peer.rest() == b""
        await eventually(lambda: bool(app.ends))
    assert app.ends == [(4001, "done here")]
    assert app.reasons == ["client_closed"]


async def test_a_close_without_a_code_is_1005() -> None:
    app = Echo()
    async with served(app) as server, server.peer() as peer:
        await peer.send(GOOD + frame(FIN | 8))
        await peer.rest()
        await eventually(lambda: bool(app.ends))
    assert app.ends == [(1005, "")]


@pytest.mark.parametrize("how", ["end of input", "reset"])
async def test_a_client_that_leaves_without_a_close_is_1006(how: str) -> None:
    app = Echo()
    async with served(app) as server, server.peer() as peer:
        await peer.send(GOOD)
        await peer.until(b"\r\n\r\n")
        if how == "reset":
            await peer.reset()
        else:
            await peer.end_input()
        await eventually(lambda: bool(app.ends))
    assert app.ends == [(1006, "client_closed")]
    assert app.reasons == ["client_closed"]


async def test_a_close_of_the_application_is_clean_once_answered(log: Lines, framing: str) -> None:
    done: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        scope["pagi.connection"].on_complete(lambda: done.append(True))
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": 4000, "reason": "bye"})
        event = await receive()
        assert (event["type"], event["code"]) == ("websocket.disconnect", 4000), event

    async with served(app) as server, server.websocket() as session:
        event: Any = await session.next()
        assert (event.code, event.reason) == (4000, "bye")
        await session.send(event.response())
        assert await session.peer.rest() == b""
        await eventually(lambda: bool(done))
        await eventually(lambda: bool(log.access))
    assert log.errors == []
    assert log.access[0].split()[5:] == [f'{framing}"', GRANTED[framing], "0B", log.access[0].split()[-1]], log.access


async def test_a_peer_that_never_answers_the_close_is_cut(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})

    async with served(app, ws_close_seconds=0.2) as server, server.peer() as peer:
        await peer.send(GOOD)
        began = anyio.current_time()
        await peer.rest()
        assert 0.15 < anyio.current_time() - began < 4
        await eventually(lambda: bool(log.access))
    assert log.access[0].endswith("client_timeout")


async def test_messages_that_cross_our_close_are_dropped() -> None:
    app_saw: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close"})
        app_saw.append((await receive())["type"])

    async with served(app, ws_close_seconds=0.5) as server, server.peer() as peer:
        await peer.send(GOOD)
        await peer.until(b"\x88\x02\x03\xe8")
        await peer.send(frame(FIN | TEXT, b"late") + close(1000))
        assert await peer.rest() == b""
        await eventually(lambda: bool(app_saw))
    assert app_saw == ["websocket.disconnect"]


async def test_a_send_after_the_client_left_is_client_gone_and_no_error(log: Lines) -> None:
    errors: list[BaseException] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        assert (await receive())["type"] == "websocket.disconnect"
        try:
            await send({"type": "websocket.send", "text": "anyone?"})
        except OSError as error:
            errors.append(error)
            raise

    async with served(app) as server:
        async with server.websocket() as session:
            await session.peer.reset()
        await eventually(lambda: bool(errors))
    assert "client_closed" in str(errors[0])
    assert log.errors == []


# ---- heartbeats


async def test_a_missing_pong_ends_the_session(log: Lines) -> None:
    app = Echo()
    async with served(app, ws_ping_interval_seconds=0.1, ws_ping_timeout_seconds=0.2) as server, server.websocket() as session:
        assert isinstance(await session.next(), Ping)  # and is never answered
        await eventually(lambda: bool(app.reasons), 2)
    assert app.reasons == ["keepalive_timeout"]
    assert app.ends == [(1006, "keepalive_timeout")]
    assert log.access[0].endswith("keepalive_timeout")


async def test_answered_pings_keep_the_session() -> None:
    app = Echo()
    async with served(app, ws_ping_interval_seconds=0.05, ws_ping_timeout_seconds=0.1) as server, server.websocket() as session:
        for _ in range(6):
            event = await session.next()
            assert isinstance(event, Ping)
            await session.send(event.response())
        assert app.ends == []


async def test_the_application_sets_its_own_heartbeat() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.keepalive", "interval": 0.05})
        await receive()

    async with served(app) as server, server.websocket() as session:
        assert isinstance(await session.next(), Ping)


async def test_a_timeout_that_the_application_sets_ends_a_session_without_pongs() -> None:
    ends: Ends = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.keepalive", "interval": 0.05, "timeout": 0.1})
        event = await receive()
        ends.append((event["code"], event["reason"]))

    async with served(app) as server, server.websocket() as session:
        assert isinstance(await session.next(), Ping)
        await eventually(lambda: bool(ends))
    assert ends == [(1006, "keepalive_timeout")]


async def test_a_heartbeat_of_0_stops_it_and_the_last_word_counts() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.keepalive", "interval": 0.05})
        await send({"type": "websocket.keepalive", "interval": 0})
        await anyio.sleep(0.2)
        await send({"type": "websocket.send", "text": "quiet"})
        await receive()

    async with served(app, ws_ping_interval_seconds=0.05) as server, server.websocket() as session:
        assert await session.next() == TextMessage("quiet")


async def test_an_idle_session_is_closed_with_1001(log: Lines) -> None:
    app = Echo()
    async with served(app, ws_idle_seconds=0.2) as server, server.websocket() as session:
        event: Any = await session.next()
        assert event.code == 1001
        await eventually(lambda: bool(app.reasons))
    assert app.reasons == ["idle_timeout"]
    assert log.access[0].endswith("idle_timeout")


async def test_messages_keep_a_session_from_being_idle() -> None:
    async with served(Echo(), ws_idle_seconds=0.3) as server, server.websocket() as session:
        for _ in range(5):
            await anyio.sleep(0.1)
            await session.send(TextMessage("x"))
            assert await session.next() == TextMessage("x")


# ---- flow


async def test_a_slow_application_stops_the_reading_of_messages() -> None:
    go = anyio.Event()
    got: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await go.wait()
        while (event := await receive())["type"] == "websocket.receive":
            got.append(len(event["bytes"]))
        assert event["code"] == 1000, event

    async with served(app) as server, server.websocket() as session:
        sent = 0
        message = session.protocol.send(BytesMessage(b"x" * 60_000))
        with anyio.move_on_after(0.7):
            while sent < 400:
                await session.peer.stream.send(message)
                sent += 1
        assert sent < 400  # the kernel's buffers are full: nobody reads
        go.set()
        # A cancelled send may have left a message in the middle: the number of whole ones is what counts.
        await eventually(lambda: len(got) >= sent - 1)


async def test_a_slow_client_makes_send_wait() -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(2000):
            await send({"type": "websocket.send", "bytes": b"x" * 60_000})
            sent.append(number)

    async with served(app) as server, server.websocket():
        await anyio.sleep(0.5)
        waited = len(sent)
        await anyio.sleep(0.1)
        assert len(sent) == waited < 2000


# ---- a client that is not ours (asyncio only: `websockets` knows no other loop)


@pytest.fixture
def on_asyncio(anyio_backend_name: str) -> bool:
    """Whether `websockets` can run here."""
    return anyio_backend_name == "asyncio"


async def test_the_websockets_library_talks_to_us(on_asyncio: bool) -> None:
    app = Echo()
    async with served(pagi_app(app)) as server:
        if not on_asyncio:  # the same conversation by wsproto
            async with server.websocket(subprotocols=[], extensions=[PerMessageDeflate()]) as session:
                await session.send(TextMessage("x"))
                assert await session.next() == TextMessage("x")
            return
        async with connect(f"ws://127.0.0.1:{server.port}/", compression="deflate") as client:
            await client.send("x" * 100_000)
            assert await client.recv() == "x" * 100_000
            await client.send(b"y")
            assert await client.recv() == b"y"
            await (await client.ping())
        await eventually(lambda: bool(app.ends))
        assert app.ends == [(1000, "")]
        with pytest.raises(websockets.InvalidStatus):
            async with connect(f"http://127.0.0.1:{server.port}/".replace("http", "ws"), additional_headers={"Sec-WebSocket-Version": "8"}):
                pass


async def test_a_burst_is_counted_once_in_the_buffered_amount() -> None:
    amounts: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        before = scope["pagi.transport"].buffered_amount
        for _ in range(20):
            await send({"type": "websocket.send", "bytes": b"x" * 100})
        amounts.append(scope["pagi.transport"].buffered_amount - before)
        await receive()

    async with TestClient(app) as client, client.websocket("/", deflate=False) as ws:
        for _ in range(20):
            assert await ws.receive_bytes() == b"x" * 100
    assert amounts == [20 * 102]
