"""What exchanges leave behind: nothing. Whatever was made for one is gone with it, without waiting for the collector."""

import gc
import weakref
from collections.abc import AsyncIterator
from typing import Annotated, Any

import anyio
import pytest

from pagi import (
    App,
    Depends,
    Event,
    HTTPContext,
    HTTPException,
    SSEContext,
    SSEEndpoint,
    WebSocketContext,
    WebSocketEndpoint,
    provider,
)
from pagi.endpoints.rescue import note_failure
from tests.recorder import Recorder

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("new_objects_alone")]


class Thing:
    """Something that can be watched."""


class Watch:
    """Weak references to all that was made."""

    def __init__(self) -> None:
        self.made: list[weakref.ref[Thing]] = []

    def thing(self) -> Thing:
        thing = Thing()
        self.made.append(weakref.ref(thing))
        return thing

    def alive(self) -> int:
        return sum(ref() is not None for ref in self.made)


@pytest.fixture
def watch() -> Watch:
    return Watch()


def app_of(watch: Watch) -> App:
    app = App(providers=[provider(watch.thing, provides=Thing), provider(lambda: Owned(watch.thing()), provides=Owned, scope="call")])

    @app.get("/ok")
    async def ok(thing: Thing, owned: Owned) -> str:
        return "x"

    @app.get("/refused")
    async def refused(thing: Thing) -> None:
        raise HTTPException(409)

    @app.get("/unfit")
    async def unfit(thing: Thing, n: int) -> None: ...

    @app.get("/broken")
    async def broken(thing: Thing) -> None:
        raise ValueError("broken")

    @app.get("/lines")
    async def lines(thing: Thing) -> AsyncIterator[str]:
        yield "a"

    app.add("/feed", Feed)
    app.add("/chat", Chat)
    return app


class Owned:
    def __init__(self, thing: Thing) -> None:
        self.thing = thing


class Feed(SSEEndpoint):
    def __init__(self, thing: Thing) -> None:
        self.thing = thing

    async def stream(self, ctx: SSEContext) -> AsyncIterator[Event[int]]:
        yield Event(1)

    async def on_disconnect(self, reason: object) -> None: ...


class Chat(WebSocketEndpoint):
    def __init__(self, thing: Thing, ctx: WebSocketContext) -> None:
        self.thing = thing

    async def on_connect(self, ctx: WebSocketContext) -> None:
        await ctx.accept()

    async def on_receive(self, message: str, owned: Owned) -> None:
        if message == "refuse":
            raise HTTPException(403)

    async def on_disconnect(self, code: int) -> None: ...


async def ask(app: App, path: str) -> None:
    recorder = Recorder(app)
    match path:
        case "/feed":
            await recorder.stream(path)
        case "/chat":
            await recorder.talk(path, ["a", "b"])
        case "/chat-refused":
            await recorder.talk("/chat", ["refuse"], stays=True)
        case _:
            await recorder.get(path)


@pytest.mark.parametrize("path", ["/ok", "/refused", "/unfit", "/broken", "/lines", "/feed", "/chat", "/chat-refused"])
async def test_what_was_made_for_an_exchange_goes_with_it(watch: Watch, path: str) -> None:
    app = app_of(watch)
    await ask(app, path)
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            await ask(app, path)
        await anyio.wait_all_tasks_blocked()  # timers of the recorder that were cancelled are tasks
        if path != "/broken":  # a log record was kept, by pytest, with its traceback
            assert watch.alive() == 0
    finally:
        gc.enable()
    gc.collect()
    assert len(watch.made) >= 6


async def test_a_refusal_leaves_no_circle() -> None:
    """An error holds the frames that it went through, and they the context: the context must not hold the error."""

    async def refused(ctx: HTTPContext) -> None:
        raise HTTPException(409)

    app = App()
    app.get("/")(refused)
    recorder = Recorder(app)
    await recorder.get("/")
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        await recorder.get("/")
        gc.collect()
        kept = [name for name in (type(each).__name__ for each in gc.garbage) if name in ("HTTPContext", "HTTPException")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert kept == []


async def test_a_failure_is_kept_for_cleanup_alone() -> None:
    class Ctx:
        exits: list[Any] | None = None
        failure: BaseException | None = None

    ctx = Ctx()
    note_failure(ctx, ValueError())
    assert ctx.failure is None
    ctx.exits = [object()]
    first = ValueError()
    note_failure(ctx, first)
    note_failure(ctx, TypeError())
    assert ctx.failure is first


async def test_request_exits_close_exactly_once() -> None:
    closed: list[str] = []

    async def opened() -> AsyncIterator[str]:
        yield "x"
        closed.append("x")

    async def handler(ctx: HTTPContext, a: Annotated[str, Depends(opened)]) -> str:
        seen.append(ctx)
        return a

    from tests.endpoints.asking import call

    seen: list[HTTPContext] = []
    await call(handler)
    assert closed == ["x"]
    assert seen[0].exits is None
    assert seen[0].failure is None
