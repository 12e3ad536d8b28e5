"""Plain `def` handlers: in worker threads, bounded, with the caller's context variables."""

import threading
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.from_thread
import pytest

from pagi import App, ConfigError, Context, HTTPContext, Next, Response, Router, get
from pagi.testing import TestClient
from tests.endpoints.asking import ask, served
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio

WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def test_context_variables_are_copied_in_and_not_back() -> None:
    seen: list[str] = []

    async def around(ctx: Context, next: Next) -> Response:
        WHO.set("ada")
        response = await next()
        seen.append(WHO.get())
        return response

    def handler() -> str:
        who = WHO.get()
        WHO.set("eve")
        return who

    assert (await ask(handler, app=App(middleware=[around]))).text == "ada"
    assert seen == ["ada"]


async def test_only_so_many_run_at_once() -> None:
    running: list[int] = [0]
    most: list[int] = [0]
    lock = threading.Lock()
    all_there = threading.Barrier(2)

    def handler() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        all_there.wait(5)
        with lock:
            running[0] -= 1

    recorder = Recorder(served(handler, app=App(threads=2)))
    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(recorder.get, "/")
    assert most == [2]


def test_there_are_forty_unless_said_otherwise() -> None:
    from pagi.application import DEFAULT_THREADS

    assert DEFAULT_THREADS == 40


async def test_a_cancelled_exchange_waits_for_its_thread() -> None:
    begun, may_end = threading.Event(), threading.Event()
    ended: list[str] = []

    def handler() -> None:
        begun.set()
        may_end.wait(5)
        ended.append("thread")

    async with anyio.create_task_group() as group:
        group.start_soon(Recorder(served(handler)).get, "/")
        while not begun.is_set():
            await anyio.sleep(0)
        group.cancel_scope.cancel()
        threading.Timer(0.05, may_end.set).start()
    assert ended == ["thread"]


async def test_what_turns_out_awaitable_is_awaited_on_the_loop() -> None:
    async def later() -> str:
        return "loop" if threading.current_thread() is threading.main_thread() else "thread"

    def handler() -> Any:
        assert threading.current_thread() is not threading.main_thread()
        return later()

    class Greeter:
        async def __call__(self) -> str:
            return await later()

    assert (await ask(handler)).text == "loop"
    assert (await ask(Greeter())).text == "loop"
    assert (await ask(lambda: later())).text == "loop"


async def test_a_thread_reaches_the_loop() -> None:
    def handler(ctx: HTTPContext) -> str:
        return anyio.from_thread.run(_twice, ctx.path)

    assert (await ask(handler)).text == "//"


async def _twice(text: str) -> str:
    return 2 * text


def plain_middleware(ctx: Context, next: Next) -> Any: ...
def plain_socket(ctx: Context) -> None: ...


class PlainGuard:
    def __call__(self, ctx: Context, next: Next) -> Any: ...


def _guarded(app: App, layer: Any) -> App:
    app.get("/", middleware=[layer])(feed)
    return app


def test_what_must_wait_cannot_be_plain() -> None:
    middleware: list[Any] = [plain_middleware, PlainGuard(), PlainGuard]
    for layer in middleware:
        app = App()
        with pytest.raises(ConfigError, match=r"async"):
            _guarded(app, layer).build()
    for register in (App.websocket, App.sse):
        app = App()
        register(app, "/")(plain_socket)
        with pytest.raises(ConfigError, match=r"async"):
            app.build()


# ---- middleware of classes, and of methods: what serves one kind only is never silently absent


class PageGuard:
    async def __call__(self, ctx: HTTPContext, next: Next) -> Response:
        return await next()


class Admin(Router):
    prefix = "/admin"
    middleware = ["guard"]

    async def guard(self, ctx: HTTPContext, next: Next) -> Response:
        raise AssertionError

    @get("/")
    async def index(self) -> str:
        return "x"


class Streaming(Admin):
    def __init__(self) -> None:
        self.sse("/feed")(self.feed)

    async def feed(self) -> None: ...


async def feed() -> None: ...


def test_a_guard_of_pages_does_not_stand_round_streams() -> None:
    for router in (Router(middleware=[PageGuard]), Router(middleware=[PageGuard()])):
        router.sse("/feed")(feed)
        with pytest.raises(ConfigError, match=r"PageGuard.__call__ serves http, but stands around sse /feed"):
            App(routers=[router]).build()
    with pytest.raises(ConfigError, match=r"Admin.guard serves http, but stands around sse /admin/feed"):
        App(routers=[Streaming()]).build()
    app = App(middleware=[PageGuard])
    app.mount("/in", served(feed, app=_streaming()))
    with pytest.raises(ConfigError, match="serves http, but stands around the application mounted at /in"):
        app.build()


def _streaming() -> App:
    app = App()
    app.sse("/feed")(feed)
    return app


def test_a_named_middleware_must_be_there() -> None:
    class Wrong(Router):
        middleware = ["gaurd"]

    with pytest.raises(ConfigError, match="Wrong names the middleware 'gaurd', and has no such method"):
        App(routers=[Wrong])
    with pytest.raises(ConfigError, match="has no such method"):
        Wrong()


async def test_a_guard_named_in_a_class_stands_before_all_it_has() -> None:
    class Closed(Router):
        middleware = ["guard"]

        async def guard(self, ctx: Context, next: Next) -> Response:
            return Response(status=403)

        @get("/")
        async def index(self) -> str:
            return "x"

    for router in (Closed, Closed()):
        async with TestClient(App(routers=[router])) as client:
            assert (await client.get("/")).status_code == 403
            assert (await client.post("/")).status_code == 403
