"""The access log: one line for each exchange, as text and as JSON, that nothing a client sends can forge."""

import json
import re
from typing import Any

import pytest

from pagi.gateway import app as pagi_app
from tests.server.conftest import Lines
from tests.server.live import GET, HandshakeDenied, eventually, served

pytestmark = pytest.mark.anyio


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers five bytes, and says which route matched and what the exchange is called."""
    scope["pagi.route"] = "/items/{id}"
    scope["pagi.request_id"] = "abc-1"
    send.full(200, [], b"hello")


async def test_a_text_line_has_every_field(log: Lines) -> None:
    async with served(hello) as server:
        await server.ask(b"GET /items/1?a=b HTTP/1.1\r\nHost: x\r\n\r\n")
    assert re.fullmatch(
        r'\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ 127\.0\.0\.1:\d+ http "GET /items/1\?a=b HTTP/1\.1" 200 5B \d+\.\dms \[/items/\{id\}\] id=abc-1',
        log.access[0],
    ), log.access


async def test_a_json_line_has_every_field(log: Lines) -> None:
    async with served(hello, access_log_format="json") as server:
        await server.ask(b"POST /items/1?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    entry = json.loads(log.access[0])
    assert entry.pop("time").endswith("Z")
    assert entry.pop("client").startswith("127.0.0.1:")
    assert 0 <= entry.pop("duration_ms") < 5000
    assert entry == {
        "kind": "http",
        "method": "POST",
        "path": "/items/1?a=b",
        "http_version": "1.1",
        "status": 200,
        "bytes_sent": 5,
        "reason": None,
        "route": "/items/{id}",
        "request_id": "abc-1",
    }


async def test_bytes_count_the_body_without_its_framing(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for more in (True, True, False):
            await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": more})

    async with served(app, access_log_format="json") as server:
        await server.ask()
    assert json.loads(log.access[0])["bytes_sent"] == 3000


async def test_each_request_of_a_connection_counts_its_own_bytes(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * int(scope["path"][1:])})

    async with served(app, access_log_format="json") as server, server.peer() as peer:
        for size in (b"10", b"0", b"7"):
            await peer.ask(b"GET /" + size + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: len(log.access) == 3)
    assert [json.loads(line)["bytes_sent"] for line in log.access] == [10, 0, 7]


async def test_a_quote_in_the_target_forges_no_field(log: Lines) -> None:
    async with served(hello) as server:
        await server.ask(b'GET /a"b\\c?d=" HTTP/1.1\r\nHost: x\r\n\r\n')
    assert r'"GET /a\"b\\c?d=\" HTTP/1.1"' in log.access[0]


async def test_bytes_over_127_in_the_target_are_refused_or_escaped(log: Lines) -> None:
    async with served(hello) as server:
        await server.ask(b"GET /\x85\x9b HTTP/1.1\r\nHost: x\r\n\r\n")
    await eventually(lambda: bool(log.access))
    assert log.access[0].isascii()
    assert log.access[0].isprintable()


async def test_json_stays_one_line_whatever_the_target_has(log: Lines) -> None:
    async with served(hello, access_log_format="json") as server:
        await server.ask(b'GET /a"\\%0A HTTP/1.1\r\nHost: x\r\n\r\n')
    assert "\n" not in log.access[0]
    assert json.loads(log.access[0])["path"] == '/a"\\%0A'


async def test_a_refused_request_has_a_line_too(log: Lines) -> None:
    async with served(hello, access_log_format="json") as server:
        await server.ask(b"GET / HTTP/1.1\r\n\r\n")
    entry = json.loads(log.access[0])
    assert (entry["kind"], entry["status"]) == ("refused", 400)
    assert "Host" in entry["reason"]


async def test_a_stream_and_a_websocket_have_their_line_at_their_end(log: Lines) -> None:
    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "sse":
            await send({"type": "sse.start"})
            await send({"type": "sse.send", "data": "x"})
        else:
            await receive()
            await send({"type": "websocket.accept"})
            await receive()

    async with served(app, access_log_format="json") as server:
        await server.ask(b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        async with server.websocket() as session:
            assert len(log.access) == 1
            await session.peer.reset()
        await eventually(lambda: len(log.access) == 2)
    entries = [json.loads(line) for line in log.access]
    assert [(entry["kind"], entry["status"], entry["reason"]) for entry in entries] == [
        ("sse", 200, None),
        ("websocket", 101, "client_closed"),
    ]
    assert entries[0]["bytes_sent"] == len(b"data: x\n\n")


async def test_every_pipelined_request_has_its_line(log: Lines) -> None:
    async with served(hello) as server, server.peer() as peer:
        await peer.send(GET * 3)
        for _ in range(3):
            await peer.reply()
    assert len(log.access) == 3


FIELDS = "%{kind}x %s %{X-Room}o"


async def test_fields_of_an_answer_are_shown_however_it_was_sent(log: Lines) -> None:
    room = [(b"x-room", b"42")]

    @pagi_app
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "sse":
            await send({"type": "sse.start", "headers": room})
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept", "headers": room})
        elif scope["path"] == "/whole":
            send.full(200, room, b"")
        else:
            await send({"type": "http.response.start", "status": 200, "headers": room})
            await send({"type": "http.response.body", "body": b""})

    async with served(app, access_log_format=FIELDS) as server:
        await server.ask(b"GET /whole HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.ask(b"GET /parts HTTP/1.1\r\nHost: x\r\n\r\n")
        await server.ask(b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        async with server.websocket() as session:
            await session.peer.reset()
        await eventually(lambda: len(log.access) == 4)
    assert log.access == ["http 200 42", "http 200 42", "sse 200 42", "websocket 101 42"]


async def test_fields_of_a_denial_are_shown(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-room", b"43")]})
        await send({"type": "websocket.http.response.body", "body": b"no"})

    async with served(app, access_log_format=FIELDS) as server:
        with pytest.raises(HandshakeDenied):
            async with server.websocket():
                pass
        await eventually(lambda: bool(log.access))
    assert log.access == ["websocket 401 43"]


async def test_an_answer_of_the_servers_own_has_its_fields_too(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    async with served(app, access_log_format="%s %{reason}x %{Content-Type}o") as server:
        await server.ask()
    assert log.access == ["500 server_error text/plain; charset=utf-8"]


async def test_a_refused_request_has_a_line_in_a_format_of_ones_own(log: Lines) -> None:
    async with served(hello, access_log_format='%h %{kind}x "%r" %s %b') as server:
        await server.ask(b"GET / HTTP/1.1\r\n\r\n")
    assert log.access == ['127.0.0.1 refused "- - HTTP/-" 400 -']


async def test_an_application_that_spoils_its_scope_loses_its_line_alone(log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/bad":
            scope.clear()
        send.full(200, [], b"hello")

    async with served(app, access_log_format="%U") as server, server.peer() as peer:
        await peer.ask(b"GET /bad HTTP/1.1\r\nHost: x\r\n\r\n")
        await peer.ask(b"GET /good HTTP/1.1\r\nHost: x\r\n\r\n")
    assert log.access == ["/good"]
    assert "a line of the access log could not be made" in log.errors[0]


async def test_without_the_log_there_is_no_line(log: Lines) -> None:
    async with served(hello, access_log=False) as server:
        await server.ask()
        await server.ask(b"GET / HTTP/1.1\r\n\r\n")
    assert log.access == []
