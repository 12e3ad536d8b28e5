"""`Builder`: a stack written line by line, with conditions by predicate and by path."""

from collections.abc import Callable
from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, HTTPException, Middleware, Next, Response, Router, only
from pagi.builder import BASES
from pagi.middleware import CORS, Builder, Compress
from pagi.middleware.kinds import UnguardedRoute
from pagi.testing import TestClient, WebSocketDenied
from tests.middleware.apps import app_of, plain_asgi
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class Note:
    """Writes down when it runs."""

    def __init__(self, order: list[str], *, name: str) -> None:
        self.order = order
        self.name = name

    async def __call__(self, ctx: Context, next: Next) -> Response:
        self.order.append(f"{self.name}+")
        response = await next()
        self.order.append(f"{self.name}-")
        return response


async def guard(ctx: Context, next: Next) -> Response:
    raise HTTPException(403)


async def http_only(ctx: HTTPContext, next: Next) -> Response:
    return await next()


@pytest.mark.parametrize("form", ["itself", "its parts", "wrapped"])
async def test_the_first_enabled_is_outermost_on_every_kind(form: str) -> None:
    order: list[str] = []
    builder = Builder().enable(Note(order, name="a")).enable(Builder().enable(Note(order, name="b"))).enable(Note(order, name="c"))
    forms: dict[str, list[Middleware]] = {"itself": [builder], "its parts": [*builder.middleware], "wrapped": [only(Context, builder)]}
    app = App(middleware=[*forms[form], Note(order, name="d")], routers=[app_of()])
    async with TestClient(app) as client:
        await client.get("/text")
        assert order == ["a+", "b+", "c+", "d+", "d-", "c-", "b-", "a-"]
        order.clear()
        async with client.sse("/feed") as feed:
            await feed.receive()
        assert order == ["a+", "b+", "c+", "d+", "d-", "c-", "b-", "a-"]
        order.clear()
        async with client.websocket("/echo"):
            pass
        assert order == ["a+", "b+", "c+", "d+", "d-", "c-", "b-", "a-"]


async def test_a_class_is_made_at_once_and_once_with_its_options() -> None:
    made: list[str] = []

    class Counted(Note):
        def __init__(self, *, name: str) -> None:
            super().__init__([], name=name)
            made.append(name)

    builder = Builder().enable(Counted, name="a").enable_if(lambda ctx: True, Counted, name="b").mount("/text", Counted, name="c")
    assert made == ["a", "b", "c"]
    async with TestClient(app_of(builder)) as client:
        for _ in range(3):
            await client.get("/text")
    assert made == ["a", "b", "c"]


async def test_enable_if_runs_where_the_predicate_holds() -> None:
    order: list[str] = []
    builder = Builder().enable_if(lambda ctx: "a" in ctx.query, Note(order, name="a"))
    async with TestClient(app_of(builder)) as client:
        await client.get("/text")
        assert order == []
        await client.get("/text?a")
        assert order == ["a+", "a-"]


async def test_the_builtin_ones_are_enabled_like_any_other() -> None:
    builder = Builder().enable(CORS, origins=["https://a.example"]).enable(Compress, minimum_bytes=1)
    async with TestClient(app_of(builder)) as client:
        reply = await client.get("/small", headers={"origin": "https://a.example", "accept-encoding": "gzip"})
    assert reply.headers["access-control-allow-origin"] == "https://a.example"
    assert reply.headers["vary"] == "Accept-Encoding, Origin"


# ---- mount


@pytest.mark.parametrize(
    ("path", "is_guarded"),
    [
        ("/admin", True),
        ("/admin/", True),
        ("/admin/users", True),
        ("/%61dmin/users", True),
        ("/admin?x", True),
        ("/administrator", False),
        ("/api/admin", False),
        ("/Admin", False),
        ("/", False),
    ],
)
@pytest.mark.parametrize("root_path", ["", "/v1", "/admin"])
async def test_mount_guards_by_whole_segments_below_the_root_path(path: str, root_path: str, is_guarded: bool) -> None:
    app = App(middleware=[Builder().mount("/admin/", guard)])

    @app.get("/{rest:path}")
    async def anything() -> str:
        return "reached"

    answer = await Recorder(app).get(path, root_path=root_path)
    assert (answer.status == 403) == is_guarded


async def test_mount_guards_every_kind_and_mounted_applications() -> None:
    app = app_of(Builder().mount("/plain", guard).mount("/inner", guard).mount("/feed", guard).mount("/echo", guard))
    async with TestClient(app) as client:
        for path in ("/plain/x", "/plain", "/inner/text"):
            assert (await client.get(path)).status == 403
        assert (await client.get("/feed", headers={"accept": "text/event-stream"})).status == 403
        for path in ("/echo", "/plain/x"):
            with pytest.raises(WebSocketDenied):
                async with client.websocket(path):
                    raise AssertionError("opened")
        assert (await client.get("/text")).status == 200


async def test_in_a_mounted_app_the_prefix_is_that_of_its_own_routes() -> None:
    inner = App(middleware=[Builder().mount("/admin", guard)])
    inner.get("/admin")(plain_page)
    inner.get("/open")(plain_page)
    app = App()
    app.mount("/inner", inner)
    app.get("/admin")(plain_page)
    async with TestClient(app) as client:
        assert [(await client.get(path)).status for path in ("/inner/admin", "/inner/open", "/admin")] == [403, 200, 200]


async def test_a_guard_is_not_lost_when_everything_runs_again() -> None:
    runs: list[str] = []

    async def twice(ctx: Context, next: Next) -> Response:
        await next()
        return await next()

    async def counted(ctx: Context, next: Next) -> Response:
        runs.append(ctx.path)
        return await next()

    inner = Router()
    inner.get("/page")(plain_page)
    app = App(middleware=[twice, Builder().mount("/inner", counted)])
    app.mount("/inner", inner)
    async with TestClient(app) as client:
        assert (await client.get("/inner/page")).status == 200
    assert runs == ["/inner/page", "/inner/page"]


async def test_a_builder_can_be_mounted() -> None:
    order: list[str] = []
    under = Builder().enable(Note(order, name="a")).enable_if(lambda ctx: "b" in ctx.query, Note(order, name="b"))
    async with TestClient(app_of(Builder().mount("/inner", under))) as client:
        await client.get("/text?b")
        assert order == []
        await client.get("/inner/text?b")
    assert order == ["a+", "b+", "b-", "a-"]


async def plain_page() -> str:
    return "page"


# ---- kinds


@pytest.mark.parametrize(
    ("builder", "kinds"),
    [
        (Builder(), {"http", "sse", "websocket"}),
        (Builder().enable(guard), {"http", "sse", "websocket"}),
        (Builder().enable(guard).enable(http_only), {"http"}),
        (Builder().enable_if(bool, http_only), {"http"}),
        (Builder().mount("/x", http_only), {"http"}),
        (Builder().enable(Builder().enable(http_only)), {"http"}),
        (Builder().enable(only(HTTPContext, http_only)), {"http", "sse", "websocket"}),
    ],
)
def test_it_serves_what_all_of_its_parts_serve(builder: Builder, kinds: set[str]) -> None:
    assert builder.kinds(BASES) == kinds


def test_what_steps_aside_leaves_no_frame() -> None:
    assert Builder().for_kind("http", BASES) is None
    assert Builder().enable(Compress).mount("/x", Compress).for_kind("websocket", BASES) is None


def test_the_error_names_the_parts() -> None:
    app = App(middleware=[Builder().enable(guard).enable_if(bool, http_only)])
    app.websocket("/echo")(guard_of_nothing)
    with pytest.raises(UnguardedRoute, match=r"Builder\(.*guard, When\(.*http_only\)\) serves http, but stands around websocket /echo"):
        app.build()


async def guard_of_nothing(ctx: Any) -> None:
    """A session that ends at once."""


# ---- what is refused


MISTAKES: list[tuple[Callable[[Any], object], str]] = [
    (lambda builder: builder.enable(Compress, levl=9), "Compress cannot be made of"),
    (lambda builder: builder.enable(CORS), "no origin is allowed"),
    (lambda builder: builder.enable(guard, level=9), "takes no options, got level"),
    (lambda builder: builder.enable(Compress(), level=9), "takes no options"),
    (lambda builder: builder.enable("GZip"), "'GZip' cannot be called"),
    (lambda builder: builder.enable(None), "None cannot be called"),
    (lambda builder: builder.enable_if(plain_page, guard), "is async"),
    (lambda builder: builder.enable_if(True, guard), "asks a function"),
    (lambda builder: builder.mount("admin", guard), "plain path"),
    (lambda builder: builder.mount("/", guard), "plain path"),
    (lambda builder: builder.mount("", guard), "plain path"),
    (lambda builder: builder.mount("/users/{id}", guard), "plain path"),
    (lambda builder: builder.mount("/x", App()), "app.mount"),
]


@pytest.mark.parametrize(("mistake", "problem"), MISTAKES)
def test_what_could_not_work_is_refused_at_once(mistake: Callable[[Any], object], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        mistake(Builder())


def test_a_plain_application_fails_the_build() -> None:
    with pytest.raises(ConfigError, match=r"must take \(ctx, next\), but takes \(scope, receive, send\)"):
        app_of(Builder().mount("/x", plain_asgi)).build()


def test_adding_to_a_builder_that_is_in_use_is_refused() -> None:
    given, taken = Builder().enable(guard), Builder().enable(guard)
    app_of(given).build()
    assert len(taken.middleware) == 1
    for builder in (given, taken):
        with pytest.raises(ConfigError, match="in use"):
            builder.enable(guard)


def test_it_may_stand_on_routes_and_routers() -> None:
    router = Router(middleware=[Builder().enable(guard)])
    router.get("/x", middleware=[Builder().enable(http_only)])(plain_page)
    App(routers=[router]).build()
    router = Router()
    router.sse("/x", middleware=[Builder().enable(http_only)])(guard_of_nothing)
    with pytest.raises(UnguardedRoute):
        App(routers=[router]).build()
