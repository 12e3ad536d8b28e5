"""Ready-made applications: values below a mount, whole ASGI applications anywhere else."""

from pathlib import Path
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from pagi import App, AppError, Context, HTTPContext, HTTPException, Next, PeerError, Response, Router, Stream, Text
from pagi.apps import StaticFiles
from pagi.context.ready import ReadyApp
from pagi.gateway.types import Receive, Scope, Send
from pagi.testing import TestClient
from pagi.testing.websocket import WebSocketDenied
from tests.gateway.foreign_server import ForeignServer, http_scope, websocket_scope

pytestmark = pytest.mark.anyio


class Echo(ReadyApp):
    """Says what it was asked, and fails by name."""

    async def respond(self, ctx: HTTPContext[Any]) -> Response:
        name = ctx.path.rpartition("/")[2]
        if name == "refused":
            raise HTTPException(403, "not you")
        if name == "mistaken":
            raise PeerError("that is wrong")
        if name == "broken":
            raise ZeroDivisionError("secret")
        if name == "stream":
            return Stream([b"a", b"b"])
        if name == "twice":
            await ctx.send({"type": "http.response.start", "status": 200, "headers": []})
            await ctx.send({"type": "http.response.body", "body": b"early"})
        if name == "later":
            ctx.after_response(self.done.append, name)
        return Text(f"{ctx.type} {ctx.method} {ctx.scope['root_path']} {ctx.path}")

    def __init__(self) -> None:
        self.done: list[str] = []


def mounted(app: ReadyApp, prefix: str = "/echo") -> App:
    outer = App()
    outer.mount(prefix, app)
    return outer


# ---- below a mount


async def test_it_finds_where_it_is_mounted() -> None:
    inner = Router("/in")
    inner.mount("/echo", Echo())
    outer = mounted(Echo())
    outer.mount("/deep", inner)
    async with TestClient(outer) as client:
        assert (await client.get("/echo/a")).text == "http GET /echo /echo/a"
        assert (await client.post("/echo/")).text == "http POST /echo /echo/"
        assert (await client.get("/deep/in/echo/a")).text == "http GET /deep/in/echo /deep/in/echo/a"
    async with TestClient(outer, root_path="/proxied") as client:
        assert (await client.get("/echo/a")).text == "http GET /proxied/echo /proxied/echo/a"


async def test_an_event_stream_request_is_http() -> None:
    async with TestClient(mounted(Echo())) as client:
        assert (await client.get("/echo/a", headers={"accept": "text/event-stream"})).text == "http GET /echo /echo/a"


async def test_its_answer_is_a_value_and_its_refusals_too() -> None:
    seen: list[tuple[int, bool]] = []

    async def watch(ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        seen.append((response.status, response.is_sent))
        response.headers["x-watched"] = "yes"
        assert ctx.scope["root_path"] == ""
        return response

    app = App(middleware=[watch])
    app.mount("/echo", Echo())
    async with TestClient(app) as client:
        for path in ("/echo/a", "/echo/refused", "/echo/mistaken", "/echo/stream"):
            assert (await client.get(path)).headers["x-watched"] == "yes"
        assert (await client.get("/echo/refused")).json()["detail"] == "not you"
    assert seen == [(200, False), (403, False), (400, False), (200, False), (403, False)]


async def test_middleware_for_http_alone_is_enough_around_it() -> None:
    async def http_only(ctx: HTTPContext, next: Next) -> Response:
        return await next()

    app = App(middleware=[http_only])
    app.mount("/echo", Echo())
    app.build()


async def test_a_websocket_finds_nothing_there() -> None:
    seen: list[str] = []

    async def watch(ctx: Context, next: Next) -> Response:
        seen.append(ctx.type)
        return await next()

    app = App(middleware=[watch])
    app.mount("/echo", Echo())
    async with TestClient(app) as client:
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/echo/a"):
                pass
    assert (denied.value.status, seen) == (404, ["websocket"])


async def test_it_is_not_asked_again_after_an_answer_left() -> None:
    said: list[str] = []

    async def again(ctx: HTTPContext, next: Next) -> Response:
        await next()
        try:
            return await next()
        except AppError as error:
            said.append(str(error))
            raise

    app = App(middleware=[again])
    app.mount("/echo", Echo())
    async with TestClient(app, raise_app_exceptions=False) as client:
        assert (await client.get("/echo/twice")).text == "early"
    assert said == ["next() was called again after the answer had begun to leave; call it once, or before anything is sent"]


# ---- alone


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream"])
async def test_alone_it_is_an_application_of_our_server(accept: str) -> None:
    echo = Echo()
    async with TestClient(echo, raise_app_exceptions=False) as client:
        headers = {"accept": accept}
        assert (await client.get("/a", headers=headers)).text == "http GET  /a"
        assert (await client.get("/stream", headers=headers)).content == b"ab"
        assert (await client.get("/refused", headers=headers)).status == 403
        assert (await client.get("/mistaken", headers=headers)).json()["detail"] == "that is wrong"
        assert (await client.get("/broken", headers=headers)).status == 500
        head = await client.head("/a", headers=headers)
        assert (head.status, head.content, head.headers["content-length"]) == (200, b"", "13")
        await client.get("/later", headers=headers)
        with pytest.raises(WebSocketDenied) as denied:
            async with client.websocket("/a"):
                pass
    assert (denied.value.status, echo.done) == (403, ["later"])


async def test_alone_it_answers_under_any_server(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_bytes(b"0123456789" * 10_000)
    files = StaticFiles(tmp_path)
    server = ForeignServer()
    await server.run(files, http_scope(path="/file.txt"))
    assert (server.sent[0]["status"], server.body) == (200, b"0123456789" * 10_000)
    assert {event["type"] for event in server.sent} == {"http.response.start", "http.response.body"}
    assert all(set(event) <= {"type", "body", "more_body"} for event in server.sent[1:])
    server = ForeignServer()
    await server.run(files, http_scope(path="/file.txt", method="HEAD"))
    assert (server.sent[0]["status"], server.body, server.types[1:]) == (200, b"", ["http.response.body"])
    assert (b"content-length", b"100000") in server.sent[0]["headers"]
    server = ForeignServer()
    await server.run(files, http_scope(path="/file.txt", headers=[(b"range", b"bytes=1-2,50000-50009")]))
    assert (server.sent[0]["status"], b"\r\n\r\n12\r\n--" in server.body) == (206, True)
    server = ForeignServer(fails_from=2)
    await server.run(files, http_scope(path="/file.txt"))  # a client that left is no error


async def test_alone_its_own_failures_are_the_servers() -> None:
    with pytest.raises(ZeroDivisionError):
        await ForeignServer().run(Echo(), http_scope(path="/broken"))


async def test_alone_it_refuses_websockets_and_lives_as_long_as_the_server() -> None:
    server = ForeignServer({"type": "websocket.connect"})
    await server.run(Echo(), websocket_scope(path="/a"))
    assert server.types == ["websocket.close"]
    server = ForeignServer({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await server.run(Echo(), {"type": "lifespan", "asgi": {"version": "3.0"}})
    assert server.types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    with pytest.raises(AppError, match="Echo serves http, not the scope type 'carrier-pigeon'"):
        await ForeignServer().run(Echo(), {"type": "carrier-pigeon"})


async def test_alone_it_has_no_routes_to_name() -> None:
    class Lost(ReadyApp):
        async def respond(self, ctx: HTTPContext[Any]) -> Response:
            return Text(ctx.url_for("home"))

    with pytest.raises(AppError, match="no route 'home' here"):
        await ForeignServer().run(Lost(), http_scope())


# ---- below others


@pytest.mark.parametrize("foreign", [False, True])
async def test_starlette_mounts_it_and_its_middleware_sees_the_bytes(tmp_path: Path, foreign: bool) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.html").write_bytes(b"<p>text</p>" * 1000)
    app = Starlette(
        routes=[Mount("/static", StaticFiles(tmp_path)), Mount("/echo", Echo())],
        middleware=[Middleware(GZipMiddleware, minimum_size=100)],
    )
    if foreign:

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            await app({name: value for name, value in scope.items() if not name.startswith("pagi")}, receive, send)

    else:
        served = app
    async with TestClient(served) as client:
        assert (await client.get("/echo/a")).text == "http GET /echo /echo/a"
        assert (await client.get("/static/docs")).headers["location"] == "/static/docs/"
        assert (await client.get("/static/docs/")).content == b"<p>text</p>" * 1000
        squeezed = await client.get("/static/docs/", headers={"accept-encoding": "gzip"})
        assert squeezed.headers["content-encoding"] == "gzip"
        with anyio.fail_after(20):
            assert (await client.get("/static/none")).status == 404
