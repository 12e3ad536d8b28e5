"""Routes that could never be reached, and names that lead to two places: the build fails, naming both."""

import re
from collections.abc import Callable

import pytest

from pagi import App, ConfigError, HTTPContext, Router, WebSocketContext
from pagi.gateway.types import Receive, Scope, Send
from pagi.routing.patterns import BadPattern
from pagi.routing.prefixes import DuplicateMount, HiddenMount
from pagi.routing.table import DuplicateRoute
from pagi.routing.urls import DuplicateName
from tests.recorder import Recorder


async def first() -> str:
    return "first"


async def second() -> str:
    return "second"


async def talk(ctx: WebSocketContext) -> None:
    await ctx.accept()


async def spy(scope: Scope, receive: Receive, send: Send) -> None: ...


def included(one: str, other: str) -> App:
    a, b = Router("/api"), Router()
    a.get(one)(first)
    b.get("/api" + other)(second)
    return App(routers=[a, b])


def twice(one: str, other: str) -> App:
    app = App()
    app.get(one)(first)
    app.get(other)(second)
    return app


def with_catch_all(prefix: str, path: str) -> App:
    app = App()
    app.mount(prefix, spy)
    app.get(path)(second)
    return app


def two_mounts(one: str, other: str) -> App:
    app = App()
    app.mount(one, spy)
    app.mount(other, App())
    return app


def named_twice(one: str, other: str) -> App:
    app = App()
    app.get(one, name="n")(first)
    app.get(other, name="n")(second)
    return app


@pytest.mark.parametrize(
    ("make", "one", "other", "error", "says"),
    [
        (twice, "/a", "/a", DuplicateRoute, ["http GET /a", "first", "second"]),
        (twice, "/u/{a}", "/u/:b", DuplicateRoute, ["/u/{a} (", "/u/{b} ("]),
        (twice, "/{x}.json", "/{y}.json", DuplicateRoute, ["first", "second"]),
        (twice, "/{x:int}", r"/{y:re(-?[0-9]{1,19})}", DuplicateRoute, ["first", "second"]),
        (twice, "/{x}", r"/{y:re([^/]+)}", DuplicateRoute, ["first", "second"]),
        (twice, "/f/{a:path}", "/f/*b", DuplicateRoute, ["first", "second"]),
        (included, "/a", "/a", DuplicateRoute, ["http GET /api/a", "first", "second"]),
        (included, "/", "", DuplicateRoute, ["http GET /api ", "first", "second"]),
        (two_mounts, "/a", "/a/", DuplicateMount, ["mounted at /a", "spy", "App"]),
        (two_mounts, "/{a}", "/{b}", DuplicateMount, ["mounted at /{a}", "mounted at /{b}"]),
        (with_catch_all, "/a", "/a/{rest:path}", HiddenMount, ["mounted at /a", "spy", "second"]),
        (with_catch_all, "/", "/{rest:path}", HiddenMount, ["mounted at /", "second"]),
        (named_twice, "/a", "/b", DuplicateName, ["'n'", "/a", "first", "/b", "second"]),
    ],
)
def test_what_could_never_be_reached_fails_the_build_and_names_both(
    make: Callable[[str, str], App], one: str, other: str, error: type[ConfigError], says: list[str]
) -> None:
    with pytest.raises(error) as caught:
        make(one, other).build()
    for word in says:
        assert word in str(caught.value)


def test_what_can_be_reached_is_built() -> None:
    for one, other in (("/a", "/a/"), ("/u/{a}", "/u/{a:int}"), ("/{x}.json", "/{x}.{y}"), ("/f/{a:path}", "/f/{a:path}/edit")):
        twice(one, other).build()
    with_catch_all("/a", "/{rest:path}").build()
    app = App()
    app.mount("/", spy)
    app.websocket("/{rest:path}")(talk)
    app.build()


def test_one_path_may_have_one_name_for_two_methods() -> None:
    app = App()
    app.get("/a", name="n")(first)
    app.post("/a", name="n")(second)
    app.build()


@pytest.mark.parametrize("path", ["users", "x/{y}"])
def test_a_path_behind_a_prefix_starts_with_a_slash(path: str) -> None:
    router = Router("/api")
    router.get(path)(first)
    with pytest.raises(BadPattern, match="must start with '/'"):
        App(routers=[router]).build()


def test_a_slow_expression_fails_the_build_with_its_path() -> None:
    app = App()
    app.get("/x/{y:re((a+)+)}")(first)
    with pytest.raises(BadPattern, match=re.escape("/x/{y:re((a+)+)}") + ".*exponentially"):
        app.build()


@pytest.mark.anyio
@pytest.mark.parametrize("own", [[], ["/static/own/{x}"]])
async def test_a_rest_of_the_path_says_less_than_a_mount_and_a_route_inside_of_it_more(own: list[str]) -> None:
    async def show(ctx: HTTPContext) -> str:
        return "route"

    async def mounted(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mount"})

    app = App()
    app.mount("/static", mounted)
    for path in ("/{user}/{repo}", "/{rest:path}", *own):
        app.get(path)(show)
    recorder = Recorder(app)
    asked = ["/static/app.css", "/static/own/a", "/ann/repo", "/a/b/c", "/static"]
    inside = "route" if own else "mount"
    assert [(await recorder.get(path)).text for path in asked] == ["mount", inside, "route", "route", "mount"]
