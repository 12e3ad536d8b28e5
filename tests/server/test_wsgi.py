"""WSGI applications on the real server: whole conversations, in threads that are bounded, with clients that are slow or leave."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment
from wsgiref.validate import validator

import anyio
import pytest

from pagi.gateway.wsgi import WSGI
from tests.server.conftest import Lines
from tests.server.live import GET, HandshakeDenied, eventually, served

pytestmark = pytest.mark.anyio

PATIENCE_SECONDS = 30.0
TEXT = [("Content-Type", "text/plain")]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Says what it was asked for, and how long the body was."""
    size = 0
    while piece := environ["wsgi.input"].read(10_000):
        size += len(piece)
    start_response("200 OK", TEXT)
    return [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {size}".encode("latin-1")]


def lines(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Answers in parts."""
    start_response("200 OK", TEXT)
    for number in range(3):
        yield b"%d\n" % number


class Streaming:
    """An endless answer that counts what was asked of it."""

    def __init__(self) -> None:
        self.blocks = 0
        self.closed = threading.Event()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> "Streaming":
        start_response("200 OK", TEXT)
        return self

    def __iter__(self) -> Iterator[bytes]:
        while not self.closed.is_set():
            self.blocks += 1
            yield b"x" * 65536

    def close(self) -> None:
        self.closed.set()


class Gate:
    """An application whose calls wait, until they are let through."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.inside = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.open.wait(PATIENCE_SECONDS)
        with self._lock:
            self.inside -= 1
        start_response("200 OK", TEXT)
        return [b"through"]


# ---- by the book


@pytest.mark.parametrize("lint", [False, True], ids=["plain", "lint"])
@pytest.mark.parametrize(
    ("app", "request_", "body"),
    [
        (echo, b"GET /caf%C3%A9 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /café 0".encode()),
        (echo, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"POST / 3"),
        (echo, b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"POST / 5"),
        (echo, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000, b"POST / 300000"),
        (lines, GET, b"0\n1\n2\n"),
    ],
    ids=["get", "post", "chunked", "large", "parts"],
)
async def test_an_application_that_keeps_pep_3333_is_served_as_the_validator_asks(
    app: Any, request_: bytes, body: bytes, lint: bool, log: Lines
) -> None:
    checked: Any = validator(app)
    async with served(checked, interface="wsgi", lint=lint) as server:
        reply = await server.ask(request_)
    assert (reply.status, reply.body) == (200, body)
    assert log.errors == []


async def test_a_head_request_has_the_head_alone() -> None:
    async with served(WSGI(echo)) as server:
        reply = await server.ask(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD")
    assert (reply.status, reply.header(b"content-length"), reply.body) == (200, b"8", b"")


async def test_connections_are_kept_and_bodies_that_nobody_read_are_no_requests() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", TEXT)
        return [b"unread"]

    async with served(WSGI(app)) as server, server.peer() as peer:
        for _ in range(3):
            reply = await peer.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\nGET /x HTTP/1.1\r\n\r\n")
            assert reply.body == b"unread"


async def test_an_accept_of_event_streams_changes_nothing() -> None:
    async with served(WSGI(lines)) as server:
        reply = await server.ask(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
    assert reply.body == b"0\n1\n2\n"


async def test_write_is_served(log: Lines) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"a")
        write(b"b")
        return [b"c"]

    async with served(WSGI(app)) as server:
        assert (await server.ask()).body == b"abc"
    assert log.errors == []


@pytest.mark.parametrize("size", [0, 10, 3_000_000])
async def test_a_wrapped_file_arrives_whole_and_is_closed(size: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * size)
    opened: list[Any] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        opened.append((tmp_path / "file").open("rb"))
        start_response("200 OK", [*TEXT, ("Content-Length", str(size))])
        return environ["wsgi.file_wrapper"](opened[0])

    async with served(WSGI(app)) as server:
        assert len((await server.ask()).body) == size
        await eventually(lambda: opened[0].closed)


# ---- errors


async def test_an_error_before_the_head_is_500(log: Lines) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", TEXT)
        raise KeyError("mine")

    async with served(WSGI(app)) as server:
        assert (await server.ask()).status == 500
    assert "KeyError('mine')" in log.errors[0]


async def test_an_error_after_the_head_cuts_the_answer(log: Lines) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        yield b"half"
        raise KeyError("mine")

    async with served(WSGI(app)) as server:
        answer = await server.answer_to(GET)
    assert b"half" in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert "in the middle of its answer" in log.errors[0]


async def test_what_was_returned_is_closed_even_when_it_fails() -> None:
    class Failing(Streaming):
        def __iter__(self) -> Iterator[bytes]:
            raise KeyError("mine")

    app = Failing()
    async with served(WSGI(app)) as server:
        assert (await server.ask()).status == 500
    assert app.closed.is_set()


async def test_a_header_that_may_not_go_out_is_500(log: Lines) -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("X-A", "a\r\nSet-Cookie: b=c")])
        return [b"x"]

    async with served(WSGI(app)) as server:
        assert (await server.ask()).status == 500
    assert "HeaderRefused" in log.errors[0]


# ---- slow clients, and those who leave


async def test_a_client_that_does_not_read_stops_the_iteration() -> None:
    app = Streaming()
    async with served(WSGI(app), disconnect_grace_seconds=0.1) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: app.blocks > 0)
        before = -1
        while app.blocks != before:
            before = app.blocks
            await anyio.sleep(0.3)
        assert before < 200  # some 10 MB: sockets of both sides hold a few
        assert not app.closed.is_set()
        while app.blocks <= before + 1:
            await peer.more()
        await peer.reset()
        await eventually(app.closed.is_set)


async def test_a_client_that_leaves_ends_the_iteration_and_is_no_error(log: Lines) -> None:
    app = Streaming()
    async with served(WSGI(app)) as server, server.peer() as peer:
        await peer.send(GET)
        await peer.more()
        await peer.reset()
        await eventually(app.closed.is_set)
    assert log.errors == []


async def test_a_client_that_leaves_in_the_middle_of_its_body_ends_the_reading(log: Lines) -> None:
    seen: list[BaseException] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            seen.append(error)
            raise
        return []

    async with served(WSGI(app)) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
        await anyio.sleep(0.05)
        await peer.reset()
        await eventually(lambda: bool(seen))
    assert log.errors == []


async def test_a_client_that_holds_its_body_back_holds_no_thread() -> None:
    async with served(WSGI(echo, threads=1)) as server, server.peer() as slow:
        await slow.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n")
        assert (await server.ask()).status == 200
        await slow.send(b"abc")
        assert (await slow.reply()).body == b"POST / 3"


async def test_who_asks_first_is_told_to_go_on_when_the_application_reads() -> None:
    async with served(WSGI(echo)) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert await peer.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await peer.send(b"abc")
        assert (await peer.reply()).body == b"POST / 3"


async def test_who_asks_first_may_be_refused_before_the_body_is_sent() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("413 Too large", TEXT)
        return [b"no"]

    async with served(WSGI(app)) as server:
        reply = await server.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert (reply.status, reply.interim) == (413, [])


async def test_what_close_reads_of_an_answered_request_is_nothing(log: Lines) -> None:
    class Reading(list[bytes]):
        def __init__(self, read: Callable[[], bytes]) -> None:
            super().__init__([b"x"])
            self.read = read

        def close(self) -> None:
            assert self.read() == b""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        environ["wsgi.input"].read(1)
        start_response("200 OK", TEXT)
        return Reading(environ["wsgi.input"].read)

    async with served(WSGI(app)) as server:
        reply = await server.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na")
    assert reply.status == 200
    assert log.errors == []


# ---- threads


async def test_no_more_requests_run_at_once_than_there_are_threads() -> None:
    app: Any = Gate()
    async with served(app, interface="wsgi", wsgi_threads=2) as server:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(server.ask)
            await eventually(lambda: app.inside == 2)
            await anyio.sleep(0.05)
            app.open.set()
    assert app.most == 2


async def test_work_that_outlasts_the_deadline_is_left_behind_and_holds_up_nobody() -> None:
    app = Gate()
    try:
        with anyio.fail_after(PATIENCE_SECONDS):
            async with served(WSGI(app)) as server, server.peer() as peer:
                await peer.send(GET)
                await eventually(lambda: app.inside == 1)
    finally:
        app.open.set()


# ---- other kinds


async def test_a_websocket_is_refused_with_501() -> None:
    async with served(WSGI(echo)) as server:
        with pytest.raises(HandshakeDenied, match=r"501: .*WSGI has no WebSockets"):
            async with server.websocket():
                pass


async def test_a_lifespan_that_is_demanded_is_there() -> None:
    async with served(WSGI(echo), lifespan="on") as server:
        assert (await server.ask()).status == 200
