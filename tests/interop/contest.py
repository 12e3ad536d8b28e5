"""The same application on our server and on another one, side by side, and what both answered to the same requests."""

import contextlib
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from operator import itemgetter
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server
from wsgiref.types import WSGIApplication

import anyio
import anyio.from_thread
import anyio.lowlevel
import httpx2
import uvicorn

from pagi.gateway.types import AnyApp
from pagi.server import Server

START_SECONDS = 10.0
OWN = {"date", "server", "connection", "transfer-encoding", "keep-alive"}
"""Fields that belong to a server, not to the application."""


def answer_of(reply: httpx2.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """What is compared: status, the application's fields (those of one name in their order), and the body."""
    fields = [(name.lower(), value) for name, value in reply.headers.multi_items() if name.lower() not in OWN]
    return reply.status_code, sorted(fields, key=itemgetter(0)), reply.content


@contextmanager
def ours(app: AnyApp, **options: Any) -> Generator[str]:
    """Our server in a thread, and its address."""
    found: dict[str, Any] = {}
    ready = threading.Event()

    async def serve() -> None:
        server = Server(app, port=0, graceful_seconds=1, **options)
        async with anyio.create_task_group() as group:
            found["port"] = await group.start(server.serve)
            found["stop"] = server.shutdown
            found["token"] = anyio.lowlevel.current_token()
            ready.set()

    def run() -> None:
        anyio.run(serve)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(START_SECONDS), "our server does not start"
        yield f"http://127.0.0.1:{found['port']}"
    finally:
        if ready.is_set():
            anyio.from_thread.run_sync(found["stop"], token=found["token"])
        thread.join(START_SECONDS)
        assert not thread.is_alive()


@contextmanager
def theirs(app: AnyApp) -> Generator[str]:
    """uvicorn in a thread, and its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", http="h11", loop="asyncio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        until = time.monotonic() + START_SECONDS
        while not server.started:
            assert time.monotonic() < until, "uvicorn does not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)
        with contextlib.suppress(OSError):
            listening.close()
        assert not thread.is_alive()


@contextmanager
def by_the_book(app: WSGIApplication) -> Generator[str]:
    """The standard library's WSGI server in a thread, and its address."""

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: Any) -> None: ...

    with make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(START_SECONDS)
            assert not thread.is_alive()


class Both:
    """A client of each server: ours, and the one beside it."""

    def __init__(self, mine: httpx2.Client, other: httpx2.Client) -> None:
        self.mine = mine
        self.other = other

    def same(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """Asks both, demands one answer, and returns ours."""
        mine = self.mine.request(method, path, **request)
        other = self.other.request(method, path, **request)
        assert answer_of(mine) == answer_of(other), f"ours: {answer_of(mine)}\nthe other: {answer_of(other)}"
        return mine


@contextmanager
def both(make: Any) -> Generator[Both]:
    """Serves `make()` on either, each its own instance."""
    with ours(make()) as mine, theirs(make()) as other, _clients(mine, other) as clients:
        yield clients


@contextmanager
def both_by_wsgi(make: Any) -> Generator[Both]:
    """Serves the WSGI application `make()` on ours and on the standard library's."""
    with ours(make(), interface="wsgi") as mine, by_the_book(make()) as other, _clients(mine, other) as clients:
        yield clients


@contextmanager
def _clients(mine: str, other: str) -> Generator[Both]:
    with httpx2.Client(base_url=mine) as my_client, httpx2.Client(base_url=other) as other_client:
        yield Both(my_client, other_client)
