"""Middleware: the onion, what it may return, which kinds it serves, and that it fails closed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, SSEContext, Text, WebSocketContext, only, when
from pagi.builder import BASES
from pagi.middleware.kinds import UnguardedRoute, kinds_of
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio

AnyContext = TypeVar("AnyContext", bound=SSEContext)


async def page() -> str:
    return "page"


async def feed() -> AsyncIterator[str]:
    yield "event"


async def chat(ctx: WebSocketContext) -> None:
    await ctx.accept()


def whole_app(*middleware: Any) -> App:
    app = App(middleware=middleware)
    app.get("/page")(page)
    app.sse("/feed")(feed)
    app.websocket("/chat")(chat)
    return app


async def test_layers_run_like_an_onion_on_every_kind() -> None:
    order: list[str] = []

    def layer(name: str) -> Any:
        async def middleware(ctx: Context, next: Next) -> Response:
            order.append(f"{name}+")
            response = await next()
            order.append(f"{name}-")
            return response

        return middleware

    recorder = Recorder(whole_app(layer("a"), layer("b")))
    for run in (recorder.get("/page"), recorder.stream("/feed"), recorder.talk("/chat")):
        order.clear()
        await run
        assert order == ["a+", "b+", "b-", "a-"]


async def test_a_middleware_may_answer_by_itself_on_every_kind() -> None:
    async def refuse(ctx: Context, next: Next) -> Response:
        return Text("closed", status=503)

    recorder = Recorder(whole_app(refuse))
    for run in (recorder.get("/page"), recorder.stream("/feed"), recorder.talk("/chat")):
        answer = await run
        assert (answer.status, answer.text) == (503, "closed")


async def test_forgetting_to_return_names_the_middleware(caplog: pytest.LogCaptureFixture) -> None:
    async def forgetful(ctx: Context, next: Next) -> Response:
        await next()
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]

    assert (await Recorder(whole_app(forgetful)).get("/page")).status == 500
    assert "forgetful returned NoneType, not a Response" in caplog.text


async def test_a_second_next_runs_the_same_layers_again() -> None:
    runs: list[str] = []

    async def retry(ctx: Context, next: Next) -> Response:
        await next()
        return await next()

    async def guard(ctx: Context, next: Next) -> Response:
        runs.append("guard")
        return await next()

    assert (await Recorder(whole_app(retry, guard)).get("/page")).text == "page"
    assert runs == ["guard", "guard"]


async def test_a_second_next_is_an_error_once_something_left() -> None:
    async def retry(ctx: Context, next: Next) -> Response:
        await next()
        return await next()

    for run in (Recorder(whole_app(retry)).stream("/feed"), Recorder(whole_app(retry)).talk("/chat")):
        with pytest.raises(Exception, match="called again"):
            await run


async def test_another_answer_after_one_left_names_the_middleware() -> None:
    async def stubborn(ctx: Context, next: Next) -> Response:
        await next()
        return Text("mine")

    with pytest.raises(Exception, match="stubborn returned another answer"):
        await Recorder(whole_app(stubborn)).stream("/feed")


async def test_a_class_with_call_is_a_middleware() -> None:
    class Stamp:
        def __init__(self, *, name: str) -> None:
            self.name = name

        async def __call__(self, ctx: Context, next: Next) -> Response:
            ctx.on_response_start(lambda head: head.headers.set(self.name, "1"))
            return await next()

    assert (await Recorder(whole_app(Stamp(name="x-a"))).get("/page")).headers["x-a"] == "1"


async def for_http(ctx: HTTPContext, next: Next) -> Response:
    response = await next()
    response.headers["x-http"] = "1"
    return response


async def for_two(ctx: HTTPContext | SSEContext, next: Next) -> Response:
    return await next()


async def for_bound(ctx: AnyContext, next: Callable[[], Awaitable[AnyContext]]) -> AnyContext:
    return await next()


async def for_generic(ctx: HTTPContext[dict[str, Any]], next: Next) -> Response:
    return await next()


async def bare(ctx: Any, next: Next) -> Response:
    return await next()


bare.__annotations__.clear()


@pytest.mark.parametrize(
    ("middleware", "kinds"),
    [
        (for_http, {"http"}),
        (for_generic, {"http"}),
        (for_two, {"http", "sse"}),
        (for_bound, {"sse"}),
        (bare, {"http", "sse", "websocket"}),
        (only(HTTPContext, for_http), {"http", "sse", "websocket"}),
        (when(lambda ctx: True, for_http), {"http"}),
        (when(lambda ctx: True, only(HTTPContext, for_http)), {"http", "sse", "websocket"}),
    ],
)
def test_the_annotation_says_which_kinds_are_served(middleware: Any, kinds: set[str]) -> None:
    assert kinds_of(middleware, BASES) == kinds


@pytest.mark.parametrize("level", ["app", "router", "route"])
def test_a_middleware_that_would_be_absent_fails_the_build(level: str) -> None:
    app = App(middleware=[for_http] if level == "app" else [])
    app.sse("/feed", middleware=[for_http] if level != "app" else [])(feed)
    with pytest.raises(UnguardedRoute, match=r"for_http serves http, but stands around sse /feed .*annotate its context as Context"):
        app.build()


async def test_only_skips_the_other_kinds_on_purpose() -> None:
    recorder = Recorder(whole_app(only(HTTPContext, for_http)))
    assert (await recorder.get("/page")).headers["x-http"] == "1"
    assert "x-http" not in (await recorder.stream("/feed")).headers
    assert (await recorder.talk("/chat")).of("websocket.accept")


def test_only_cannot_ask_for_what_the_middleware_does_not_serve() -> None:
    with pytest.raises(ConfigError, match="rules out"):
        whole_app(only((HTTPContext, SSEContext), for_http)).build()


async def test_when_asks_each_time() -> None:
    async def stamp(ctx: Context, next: Next) -> Response:
        ctx.on_response_start(lambda head: head.headers.set("x-a", "1"))
        return await next()

    recorder = Recorder(whole_app(when(lambda ctx: "a" in ctx.query, stamp)))
    assert "x-a" in (await recorder.get("/page?a")).headers
    assert "x-a" not in (await recorder.get("/page")).headers


async def test_a_kind_without_routes_is_not_guarded_by_what_does_not_serve_it() -> None:
    app = App(middleware=[for_http])
    app.get("/page")(page)
    assert (await Recorder(app).talk("/nowhere")).status == 404


def not_async(ctx: Context, next: Next) -> Response:
    return Text("x")


async def one_argument(ctx: Context) -> Response:
    return Text("x")


class Unrelated:
    pass


async def asks_for_more(ctx: Unrelated, next: Next) -> Response:
    return await next()


@pytest.mark.parametrize(
    ("middleware", "problem"),
    [
        (not_async, "must be an async function"),
        (one_argument, r"must take \(ctx, next\), but takes \(ctx\)"),
        (asks_for_more, "which no context of this app is"),
    ],
)
def test_what_is_no_middleware_fails_the_build(middleware: Any, problem: str) -> None:
    app = App(middleware=[middleware])
    app.get("/")(page)
    with pytest.raises(ConfigError, match=problem):
        app.build()


def test_a_class_instead_of_an_instance_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="instance"):
        App(middleware=[Unrelated])  # pyright: ignore[reportArgumentType]
