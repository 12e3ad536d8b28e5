"""An Accept field never changes what runs: every http-only route of every example answers the same, whatever it names.

The table is made from the routes of the examples' apps: each path with each method it serves, one it does not, HEAD and
OPTIONS, from this site and from another, with and without plain ASGI middleware around.
"""

import importlib.util
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from pagi import App, Context, Next, Response, Router
from pagi.endpoints.route import Route
from pagi.endpoints.router import Included
from pagi.server import Server
from tests.examples.servers import EXAMPLES

pytestmark = pytest.mark.anyio

NAMES = ("text/event-stream", "application/json, text/event-stream", "TEXT/Event-Stream;q=0.1, */*;q=0.9", "*/*")
"""Values of Accept that take what a route without events gives. The first three name event streams."""

ORIGINS: dict[str, dict[str, str]] = {"own": {}, "foreign": {"origin": "https://elsewhere.example"}}

VARYING = {"date", "server-timing", "x-request-id"}
"""Header fields that may differ between two equal requests."""

CHANGING = {"/server/tally"}
"""Paths whose body says something else each time: it counts the requests."""

SAMPLES = {"{name}": "style.css", "{room}": "lobby", "{id:int}": "7", "{id}": "7"}
"""What stands for the parameters of a path."""


@pytest.fixture(autouse=True)
def kept_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's messages are in the way, or lost."""
    monkeypatch.setenv("MESSAGES", str(tmp_path / "messages.json"))


def loaded(example: str) -> App | None:
    """A fresh copy of an example's app; None where the example is no App but a raw function."""
    spec = importlib.util.spec_from_file_location(f"example_{example}", EXAMPLES / example / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app if isinstance(module.app, App) else None


def apps() -> list[str]:
    """The examples that are Apps."""
    return [path.parent.name for path in sorted(EXAMPLES.glob("*/app.py")) if loaded(path.parent.name) is not None]


def routes(router: Router, prefix: str = "") -> Iterator[tuple[str, Route]]:
    """Every route with its whole path."""
    prefix += router.full_prefix
    for entry in router.entries:
        if isinstance(entry, Route):
            yield prefix + entry.path, entry
        elif isinstance(entry, Included):
            yield from routes(entry.router, prefix + entry.prefix)


def http_only(app: App) -> dict[str, set[str]]:
    """The paths that have no event stream, with the methods they serve."""
    paths: dict[str, set[str]] = {}
    streams = {path for path, route in routes(app) if route.kind == "sse"}
    for path, route in routes(app):
        if route.kind == "http" and path not in streams:
            paths.setdefault(path, set()).update(route.methods)
    return paths


def rows() -> Iterator[tuple[str, str, str]]:
    """Example, method and path of every request in the table. The last path of each example is one it does not have."""
    for example in apps():
        app = loaded(example)
        assert app is not None
        for path in [*http_only(app), "/absent"]:
            for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"):
                yield example, method, path


ROWS = list(rows())


class Recorder:
    """The outermost middleware: keeps which kind and context every exchange had."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, ctx: Context, next: Next) -> Response:
        self.seen.append((ctx.type, type(ctx).__name__))
        return await next()


def stamp(app: Any) -> Any:
    """Plain ASGI middleware that knows nothing of pagi: it adds a field, and what scope type it was shown."""

    async def stamped(scope: Any, receive: Any, send: Any) -> None:
        async def sent(event: Any) -> None:
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event["headers"], (b"x-scope-type", scope["type"].encode())]}
            await send(event)

        await app(scope, receive, sent)

    return stamped


WRAPPINGS: dict[str, list[Callable[[Any], Any]]] = {"bare": [], "asgi_middleware": [stamp]}


def inside(recorder: Recorder, app: App, wrapping: str) -> App:
    """`app` with the recorder around it. It is mounted, so that it has its own providers."""
    outer = App(middleware=[recorder], asgi_middleware=WRAPPINGS[wrapping])
    outer.mount("", app)
    return outer


@asynccontextmanager
async def served(app: App) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of `app` on our server, in this loop, over a real socket."""
    server = Server(app, port=0, access_log=False)
    async with anyio.create_task_group() as group:
        port = await group.start(server.serve)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            yield client
        server.shutdown()


def essence(reply: httpx2.Response) -> tuple[int, list[tuple[str, str]], bytes]:
    """What two equal requests must have alike."""
    varying, content = VARYING, reply.content
    if reply.request.url.path in CHANGING and reply.is_success:
        varying, content = VARYING | {"content-length"}, b""
    return reply.status_code, [(name, value) for name, value in reply.headers.multi_items() if name not in varying], content


async def ask(client: httpx2.AsyncClient, method: str, path: str, headers: dict[str, str]) -> httpx2.Response:
    """One request of the table. What has a body is a form that is refused or accepted without leaving a trace of the time."""
    filled = "/".join(SAMPLES.get(part, part) for part in path.split("/"))
    data = {"text": ""} if method not in ("GET", "HEAD", "OPTIONS") else None
    return await client.request(method, filled, headers=headers, data=data)


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("example", apps())
async def test_an_accept_field_changes_nothing_where_there_are_no_events(example: str, wrapping: str) -> None:
    app, recorder = loaded(example), Recorder()
    assert app is not None
    asked = [(method, path) for name, method, path in ROWS if name == example]
    statuses: set[int] = set()
    async with served(inside(recorder, app, wrapping)) as client:
        for method, path in asked:
            for origin, headers in ORIGINS.items():
                plain = await ask(client, method, path, headers)
                statuses.add(plain.status_code)
                expected, ran = essence(plain), recorder.seen[:]
                assert ran, f"no middleware ran for {method} {path}"
                assert {kind for kind, _ in ran} == {"http"}
                assert plain.headers.get("x-scope-type") == ("http" if WRAPPINGS[wrapping] else None)
                for accept in NAMES:
                    recorder.seen.clear()
                    reply = await ask(client, method, path, {**headers, "accept": accept})
                    told = f"{method} {path} from {origin} with Accept: {accept}"
                    assert essence(reply) == expected, told
                    assert recorder.seen == ran, told
                recorder.seen.clear()
    assert {200, 404, 405} <= statuses


def test_the_table_reaches_guards_and_refusals() -> None:
    asked = {(example, method, path) for example, method, path in ROWS}
    assert {("hello", "GET", "/hello/{name}"), ("live", "GET", "/parts/{name}"), ("live", "POST", "/notes")} <= asked
    assert {
        ("board", "POST", "/api/messages"),
        ("board", "GET", "/api/rooms/{room}/users/{id:int}"),
        ("board", "GET", "/admin/stats"),
    } <= asked
    assert not any(path in ("/clock", "/feed", "/api/feed") for _, _, path in asked)


@pytest.mark.parametrize("accept", NAMES[:3])
async def test_a_guard_refuses_whatever_is_accepted(accept: str) -> None:
    app = loaded("live")
    assert app is not None
    async with served(app) as client:
        reply = await client.post("/notes", data={"text": "hello"}, headers={**ORIGINS["foreign"], "accept": accept})
        assert (reply.status_code, reply.headers["content-type"]) == (403, "application/problem+json")
        assert (await client.get("/notes", headers={"accept": accept})).text == ""


@pytest.mark.parametrize("wrapping", WRAPPINGS)
async def test_a_path_with_both_kinds_still_streams(wrapping: str) -> None:
    app, recorder = loaded("live"), Recorder()
    assert app is not None
    async with served(inside(recorder, app, wrapping)) as client:
        async with client.stream("GET", "/clock", headers={"accept": "text/event-stream"}) as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            assert reply.headers.get("x-scope-type") == ("http" if WRAPPINGS[wrapping] else None)
        assert recorder.seen == [("sse", "SSEContext")]
