"""The App as a server sees it: kinds settled by the route, answers in one call where there is one, under any server alike."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypedDict

import pytest

from pagi import (
    App,
    AppError,
    ConfigError,
    Context,
    Event,
    HTTPContext,
    HTTPEndpoint,
    Next,
    Response,
    Router,
    SSEContext,
    SSEEndpoint,
    WebSocketContext,
    only,
)
from pagi.apps import StaticFiles
from pagi.endpoints.router import AlreadyBuilt
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import Message, Receive, Scope, Send
from pagi.testing import TestClient
from tests.recorder import Recorder, Server

pytestmark = pytest.mark.anyio

EVENTS = {"accept": "text/event-stream"}


def feed_app() -> App:
    app = App()

    @app.get("/both")
    async def page(ctx: HTTPContext) -> str:
        return f"page by {ctx.type}"

    @app.sse("/both")
    async def stream(ctx: SSEContext) -> AsyncIterator[str]:
        yield f"event by {ctx.type}"

    @app.sse("/only")
    async def only_stream() -> AsyncIterator[str]:
        yield "event"

    @app.get("/plain")
    async def plain(ctx: HTTPContext) -> str:
        return f"plain by {ctx.type}"

    return app


@pytest.fixture(params=["own", "wrapped", "foreign"])
def server(request: pytest.FixtureRequest) -> Server:
    """Every server an app may find itself on."""
    value: Server = request.param
    return value


def events_of(body: bytes) -> list[str]:
    return [line.removeprefix("data: ") for line in body.decode().splitlines() if line.startswith("data: ")]


async def test_a_string_is_answered_as_text(server: Server) -> None:
    answer = await Recorder(feed_app(), server).get("/plain")
    assert (answer.status, answer.text) == (200, "plain by http")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_an_accept_header_does_not_change_an_http_route(server: Server) -> None:
    answer = await Recorder(feed_app(), server).get("/plain", headers=EVENTS)
    assert (answer.kind, answer.text) == ("http", "plain by http")


async def test_a_path_of_both_kinds_follows_accept_and_says_so(server: Server) -> None:
    recorder = Recorder(feed_app(), server)
    page = await recorder.get("/both")
    assert (page.text, page.headers["vary"]) == ("page by http", "Accept")
    stream = await recorder.stream("/both")
    assert stream.headers["vary"] == "Accept"
    assert (stream.data or events_of(stream.body)) == ["event by sse"]


async def test_accept_with_json_and_events_is_a_stream_where_the_path_has_one(server: Server) -> None:
    stream = await Recorder(feed_app(), server).get("/both", headers={"accept": "application/json, text/event-stream"})
    assert (stream.data or events_of(stream.body)) == ["event by sse"]


async def test_a_stream_alone_goes_to_who_accepts_anything(server: Server) -> None:
    for headers in ({}, {"accept": "*/*"}):
        stream = await Recorder(feed_app(), server).get("/only", headers=headers)
        assert (stream.data or events_of(stream.body)) == ["event"]


async def test_a_stream_alone_is_406_to_who_accepts_only_pages(server: Server) -> None:
    answer = await Recorder(feed_app(), server).get("/only", headers={"accept": "text/html"})
    assert answer.status == 406


async def test_head_never_starts_a_stream(server: Server) -> None:
    answer = await Recorder(feed_app(), server).http("HEAD", "/only", headers=EVENTS).run()
    assert (answer.status, answer.headers["allow"]) == (405, "GET, OPTIONS")


async def test_head_is_answered_by_get(server: Server) -> None:
    answer = await Recorder(feed_app(), server).http("HEAD", "/both", headers=EVENTS).run()
    assert (answer.status, answer.kind) == (200, "http")


async def test_options_lists_the_methods_of_the_path(server: Server) -> None:
    answer = await Recorder(feed_app(), server).http("OPTIONS", "/both").run()
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS")


async def test_another_method_is_405_with_allow(server: Server) -> None:
    answer = await Recorder(feed_app(), server).post("/plain")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_path_that_leads_nowhere_is_404(server: Server) -> None:
    answer = await Recorder(feed_app(), server).get("/nowhere", headers=EVENTS)
    assert (answer.status, answer.kind) == (404, "http")


async def test_a_websocket_that_leads_nowhere_is_denied_with_404() -> None:
    answer = await Recorder(feed_app()).talk("/nowhere")
    assert (answer.status, answer.events[0]["type"]) == (404, "websocket.http.response.start")


async def test_a_whole_answer_goes_out_in_one_call_where_the_server_has_it() -> None:
    exchange = Recorder(feed_app()).http("GET", "/plain")
    answer = await exchange.run()
    assert exchange.receives == 0
    assert b"content-length" not in dict(answer.raw_headers)


async def test_without_that_call_the_length_is_given_by_us() -> None:
    answer = await Recorder(feed_app(), "wrapped").get("/plain")
    assert answer.headers["content-length"] == "13"


async def test_the_marker_is_bound_to_the_app() -> None:
    app = feed_app()
    assert is_pagi(app)


async def test_adding_after_the_build_is_refused() -> None:
    app = feed_app()
    app.build()
    with pytest.raises(AlreadyBuilt):
        app.get("/late")(lambda: None)


async def test_the_route_stands_in_the_scope_for_logs() -> None:
    app = App()

    @app.get("/users/{id:int}")
    async def user(id: int) -> int:
        return id

    exchange = Recorder(app).http("GET", "/users/5")
    await exchange.run()
    assert exchange.scope["pagi.route"] == "/users/{id:int}"


async def test_an_unknown_scope_type_is_refused_by_name() -> None:
    exchange = Recorder(feed_app()).http("GET", "/plain")
    exchange.scope["type"] = "webtransport"
    with pytest.raises(AppError, match="webtransport"):
        await exchange.run()


async def test_rewrites_run_before_the_match() -> None:
    def unversioned(scope: Scope) -> None:
        scope["path"] = scope["path"].removeprefix("/v1")

    app = App(rewrites=[unversioned])

    @app.get("/plain")
    async def plain() -> str:
        return "here"

    assert (await Recorder(app).get("/v1/plain")).text == "here"


class Shy:
    """Plain ASGI middleware: notes the types it sees, and adds a header."""

    seen: list[str]

    def __init__(self, app: Any) -> None:
        self.app = app
        Shy.seen = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(scope["type"])

        async def adding(event: Message) -> None:
            self.seen.append(event["type"])
            if event["type"] == "http.response.start":
                event = {**event, "headers": [*event["headers"], (b"x-shy", b"1")]}
            await send(event)

        await self.app(scope, receive, adding)


async def test_plain_middleware_sees_a_stream_as_http() -> None:
    app = App(asgi_middleware=[Shy], routers=[feed_app()])
    answer = await Recorder(app).stream("/only")
    assert (answer.kind, events_of(answer.body), answer.headers["x-shy"]) == ("http", ["event"], "1")
    assert {kind.partition(".")[0] for kind in Shy.seen} == {"http"}


async def test_plain_middleware_leaves_http_routes_as_they_are() -> None:
    app = App(asgi_middleware=[Shy], routers=[feed_app()])
    answer = await Recorder(app).get("/plain", headers=EVENTS)
    assert (answer.text, answer.headers["x-shy"]) == ("plain by http", "1")


async def test_plain_middleware_may_not_change_the_path() -> None:
    def lower(app: Any) -> Any:
        async def changed(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "path": "/plain"}, receive, send)

        return changed

    app = App(asgi_middleware=[lower], routers=[feed_app()])
    with pytest.raises(Exception, match="rewrites"):
        await Recorder(app).get("/PLAIN")


async def test_origins_guard_websockets() -> None:
    def chat(**options: Any) -> App:
        app = App(**options)

        @app.websocket("/chat")
        async def session(ctx: WebSocketContext) -> None:
            await ctx.accept()

        return app

    foreign = {"origin": "https://evil.example"}
    assert (await Recorder(chat()).talk("/chat", headers=foreign)).status == 403
    assert (await Recorder(chat()).talk("/chat", headers={"origin": "null"})).status == 403
    for app, headers in (
        (chat(), {}),
        (chat(), {"origin": "http://example.org"}),
        (chat(origins=["https://EVIL.example"]), foreign),
        (chat(origins="*"), foreign),
    ):
        assert (await Recorder(app).talk("/chat", headers=headers)).of("websocket.accept")


def test_one_origin_must_be_a_list() -> None:
    with pytest.raises(ConfigError, match="list"):
        App(origins="https://example.org")


class AppState(TypedDict):
    users: list[str]


async def test_the_lifespan_yields_the_state() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[AppState]:
        seen.append("up")
        yield {"users": ["ann"]}
        seen.append("down")

    app = App(lifespan=lifespan)

    @app.get("/")
    async def users(ctx: HTTPContext[AppState]) -> list[str]:
        return ctx.state["users"]

    state: dict[str, Any] = {}
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[str] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(event: Message) -> None:
        sent.append(event["type"])

    await app({"type": "lifespan", "state": state}, receive, send)
    assert seen == ["up", "down"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert (await Recorder(app, state=state).get("/")).body == b'["ann"]'


async def lifespan_events(app: App) -> list[Message]:
    incoming = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(incoming)

    async def send(event: Message) -> None:
        sent.append(event)

    await app({"type": "lifespan", "state": {}}, receive, send)
    return sent


async def test_a_build_that_fails_fails_the_startup() -> None:
    app = App()
    app.get("/{id}")(divmod)
    (event,) = await lifespan_events(app)
    assert event["type"] == "lifespan.startup.failed"
    assert "divmod" in event["message"]


async def test_a_failing_lifespan_is_told_with_its_traceback() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[None]:
        yield
        raise RuntimeError("no good end")

    events = await lifespan_events(App(lifespan=lifespan))
    assert [event["type"] for event in events] == ["lifespan.startup.complete", "lifespan.shutdown.failed"]
    assert "no good end" in events[1]["message"]


async def test_the_lifespans_of_mounted_apps_run_inside() -> None:
    seen: list[str] = []

    def named(name: str) -> Any:
        @asynccontextmanager
        async def lifespan(app: App) -> AsyncGenerator[None]:
            seen.append(f"{name} up")
            yield
            seen.append(f"{name} down")

        return lifespan

    outer = App(lifespan=named("outer"))
    outer.mount("/in", App(lifespan=named("inner")))
    await lifespan_events(outer)
    assert seen == ["outer up", "inner up", "inner down", "outer down"]


async def test_middleware_runs_for_404_too() -> None:
    async def stamp(ctx: Context, next: Next) -> Response:
        response = await next()
        response.headers["x-seen"] = str(response.status)
        return response

    assert (await Recorder(App(middleware=[stamp])).get("/nowhere")).headers["x-seen"] == "404"


async def test_an_app_below_a_root_path_routes_on_the_rest() -> None:
    app = App()

    @app.get("/plain", name="plain")
    async def plain(ctx: HTTPContext) -> str:
        return ctx.url_for("plain")

    assert (await Recorder(app).get("/plain", root_path="/api")).text == "/api/plain"


async def test_events_with_all_fields_arrive(server: Server) -> None:
    app = App(routers=[router := Router()])

    @router.sse("/feed", retry_seconds=None)
    async def feed() -> AsyncIterator[Event[dict[str, int]]]:
        yield Event({"n": 1}, event="tick", id="7", retry=10, comment="hm")

    answer = await Recorder(app, server).stream("/feed")
    wire = b':hm\nevent: tick\ndata: {"n":1}\nid: 7\nretry: 10\n\n'
    sent = {"type": "sse.send", "data": '{"n":1}', "event": "tick", "id": "7", "retry": 10, "comment": "hm"}
    assert answer.of("sse.send") == [sent] or answer.body == wire


# ---- routers and endpoints by themselves


class Ping(HTTPEndpoint):
    async def get(self) -> str:
        return "pong"


class Ticks(SSEEndpoint):
    async def stream(self) -> AsyncIterator[int]:
        yield 1


async def test_a_router_is_an_application_of_its_own() -> None:
    router = Router(prefix="/api")
    router.add("/ping", Ping)
    router.add("/ticks", Ticks)
    assert is_pagi(router)
    async with TestClient(router) as client:
        assert (await client.get("/api/ping")).text == "pong"
        async with client.sse("/api/ticks") as stream:
            assert (await stream.receive()).data == 1


async def test_an_endpoint_is_an_application_at_its_root() -> None:
    assert is_pagi(Ticks.as_app())
    app = App()
    app.mount("/inner", Ping.as_app())
    async with TestClient(Ping.as_app()) as alone, TestClient(app) as mounted:
        assert (await alone.get("/")).text == (await mounted.get("/inner")).text == "pong"
        assert (await alone.post("/")).status == 405


async def nothing() -> None: ...


class Clock: ...


@pytest.mark.parametrize(
    "inner",
    [
        App(providers=[Clock]),
        App(exception_handlers={404: lambda ctx, error: Response()}),
        App(rewrites=[lambda scope: None]),
        App(asgi_middleware=[lambda app: app]),
    ],
)
def test_an_app_that_has_more_than_routes_is_mounted_and_not_included(inner: App) -> None:
    with pytest.raises(ConfigError, match="mount it instead"):
        App(routers=[inner]).build()


def test_an_app_of_routes_alone_may_be_included() -> None:
    inner = App("/inner")
    inner.get("/")(nothing)
    App(routers=[inner]).build()


def test_routes_are_described_by_what_their_author_wrote() -> None:
    class Slow:
        async def __call__(self, ctx: HTTPContext, next: Next) -> Response:
            return await next()

    app = App(middleware=[only(HTTPContext, Slow())])
    app.add("/ping", Ping)
    app.mount("/files", StaticFiles(Path(__file__).parent))
    row, mount = app.routes
    assert [name.rpartition(".")[2] for name in row.middleware] == ["Slow)"]
    assert (row.handler, row.dependencies) == (f"{__name__}.Ping.get", ())
    assert (mount.kind, mount.handler) == ("mount", "pagi.apps.static_files.StaticFiles")
