"""Floods of tiny requests and tiny chunks: read in turns, taken in no faster than answered, and nothing of them is lost."""

import time
from typing import Any

import anyio
import pytest

from pagi.server.connection import Connection
from tests.server.live import GET, eventually, served

pytestmark = pytest.mark.anyio

KIB = 1024
MIB = 1024 * KIB
LIMIT = 64 * KIB
"""`max_pipelined_bytes`, as it is by default."""
READ = 256 * KIB
"""The most that a transport reads at once."""
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
TINY = b"1\r\nx\r\n"
COUNT = 20_000
"""Chunks of one body: some twenty turns."""


async def size(scope: Any, receive: Any, send: Any) -> None:
    """Says how large the body was."""
    total, more = 0, scope["method"] == "POST"
    while more:
        event = await receive()
        total += len(event["body"])
        more = event["more_body"]
    send.full(200, [], b"%d" % total)


async def at_once(scope: Any, receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    send.full(200, [], b"at once")


async def test_a_body_of_tiny_chunks_comes_whole_and_the_next_request_behind_it() -> None:
    async with served(size) as server, server.peer() as peer:
        await peer.send(CHUNKED + TINY * COUNT + b"0\r\n\r\n" + GET)
        assert (await peer.reply()).body == b"%d" % COUNT
        assert (await peer.reply()).body == b"0"


async def test_the_end_of_input_behind_tiny_chunks_waits_for_them() -> None:
    async with served(size) as server, server.peer() as peer:
        await peer.send(CHUNKED + TINY * COUNT + b"0\r\n\r\n")
        await peer.end_input()
        assert (await peer.reply()).body == b"%d" % COUNT
        assert await peer.rest() == b""


async def test_the_end_of_input_within_tiny_chunks_is_a_departure() -> None:
    gone = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async with served(app) as server, server.peer() as peer:
        await peer.send(CHUNKED + TINY * COUNT)
        await peer.end_input()
        await eventually(gone.is_set)
        assert await peer.rest() == b""


async def test_tiny_chunks_that_nobody_reads_are_swallowed_and_the_connection_stays() -> None:
    async with served(at_once) as server, server.peer() as peer:
        await peer.send(CHUNKED + TINY * COUNT + b"0\r\n\r\n" + GET)
        assert (await peer.reply()).body == b"at once"
        assert (await peer.reply()).body == b"at once"


async def test_a_broken_chunk_behind_many_is_refused() -> None:
    async with served(size) as server, server.peer() as peer:
        await peer.send(CHUNKED + TINY * COUNT + b"?\r\n")
        assert (await peer.reply()).status == 400
        assert await peer.rest() == b""


async def test_others_are_served_between_the_turns() -> None:
    longest = 0.0
    async with served(size) as server, server.peer() as peer, server.peer() as beside:
        await beside.ask()
        async with anyio.create_task_group() as group:
            group.start_soon(peer.send, CHUNKED + TINY * 200_000 + b"0\r\n\r\n")
            for _ in range(50):
                began = time.thread_time()  # of all who compute in this test, clients included
                assert (await beside.ask()).status == 200
                longest = max(longest, time.thread_time() - began)
        assert (await peer.reply()).body == b"200000"
    # In one turn 200,000 chunks were 0.3 s.
    assert longest < 0.1


async def test_pipelined_requests_are_taken_in_no_faster_than_answered() -> None:
    flood = GET * (4 * MIB // len(GET))
    waiting: list[int] = []
    async with served(at_once) as server, server.peer() as peer:

        async def read() -> None:
            while await peer.more():
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(read)
            group.start_soon(peer.stream.send, flood)
            for _ in range(100):
                await anyio.sleep(0.01)
                service = server.server.service
                assert service is not None
                waiting += [member.engine.waiting_bytes for member in service.connections if isinstance(member, Connection)]
            group.cancel_scope.cancel()
    # Each answer let in another read before, and nearly all of the flood waited here.
    assert LIMIT < max(waiting) <= LIMIT + 2 * READ
