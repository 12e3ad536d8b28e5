"""`pagi routes`: every route of an application with what runs for it, as a table and as JSON."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pagi.cli import main

APP = """
from typing import Annotated
from pagi import App, Context, Depends, HTTPEndpoint, Next, Response, Router, SSEEndpoint, WebSocketEndpoint, get, provider

class Board: ...

@provider(scope="app")
def board() -> Board:
    return Board()

async def user(board: Board) -> str:
    return "me"

async def timing(ctx: Context, next: Next) -> Response:
    return await next()

class Messages(HTTPEndpoint):
    def __init__(self, board: Board) -> None: ...
    async def get(self) -> list[str]:
        return []
    async def post(self, user: Annotated[str, Depends(user)]) -> str:
        return user

class Feed(SSEEndpoint):
    async def stream(self):
        yield 1

class Chat(WebSocketEndpoint):
    async def on_receive(self, message: str) -> None: ...

class Admin(Router):
    prefix = "/admin"
    middleware = ["guard"]
    async def guard(self, ctx: Context, next: Next) -> Response:
        return await next()
    @get("/stats", name="stats")
    async def stats(self) -> dict[str, int]:
        return {}

async def legacy(scope, receive, send): ...

inner = App()
inner.get("/deep")(lambda: None)

app = App(routers=[Admin()], middleware=[timing], providers=[board])
app.add("/messages", Messages, name="messages")
app.add("/feed", Feed)
app.add("/chat/{room}", Chat)
app.mount("/legacy", legacy)
app.mount("/inner/{tenant}", inner)
"""


def routes(*args: str) -> Result:
    return CliRunner().invoke(main, ["routes", *args])


@pytest.fixture
def main_py(folder: Path) -> Path:
    (folder / "main.py").write_text(APP)
    return folder


@pytest.mark.usefixtures("main_py")
def test_every_route_is_a_row_of_json() -> None:
    result = routes("main:app", "--json")
    assert result.exit_code == 0, result.output
    rows = {(row["path"], *row["methods"]): row for row in json.loads(result.stdout)}
    assert list(rows) == [
        ("/admin/stats", "GET"),
        ("/messages", "GET"),
        ("/messages", "POST"),
        ("/feed", "GET"),
        ("/chat/{room}",),
        ("/legacy",),
        ("/inner/{tenant}/deep", "GET"),
    ]
    assert rows["/messages", "POST"] == {
        "kind": "http",
        "methods": ["POST"],
        "path": "/messages",
        "name": None,
        "handler": "main.Messages.post",
        "middleware": ["main.timing"],
        "dependencies": ["main.board", "main.user"],
    }
    assert rows["/admin/stats", "GET"]["middleware"] == ["main.timing", "main.Admin.guard"]
    assert rows["/admin/stats", "GET"]["name"] == "stats"
    assert [row["kind"] for row in rows.values()] == ["http", "http", "http", "sse", "websocket", "mount", "http"]


@pytest.mark.usefixtures("main_py")
def test_the_table_shows_what_runs() -> None:
    text = routes("main:app").stdout
    assert "/chat/{room}" in text
    assert "runs main.timing, main.Admin.guard" in " ".join(text.split())


@pytest.mark.usefixtures("raw_app")
def test_another_application_does_not_know_its_routes() -> None:
    result = routes("main:app")
    assert (result.exit_code, "no App of pagi's" in result.stderr) == (2, True)


def test_an_application_that_cannot_be_built_says_why(folder: Path) -> None:
    (folder / "main.py").write_text("from pagi import App\napp = App()\napp.get('/')(lambda what: 1)\n")
    result = routes("main:app")
    assert (result.exit_code, "what has no annotation" in result.stderr) == (3, True)
