"""Scope `app`: made when the application starts, in order, and closed when it ends; one set of values for each run of it."""

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from pagi import App, ConfigError, Context, Depends, HTTPContext, Next, Provider, Response, Router, State, get, provider
from pagi.gateway.types import Scope
from pagi.injection.scopes import AppScope
from pagi.testing import StartupFailed, TestClient
from tests.endpoints.asking import served
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


class Store:
    def __init__(self, name: str = "store") -> None:
        self.name = name
        self.items: list[str] = []


class Board:
    def __init__(self, store: Store) -> None:
        self.store = store


class Mail:
    def __init__(self, board: Board, store: Store) -> None:
        self.board = board
        self.store = store


class Diary:
    """Providers of scope `app` that write down what happens to them, and in which task."""

    def __init__(self, *, board_fails: bool = False, store_ends_badly: bool = False) -> None:
        self.log: list[str] = []
        self.tasks: set[Any] = set()

        @provider(scope="app")
        async def store() -> AsyncIterator[Store]:
            self.note("open store")
            yield Store()
            self.note("close store")
            if store_ends_badly:
                raise OSError("disk full")

        @provider(scope="app")
        def board(store: Store) -> Iterator[Board]:
            self.note("open board")
            if board_fails:
                raise OSError("no board")
            yield Board(store)
            self.note("close board")

        @provider(scope="app")
        async def mail(board: Board, store: Store) -> Mail:
            self.note("make mail")
            return Mail(board, store)

        self.providers: list[Provider[Any]] = [mail, board, store]

    def note(self, what: str) -> None:
        self.log.append(what)
        self.tasks.add(anyio.get_current_task().id)


async def test_values_are_made_in_order_and_closed_in_reverse_by_one_task() -> None:
    diary = Diary()

    async def handler(mail: Mail, board: Board, store: Store) -> list[bool]:
        return [mail.board is board, board.store is store, mail.store is store]

    async with TestClient(served(handler, app=App(providers=diary.providers))) as client:
        assert diary.log == ["open store", "open board", "make mail"]
        assert (await client.get("/")).json() == [True, True, True]
        assert diary.log == ["open store", "open board", "make mail"]
    assert diary.log == ["open store", "open board", "make mail", "close board", "close store"]
    assert len(diary.tasks) == 1


async def test_what_nobody_asks_for_is_made_as_well() -> None:
    diary = Diary()
    async with TestClient(App(providers=diary.providers)):
        assert "make mail" in diary.log


async def test_a_start_that_fails_half_way_closes_what_was_opened() -> None:
    diary = Diary(board_fails=True)
    with pytest.raises(StartupFailed, match="no board"):
        async with TestClient(App(providers=diary.providers)):
            raise AssertionError("entered")
    assert diary.log == ["open store", "open board", "close store"]


async def test_an_end_that_fails_is_told_and_the_others_still_close() -> None:
    from pagi.testing import LifespanFailed

    class Last:
        def __init__(self) -> None: ...

    diary = Diary(store_ends_badly=True)

    @provider(scope="app")
    def last() -> Iterator[Last]:
        yield Last()
        diary.log.append("close last")

    with pytest.raises(LifespanFailed, match="disk full"):
        async with TestClient(App(providers=[last, *diary.providers])):
            pass
    assert diary.log[-3:] == ["close board", "close store", "close last"]


async def test_all_that_fail_to_end_are_told() -> None:
    from pagi.testing import LifespanFailed

    def failing(cls: type[Any]) -> Any:
        async def function() -> AsyncIterator[Any]:
            yield object()
            raise OSError(f"{cls.__name__} is stuck")

        return provider(function, scope="app", provides=cls)

    with pytest.raises(LifespanFailed, match=r"(?s)Board is stuck.*Store is stuck"):
        async with TestClient(App(providers=[failing(Store), failing(Board)])):
            pass


async def test_two_runs_of_one_app_share_nothing() -> None:
    async def handler(ctx: HTTPContext, store: Store) -> int:
        store.items.append(ctx.path)
        return len(store.items)

    app = served(handler, app=App(providers=[provider(Store, scope="app")]))
    async with TestClient(app) as first, TestClient(app) as second:
        for expected in (1, 2):
            assert (await first.get("/")).json() == expected
            assert (await second.get("/")).json() == expected
    async with TestClient(app) as third:
        assert (await third.get("/")).json() == 1


async def test_without_a_lifespan_the_first_use_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(store: Store) -> None: ...
    async def other() -> str:
        return "fine"

    app = App(providers=[provider(Store, scope="app")])
    served(handler, "/store", app=app)
    served(other, "/other", app=app)
    under_starlette = Starlette(routes=[Mount("/in", app=app)])
    for asked, prefix in ((app, ""), (under_starlette, "/in")):
        recorder = Recorder(asked, "foreign" if prefix else "own")
        assert (await recorder.get(f"{prefix}/other")).text == "fine"
        caplog.clear()
        assert (await recorder.get(f"{prefix}/store")).status == 500
        assert "the lifespan of the application did not run" in caplog.text
        assert "forward the lifespan where it is mounted" in caplog.text


async def test_the_state_of_the_lifespan_can_be_asked_for() -> None:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[dict[str, str]]:
        yield {"name": "from the lifespan"}

    @provider(scope="app")
    def store(state: State) -> Store:
        return Store(state["name"])

    async def handler(store: Store, state: State) -> list[str]:
        return [store.name, state["name"]]

    async with TestClient(served(handler, app=App(providers=[store], lifespan=lifespan))) as client:
        assert (await client.get("/")).json() == ["from the lifespan", "from the lifespan"]


async def test_the_lifespan_ends_after_what_was_made_from_it() -> None:
    diary = Diary()

    @asynccontextmanager
    async def lifespan(app: App) -> AsyncGenerator[None]:
        diary.note("start")
        yield
        diary.note("end")

    async with TestClient(App(providers=diary.providers, lifespan=lifespan)):
        pass
    assert (diary.log[0], diary.log[-1]) == ("start", "end")
    assert len(diary.tasks) == 1


async def test_options_with_defaults_keep_them() -> None:
    """There is no client yet whose query could say otherwise."""

    class Limiter:
        def __init__(self, store: Store, per_minute: int = 60, *, names: list[str] | None = None) -> None:
            self.per_minute = per_minute
            self.names = names

        async def __call__(self, ctx: Context, next: Next) -> Response:
            ctx.stash["limit"] = [self.per_minute, self.names]
            return await next()

    async def handler(ctx: HTTPContext) -> object:
        return ctx.stash["limit"]

    app = App(providers=[provider(Store, scope="app")], middleware=[Limiter])
    async with TestClient(served(handler, app=app)) as client:
        assert (await client.get("/?per_minute=9999&names=x")).json() == [60, None]


def test_what_has_no_default_and_no_provider_fails_the_build() -> None:
    class Limiter:
        def __init__(self, per_minute: int) -> None: ...

        async def __call__(self, ctx: Context, next: Next) -> Response:
            return await next()

    with pytest.raises(ConfigError, match=r"Limiter has scope 'app' and may not take per_minute \(.*'per_minute'\)"):
        App(middleware=[Limiter]).build()


async def test_every_make_of_provider_can_live_as_long_as_the_app() -> None:
    class A(Store): ...

    class B(Store): ...

    class C(Store): ...

    @provider(scope="app", thread=True)
    def a() -> A:
        assert threading.current_thread() is not threading.main_thread()
        return A()

    @provider(scope="app", thread=True)
    def b() -> Iterator[B]:
        assert threading.current_thread() is not threading.main_thread()
        yield B()

    async def later() -> C:
        return C()

    promise = provider(lambda: later(), scope="app", provides=C)

    async def handler(a: A, b: B, c: C, d: Annotated[Store, Depends(provider(Store, scope="app"))]) -> list[str]:
        return [type(each).__name__ for each in (a, b, c, d)]

    async with TestClient(served(handler, app=App(providers=[a, b, promise]))) as client:
        assert (await client.get("/")).json() == ["A", "B", "C", "Store"]


async def test_middleware_and_routers_given_as_classes_are_made_once_at_the_start() -> None:
    made: list[str] = []

    class Audit:
        def __init__(self, store: Store) -> None:
            made.append("audit")
            self.store = store

        async def __call__(self, ctx: Context, next: Next) -> Response:
            self.store.items.append(ctx.path)
            return await next()

    class Admin(Router):
        prefix = "/admin"
        middleware = ["guard"]

        def __init__(self, store: Store) -> None:
            made.append("admin")
            self.store = store

        async def guard(self, ctx: Context, next: Next) -> Response:
            self.store.items.append("guarded")
            return await next()

        @get("/items")
        async def items(self) -> list[str]:
            return self.store.items

        @get("/plain")
        def plain(self) -> int:
            return len(self.store.items)

        @staticmethod
        @get("/static")
        async def static(ctx: HTTPContext) -> str:
            return ctx.path

    app = App(providers=[provider(Store, scope="app")], middleware=[Audit], routers=[Admin])
    app.build()
    assert made == []
    async with TestClient(app) as client:
        assert sorted(made) == ["admin", "audit"]
        assert (await client.get("/admin/items")).json() == ["/admin/items", "guarded"]
        assert (await client.get("/admin/plain")).json() == 4
        assert (await client.get("/admin/static")).text == "/admin/static"
    assert sorted(made) == ["admin", "audit"]


def _with_middleware(self: Router, store: Store) -> None:
    async def guard(ctx: Context, next: Next) -> Response:
        raise AssertionError

    Router.__init__(self, middleware=[guard])


def _with_a_route(self: Router, store: Store) -> None:
    self.add("/more", _with_a_route)


def _with_a_prefix(self: Router, store: Store) -> None:
    Router.__init__(self, "/elsewhere")


@pytest.mark.parametrize(
    ("constructor", "said"), [(_with_middleware, "middleware"), (_with_a_route, "routes"), (_with_a_prefix, "prefix")], ids=["m", "r", "p"]
)
async def test_a_router_class_whose_constructor_adds_a_guard_does_not_start(constructor: Any, said: str) -> None:
    """The app was built from the class: what the constructor says would never be heard, and a guard be silently absent."""

    class Admin(Router):
        @get("/")
        async def index(self) -> str:
            return "unguarded"

    Admin.__init__ = constructor  # type: ignore[method-assign]
    with pytest.raises(StartupFailed, match=rf"Admin was given as a class, and its constructor says more of {said}"):
        async with TestClient(App(routers=[Admin], providers=[provider(Store, scope="app")])):
            raise AssertionError("entered")


# ---- mounted apps


async def test_a_mounted_app_has_its_own_providers_and_those_around() -> None:
    @provider(scope="app")
    def outer_store() -> Store:
        return Store("outer")

    @provider(scope="app")
    def inner_store() -> Store:
        return Store("inner")

    async def handler(store: Store, board: Board) -> list[str]:
        return [store.name, board.store.name]

    async def resolving(ctx: Context, next: Next) -> Response:
        assert (await ctx.resolve(Board)).store.name == "outer"
        return await next()

    inner = served(handler, app=App(providers=[inner_store], middleware=[resolving]))
    outer = App(providers=[outer_store, provider(Board, scope="app")])
    served(handler, "/", app=outer)
    outer.mount("/in", inner)
    outer.mount("/plain", _router(handler))
    async with TestClient(outer) as client:
        assert (await client.get("/")).json() == ["outer", "outer"]
        assert (await client.get("/plain/")).json() == ["outer", "outer"]
        # What the outer app provides is made of what stands there, whoever asks first.
        assert (await client.get("/in/")).json() == ["inner", "outer"]


async def test_a_board_for_each_request_is_made_of_what_stands_round_its_provider() -> None:
    async def handler(store: Store, board: Board) -> list[str]:
        return [store.name, board.store.name]

    outer = App(providers=[provider(lambda: Store("outer"), provides=Store), Board])
    outer.mount("/in", served(handler, app=App(providers=[provider(lambda: Store("inner"), provides=Store)])))
    async with TestClient(outer) as client:
        assert (await client.get("/in/")).json() == ["inner", "outer"]


def _router(handler: Any) -> Router:
    router = Router()
    router.get("/")(handler)
    return router


async def test_the_values_stand_in_the_state_of_every_exchange() -> None:
    seen: list[Scope] = []

    async def handler(ctx: HTTPContext, store: Store) -> str:
        seen.append(ctx.scope)
        return store.name

    async with TestClient(served(handler, app=App(providers=[provider(Store, scope="app")]))) as client:
        await client.get("/")
        await client.get("/")
    assert seen[0]["state"] is not seen[1]["state"]
    assert seen[0]["state"]["pagi.app_scope"] is seen[1]["state"]["pagi.app_scope"]


async def test_a_cancelled_end_still_does_what_waits_for_nothing() -> None:
    log: list[str] = []

    @provider(scope="app")
    def first() -> Iterator[Store]:
        yield Store()
        log.append("first closed")

    @provider(scope="app")
    async def stuck(store: Store) -> AsyncIterator[Board]:
        yield Board(store)
        log.append("stuck")
        await anyio.sleep_forever()

    app = App(providers=[first, stuck])
    app.build()
    with anyio.CancelScope() as scope:
        async with AppScope(app._ready.app_steps.values(), {}):  # pyright: ignore[reportPrivateUsage]
            scope.cancel()
    assert log == ["stuck", "first closed"]
