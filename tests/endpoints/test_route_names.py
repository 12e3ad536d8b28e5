"""Names of routes: through prefixes, namespaces and mounts, escaped."""

from typing import Any

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router
from pagi.gateway.types import Receive, Scope, Send
from pagi.routing.urls import DuplicateName, UnknownName
from pagi.testing import TestClient
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


async def nothing() -> None: ...


async def spy(scope: Scope, receive: Receive, send: Send) -> None: ...


def users(**options: Any) -> Router:
    router = Router("/users", **options)
    router.get("/{id:int}", name="user")(nothing)
    router.websocket("/{id:int}/chat", name="chat")(talk)
    router.sse("/{id:int}/feed", name="feed")(feed)
    return router


async def talk() -> None: ...


async def feed() -> Any:
    yield "a"


async def url(app: App, name: str, root_path: str = "", **values: Any) -> str:
    async def ask(ctx: HTTPContext) -> str:
        return ctx.url_for(name, **values)

    app.get("/ask")(ask)
    answer = await Recorder(app).get("/ask", root_path=root_path)
    return answer.text if answer.status == 200 else f"{answer.status}"


async def test_every_kind_of_route_has_a_name() -> None:
    for name, path in (("user", "/users/5"), ("chat", "/users/5/chat"), ("feed", "/users/5/feed")):
        assert await url(App(routers=[users()]), name, id=5) == path


async def test_names_of_a_namespace_stand_behind_its_colon() -> None:
    assert await url(App(routers=[users(namespace="people")]), "people:user", id=5) == "/users/5"
    nested = Router("/v1", routers=[users(namespace="people")], namespace="v1")
    assert await url(App(routers=[nested]), "v1:people:user", id=5) == "/v1/users/5"


async def test_a_router_included_twice_has_a_namespace_for_each() -> None:
    def app() -> App:
        router, app = users(), App()
        app.include(router, "/a", namespace="a")
        app.include(router, "/b", namespace="b")
        return app

    assert await url(app(), "a:user", id=1) == "/a/users/1"
    assert await url(app(), "b:user", id=1) == "/b/users/1"


def test_a_router_included_twice_without_one_has_its_names_twice() -> None:
    router, app = users(), App()
    app.include(router, "/a")
    app.include(router, "/b")
    with pytest.raises(DuplicateName, match=r"'user' is given to http /a/users.*nothing.*/b/users"):
        app.build()


async def test_a_class_may_say_its_namespace() -> None:
    class People(Router):
        namespace = "people"

    assert await url(App(routers=[People(routers=[users()])]), "people:user", id=5) == "/users/5"


async def test_routes_of_a_named_mount_stand_in_its_namespace() -> None:
    inner = App(routers=[users()])
    middle = App()
    middle.mount("/{tenant}", inner, name="tenant")
    app = App()
    app.mount("/shops", middle, name="shops")
    assert await url(app, "shops:tenant:user", "/api", tenant="a b", id=5) == "/api/shops/a%20b/users/5"


async def test_a_named_plain_app_takes_the_rest_as_path() -> None:
    app = App()
    app.mount("/static", spy, name="static")
    assert await url(app, "static", path="css/a b.css") == "/static/css/a%20b.css"


async def test_a_mount_without_a_name_gives_none() -> None:
    app = App()
    app.mount("/in", App(routers=[users()]))
    assert await url(app, "user", id=5) == "500"


def test_an_unknown_name_lists_the_names_there_are() -> None:
    app = App(routers=[users()])
    app.build()
    site: Any = app._site  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(UnknownName, match="no route is named 'users'; there are chat, feed, user"):
        site.url_for("users", "", {})


def test_an_empty_name_is_refused() -> None:
    app = App()
    app.get("/a", name="")(nothing)
    with pytest.raises(ConfigError, match="at least one character"):
        app.build()


async def test_a_group_is_a_router_included_on_the_spot() -> None:
    seen: list[str] = []

    async def note(ctx: Context, next: Next) -> Response:
        seen.append(ctx.path)
        return await next()

    app = App()
    users = app.group("/users", middleware=[note], namespace="users")

    @users.get("/{id:int}", name="one")
    async def one(ctx: HTTPContext, id: int) -> str:
        return ctx.url_for("users:one", id=id + 1)

    @app.get("/outside")
    async def outside() -> str:
        return "outside"

    async with TestClient(app) as client:
        assert (await client.get("/users/5")).text == "/users/6"
        assert (await client.get("/outside")).text == "outside"
    assert seen == ["/users/5"]
