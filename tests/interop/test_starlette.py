"""A Starlette application with the middleware that everybody uses answers on our server as under uvicorn."""

import time
from collections.abc import AsyncGenerator, Generator

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.interop.contest import Both, both

ENDED: list[str] = []
TASKS: list[str] = []


async def home(request: Request) -> Response:
    return JSONResponse({"method": request.method, "path": request.url.path, "query": dict(request.query_params)})


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return PlainTextResponse(str(request.session["count"]))


async def form(request: Request) -> Response:
    return JSONResponse({"size": len(await request.body()), "type": request.headers.get("content-type")})


async def stream(request: Request) -> Response:
    async def words() -> AsyncGenerator[str]:
        for number in range(50):
            yield f"line {number}\n"

    return StreamingResponse(words(), media_type="text/plain")


async def endless(request: Request) -> Response:
    async def words() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield b"x" * 4096
        finally:
            ENDED.append("endless")

    return StreamingResponse(words())


async def large(request: Request) -> Response:
    return PlainTextResponse("large " * 10_000)


async def file(request: Request) -> Response:
    return FileResponse(__file__)


async def later(request: Request) -> Response:
    return PlainTextResponse("soon", background=BackgroundTask(TASKS.append, "done"))


async def move(request: Request) -> Response:
    return RedirectResponse("/")


async def fails(request: Request) -> Response:
    raise ZeroDivisionError("secret")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="v1")
    async for text in websocket.iter_text():
        await websocket.send_text(text.upper())


def make() -> Starlette:
    """The application with its four middleware."""
    return Starlette(
        routes=[
            Route("/", home, methods=["GET", "POST"]),
            Route("/count", count),
            Route("/form", form, methods=["POST", "PUT"]),
            Route("/stream", stream),
            Route("/endless", endless),
            Route("/large", large),
            Route("/file", file),
            Route("/later", later),
            Route("/fails", fails),
            Route("/move", move),
            WebSocketRoute("/echo", echo),
        ],
        middleware=[
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "example.org"]),
            Middleware(CORSMiddleware, allow_origins=["https://example.org"], allow_methods=["GET", "POST"], allow_credentials=True),
            Middleware(GZipMiddleware, minimum_size=500),
            Middleware(SessionMiddleware, secret_key="secret"),  # a fixed key, so that both sign alike
        ],
    )


@pytest.fixture(scope="module")
def servers() -> Generator[Both]:
    """The application on both servers."""
    with both(make) as clients:
        yield clients


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/?a=1&b=%20x", {}),
        ("HEAD", "/", {}),
        ("POST", "/", {}),
        ("DELETE", "/", {}),
        ("GET", "/missing", {}),
        ("GET", "/m%C3%BCll/%2F", {}),
        ("GET", "/move", {}),
        ("GET", "/stream", {"accept-encoding": "identity"}),
        ("GET", "/large", {"accept-encoding": "identity"}),
        ("HEAD", "/file", {"accept-encoding": "identity"}),
        ("GET", "/file", {"accept-encoding": "identity", "range": "bytes=10-19"}),
        ("GET", "/file", {"accept-encoding": "identity", "range": "bytes=999999999-"}),
        ("GET", "/", {"host": "evil.example"}),
        ("GET", "/", {"origin": "https://example.org"}),
        ("GET", "/", {"origin": "https://evil.example"}),
        ("OPTIONS", "/", {"origin": "https://example.org", "access-control-request-method": "POST"}),
        ("OPTIONS", "/", {"origin": "https://evil.example", "access-control-request-method": "POST"}),
        ("GET", "/", {"accept": "text/event-stream"}),
        ("GET", "/later", {}),
    ],
)
def test_an_answer_is_the_same(method: str, path: str, headers: dict[str, str], servers: Both) -> None:
    servers.same(method, path, headers=headers)


@pytest.mark.parametrize("path", ["/large", "/stream"])
def test_a_compressed_answer_has_the_same_head_and_content(path: str, servers: Both) -> None:
    mine, other = (client.get(path, headers={"accept-encoding": "gzip"}) for client in (servers.mine, servers.other))
    assert mine.headers["content-encoding"] == other.headers["content-encoding"] == "gzip"
    assert (mine.content, mine.headers["vary"]) == (other.content, other.headers["vary"])


def test_a_file_is_the_same_though_we_send_it_by_its_path(servers: Both) -> None:
    """Starlette's GZip lets `http.response.pathsend`, which uvicorn does not offer, pass without a Vary."""
    mine, other = (client.get("/file", headers={"accept-encoding": "identity"}) for client in (servers.mine, servers.other))
    assert mine.content == other.content
    for name in ("content-length", "content-type", "etag", "last-modified", "accept-ranges"):
        assert mine.headers[name] == other.headers[name]


@pytest.mark.parametrize("size", [0, 10, 1_000_000])
def test_a_body_arrives_whole(size: int, servers: Both) -> None:
    assert servers.same("POST", "/form", content=b"x" * size).json()["size"] == size


def test_a_chunked_body_arrives_whole(servers: Both) -> None:
    for client in (servers.mine, servers.other):
        assert client.post("/form", content=iter([b"a" * 1000, b"b" * 1000])).json()["size"] == 2000


def test_a_session_is_kept_by_its_cookie(servers: Both) -> None:
    for client in (servers.mine, servers.other):
        assert [client.get("/count").text for _ in range(3)] == ["1", "2", "3"]
        client.cookies.clear()


def test_a_background_task_runs_after_the_answer(servers: Both) -> None:
    TASKS.clear()
    servers.mine.get("/later")
    until = time.monotonic() + 2
    while not TASKS and time.monotonic() < until:
        time.sleep(0.01)
    assert TASKS == ["done"]


def test_a_failure_is_500_with_the_same_words(servers: Both) -> None:
    assert servers.same("GET", "/fails").status_code == 500


def test_a_websocket_speaks_the_same(servers: Both) -> None:
    for client in (servers.mine, servers.other):
        address = str(client.base_url).rstrip("/").replace("http", "ws") + "/echo"
        with connect(address, subprotocols=[Subprotocol("v1")], compression="deflate") as session:
            session.send("hello")
            assert session.recv() == "HELLO"
            assert session.subprotocol == "v1"


def test_an_endless_stream_stops_when_its_client_leaves(servers: Both) -> None:
    ENDED.clear()
    with servers.mine.stream("GET", "/endless", headers={"accept-encoding": "identity"}) as reply:
        next(reply.iter_raw())
    until = time.monotonic() + 3
    while not ENDED and time.monotonic() < until:
        time.sleep(0.01)
    assert ENDED == ["endless"]
