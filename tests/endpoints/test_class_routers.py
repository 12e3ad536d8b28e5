"""Class-based routers: methods as handlers and as middleware, and what an object of the router keeps."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypedDict

import pytest

import pagi
from pagi import (
    App,
    ConfigError,
    Context,
    HTTPContext,
    HTTPException,
    Next,
    Response,
    Router,
    SSEContext,
    Text,
    WebSocketContext,
    get,
    post,
    sse,
    websocket,
)
from pagi.testing import TestClient
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class Rooms(Router):
    """Everything that a class-based router can hold."""

    prefix = "/rooms"

    def __init__(self) -> None:
        super().__init__()
        self.visits = 0

    @get("/{room}", name="room")
    async def show(self, ctx: HTTPContext, room: str) -> str:
        self.visits += 1
        return f"{type(ctx).__name__} {room} {self.visits} {ctx.url_for('room', room='b')}"

    @websocket("/{room}/chat")
    async def chat(self, ctx: WebSocketContext, room: str) -> None:
        await ctx.accept()
        await ctx.send_text(f"{type(ctx).__name__} {room}")

    @sse("/{room}/feed")
    async def feed(self, ctx: SSEContext, room: str) -> AsyncIterator[str]:
        yield f"{type(ctx).__name__} {room}"


async def test_methods_serve_every_kind_with_its_context_and_parameters() -> None:
    recorder = Recorder(App(routers=[Rooms()]))
    assert (await recorder.get("/rooms/a")).text == "HTTPContext a 1 /rooms/b"
    assert (await recorder.talk("/rooms/a/chat")).sent == ["WebSocketContext a"]
    assert (await recorder.stream("/rooms/a/feed")).data == ["SSEContext a"]


async def test_an_object_keeps_its_state_from_request_to_request() -> None:
    rooms = Rooms()
    recorder = Recorder(App(routers=[rooms]))
    await recorder.get("/rooms/a")
    await recorder.get("/rooms/a")
    assert rooms.visits == 2


async def test_a_method_may_have_several_marks() -> None:
    class Both(Router):
        @get("/a")
        @post("/b")
        async def either(self, ctx: HTTPContext) -> str:
            return ctx.method

    recorder = Recorder(App(routers=[Both()]))
    assert ((await recorder.get("/a")).text, (await recorder.post("/b")).text) == ("GET", "POST")


class Guarded(Router):
    middleware = ["outer", "inner"]

    async def outer(self, ctx: Context, next: Next) -> Response:
        if "key" not in ctx.query:
            raise HTTPException(401)
        ctx.stash["way"] = ["outer"]
        return await next()

    async def inner(self, ctx: Context, next: Next) -> Response:
        ctx.stash["way"].append("inner")
        return await next()

    async def decorated(self, ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        response.headers["x-seen"] = str(response.status)
        return response

    async def closed(self, ctx: HTTPContext, next: Next) -> Response:
        return Text("closed", status=503)

    async def forgetful(self, ctx: HTTPContext, next: Next) -> Response:  # type: ignore[return]  # pyright: ignore[reportReturnType]
        await next()

    @get("/way")
    async def way(self, ctx: HTTPContext) -> list[str]:
        way: list[str] = ctx.stash["way"]
        return way

    @get("/decorated", middleware=["decorated"])
    async def page(self) -> str:
        return "page"

    @get("/closed", middleware=["closed"])
    async def never(self) -> str:
        raise AssertionError("never reached")

    @get("/forgotten", middleware=["forgetful"])
    async def lost(self) -> str:
        return "lost"

    @websocket("/chat")
    async def chat(self, ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.send_json(ctx.stash["way"])

    @sse("/feed")
    async def feed(self, ctx: SSEContext) -> AsyncIterator[list[str]]:
        yield ctx.stash["way"]


async def test_middleware_by_name_runs_in_order_and_may_refuse_on_every_kind() -> None:
    recorder = Recorder(App(routers=[Guarded()]))
    assert (await recorder.get("/way?key")).body == b'["outer","inner"]'
    assert (await recorder.talk("/chat?key")).sent == ['["outer","inner"]']
    assert (await recorder.stream("/feed?key")).data == ['["outer","inner"]']
    for refused in (await recorder.get("/way"), await recorder.talk("/chat"), await recorder.stream("/feed")):
        assert refused.status == 401


async def test_middleware_of_a_route_may_decorate_and_answer_by_itself() -> None:
    recorder = Recorder(App(routers=[Guarded()]))
    assert (await recorder.get("/decorated?key")).headers["x-seen"] == "200"
    closed = await recorder.get("/closed?key")
    assert (closed.status, closed.text) == (503, "closed")


async def test_middleware_that_forgets_to_return_is_named(caplog: pytest.LogCaptureFixture) -> None:
    answer = await Recorder(App(routers=[Guarded()])).get("/forgotten?key")
    assert answer.status == 500
    assert len(answer.of("http.response.start")) == 1
    assert "forgetful" in caplog.text


def test_middleware_that_no_method_is_called_fails() -> None:
    class Misspelt(Router):
        middleware = ["gaurd"]

    with pytest.raises(ConfigError, match=r"Misspelt names the middleware 'gaurd', and has no such method"):
        Misspelt()


async def test_middleware_in_the_list_may_be_any_function_too() -> None:
    async def stamp(ctx: Context, next: Next) -> Response:
        ctx.on_response_start(lambda head: head.headers.set("x-stamp", "1"))
        return await next()

    class Stamped(Router):
        middleware = [stamp, "own"]

        async def own(self, ctx: Context, next: Next) -> Response:
            return await next()

        @get("/")
        async def page(self) -> str:
            return "page"

    assert (await Recorder(App(routers=[Stamped()])).get("/")).headers["x-stamp"] == "1"


async def test_a_router_may_have_its_own_context() -> None:
    class Tenant(HTTPContext):
        tenant = "t"

    class Own(Router):
        context_class = Tenant

        @get("/")
        async def page(self, ctx: Tenant) -> str:
            return ctx.tenant

    assert Router.context_class is None
    assert (await Recorder(App(routers=[Own()])).get("/")).text == "t"


async def test_a_class_is_made_once_when_the_app_starts() -> None:
    made: list[Router] = []

    class Counted(Router):
        def __init__(self) -> None:
            super().__init__()
            made.append(self)

        @get("/")
        async def page(self) -> bool:
            return self is made[0]

    async with TestClient(App(routers=[Counted])) as client:
        assert [(await client.get("/")).json() for _ in range(2)] == [True, True]
    assert len(made) == 1


def test_a_method_may_not_have_a_name_that_routers_need() -> None:
    with pytest.raises(ConfigError, match="defines get, which Router itself needs"):

        class Taken(Router):  # pyright: ignore[reportUnusedClass]
            @pagi.get("/")
            async def get(self) -> str:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
                return "x"


class Started(TypedDict):
    since: str


async def test_an_app_of_class_routers_and_mounts_serves_every_kind_with_the_state_of_its_lifespan() -> None:
    """The demonstration of the original, as its author would write it here."""

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[Started]:
        yield {"since": "noon"}

    class API(Router):
        @get("/status")
        async def status(self, ctx: HTTPContext[Started]) -> Started:
            return {"since": ctx.state["since"]}

    class Pages(Router):
        @get("/")
        async def home(self) -> str:
            return "home"

        @websocket("/ws")
        async def chat(self, ctx: WebSocketContext[Started]) -> None:
            await ctx.accept()
            async for text in ctx.iter_text():
                await ctx.send_text(f"{text} since {ctx.state['since']}")

        @sse("/events")
        async def events(self, ctx: SSEContext[Started]) -> AsyncIterator[str]:
            yield ctx.state["since"]

    async def rest(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"the rest"})

    app = App(routers=[Pages()], lifespan=lifespan)
    app.mount("/api", API())
    app.mount("/", rest)
    async with TestClient(app) as client:
        assert (await client.get("/")).text == "home"
        assert (await client.get("/api/status")).json() == {"since": "noon"}
        assert (await client.get("/anything")).text == "the rest"
        async with client.websocket("/ws") as ws:
            await ws.send_text("open")
            assert await ws.receive_text() == "open since noon"
        async with client.sse("/events") as events:
            assert (await events.receive()).text == "noon"
