"""Routers: prefixes, names, inclusion and mounting, and middleware at every level."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router, SSEContext, WebSocketContext
from pagi.gateway.marker import app as pagi_app
from pagi.gateway.types import Message, Receive, Scope, Send
from pagi.middleware.kinds import UnguardedRoute
from pagi.routing.table import DuplicateRoute
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


def tag(name: str) -> Any:
    async def middleware(ctx: Context, next: Next) -> Response:
        ctx.stash["way"] = [*ctx.stash.get("way", []), name]
        return await next()

    return middleware


async def way(ctx: HTTPContext) -> str:
    return ">".join(ctx.stash.get("way", []))


async def test_every_verb_has_its_decorator() -> None:
    router = Router()
    for verb in ("get", "post", "put", "patch", "delete", "head", "options"):

        async def handler(ctx: HTTPContext) -> str:
            return ctx.method

        getattr(router, verb)("/")(handler)
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert (await Recorder(App(routers=[router])).http(method, "/").run()).text == method


async def test_one_handler_serves_several_methods() -> None:
    app = App()

    @app.route("/", methods=["get", "PURGE"])
    async def handler(ctx: HTTPContext) -> str:
        return ctx.method

    assert (await Recorder(app).http("PURGE", "/").run()).text == "PURGE"
    assert (await Recorder(app).post("/")).headers["allow"] == "GET, HEAD, OPTIONS, PURGE"


async def test_an_explicit_head_handler_wins_in_any_order() -> None:
    app = App()

    @app.get("/")
    async def get() -> str:
        return "x"

    @app.head("/")
    async def head() -> Response:
        return Response(headers={"x-head": "own"})

    assert (await Recorder(app).http("HEAD", "/").run()).headers["x-head"] == "own"


async def test_methods_of_one_path_may_name_its_parameters_differently() -> None:
    app = App()

    @app.get("/u/{a}")
    async def get(a: str) -> str:
        return a

    @app.post("/u/{b:int}")
    async def post(b: int) -> int:
        return b + 1

    assert (await Recorder(app).get("/u/5")).text == "5"
    assert (await Recorder(app).post("/u/5")).text == "6"


async def test_allow_names_the_methods_of_every_pattern_that_matches() -> None:
    app = App()
    app.get("/u/{a}")(way)
    app.post("/u/{b:int}")(way)
    recorder = Recorder(app)
    assert (await recorder.http("PUT", "/u/5").run()).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await recorder.http("OPTIONS", "/u/5").run()).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert (await recorder.http("PUT", "/u/x").run()).headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["HEAD", "options"])
def test_a_stream_is_not_registered_for_head_or_options(method: str) -> None:
    with pytest.raises(ConfigError, match="never start a stream"):
        Router().sse("/", methods=[method])


async def test_what_is_no_path_leads_nowhere() -> None:
    app = App()
    app.route("/{x}", methods=["GET", "OPTIONS"])(way)
    for path in ("*", "a/b", ""):
        exchange = Recorder(app).http("OPTIONS", "/")
        exchange.scope["path"] = path
        assert (await exchange.run()).status == 404


async def test_prefixes_and_middleware_nest() -> None:
    inner = Router("/inner", middleware=[tag("inner")])
    inner.get("/way", middleware=[tag("route")], name="way")(way)
    outer = Router("/outer/", middleware=[tag("outer")], routers=[inner])
    app = App(middleware=[tag("app")])
    app.include(outer, "/v1")
    assert (await Recorder(app).get("/v1/outer/inner/way")).text == "app>outer>inner>route"


async def test_the_root_of_a_prefix_has_no_slash() -> None:
    router = Router("/api")
    router.get("/")(way)
    assert (await Recorder(App(routers=[router])).get("/api")).status == 200


async def test_what_is_added_after_inclusion_is_served() -> None:
    router = Router()
    app = App(routers=[router])
    router.get("/late")(way)
    assert (await Recorder(app).get("/late")).status == 200


async def test_a_router_may_be_included_under_several_prefixes() -> None:
    router = Router()
    router.get("/way")(way)
    app = App()
    app.include(router, "/a")
    app.include(router, "/b")
    assert [(await Recorder(app).get(path)).status for path in ("/a/way", "/b/way")] == [200, 200]


def test_a_router_cannot_include_itself() -> None:
    one, two = Router(), Router()
    one.include(two)
    with pytest.raises(ConfigError, match="itself"):
        two.include(one)


def test_duplicates_fail_the_build() -> None:
    app = App()
    app.get("/u/{a}")(way)
    app.get("/u/{b}")(way)
    with pytest.raises(DuplicateRoute, match=r"/u/\{a\}.*/u/\{b\}"):
        app.build()


@pytest.mark.parametrize("prefix", ["api", "x/"])
def test_a_prefix_starts_with_a_slash(prefix: str) -> None:
    with pytest.raises(ConfigError, match="must start with '/'"):
        Router(prefix)


def test_methods_are_a_list() -> None:
    with pytest.raises(ConfigError, match=r"write \['GET'\]"):
        Router().route("/", methods="GET")


async def test_a_forgotten_super_init_harms_nothing() -> None:
    class Forgetful(Router):
        prefix = "/forgetful"

        def __init__(self) -> None:
            self.get("/way")(way)

    assert (await Recorder(App(routers=[Forgetful()])).get("/forgetful/way")).status == 200


# ---- names


async def test_url_for_escapes_and_goes_through_prefixes() -> None:
    router = Router("/rooms")

    @router.get("/{room}/users/{id:int}", name="user")
    async def user(ctx: HTTPContext, room: str, id: int) -> str:
        return ctx.url_for("user", room="a b", id=id + 1)

    assert (await Recorder(App(routers=[router])).get("/rooms/x/users/1")).text == "/rooms/a%20b/users/2"


# ---- other answers


async def test_405_and_options_run_the_middleware_of_the_router_and_404_only_the_apps() -> None:
    seen: list[str] = []

    def noting(name: str) -> Any:
        async def middleware(ctx: Context, next: Next) -> Response:
            seen.append(name)
            return await next()

        return middleware

    router = Router("/api", middleware=[noting("router")])
    router.get("/x", middleware=[noting("route")])(way)
    recorder = Recorder(App(routers=[router], middleware=[noting("app")]))
    await recorder.post("/api/x")
    await recorder.http("OPTIONS", "/api/x").run()
    assert seen == ["app", "router"] * 2
    seen.clear()
    await recorder.get("/api/y")
    assert seen == ["app"]


# ---- mounts


async def spy(scope: Scope, receive: Receive, send: Send) -> None:
    text = f"{scope['type']} {scope['root_path']} {scope['path']}"
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await send({"type": "websocket.close"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": text.encode()})


async def test_a_plain_app_gets_the_prefix_in_root_path() -> None:
    app = App()
    app.mount("/legacy", spy)
    recorder = Recorder(app)
    assert (await recorder.get("/legacy/a/b")).text == "http /legacy /legacy/a/b"
    assert (await recorder.get("/legacy")).text == "http /legacy /legacy"
    assert (await recorder.get("/legacyx")).status == 404
    assert (await recorder.get("/legacy/a", root_path="/api")).text == "http /api/legacy /api/legacy/a"


async def test_a_plain_app_never_sees_the_sse_type() -> None:
    app = App()
    app.mount("/legacy", spy)
    answer = await Recorder(app).stream("/legacy/a")
    assert (answer.kind, answer.text) == ("http", "http /legacy /legacy/a")


async def test_a_plain_app_may_speak_websocket() -> None:
    app = App()
    app.mount("/legacy", spy)
    assert (await Recorder(app).talk("/legacy/ws")).sent == ["websocket /legacy /legacy/ws"]


async def test_a_raw_app_with_the_marker_sees_streams() -> None:
    @pagi_app
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "sse"
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "raw"})

    app = App()
    app.mount("/raw", raw)
    assert (await Recorder(app).stream("/raw")).data == ["raw"]


async def test_routes_come_before_mounts_and_the_longest_prefix_first() -> None:
    app = App()
    app.mount("/", spy)
    app.mount("/a", spy)
    app.mount("/a/b", spy)
    app.get("/a/b/way")(way)
    recorder = Recorder(app)
    assert (await recorder.get("/a/b/way")).text == ""
    assert (await recorder.get("/a/b/x")).text.startswith("http /a/b ")
    assert (await recorder.get("/a/x")).text.startswith("http /a ")
    assert (await recorder.get("/x")).text.startswith("http  ")


async def test_a_mount_says_more_than_a_rest_of_the_path() -> None:
    app = App()
    app.get("/{rest:path}")(way)
    app.mount("/a", spy)
    assert (await Recorder(app).get("/a/x")).text.startswith("http /a ")


async def test_middleware_around_a_mount_sees_what_left() -> None:
    seen: list[tuple[int, bool, str | None]] = []

    async def watch(ctx: Context, next: Next) -> Response:
        response = await next()
        seen.append((response.status, response.is_sent, response.headers.get("x-stamp")))
        with pytest.raises(Exception, match="on_response_start"):
            response.headers["x-late"] = "1"
        with pytest.raises(Exception, match="on_response_start"):
            response.status = 500
        return response

    async def stamp(ctx: Context, next: Next) -> Response:
        ctx.on_response_start(lambda head: head.headers.set("x-stamp", "1"))
        return await next()

    app = App(middleware=[watch, stamp])
    app.mount("/legacy", spy)
    assert (await Recorder(app).get("/legacy")).headers["x-stamp"] == "1"
    assert seen == [(200, True, "1")]


async def test_a_mounted_app_that_never_answers_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(scope: Scope, receive: Receive, send: Send) -> None: ...

    app = App()
    app.mount("/silent", silent)
    assert (await Recorder(app).get("/silent")).status == 500
    assert "without answering" in caplog.text


def inner_app() -> App:
    app = App(middleware=[tag("inner app")])

    @app.get("/way/{n:int}", name="way")
    async def inner_way(ctx: HTTPContext, n: int) -> str:
        return f"{await way(ctx)} {ctx.url_for('way', n=n + 1)} {n}"

    @app.sse("/feed")
    async def feed(ctx: SSEContext) -> AsyncIterator[str]:
        yield ctx.url_for("way", n=1)

    @app.websocket("/chat")
    async def chat(ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.send_text(ctx.url_for("way", n=1))

    return app


async def test_a_mounted_pagi_app_hands_up_values_and_keeps_the_context() -> None:
    seen: list[bool] = []

    async def watch(ctx: Context, next: Next) -> Response:
        response = await next()
        seen.append(response.is_sent)
        response.headers["x-outer"] = "1"
        return response

    app = App(middleware=[tag("outer"), watch])
    app.mount("/in", inner_app())
    answer = await Recorder(app).get("/in/way/5")
    assert (answer.text, answer.headers["x-outer"]) == ("outer>inner app /in/way/6 5", "1")
    assert seen == [False]


async def test_the_routes_of_a_mounted_pagi_app_settle_the_kind() -> None:
    app = App(middleware=[tag("outer")])
    app.mount("/in", inner_app())
    recorder = Recorder(app)
    assert (await recorder.stream("/in/feed")).data == ["/in/way/1"]
    assert (await recorder.stream("/in/way/5")).kind == "http"
    assert (await recorder.talk("/in/chat")).sent == ["/in/way/1"]
    assert (await recorder.get("/in/nowhere")).status == 404
    assert (await recorder.post("/in/way/5")).status == 405


async def test_mounts_nest() -> None:
    middle = App()
    middle.mount("/b", inner_app())
    app = App()
    app.mount("/a", middle)
    assert (await Recorder(app).get("/a/b/way/5")).text == "inner app /a/b/way/6 5"


async def test_a_router_can_be_mounted() -> None:
    router = Router("/deep")
    router.get("/way")(way)
    app = App()
    app.mount("/in", router)
    assert (await Recorder(app).get("/in/deep/way")).status == 200


async def test_a_mounted_app_with_rewrites_keeps_them() -> None:
    def unversioned(scope: Scope) -> None:
        scope["path"] = scope["path"].replace("/v1", "")

    inner = App(rewrites=[unversioned])
    inner.get("/way")(way)
    inner.sse("/feed")(one_event)
    app = App()
    app.mount("/in", inner)
    assert (await Recorder(app).get("/in/v1/way")).status == 200
    assert b"data: a" in (await Recorder(app).stream("/in/v1/feed")).body


async def one_event() -> AsyncIterator[str]:
    yield "a"


def test_only_apps_can_be_mounted() -> None:
    app = App()
    app.mount("/x", 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="an application is async"):
        app.build()


def test_middleware_must_serve_every_kind_of_a_mounted_pagi_app() -> None:
    async def http_only(ctx: HTTPContext, next: Next) -> Response:
        return await next()

    app = App(middleware=[http_only])
    app.mount("/in", inner_app())
    with pytest.raises(UnguardedRoute):
        app.build()


async def test_events_of_a_mounted_app_pass_unchanged() -> None:
    async def hints(scope: Scope, receive: Receive, send: Send) -> None:
        event: Message = {"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]}
        await send(event)
        await spy(scope, receive, send)

    app = App()
    app.mount("/h", hints)
    answer = await Recorder(app).get("/h")
    assert answer.events[0]["type"] == "http.response.early_hint"
