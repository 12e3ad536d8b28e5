"""What authors write, as they write it: it must pass mypy and pyright in strict mode, and work."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Annotated, Any, TypedDict, assert_type

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from pagi import (
    JSON,
    App,
    Context,
    Event,
    HTTPContext,
    HTTPException,
    Next,
    Response,
    Router,
    SSEContext,
    StashKey,
    WebSocketContext,
    only,
    when,
)
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class Message(msgspec.Struct):
    id: int
    text: Annotated[str, msgspec.Meta(max_length=500)]


class AppState(TypedDict):
    users: dict[str, str]


class User(msgspec.Struct):
    name: str


USER = StashKey("user", User)
MAYBE_USER = StashKey[User | None]("maybe_user")


async def timing(ctx: Context, next: Next) -> Response:
    start = perf_counter()
    ctx.on_response_start(lambda head: head.headers.set("server-timing", f"app;dur={1000 * (perf_counter() - start):.1f}"))
    return await next()


async def no_store(ctx: HTTPContext, next: Next) -> Response:
    response = await next()
    response.headers["cache-control"] = "no-store"
    return response


class Identify:
    """Who asks, by a header."""

    def __init__(self, *, header: str = "x-user") -> None:
        self.header = header

    async def __call__(self, ctx: Context[AppState], next: Next) -> Response:
        name = ctx.headers.get(self.header)
        if name is not None:
            ctx.stash[USER] = User(ctx.state["users"][name])
        return await next()


async def signed_in(ctx: Context, next: Next) -> Response:
    if USER not in ctx.stash:
        raise HTTPException(401, "who are you?", headers={"www-authenticate": "x-user"})
    return await next()


def greeting(ctx: Context) -> str:
    """A helper that does not care whose state it is."""
    return f"hello {ctx.stash[USER].name}"


router = Router("/api", middleware=[only(HTTPContext, no_store), Identify(), when(lambda ctx: "open" not in ctx.query, signed_in)])


@router.get("/rooms/{room}/users/{id:int}", name="user")
async def show_user(ctx: HTTPContext[AppState], room: str, id: int) -> dict[str, object]:
    assert_type(ctx.state, AppState)
    assert_type(ctx.stash[USER], User)
    assert_type(ctx.stash.get(MAYBE_USER), User | None)
    return {"room": room, "id": id, "link": ctx.url_for("user", room=room, id=id), "greeting": greeting(ctx)}


@router.post("/messages")
async def post(ctx: HTTPContext) -> Response:
    message = msgspec.convert(await ctx.request.json(), Message)
    return ctx.response.status(201).header("x-id", str(message.id)).json(message)


@router.get("/messages")
async def messages() -> JSON[list[Message]]:
    return JSON([Message(1, "hi")])


@router.get("/lines")
async def lines() -> AsyncIterator[str]:
    yield "one\n"


@router.websocket("/echo")
async def echo(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for text in ctx.iter_text():
        await ctx.send_text(text)


@router.sse("/ticks")
async def ticks(ctx: SSEContext) -> AsyncIterator[Event[int]]:
    for n in range(int(ctx.last_event_id or 0), 2):
        yield Event(n, id=str(n))


async def hello(request: StarletteRequest) -> PlainTextResponse:
    return PlainTextResponse(f"starlette at {request.url.path}")


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[AppState]:
    yield {"users": {"ann": "Ann"}}


def new_app() -> App:
    app = App(routers=[router], middleware=[timing], asgi_middleware=[GZipMiddleware], lifespan=lifespan)
    app.mount("/legacy", Starlette(routes=[Route("/hello", hello)]))
    return app


STATE: dict[str, Any] = {"users": {"ann": "Ann"}}
ANN = {"x-user": "ann"}


async def test_the_sample_works_from_end_to_end() -> None:
    recorder = Recorder(new_app(), state=STATE)
    shown = await recorder.get("/api/rooms/r/users/5", headers=ANN)
    assert msgspec.json.decode(shown.body) == {"room": "r", "id": 5, "link": "/api/rooms/r/users/5", "greeting": "hello Ann"}
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["server-timing"].startswith("app;dur=")
    made = await recorder.post("/api/messages", headers=ANN, body=b'{"id":7,"text":"hi"}')
    assert (made.status, made.headers["x-id"], made.body) == (201, "7", b'{"id":7,"text":"hi"}')
    assert (await recorder.get("/api/messages", headers=ANN)).body == b'[{"id":1,"text":"hi"}]'
    assert (await recorder.get("/api/lines", headers=ANN)).text == "one\n"
    assert (await recorder.talk("/api/echo", ["a"], headers=ANN)).sent == ["a"]
    stream = await recorder.stream("/api/ticks", headers={**ANN, "last-event-id": "1"})
    assert stream.body == b"retry: 3000\ndata: 1\nid: 1\n\n"


async def test_the_guard_stands_before_every_kind() -> None:
    recorder = Recorder(new_app(), state=STATE)
    for answer in (await recorder.get("/api/messages"), await recorder.stream("/api/ticks"), await recorder.talk("/api/echo")):
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "x-user")
    assert (await recorder.get("/api/messages?open")).status == 200


async def test_a_starlette_app_can_be_mounted() -> None:
    assert (await Recorder(new_app(), state=STATE).get("/legacy/hello")).text == "starlette at /legacy/hello"


async def test_starlette_can_mount_us() -> None:
    inner = App()

    @inner.get("/way", name="way")
    async def way(ctx: HTTPContext) -> str:
        return ctx.url_for("way")

    @inner.sse("/feed")
    async def feed() -> AsyncIterator[str]:
        yield "a"

    outer = Starlette(routes=[Mount("/in", app=inner)])
    for server in ("own", "foreign"):
        recorder = Recorder(outer, "wrapped" if server == "own" else "foreign")
        assert (await recorder.get("/in/way")).text == "/in/way"
        assert b"data: a\n" in (await recorder.stream("/in/feed")).body
