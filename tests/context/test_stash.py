"""The stash: strict, typed by its keys, one place per name."""

import pytest

from pagi import App, Context, HTTPContext, Next, Response, SSEContext, Stash, StashKey, WebSocketContext
from pagi.context.strict_mapping import MissingKey
from pagi.gateway.types import Receive, Scope, Send
from tests.recorder import Recorder

COUNT = StashKey("count", int)
MAYBE = StashKey[str | None]("maybe")


def test_a_key_and_its_name_are_one_place() -> None:
    stash = Stash()
    stash[COUNT] = 1
    stash["count"] += 1
    assert (stash[COUNT], COUNT in stash, "count" in stash, len(stash), list(stash)) == (2, True, True, 1, ["count"])
    del stash[COUNT]
    assert COUNT not in stash


def test_a_missing_key_says_what_there_is() -> None:
    stash = Stash()
    with pytest.raises(MissingKey, match="the stash is empty"):
        stash[COUNT]
    stash["b"] = stash["a"] = None
    with pytest.raises(KeyError, match="there are a, b"):
        stash["c"]
    with pytest.raises(MissingKey, match="there are a, b"):
        del stash["c"]
    for n in range(13):
        stash[str(n)] = n
    with pytest.raises(MissingKey, match="15 others"):
        stash["c"]


def test_every_key_is_a_key() -> None:
    stash = Stash()
    stash["_private"] = stash["public"] = 0
    assert sorted(stash) == ["_private", "public"]


def test_get_does_not_complain() -> None:
    stash = Stash()
    stash[MAYBE] = None
    assert (stash.get(COUNT), stash.get(COUNT, 5), stash.get(MAYBE, "x"), stash.get("a", "b")) == (None, 5, None, "b")


@pytest.mark.anyio
async def test_the_stash_is_shared_both_ways_whoever_touches_it_first() -> None:
    seen: list[int] = []

    async def outer(ctx: Context, next: Next) -> Response:
        response = await next()
        seen.append(ctx.stash[COUNT])
        return response

    app = App(middleware=[outer])

    @app.get("/")
    async def page(ctx: HTTPContext) -> None:
        ctx.stash[COUNT] = 3

    await Recorder(app).get("/")
    assert seen == [3]


@pytest.mark.anyio
async def test_each_exchange_has_its_own() -> None:
    before: list[bool] = []

    async def note(ctx: Context, next: Next) -> Response:
        before.append("seen" in ctx.stash)
        ctx.stash["seen"] = True
        return await next()

    app = App(middleware=[note])

    @app.get("/")
    async def page(ctx: HTTPContext) -> None:
        assert ctx.stash["seen"]

    @app.websocket("/")
    async def chat(ctx: WebSocketContext) -> None:
        await ctx.accept()
        assert ctx.stash["seen"]

    @app.sse("/")
    async def feed(ctx: SSEContext) -> None:
        assert ctx.stash["seen"]

    recorder = Recorder(app)
    for _ in range(2):
        await recorder.get("/")
        await recorder.talk("/")
        await recorder.stream("/")
    assert before == [False] * 6


@pytest.mark.anyio
async def test_a_mounted_plain_application_finds_the_same_one_in_its_scope() -> None:
    async def plain(scope: Scope, receive: Receive, send: Send) -> None:
        scope["pagi.stash"]["inner"] = scope["pagi.stash"]["outer"] + 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    seen: list[int] = []

    async def around(ctx: Context, next: Next) -> Response:
        ctx.stash["outer"] = 1
        response = await next()
        seen.append(ctx.stash["inner"])
        return response

    app = App(middleware=[around])
    app.mount("/in", plain)
    await Recorder(app).get("/in/x")
    assert seen == [2]
