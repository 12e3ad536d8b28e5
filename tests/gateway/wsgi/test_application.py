"""A WSGI application under other servers, and below a pagi one: what reaches it, and in which form its answer leaves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from pagi import App, HTTPContext
from pagi.gateway.wsgi import WSGI
from pagi.testing import TestClient
from tests.gateway.foreign_server import EMPTY_REQUEST, GONE, ForeignServer, http_scope, websocket_scope

pytestmark = pytest.mark.anyio


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Says where it was asked, and how long the body was."""
    size = len(environ["wsgi.input"].read())
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {size}".encode("latin-1")]


async def test_another_server_gets_events_and_the_length() -> None:
    server = ForeignServer(EMPTY_REQUEST)
    await server.run(WSGI(echo), http_scope(path="/a"))
    assert server.sent == [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain"), (b"content-length", b"5")]},
        {"type": "http.response.body", "body": b" /a 0", "more_body": False},
    ]


async def test_a_body_in_parts_is_read_from_another_server() -> None:
    server = ForeignServer(
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"de"},
    )
    await server.run(WSGI(echo), http_scope(method="POST", headers=[(b"content-length", b"5")]))
    assert server.body == b" / 5"


async def test_an_application_may_read_and_write_in_threads_of_its_own() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        with ThreadPoolExecutor(1) as pool:
            body = pool.submit(environ["wsgi.input"].read).result()
            write = start_response("200 OK", [])
            pool.submit(write, body).result()
        return []

    server = ForeignServer(
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.request", "body": b"de"},
    )
    await server.run(WSGI(app), http_scope(method="POST", headers=[(b"content-length", b"5")]))
    assert server.body == b"abcde"


async def test_a_request_of_http_2_may_have_a_body_without_saying_so() -> None:
    server = ForeignServer({"type": "http.request", "body": b"abc"})
    await server.run(WSGI(echo), http_scope(http_version="2"))
    assert server.body == b" / 3"


async def test_a_server_that_sends_no_files_gets_their_bytes() -> None:
    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](BytesIO(b"abc"))

    server = ForeignServer(EMPTY_REQUEST)
    await server.run(WSGI(app), http_scope())
    assert server.body == b"abc"


async def test_a_client_that_left_another_server_ends_the_iteration() -> None:
    closed: list[bool] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                yield b"x"
        finally:
            closed.append(True)

    with pytest.raises(OSError, match="gone"):
        await ForeignServer(EMPTY_REQUEST, fails_from=4).run(WSGI(app), http_scope())
    assert closed == [True]


async def test_a_client_that_left_before_its_body_came_is_not_answered() -> None:
    server = ForeignServer(GONE)
    with pytest.raises(OSError):
        await server.run(WSGI(echo), http_scope(headers=[(b"content-length", b"5")]))
    assert server.sent == []


async def test_a_server_that_cannot_deny_is_told_to_close() -> None:
    server = ForeignServer({"type": "websocket.connect"})
    await server.run(WSGI(echo), websocket_scope())
    assert server.types == ["websocket.close"]


async def test_an_unknown_scope_is_refused_by_name() -> None:
    with pytest.raises(RuntimeError, match="'ftp'"):
        await ForeignServer().run(WSGI(echo), {"type": "ftp"})


@pytest.mark.parametrize("pagi", [{"is_worker": True}, {"is_worker": False}, {}])
async def test_a_worker_learns_from_its_lifespan_that_there_are_others(pagi: dict[str, bool]) -> None:
    told: list[bool] = []

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        told.append(environ["wsgi.multiprocess"])
        start_response("200 OK", [])
        return []

    made = WSGI(app)
    lifespan = ForeignServer({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await lifespan.run(made, {"type": "lifespan", "pagi": pagi})
    await ForeignServer(EMPTY_REQUEST).run(made, http_scope())
    assert lifespan.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert told == [pagi.get("is_worker", False)]


async def test_a_mounted_application_sees_its_own_part_of_the_path() -> None:
    site = App()
    site.mount("/legacy", WSGI(echo))

    @site.get("/")
    async def home(ctx: HTTPContext) -> str:
        return "home"

    async with TestClient(site) as client:
        assert (await client.post("/legacy/a/b", content=b"abc")).text == "/legacy /a/b 3"
        assert (await client.get("/")).text == "home"
