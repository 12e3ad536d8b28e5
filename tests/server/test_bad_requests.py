"""What a broken or hostile request gets: a status, a close and a line in the log; and never a second request in disguise."""

from contextlib import suppress
from typing import Any

import anyio
import pytest

from tests.server.conftest import Lines
from tests.server.live import GET, served

pytestmark = pytest.mark.anyio


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, reads nothing."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["method"].encode() + b" " + scope["raw_path"]})


async def sink(scope: Any, receive: Any, send: Any) -> None:
    """Reads the whole body, then says how large it was."""
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        size += len(event["body"])
        more = event["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % size})


def fields(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", *lines, b"", b""]) + body


REFUSED: dict[str, tuple[bytes, int]] = {
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    "lines that end in LF": (b"GET / HTTP/1.1\nHost: x\n\n", 400),
    "a control byte in a value": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", 400),
    "a control byte in the path": (b"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a blank before the colon": (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    "a folded field": (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400),
    "two empty lines first": (b"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "HTTP/2 without asking": (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "an unknown version": (b"GET / HTTP/1.5\r\nHost: x\r\n\r\n", 505),
    "CONNECT": (b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 501),
    "a fragment": (b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an unknown expectation": (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: gold\r\n\r\n", 417),
    "length and chunks": (fields(b"Host: x", b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "chunks and length": (fields(b"Host: x", b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"), 400),
    "two equal lengths": (fields(b"Host: x", b"Content-Length: 3", b"Content-Length: 3", body=b"abc"), 400),
    "a signed length": (fields(b"Host: x", b"Content-Length: +3", body=b"abc"), 400),
    "a length in words": (fields(b"Host: x", b"Content-Length: three", body=b"abc"), 400),
    "a length of 19 digits": (fields(b"Host: x", b"Content-Length: 1000000000000000000"), 400),
    "an unknown coding": (fields(b"Host: x", b"Transfer-Encoding: gzip"), 501),
    "two codings": (fields(b"Host: x", b"Transfer-Encoding: gzip, chunked"), 501),
    "chunked after another": (fields(b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip"), 501),
    "chunks on HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "an end in the middle of a head": (b"GET / HTTP/1.1\r\nHost", 400),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_malformed_head_is_refused_and_the_connection_closed(name: str, log: Lines) -> None:
    data, status = REFUSED[name]
    async with served(hello) as server, server.peer() as peer:
        await peer.send(data)
        if name == "an end in the middle of a head":
            await peer.end_input()
        reply = await peer.reply("POST")
        assert (reply.status, reply.header(b"connection")) == (status, b"close")
        assert await peer.rest() == b""
    assert [line for line in log.server if f": {status} " in line], log.server
    assert [line for line in log.access if f" {status} " in line], log.access


async def test_a_head_over_its_limit_is_431(log: Lines) -> None:
    async with served(hello, max_head_bytes=1024) as server:
        reply = await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 1024 + b"\r\n\r\n")
    assert reply.status == 431
    assert b"1024" in reply.body
    assert any("431 request head is over 1024 bytes" in line for line in log.server)


async def test_a_request_line_over_the_limit_is_414() -> None:
    async with served(hello, max_head_bytes=1024) as server:
        assert (await server.ask(b"GET /" + b"a" * 2048)).status == 414


async def test_too_many_fields_are_431() -> None:
    async with served(hello, max_fields=10) as server:
        assert (await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 10 + b"\r\n")).status == 431


async def test_a_declared_body_over_its_limit_is_413_before_a_byte_of_it_is_read(log: Lines) -> None:
    async with served(sink, max_body_bytes=10) as server:
        reply = await server.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n")
    assert (reply.status, reply.header(b"connection")) == (413, b"close")
    assert any("413 the request body is 11 bytes, the limit is 10" in line for line in log.server)


async def test_a_chunked_body_over_its_limit_is_413_when_it_gets_there(log: Lines) -> None:
    async with served(sink, max_body_bytes=10) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.until(b"100 Continue\r\n\r\n")
        await peer.send(b"6\r\nabcdef\r\n6\r\nabcdef\r\n")
        assert (await peer.reply()).status == 413
        assert await peer.rest() == b""
    assert log.access[-1].endswith("body_too_large")
    assert log.errors == []


async def test_a_chunked_body_over_its_limit_in_one_read_is_413() -> None:
    async with served(sink, max_body_bytes=10) as server:
        reply = await server.ask(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n")
    assert reply.status == 413


async def test_a_body_at_its_limit_is_taken() -> None:
    async with served(sink, max_body_bytes=12) as server:
        reply = await server.ask(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nabcdef\r\n0\r\n\r\n")
    assert (reply.status, reply.body) == (200, b"12")


async def test_a_malformed_chunk_in_the_same_read_as_the_head_is_400(log: Lines) -> None:
    async with served(sink) as server, server.peer() as peer:
        assert (await peer.ask(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")).status == 400
        assert await peer.rest() == b""
    assert any(" 400 malformed chunk size" in line for line in log.server)


@pytest.mark.parametrize("chunk", [b"x\r\n", b"-1\r\n", b"\r\n", b"1\nA", b"1\r\nAB", b"fffffffffffffffff\r\n"])
async def test_a_malformed_chunk_is_400_while_nothing_was_answered(chunk: bytes, log: Lines) -> None:
    async with served(sink) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        await peer.until(b"100 Continue\r\n\r\n")  # the exchange has begun
        await peer.send(chunk + b"\r\n\r\n")
        assert (await peer.reply()).status == 400
        assert await peer.rest() == b""
    assert log.access[-1].endswith("protocol_error")


# ---- clients that take their time


async def test_a_client_that_sends_nothing_is_answered_408_and_closed(log: Lines) -> None:
    async with served(hello, head_seconds=0.2) as server, server.peer() as peer:
        assert (await peer.reply()).status == 408
        assert await peer.rest() == b""
    assert any("408 the request's head took over 0.2 s" in line for line in log.server)


async def test_a_head_sent_byte_by_byte_gains_no_time() -> None:
    async with served(hello, head_seconds=0.3) as server, server.peer() as peer:
        began = anyio.current_time()

        async def dribble() -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                for byte in GET[:-4] + b"x" * 200:
                    await peer.send(bytes([byte]))
                    await anyio.sleep(0.02)

        async with anyio.create_task_group() as group:
            group.start_soon(dribble)
            assert (await peer.reply()).status == 408
            assert anyio.current_time() - began < 2.5
            group.cancel_scope.cancel()


async def test_a_second_head_has_a_deadline_of_its_own() -> None:
    async with served(hello, head_seconds=0.2, keep_alive_seconds=5) as server, server.peer() as peer:
        assert (await peer.ask()).status == 200
        await anyio.sleep(0.3)  # idle, not in a head: only the keep-alive deadline counts
        assert (await peer.ask(GET[:-4])).status == 408


async def test_an_idle_connection_is_closed_without_a_word() -> None:
    async with served(hello, keep_alive_seconds=0.2) as server, server.peer() as peer:
        assert (await peer.ask()).status == 200
        assert await peer.rest() == b""


async def test_a_body_that_stands_still_is_408(log: Lines) -> None:
    async with served(sink, body_stall_seconds=0.2) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        assert (await peer.reply()).status == 408
        assert await peer.rest() == b""
    assert log.access[-1].endswith("client_timeout")
    assert log.errors == []


async def test_a_body_that_moves_slowly_is_waited_for() -> None:
    async with served(sink, body_stall_seconds=0.3) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n")
        for byte in b"abcdef":
            await anyio.sleep(0.1)
            await peer.send(bytes([byte]))
        assert (await peer.reply()).body == b"6"


# ---- bodies that nobody reads


INNER = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_an_unread_body_that_looks_like_a_request_is_not_executed(log: Lines) -> None:
    async with served(hello) as server, server.peer() as peer:
        await peer.send(b"POST /outer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(INNER) + INNER)
        assert (await peer.reply()).body == b"POST /outer"
        assert (await peer.ask(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")).body == b"GET /next"
    assert not [line for line in log.access if "smuggled" in line]


async def test_an_unread_body_that_comes_after_the_answer_is_not_executed(log: Lines) -> None:
    async with served(hello) as server, server.peer() as peer:
        await peer.send(b"POST /outer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(INNER))
        assert (await peer.reply()).body == b"POST /outer"
        assert (await peer.ask(INNER + b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")).body == b"GET /next"
    assert not [line for line in log.access if "smuggled" in line]


async def test_an_unread_chunked_body_is_swallowed_within_its_bound() -> None:
    async with served(hello, drain_bytes=1000) as server, server.peer() as peer:
        await peer.send(b"POST /outer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await peer.reply()).body == b"POST /outer"
        assert (await peer.ask(b"23\r\n" + INNER + b"\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")).body == b"GET /next"


async def test_an_unread_body_over_the_bound_costs_the_connection() -> None:
    async with served(hello, drain_bytes=1000) as server, server.peer() as peer:
        await peer.send(b"POST /outer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await peer.reply()).status == 200
        await peer.send(b"800\r\n" + b"a" * 2048 + b"\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await peer.rest() == b""


async def test_a_malformed_unread_body_costs_the_connection() -> None:
    async with served(hello) as server, server.peer() as peer:
        await peer.send(b"POST /outer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert (await peer.reply()).status == 200
        await peer.send(b"z\r\n" + INNER)
        assert await peer.rest() == b""


async def test_a_streamed_answer_leaves_a_declared_body_over_the_bound_unread_and_closes() -> None:
    async with served(hello, drain_bytes=1000) as server, server.peer() as peer:
        await peer.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100)
        assert await peer.rest() == b""


async def test_a_whole_answer_to_a_declared_body_over_the_bound_says_that_it_closes() -> None:
    async def whole(scope: Any, receive: Any, send: Any) -> None:
        send.full(200, [], b"hello")

    async with served(whole, drain_bytes=1000) as server, server.peer() as peer:
        reply = await peer.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"a" * 100)
        assert reply.header(b"connection") == b"close"
        assert await peer.rest() == b""


async def test_an_unread_body_that_never_comes_does_not_hold_the_connection_for_ever() -> None:
    async with served(hello, body_stall_seconds=0.2, keep_alive_seconds=0.2, head_seconds=0.2) as server, server.peer() as peer:
        assert (await peer.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n")).status == 200
        with anyio.fail_after(10):
            assert await peer.rest() == b""
