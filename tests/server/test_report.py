"""A look into a running server: what is open, what was served, and how it ended."""

from typing import Any

import msgspec
import pytest

from pagi.gateway import app as pagi_app
from pagi.server.figures import ProcessReport
from pagi.server.report import report
from pagi.server.service import Service
from tests.server.live import GET, Served, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]


@pagi_app
async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, streams for as long as anybody listens, or sends more than anybody reads."""
    if scope["type"] == "sse":
        await send({"type": "sse.start"})
        while (await receive())["type"] != "sse.disconnect":
            pass
    elif scope["path"] == "/much":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
    else:
        send.full(200, [], b"hello")


def look(server: Served) -> ProcessReport:
    """The report, as it reaches whoever asks."""
    service: Service | None = server.server.service
    assert service is not None
    return msgspec.json.decode(msgspec.json.encode(report(service)), type=ProcessReport)


async def test_what_is_open_is_told_without_its_query() -> None:
    async with served(app, control_socket="unused") as server, server.peer() as idle, server.peer() as streaming:
        await idle.ask()
        await streaming.send(b"GET /feed?token=secret HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        await streaming.until(b"\r\n\r\n")
        seen = look(server)
        assert (seen.connections, seen.idle, seen.open) == (2, 1, {"sse": 1})
        (open_now,) = seen.exchanges
        assert (open_now.kind, open_now.method, open_now.path, open_now.status) == ("sse", "GET", "/feed", 200)
        assert open_now.client.startswith("127.0.0.1:")
        assert 0 <= open_now.seconds < 3
        assert b"secret" not in msgspec.json.encode(seen)


async def test_an_answer_that_nobody_reads_shows_as_buffered() -> None:
    async with served(app, control_socket="unused") as server, server.peer() as slow:
        await slow.send(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: [each.is_congested for each in look(server).exchanges] == [True])
        seen = look(server)
        assert seen.exchanges[0].buffered_bytes == seen.buffered_bytes > 0


async def test_what_was_served_is_counted() -> None:
    async with served(app, control_socket="unused") as server:
        for _ in range(3):
            await server.ask()
        async with server.peer() as leaving:
            await leaving.send(b"GET /feed HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
            await leaving.until(b"\r\n\r\n")
        await eventually(lambda: bool(look(server).figures.reasons))
        figures = look(server).figures
        assert figures.accepted == 4
        assert figures.statuses == {"http": {200: 3}, "sse": {200: 1}}
        assert figures.reasons == {"sse": {"client_closed": 1}}
        assert figures.bytes_sent == 15
        assert [(end.kind, end.path, end.reason) for end in figures.recent] == [("sse", "/feed", "client_closed")]


@pytest.mark.http1
async def test_what_is_refused_is_counted() -> None:
    async with served(app, control_socket="unused", max_connections=1) as server:
        assert (await server.ask(b"GET / HTTP/1.1\r\n\r\n")).status == 400
        async with server.peer() as first:
            await first.ask()
            assert (await server.ask()).status == 503
        figures = look(server).figures
        assert (figures.refused, figures.turned_away) == (1, 1)


async def test_nothing_is_counted_where_nobody_may_ask() -> None:
    async with served(app) as server:
        await server.ask(GET)
        assert look(server).figures.accepted == 0
        assert look(server).seconds >= 0
