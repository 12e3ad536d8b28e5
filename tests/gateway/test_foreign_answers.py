"""What an answer becomes under a foreign server: files read, and what the server lacks dropped or replaced."""

import io
from pathlib import Path
from typing import Any

import pytest

from pagi.gateway import as_asgi
from pagi.gateway.file_body import FileBodyError
from pagi.gateway.types import AnyApp, Message, Receive, Scope, Send
from tests.gateway.foreign_server import ForeignServer, http_scope, websocket_scope

pytestmark = pytest.mark.anyio

START: Message = {"type": "http.response.start", "status": 200, "headers": []}


def answering(*events: Message) -> AnyApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for event in events:
            await send(event)

    return app


# ---- files

CONTENT = bytes(range(256)) * 600  # two whole reads and a part


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "file.bin"
    file.write_bytes(CONTENT)
    return file


@pytest.mark.parametrize(
    ("window", "content"),
    [
        ({}, CONTENT),
        ({"offset": 100}, CONTENT[100:]),
        ({"length": 70_000}, CONTENT[:70_000]),
        ({"offset": 10, "length": 5}, CONTENT[10:15]),
        ({"length": 0}, b""),
        ({"offset": len(CONTENT) + 1}, b""),
        ({"length": None, "offset": None}, CONTENT),
    ],
)
@pytest.mark.parametrize("given", ["file", "fh"])
async def test_a_file_is_sent_in_pieces_of_64_kib(path: Path, window: dict[str, Any], content: bytes, given: str) -> None:
    with path.open("rb") as opened:
        source = path if given == "file" else opened
        server = ForeignServer()
        await server.run(as_asgi(answering(START, {"type": "http.response.body", given: source, **window})), http_scope())
        assert not opened.closed
    assert server.body == content
    assert max(len(event["body"]) for event in server.sent[1:]) <= 64 * 1024
    assert [event["more_body"] for event in server.sent[1:]] == [True] * (len(server.sent) - 2) + [False]


async def test_a_whole_file_goes_by_pathsend_where_the_server_has_it(path: Path) -> None:
    server = ForeignServer()
    app = as_asgi(answering(START, {"type": "http.response.body", "file": path}))
    await server.run(app, http_scope(extensions={"http.response.pathsend": {}}))
    assert server.sent[1:] == [{"type": "http.response.pathsend", "path": str(path)}]


@pytest.mark.parametrize("window", [{"offset": 1}, {"length": 3}])
async def test_part_of_a_file_never_goes_by_pathsend(path: Path, window: dict[str, int]) -> None:
    server = ForeignServer()
    app = as_asgi(answering(START, {"type": "http.response.body", "file": str(path), **window}))
    await server.run(app, http_scope(extensions={"http.response.pathsend": {}}))
    assert "http.response.pathsend" not in server.types
    assert server.body


async def test_pathsend_is_read_here_where_the_server_has_it_not(path: Path) -> None:
    server = ForeignServer()
    await server.run(as_asgi(answering(START, {"type": "http.response.pathsend", "path": str(path)})), http_scope())
    assert server.body == CONTENT


async def test_a_file_is_not_read_for_head() -> None:
    server = ForeignServer()
    await server.run(as_asgi(answering(START, {"type": "http.response.body", "file": "/no/such/file"})), http_scope(method="HEAD"))
    assert server.sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": False}]


def _closed() -> io.BytesIO:
    file = io.BytesIO(b"x")
    file.close()
    return file


@pytest.mark.parametrize("event", [{"file": "/no/such/file"}, {"file": "/"}, {"fh": _closed()}, {"fh": io.StringIO("text")}])
async def test_a_file_that_cannot_be_read_is_the_applications_error_and_no_departure(event: Message) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        with pytest.raises(FileBodyError) as caught:
            await send({"type": "http.response.body", **event})
        assert not isinstance(caught.value, OSError)
        assert scope["pagi.connection"].is_connected

    await ForeignServer().run(as_asgi(app), http_scope())


# ---- what a server may lack

TRAILERS: list[Message] = [
    {**START, "trailers": True},
    {"type": "http.response.body", "body": b"x"},
    {"type": "http.response.trailers", "headers": [(b"a", b"b")]},
]


async def test_trailers_are_dropped_where_the_server_has_none() -> None:
    complete: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answering(*TRAILERS[:2])(scope, receive, send)
        complete.append(scope["pagi.connection"].response_complete)
        await send(TRAILERS[2])

    server = ForeignServer()
    await server.run(as_asgi(app), http_scope())
    assert server.types == ["http.response.start", "http.response.body"]
    assert server.sent[0]["trailers"] is False
    assert complete == [True]


async def test_trailers_pass_where_the_server_has_them() -> None:
    server = ForeignServer()
    await server.run(as_asgi(answering(*TRAILERS)), http_scope(extensions={"http.response.trailers": {}}))
    assert server.sent == TRAILERS


@pytest.mark.parametrize(("extensions", "hints"), [({}, 0), ({"http.response.early_hint": {}}, 1)])
async def test_early_hints_pass_before_the_head_where_the_server_has_them(extensions: dict[str, Any], hints: int) -> None:
    hint: Message = {"type": "http.response.early_hint", "links": [b"</a.css>"]}
    server = ForeignServer()
    await server.run(as_asgi(answering(hint, START, hint, {"type": "http.response.body"})), http_scope(extensions=extensions))
    assert server.types.count("http.response.early_hint") == hints


DENIAL: list[Message] = [
    {"type": "websocket.http.response.start", "status": 401, "headers": []},
    {"type": "websocket.http.response.body", "body": b"who ", "more_body": True},
    {"type": "websocket.http.response.body", "body": b"are you"},
]


async def test_a_denial_falls_back_to_a_close() -> None:
    handles: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        handles.append(scope["pagi.connection"])
        await answering(*DENIAL)(scope, receive, send)

    server = ForeignServer({"type": "websocket.connect"})
    await server.run(as_asgi(app), websocket_scope())
    assert server.sent == [{"type": "websocket.close"}]
    assert handles[0].response_complete


async def test_a_denial_passes_where_the_server_has_it() -> None:
    server = ForeignServer()
    await server.run(as_asgi(answering(*DENIAL)), websocket_scope(extensions={"websocket.http.response": {}}))
    assert server.sent == DENIAL


async def test_a_websocket_keepalive_does_nothing() -> None:
    events: list[Message] = [{"type": "websocket.accept"}, {"type": "websocket.keepalive", "interval": 5}, {"type": "websocket.close"}]
    server = ForeignServer()
    await server.run(as_asgi(answering(*events)), websocket_scope())
    assert server.types == ["websocket.accept", "websocket.close"]
