"""Files that the operating system sends: to slow readers, in order with all else, and cut where they break. On each loop."""

import errno
import os
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.server.conftest import Lines
from tests.server.live import GET, Peer, eventually, served

pytestmark = pytest.mark.anyio

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
SIZE = 12_000_000
"""More than the buffers of two sockets take."""


@pytest.fixture(scope="module")
def content() -> bytes:
    return b"".join(b"%09d\n" % number for number in range(SIZE // 10))


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    """A file that does not fit into any buffer, and tells its place everywhere."""
    path = tmp_path / "large.bin"
    path.write_bytes(content)
    return path


def file_app(path: Path, *, headers: list[tuple[bytes, bytes]] | None = None, seen: list[Any] | None = None) -> Any:
    """Answers `/file` with the file, and any other path with that path. Scopes are added to `seen`."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if seen is not None:
            seen.append(scope)
        if scope["path"] == "/file":
            await send({**START, "headers": headers or []})
            await send({"type": "http.response.body", "file": str(path)})
        else:
            send.full(200, [], scope["raw_path"])

    return app


def ask_for(*paths: str) -> bytes:
    return b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths)


async def begun(peer: Peer) -> bytes:
    """Asks for the file, and reads the first of its bytes."""
    await peer.send(ask_for("/file"))
    await peer.until(b"\r\n\r\n")
    return await peer.more()


async def is_held_up(seen: list[Any]) -> None:
    """Waits until the last exchange has more to send than its client takes."""
    await eventually(lambda: bool(seen) and seen[-1]["pagi.transport"].is_high)


async def test_a_slow_reader_gets_every_byte(path: Path, content: bytes) -> None:
    seen: list[Any] = []
    headers = [(b"content-length", b"%d" % SIZE)]
    async with served(file_app(path, headers=headers, seen=seen)) as server, server.peer() as peer:
        got = await begun(peer)
        await is_held_up(seen)
        while len(got) < SIZE:
            got += await peer.more()
        assert got == content
        assert (await peer.ask(ask_for("/after"))).body == b"/after"


async def test_a_file_without_a_length_is_chunked(path: Path, content: bytes) -> None:
    async with served(file_app(path)) as server, server.peer() as peer:
        reply = await peer.ask(ask_for("/file"))
        assert reply.header(b"transfer-encoding") == b"chunked"
        assert reply.body == content
        assert (await peer.ask(ask_for("/after"))).body == b"/after"


async def test_pipelined_answers_keep_their_order_around_a_file(path: Path, content: bytes) -> None:
    async with served(file_app(path)) as server, server.peer() as peer:
        await peer.send(ask_for("/before", "/file", "/after", "/file"))
        assert [(await peer.reply()).body for _ in range(4)] == [b"/before", content, b"/after", content]


async def test_a_file_follows_what_a_slow_reader_has_not_taken(path: Path, content: bytes) -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["pagi.transport"])
        await send(START)
        await send({"type": "http.response.body", "body": content[:5_000_000], "more_body": True})
        await send({"type": "http.response.body", "file": str(path), "offset": 5_000_000})

    async with served(app, high_water_bytes=10_000_000, low_water_bytes=1_000_000) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: bool(seen) and seen[0].buffered_amount > 0)
        assert (await peer.reply()).body == content


async def test_a_file_that_shrinks_while_it_is_sent_ends_the_connection(path: Path, content: bytes, log: Lines) -> None:
    seen: list[Any] = []
    headers = [(b"content-length", b"%d" % SIZE)]
    async with served(file_app(path, headers=headers, seen=seen)) as server, server.peer() as peer:
        got = await begun(peer)
        await is_held_up(seen)
        os.truncate(path, 100_000)
        got += await peer.rest()
    assert len(got) < SIZE
    assert content.startswith(got[:98_304])  # the rest of the last page becomes zero, wherever it lies
    assert len(log.errors) == 1
    assert "shorter" in log.errors[0]


async def test_a_client_that_leaves_ends_the_sending(path: Path) -> None:
    seen: list[Any] = []
    ended = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await file_app(path, seen=seen)(scope, receive, send)
        finally:
            ended.set()

    async with served(app) as server:
        async with server.peer() as peer:
            await begun(peer)
            await is_held_up(seen)
            await peer.reset()
        with anyio.fail_after(20):
            await ended.wait()


async def test_a_file_system_that_cannot_send_is_read(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_: object) -> int:
        raise OSError(errno.EINVAL, "no such thing here")

    monkeypatch.setattr(os, "sendfile", unable)
    async with served(file_app(path)) as server:
        assert (await server.ask(ask_for("/file"))).body == content


async def test_a_file_outside_the_page_cache_is_read_by_a_thread(path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def cold(*_: object) -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "preadv", cold)
    async with served(file_app(path)) as server:
        assert (await server.ask(ask_for("/file"))).body == content


async def test_the_shutdown_waits_for_a_file(path: Path, content: bytes) -> None:
    seen: list[Any] = []
    async with served(file_app(path, headers=[(b"content-length", b"%d" % SIZE)], seen=seen)) as server, server.peer() as peer:
        got = await begun(peer)
        await is_held_up(seen)
        server.server.shutdown()
        got += await peer.rest()
    assert got == content


async def test_a_file_that_the_application_opened_is_sent_from_its_place_and_stays_open(path: Path, content: bytes) -> None:
    opened = path.open("rb", buffering=0)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "fh": opened, "offset": 1_000_000, "length": 9_000_000})

    with opened:
        async with served(app) as server, server.peer() as peer:
            assert (await peer.ask()).body == content[1_000_000:10_000_000]
            assert await peer.is_open()
        assert not opened.closed
