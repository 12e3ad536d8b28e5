"""Hostile bytes over real sockets: smuggled requests, endless heads, noise and storms. Those beside them are served as ever."""

import random
from contextlib import suppress
from typing import Any

import anyio
import h11
import pytest

from tests.server.conftest import Lines
from tests.server.live import GET, Peer, served

pytestmark = pytest.mark.anyio

MIB = 1024 * 1024
HOST = b"Host: x\r\n"
INNER = b"GET /smuggled HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, reads nothing."""
    send.full(200, [], scope["raw_path"])


async def reader(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, answers with it."""
    body, more = b"", True
    while more:
        event = await receive()
        body += event.get("body", b"")
        more = event.get("more_body", False)
    send.full(200, [], body)


def post(*fields: bytes) -> bytes:
    return b"POST /outer HTTP/1.1\r\n" + HOST + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


# ---- requests inside others: each is sent with INNER behind it or in it, and INNER must never run

SMUGGLED: dict[str, bytes] = {
    "CL.TE": post(b"Content-Length: %d" % (len(INNER) + 5), b"Transfer-Encoding: chunked") + b"0\r\n\r\n" + INNER,
    "TE.CL": post(b"Transfer-Encoding: chunked", b"Content-Length: 4") + b"%x\r\n" % len(INNER) + INNER + b"\r\n0\r\n\r\n",
    "TE.TE": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: cow") + b"0\r\n\r\n" + INNER,
    "CL.CL": post(b"Content-Length: 0", b"Content-Length: %d" % len(INNER)) + INNER,
    "equal lengths": post(b"Content-Length: 0", b"Content-Length: 0") + INNER,
    "a list of lengths": post(b"Content-Length: 0, 0") + INNER,
    "a length with a plus": post(b"Content-Length: +0") + INNER,
    "a length in hex": post(b"Content-Length: 0x0") + INNER,
    "a blank before the colon": post(b"Content-Length : %d" % len(INNER)) + INNER,
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked") + b"0\r\n\r\n" + INNER,
    "a coding with a VT": post(b"Transfer-Encoding: \x0bchunked") + b"0\r\n\r\n" + INNER,
    "a coding in quotes": post(b'Transfer-Encoding: "chunked"') + b"0\r\n\r\n" + INNER,
    "a folded coding": post(b"Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n" + INNER,
    "identity": post(b"Transfer-Encoding: identity", b"Content-Length: %d" % len(INNER)) + INNER,
    "a field before a line feed": post(b"X: a\nTransfer-Encoding: chunked") + b"0\r\n\r\n" + INNER,
    "a request behind a bare CR": post(b"X: a\r\rGET /smuggled HTTP/1.1") + INNER,
    "a chunk size with a minus": post(b"Transfer-Encoding: chunked") + b"-1\r\n" + INNER,
    "a chunk size with a prefix": post(b"Transfer-Encoding: chunked") + b"0x0\r\n\r\n" + INNER,
    "a chunk size that wraps": post(b"Transfer-Encoding: chunked") + b"10000000000000000\r\n\r\n" + INNER,
    "a chunk that is longer than it says": post(b"Transfer-Encoding: chunked") + b"1\r\nxx\r\n0\r\n\r\n" + INNER,
    "a last chunk ended by a line feed": post(b"Transfer-Encoding: chunked") + b"0\n\n" + INNER,
    "a line feed in an extension": post(b"Transfer-Encoding: chunked") + b"2;a\nxx\r\n0\r\n\r\n" + INNER,
    "two hosts": b"GET / HTTP/1.1\r\n" + HOST + b"Host: y\r\n\r\n" + INNER,
    "HTTP/1.0 in chunks": b"POST / HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n" + INNER,
    "a nameless field": b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n\r\n" + INNER,
    "a tunnel that is refused": b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n" + INNER,
}


@pytest.mark.parametrize("app", [hello, reader])
@pytest.mark.parametrize("name", SMUGGLED)
async def test_a_request_behind_a_broken_one_never_runs(name: str, app: Any, log: Lines) -> None:
    asked: list[bytes] = []

    async def keeping(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["raw_path"])
        await app(scope, receive, send)

    async with served(keeping) as server:
        answers = await server.answer_to(SMUGGLED[name])
    assert answers.count(b"HTTP/1.1 ") == 1, answers
    assert b"connection: close" in answers or asked == [b"/outer"]
    assert b"/smuggled" not in asked
    assert log.errors == []


async def test_a_length_beside_chunks_is_refused_by_both_their_names() -> None:
    async with served(reader) as server:
        reply = await server.ask(SMUGGLED["CL.TE"], "POST")
    assert reply.status == 400
    assert b"Transfer-Encoding" in reply.body
    assert b"Content-Length" in reply.body


@pytest.mark.parametrize("head", [post(b"Transfer_Encoding: chunked"), post(b"Content_Length: 5")])
async def test_a_field_spelled_with_an_underscore_frames_nothing(head: bytes) -> None:
    """The original took it for the field with a hyphen, and obeyed it."""
    async with served(reader) as server, server.peer() as peer:
        await peer.send(head + INNER)
        assert (await peer.reply("POST")).body == b""
        assert (await peer.reply()).status == 200


# ---- heads without end


async def flood(peer: Peer, first: bytes, size: int) -> bytes:
    """Sends `first` and then `size` bytes of nothing new, and reads what comes back, whichever ends first."""
    answer = b""
    async with anyio.create_task_group() as group:

        async def pour() -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, TimeoutError):
                await peer.send(first)
                for _ in range(size // 65536):
                    await peer.send(b"a" * 65536)

        group.start_soon(pour)
        answer = await peer.rest()
        group.cancel_scope.cancel()
    return answer


ENDLESS: dict[str, tuple[bytes, int]] = {
    "a request line": (b"GET /", 414),
    "a query": (b"GET /?", 414),
    "a method": (b"G", 414),
    "a field": (b"GET / HTTP/1.1\r\n" + HOST + b"X: ", 431),
    "a field name": (b"GET / HTTP/1.1\r\n" + HOST + b"X", 431),
}


@pytest.mark.parametrize("name", ENDLESS)
async def test_a_head_without_end_is_refused_while_it_comes(name: str, log: Lines) -> None:
    """The original kept all of it: 64 MiB of one field were 220 MB of memory, and no answer."""
    first, status = ENDLESS[name]
    async with served(hello) as server, server.peer() as beside:
        await beside.ask()
        async with server.peer() as peer:
            answer = await flood(peer, first, 16 * MIB)
        assert (await beside.ask()).status == 200
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert log.errors == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 100 + b"\r\n", 431),
        (b"GET /" + b"a" * MIB + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    ],
    ids=["a field of 100 kB", "101 fields", "a request line of 1 MiB"],
)
async def test_a_head_over_the_limits_that_nobody_set_is_refused(head: bytes, status: int) -> None:
    async with served(hello) as server, server.peer() as peer:
        with suppress(anyio.BrokenResourceError):
            await peer.send(head)
        assert (await peer.reply()).status == status


async def test_a_long_request_line_within_the_limit_is_taken() -> None:
    async with served(hello) as server:
        assert len((await server.ask(b"GET /" + b"a" * 15_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n")).body) == 15_001


# ---- noise

NOISE: dict[str, bytes] = {
    "NULs": bytes(5000),
    "random bytes": random.Random(1).randbytes(5000),
    "random bytes behind a request": GET + random.Random(2).randbytes(5000),
    "random bytes behind the beginning of one": GET[:20] + random.Random(3).randbytes(5000),
    "random bytes as chunks": post(b"Transfer-Encoding: chunked") + random.Random(4).randbytes(5000),
    "a request line of high bytes": b"G\xcbT /\xff HTTP/1.1\r\n\r\n",
    "line ends": b"\r\n" * 2000,
    "blanks": b" " * 5000,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.Random(5).randbytes(500),
    "an SMTP greeting": b"EHLO example.org\r\nMAIL FROM:<a@example.org>\r\n",
    "a proxy's header": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GET,
}


@pytest.mark.parametrize("name", NOISE)
async def test_noise_is_refused_and_harms_nobody(name: str, log: Lines) -> None:
    async with served(reader, head_seconds=0.5) as server, server.peer() as beside:
        await beside.ask()
        answer = await server.answer_to(NOISE[name])
        assert (await beside.ask()).status == 200
    assert answer.rpartition(b"HTTP/1.1 ")[2][:1] in (b"4", b"5"), answer
    assert log.errors == []


# ---- storms


async def test_a_storm_of_connections_is_turned_away_and_those_inside_are_served() -> None:
    async with served(hello, max_connections=3) as server, server.peer() as inside:
        await inside.ask()
        refused: list[int] = []

        async def one() -> None:
            with suppress(anyio.BrokenResourceError, h11.RemoteProtocolError):
                async with server.peer() as peer:
                    reply = await peer.ask()
                    refused.append(reply.status)
                    if reply.status == 503:
                        assert reply.header(b"retry-after") == b"5"

        async with anyio.create_task_group() as group:
            for _ in range(200):
                group.start_soon(one)
            for _ in range(20):
                assert (await inside.ask()).status == 200
                await anyio.sleep(0)
        assert set(refused) == {200, 503}
        with anyio.fail_after(20):
            while (await server.ask()).status != 200:
                await anyio.sleep(0.02)
