"""The slash at the end of a path: redirected, not found or served, as the router says; and where a redirect may lead."""

from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router, WebSocketContext
from pagi.gateway.types import Receive, Scope, Send
from pagi.routing.table import MixedPolicies, TrailingSlash
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


async def path(ctx: HTTPContext) -> str:
    return ctx.path


async def chat(ctx: WebSocketContext) -> None:
    await ctx.accept()
    await ctx.send_text(ctx.path)


async def events() -> AsyncIterator[str]:
    yield "a"


def app_of(*paths: str, **options: Any) -> App:
    app = App(**options)
    for each in paths:
        app.get(each)(path)
    return app


@pytest.mark.parametrize(
    ("registered", "asked", "location"),
    [
        ("/a", "/a/", "/a"),
        ("/a/", "/a", "/a/"),
        ("/u/{x}", "/u/b%20c/?q=%2F&r=a+b", "/u/b%20c?q=%2F&r=a+b"),
        ("/u/{x:int}/", "/u/5?", "/u/5/"),
        ("/f/{r:path}/edit", "/f/a/b/edit/", "/f/a/b/edit"),
    ],
)
async def test_the_other_form_is_redirected_to_the_one_that_matches(registered: str, asked: str, location: str) -> None:
    answer = await Recorder(app_of(registered)).get(asked)
    assert (answer.status, answer.headers["location"]) == (308, location)


async def test_what_matches_as_it_is_stays() -> None:
    recorder = Recorder(app_of("/a", "/a/", "/b/{rest:path}", "/b/c"))
    assert [(await recorder.get(each)).text for each in ("/a", "/a/", "/b/c/")] == ["/a", "/a/", "/b/c/"]


async def test_what_matches_in_no_form_is_not_found() -> None:
    recorder = Recorder(app_of("/a", "/u/{x:int}"))
    assert [(await recorder.get(each)).status for each in ("/", "/b/", "/u/x/", "/a//", "//a")] == [404] * 5


async def test_another_method_is_refused_where_it_is_and_not_sent_away() -> None:
    app = app_of("/a")
    app.post("/b/")(path)
    recorder = Recorder(app)
    for method, asked, status, allow in (
        ("POST", "/a/", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/a/", 204, "GET, HEAD, OPTIONS"),
        ("GET", "/b", 405, "OPTIONS, POST"),
    ):
        answer = await recorder.http(method, asked).run()
        assert (answer.status, answer.headers["allow"]) == (status, allow)
    assert (await recorder.http("HEAD", "/a/").run()).status == 308


async def test_the_form_that_serves_the_method_is_found_beside_the_one_that_does_not() -> None:
    app = app_of("/a")
    app.post("/a/")(path)
    answer = await Recorder(app).get("/a/")
    assert (answer.status, answer.headers["location"]) == (308, "/a")
    assert (await Recorder(app).http("PUT", "/a").run()).headers["allow"] == "GET, HEAD, OPTIONS, POST"


async def test_a_stream_is_redirected_too() -> None:
    app = App()
    app.sse("/feed")(events)
    answer = await Recorder(app).stream("/feed/")
    assert (answer.kind, answer.status, answer.headers["location"]) == ("http", 308, "/feed")


async def test_strict_knows_only_the_one_form() -> None:
    app = app_of("/a", trailing_slash="strict")
    app.websocket("/chat")(chat)
    assert (await Recorder(app).get("/a/")).status == 404
    assert (await Recorder(app).talk("/chat/")).status == 404


async def test_ignore_serves_both_forms() -> None:
    app = app_of("/a", "/u/{x}/", trailing_slash="ignore")
    app.sse("/feed")(events)
    recorder = Recorder(app)
    assert [(await recorder.get(each)).text for each in ("/a/", "/u/5", "/u/5/")] == ["/a/", "/u/5", "/u/5/"]
    assert (await recorder.stream("/feed/")).data == ["a"]
    assert (await recorder.post("/a/")).status == 405


@pytest.mark.parametrize("policy", ["redirect", "ignore"])
async def test_websockets_are_never_redirected_and_match_both_ways(policy: TrailingSlash) -> None:
    app = App(trailing_slash=policy)
    app.websocket("/chat/{room}")(chat)
    assert (await Recorder(app).talk("/chat/lobby/")).sent == ["/chat/lobby/"]


async def test_an_included_router_does_as_the_one_around_unless_it_says_otherwise() -> None:
    class Own(Router):
        prefix = "/own"
        trailing_slash = "ignore"

    inherits, own = Router("/inherits"), Own()
    for router in (inherits, own):
        router.get("/a")(path)
    outer = Router(routers=[inherits, own], trailing_slash="strict")
    recorder = Recorder(App(routers=[outer]))
    assert [(await recorder.get(each)).status for each in ("/inherits/a/", "/own/a/")] == [404, 200]


async def test_the_root_of_a_prefix_is_redirected_to() -> None:
    router = Router("/api")
    router.get("/")(path)
    assert (await Recorder(App(routers=[router])).get("/api/")).headers["location"] == "/api"


@pytest.mark.parametrize("asked", ["//evil.example/edit", "///evil.example/edit", "/%5Cevil.example/edit", "/%2Fevil.example/edit"])
async def test_no_redirect_leaves_the_host(asked: str) -> None:
    location = (await Recorder(app_of("/{rest:path}/edit/")).get(asked)).headers["location"]
    assert location in ("/evil.example/edit/", "/%5Cevil.example/edit/")


async def test_a_redirect_keeps_what_would_split_a_header_encoded() -> None:
    exchange = Recorder(app_of("/{x}")).http("GET", "/a%0D%0Ab%C3%A9/")
    exchange.scope["query_string"] = b"q=\r\n\xff"
    assert (await exchange.run()).headers["location"] == "/a%0D%0Ab%C3%A9?q=%0D%0A%FF"


async def test_a_redirect_stays_under_the_root_path() -> None:
    assert (await Recorder(app_of("/a")).get("/a/", root_path="/api")).headers["location"] == "/api/a"
    outer = App()
    outer.mount("/{tenant}", app_of("/a"))
    assert (await Recorder(outer).get("/acme/a/", root_path="/api")).headers["location"] == "/api/acme/a"


async def test_redirects_pass_the_middleware_of_the_app_and_of_no_router() -> None:
    seen: list[str] = []

    def noting(name: str) -> Any:
        async def middleware(ctx: Context, next: Next) -> Response:
            seen.append(name)
            return await next()

        return middleware

    router = Router(middleware=[noting("router")])
    router.get("/a")(path)
    await Recorder(App(routers=[router], middleware=[noting("app")])).get("/a/")
    assert seen == ["app"]


async def spy(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"mounted {scope['path']}".encode()})


async def test_a_mount_takes_its_paths_as_they_are() -> None:
    app = app_of("/a/b", "/c")
    app.mount("/a", spy)
    app.mount("/", spy)
    recorder = Recorder(app)
    assert [(await recorder.get(each)).text for each in ("/a/b/", "/a/", "/c/")] == ["mounted /a/b/", "mounted /a/", "mounted /c/"]


async def test_a_route_that_ignores_the_slash_comes_before_a_mount_that_says_less() -> None:
    app = app_of("/c", trailing_slash="ignore")
    app.mount("/", spy)
    assert (await Recorder(app).get("/c/")).text == "/c/"


def test_routers_that_share_a_path_share_its_policy() -> None:
    router = Router(trailing_slash="strict")
    router.post("/a")(path)
    app = app_of("/a", routers=[router])
    with pytest.raises(MixedPolicies, match="differ in trailing_slash"):
        app.build()


def test_a_policy_is_one_of_three() -> None:
    assert get_args(TrailingSlash) == ("redirect", "strict", "ignore")
    with pytest.raises(ConfigError, match="redirect, strict, ignore; got 'never'"):
        Router(trailing_slash="never")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
