"""Event streams over real sockets: who gets them, what keeps them alive, and how they end."""

import json
from typing import Any

import anyio
import pytest

from pagi.gateway import app as pagi_app
from pagi.http.errors import AppError
from tests.server.conftest import Lines
from tests.server.live import GET, Peer, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

WISH = b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
Ends = list[dict[str, Any]]


def feed(ends: Ends) -> Any:
    """Says one word, then listens until the stream ends."""

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "sse"
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "hello", "event": "word", "id": "1"})
        while (event := await receive())["type"] == "sse.request":
            pass
        ends.append(event)

    return app


async def opened(peer: Peer) -> bytes:
    """The head and the first event of a fresh stream."""
    await peer.send(WISH)
    return await peer.until(b"\n\n")


@pytest.mark.parametrize(
    ("request_line", "accept", "kind"),
    [
        ("GET", "text/event-stream", "sse"),
        ("GET", "application/json, Text/Event-Stream;q=0.5", "sse"),
        ("POST", "text/event-stream", "sse"),
        ("GET", "text/event-stream;q=0", "http"),
        ("GET", "*/*", "http"),
        ("GET", "text/*", "http"),
        ("HEAD", "text/event-stream", "http"),
        ("OPTIONS", "text/event-stream", "http"),
    ],
)
async def test_a_marked_application_gets_an_sse_scope_where_accept_names_it(request_line: str, accept: str, kind: str) -> None:
    kinds: list[str] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        kinds.append(scope["type"])
        send.settle("http")
        send.full(204, [], b"")

    async with served(app) as server:
        await server.ask(f"{request_line} / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: 0\r\n\r\n".encode(), request_line)
    assert kinds == [kind]


@pytest.mark.parametrize(("interface", "kind"), [("auto", "http"), ("asgi", "http"), ("pagi", "sse")])
async def test_a_plain_application_gets_one_only_when_told_that_it_speaks_pagi(interface: str, kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.settle("http")
        send.full(200, [], scope["type"].encode())

    async with served(app, interface=interface) as server:
        assert (await server.ask(WISH)).body == kind.encode()


async def test_a_stream_begins_with_its_head_and_its_event(log: Lines) -> None:
    ends: Ends = []
    async with served(feed(ends)) as server, server.peer() as peer:
        data = await opened(peer)
    head = data.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith(b"http/1.1 200")
    assert b"content-type: text/event-stream" in head
    assert b"cache-control: no-cache" in head
    assert b"transfer-encoding: chunked" in head
    assert b"event: word\n" in data
    assert b"id: 1\n" in data


async def test_each_event_leaves_before_the_next_is_made() -> None:
    go = anyio.Event()

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal go
        await send({"type": "sse.start"})
        for number in range(3):
            await send({"type": "sse.send", "data": str(number)})
            await go.wait()
            go = anyio.Event()

    async with served(app) as server, server.peer() as peer:
        await peer.send(WISH)
        for number in range(3):
            await peer.until(b"data: %d\n\n" % number)
            go.set()


@pytest.mark.http1
async def test_an_event_stream_to_http_1_0_ends_with_the_connection() -> None:
    """The original answered an HTTP/1.0 client by HTTP/1.1, in chunks."""

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "x"})

    async with served(app) as server:
        head, _, body = (await server.answer_to(WISH.replace(b"HTTP/1.1", b"HTTP/1.0"))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200 ")
    assert b"transfer-encoding" not in head
    assert body == b"data: x\n\n"


async def test_text_of_any_script_arrives_as_utf_8() -> None:
    """A character above U+00FF ended the whole process of the original."""

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "grüß ☕ 日本", "event": "é", "id": "☃", "comment": "ü"})

    async with served(app) as server:
        assert (await server.ask(WISH)).body.decode() == ":ü\nevent: é\ndata: grüß ☕ 日本\nid: ☃\n\n"


async def test_a_head_alone_leaves_at_once() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start", "headers": [(b"x-a", b"1")]})
        await receive()
        await receive()

    async with served(app) as server, server.peer() as peer:
        await peer.send(WISH)
        assert b"x-a: 1" in await peer.until(b"\r\n\r\n")


async def test_comments_keep_a_quiet_stream_alive() -> None:
    async with served(feed([]), sse_keepalive_seconds=0.1) as server, server.peer() as peer:
        await opened(peer)
        began = anyio.current_time()
        await peer.until(b":\n\n")
        await peer.until(b":\n\n")
        assert 0.15 < anyio.current_time() - began < 10


async def test_the_application_sets_its_own_keepalive() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.keepalive", "interval": 0.05, "comment": "still here"})
        await anyio.sleep(5)

    async with served(app) as server, server.peer() as peer:
        await peer.send(WISH)
        await peer.until(b":still here\n")


async def test_a_busy_stream_gets_no_comments() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        for _ in range(20):
            await anyio.sleep(0.02)
            await send({"type": "sse.send", "data": "x"})

    async with served(app, sse_keepalive_seconds=0.2) as server:
        assert b":\n" not in (await server.ask(WISH)).body


async def test_a_stream_without_an_event_for_too_long_is_ended(log: Lines) -> None:
    ends: Ends = []
    async with served(feed(ends), sse_idle_seconds=0.2, sse_keepalive_seconds=0.1) as server, server.peer() as peer:
        await opened(peer)
        assert not (await peer.rest()).endswith(b"0\r\n\r\n")
        await eventually(lambda: bool(ends))
    assert ends == [{"type": "sse.disconnect", "reason": "idle_timeout"}]
    assert log.access[0].endswith("idle_timeout")


@pytest.mark.parametrize("how", ["close", "end of input", "reset"])
async def test_a_client_that_leaves_is_heard_with_its_reason(how: str, log: Lines) -> None:
    ends: Ends = []
    async with served(feed(ends)) as server, server.peer() as peer:
        await opened(peer)
        if how == "close":
            await peer.stream.aclose()
        elif how == "reset":
            await peer.reset()
        else:
            await peer.end_input()
        await eventually(lambda: bool(ends))
        await eventually(lambda: bool(log.access))
    assert ends == [{"type": "sse.disconnect", "reason": "client_closed"}]
    assert log.access[0].endswith("client_closed")
    assert " sse " in log.access[0]
    assert log.errors == []


async def test_a_return_ends_the_stream_cleanly() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": json.dumps([1])})

    async with served(app) as server, server.peer() as peer:
        assert (await peer.ask(WISH)).body == b"data: [1]\n\n"
        assert (await peer.ask(WISH)).body == b"data: [1]\n\n"  # and the connection is kept


async def test_a_close_ends_the_stream_before_the_return() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.close"})
        with pytest.raises(AppError):
            await send({"type": "sse.send", "data": "late"})

    async with served(app) as server:
        assert (await server.ask(WISH)).body == b""


async def test_a_failure_in_the_middle_is_no_clean_end(log: Lines) -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "x"})
        raise ZeroDivisionError

    async with served(app) as server:
        data = await server.answer_to(WISH)
    assert b"data: x" in data
    assert not data.endswith(b"0\r\n\r\n")
    assert len(log.errors) == 1
    assert log.access[0].endswith("server_error")


async def test_a_return_without_a_start_is_500(log: Lines) -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return

    async with served(app) as server:
        assert (await server.ask(WISH)).status == 500
    assert log.errors == ["sse GET '/feed': the application returned without answering"]


async def test_a_stream_can_be_declined_by_an_ordinary_answer() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"not for you"})

    async with served(app, sse_keepalive_seconds=0.05) as server, server.peer() as peer:
        reply = await peer.ask(WISH)
        assert (reply.status, reply.body, reply.header(b"content-type")) == (403, b"not for you", b"text/plain")
        assert await peer.is_open()


async def test_a_204_tells_the_client_not_to_come_back() -> None:
    """HTML section 9.2.3: an EventSource reconnects after everything but this."""

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.http.response.start", "status": 204, "headers": []})
        await send({"type": "sse.http.response.body", "body": b""})

    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask(WISH)
        assert (reply.status, reply.body, reply.header(b"content-type")) == (204, b"", None)
        assert await peer.is_open()


@pytest.mark.parametrize(
    "event",
    [
        {"type": "sse.send", "data": b"bytes"},
        {"type": "sse.send", "data": "x", "event": "a\nb"},
        {"type": "sse.send", "data": "x", "id": "1\r\n2"},
        {"type": "sse.send", "data": "x", "id": "1\x002"},
        {"type": "sse.send", "data": "x", "retry": "soon"},
        {"type": "sse.comment", "comment": 1},
        {"type": "sse.finish"},
        {"type": "http.fullflush"},
        {"type": "http.response.start", "status": 200},
        {"type": "sse.start"},
    ],
    ids=repr,
)
async def test_what_an_event_may_not_be_is_raised_from_send(event: dict[str, Any], log: Lines) -> None:
    errors: list[Exception] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        try:
            await send(event)
        except AppError as error:
            errors.append(error)
        await send({"type": "sse.send", "data": "whole"})

    async with served(app) as server:
        assert (await server.ask(WISH)).body == b"data: whole\n\n"
    assert len(errors) == 1


async def test_every_line_of_the_data_is_a_line_of_the_event() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "a\nb\r\nc\rd"})

    async with served(app) as server:
        assert (await server.ask(WISH)).body == b"data: a\ndata: b\ndata: c\ndata: d\n\n"


# ---- the kind, settled late


async def test_an_sse_exchange_can_be_settled_as_http(log: Lines) -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.settle("http")
        assert (await receive())["type"] == "http.request"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"plain"})

    async with served(app) as server:
        assert (await server.ask(WISH)).body == b"plain"


async def test_an_http_exchange_can_be_settled_as_sse() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        send.settle("sse")
        scope["type"] = "sse"
        assert (await receive())["type"] == "sse.request"
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "x"})

    async with served(app) as server:
        assert (await server.ask(GET)).body == b"data: x\n\n"


async def test_a_kind_is_settled_before_anything_was_sent() -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        with pytest.raises(AppError, match="for good"):
            send.settle("http")
        with pytest.raises(AppError, match="websocket"):
            send.settle("websocket")

    async with served(app) as server:
        assert (await server.ask(WISH)).status == 200


# ---- backpressure


async def test_a_slow_reader_makes_send_wait_and_loses_nothing() -> None:
    sent: list[int] = []

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "sse.start"})
        for number in range(800):
            await send({"type": "sse.send", "data": "x" * 20_000, "id": str(number)})
            sent.append(number)

    async with served(app) as server, server.peer() as peer:
        await peer.send(WISH)
        await anyio.sleep(0.4)
        waited = len(sent)
        await anyio.sleep(0.1)
        assert len(sent) == waited < 800
        assert b"id: 799\n" in (await peer.reply()).body
