"""Request bodies as the application receives them: whole, in order, byte by byte the same, on http and on event streams alike."""

import random
from typing import Any

import anyio
import pytest

from pagi.gateway import app as pagi_app
from tests.server.live import GET, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

WISH = b"Accept: text/event-stream\r\n"


def post(body: bytes, *, chunk: int = 0, fields: bytes = b"") -> bytes:
    """A POST with its length told, or in chunks of `chunk` bytes."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\n" + fields
    if not chunk:
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    pieces = (body[at : at + chunk] for at in range(0, len(body), chunk))
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


class Reader:
    """Keeps the events of each request body, and what its scope was."""

    __pagi__: Any

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.events: list[list[Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        events: list[Any] = []
        self.events.append(events)
        more = True
        while more:
            events.append(await receive())
            more = events[-1].get("more_body", False)
        if scope["type"] == "sse":
            await send({"type": "sse.start"})
            await send({"type": "sse.send", "data": "thanks"})
        else:
            send.full(200, [], b"thanks")

    def body(self, at: int = -1) -> bytes:
        return b"".join(event["body"] for event in self.events[at])


@pytest.mark.parametrize("request_", [GET, post(b""), post(b"", chunk=1)], ids=["GET", "a length of 0", "no chunk"])
async def test_no_body_is_one_empty_event(request_: bytes) -> None:
    reader = Reader()
    async with served(reader) as server, server.peer() as peer:
        for _ in range(2):
            assert (await peer.ask(request_)).body == b"thanks"
    assert reader.events == [[{"type": "http.request", "body": b"", "more_body": False}]] * 2


@pytest.mark.parametrize("chunk", [0, 1, 1000, 100_000], ids=["a length", "chunks of 1", "chunks of 1000", "chunks of 100,000"])
async def test_a_body_arrives_whole_and_byte_by_byte_the_same(chunk: int) -> None:
    body = random.Random(chunk).randbytes(3000 if chunk == 1 else 3_000_000)
    reader = Reader()
    async with served(reader) as server, server.peer() as peer:
        assert (await peer.ask(post(body, chunk=chunk))).body == b"thanks"
        assert (await peer.ask(post(b"next"))).body == b"thanks"
    assert reader.body(0) == body
    assert reader.body(1) == b"next"
    assert [event["more_body"] for event in reader.events[0]] == [True] * (len(reader.events[0]) - 1) + [False]


async def test_a_body_in_pieces_is_handed_over_as_it_comes() -> None:
    taken: list[bytes] = []
    heard = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal heard
        more = True
        while more:
            event = await receive()
            taken.append(event["body"])
            more = event["more_body"]
            heard.set()
            heard = anyio.Event()
        send.full(200, [], b"".join(taken))

    async with served(app) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n")
        for piece in (b"ab", b"cd", b"ef"):
            waited = heard
            await peer.send(piece)
            with anyio.fail_after(20):
                await waited.wait()
        assert (await peer.reply()).body == b"abcdef"
    assert [piece for piece in taken if piece] == [b"ab", b"cd", b"ef"]


@pytest.mark.parametrize("chunk", [0, 3], ids=["a length", "chunks"])
async def test_the_body_for_an_event_stream_comes_as_its_own_events(chunk: int) -> None:
    reader = Reader()
    async with served(pagi_app(reader)) as server:
        reply = await server.ask(post(b"question", chunk=chunk, fields=WISH), "POST")
    assert reply.body == b"data: thanks\n\n"
    assert (reader.scopes[0]["type"], reader.scopes[0]["method"]) == ("sse", "POST")
    assert {event["type"] for event in reader.events[0]} == {"sse.request"}
    assert reader.body() == b"question"


async def test_an_event_stream_without_a_body_begins_with_one_empty_event() -> None:
    reader = Reader()
    async with served(pagi_app(reader)) as server:
        await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + WISH + b"\r\n")
    assert reader.events == [[{"type": "sse.request", "body": b"", "more_body": False}]]


async def test_trailers_of_a_request_are_read_and_kept_from_the_next_one() -> None:
    reader = Reader()
    trailed = post(b"abc", chunk=3)[:-2] + b"X-Sum: 1\r\nHost: evil\r\n\r\n"
    async with served(reader) as server, server.peer() as peer:
        await peer.send(trailed + post(b"next"))
        for _ in range(2):
            assert (await peer.reply("POST")).body == b"thanks"
    assert (reader.body(0), reader.body(1)) == (b"abc", b"next")
    assert (b"x-sum", b"1") not in reader.scopes[0]["headers"]


async def test_no_limit_is_no_limit() -> None:
    reader = Reader()
    async with served(reader, max_body_bytes=0) as server:
        assert (await server.ask(post(bytes(2_000_000), chunk=500_000), "POST")).status == 200
        assert (await server.ask(post(bytes(2_000_000)), "POST")).status == 200
    assert len(reader.body(0)) == len(reader.body(1)) == 2_000_000
