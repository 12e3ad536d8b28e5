"""`HTTPEndpoint`: a class of verbs, made anew for each exchange or shared as an instance."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, ClassVar, Generic, TypeVar

import anyio
import msgspec
import pytest

from pagi import (
    App,
    ConfigError,
    Context,
    Depends,
    HTTPContext,
    HTTPEndpoint,
    HTTPException,
    Next,
    Response,
    SSEContext,
    WebSocketContext,
    WebSocketEndpoint,
    provider,
)
from pagi.testing import TestClient
from tests.endpoints.asking import errors
from tests.recorder import Recorder
from tests.server.live import eventually

pytestmark = pytest.mark.anyio


class Board:
    def __init__(self) -> None:
        self.items: list[str] = []


class Items(HTTPEndpoint):
    made: ClassVar[list[int]] = []

    def __init__(self, board: Board, page: int = 0) -> None:
        self.board = board
        self.page = page
        self.made.append(1)

    async def get(self, board: Board) -> list[Any]:
        return [self.board is board, self.page]

    def put(self) -> str:
        return "put"

    async def delete(self) -> None: ...


def app_of(endpoint: Any, **options: Any) -> App:
    app = App(**options)
    app.add("/", endpoint, name="items")
    return app


async def test_verbs_are_methods_and_the_constructor_is_filled_by_injection() -> None:
    recorder = Recorder(app_of(Items, providers=[Board]))
    assert (await recorder.get("/?page=3")).text == "[true,3]"
    assert (await recorder.http("PUT", "/").run()).text == "put"
    assert (await recorder.http("DELETE", "/").run()).status == 204
    assert errors(await recorder.get("/?page=x")) == {"query.page": "Expected `int`"}


async def test_a_class_is_made_for_each_exchange_and_an_instance_never() -> None:
    Items.made.clear()
    recorder = Recorder(app_of(Items, providers=[Board]))
    for _ in range(3):
        await recorder.get("/")
    assert len(Items.made) == 3
    shared = Recorder(app_of(Items(Board(), 7), providers=[Board]))
    assert (await shared.get("/?page=3")).text == "[false,7]"
    await shared.get("/")
    assert len(Items.made) == 4


async def test_head_and_options_answer_by_themselves_and_the_rest_is_405() -> None:
    recorder = Recorder(app_of(Items, providers=[Board]))
    assert (await recorder.http("HEAD", "/").run()).status == 200
    options = await recorder.http("OPTIONS", "/").run()
    assert (options.status, options.headers["allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PUT")
    refused = await recorder.post("/")
    assert (refused.status, refused.headers["allow"]) == (405, "DELETE, GET, HEAD, OPTIONS, PUT")


@pytest.mark.parametrize("method", ["DISPATCH", "__init__", "__class__", "kind", "hooks", "context_class", "made", "get", "Get", "board"])
async def test_what_a_client_writes_is_never_looked_up(method: str) -> None:
    assert (await Recorder(app_of(Items, providers=[Board])).http(method, "/").run()).status in (405, 501)


async def test_head_may_have_a_method_of_its_own() -> None:
    class Own(HTTPEndpoint):
        async def get(self) -> str:
            return "get"

        async def head(self, ctx: HTTPContext) -> Response:
            return Response(headers={"x-own": "1"})

        async def options(self) -> str:
            return "mine"

    recorder = Recorder(app_of(Own))
    assert (await recorder.http("HEAD", "/").run()).headers["x-own"] == "1"
    assert (await recorder.http("OPTIONS", "/").run()).text == "mine"


async def test_a_verb_may_stream() -> None:
    class Lines(HTTPEndpoint):
        def __init__(self, board: Board) -> None:
            self.board = board

        async def get(self) -> AsyncIterator[str]:
            yield f"{len(self.board.items)}\n"
            yield "b\n"

    assert (await Recorder(app_of(Lines, providers=[Board])).get("/")).text == "0\nb\n"


async def test_a_class_wide_guard_stands_in_the_constructor() -> None:
    async def signed_in(ctx: HTTPContext) -> str:
        raise HTTPException(401)

    class Guarded(HTTPEndpoint):
        def __init__(self, user: Annotated[str, Depends(signed_in)]) -> None: ...

        async def post(self, body: Board2) -> None: ...

    assert (await Recorder(app_of(Guarded)).post("/")).status == 401


class Board2(msgspec.Struct):
    name: str


def test_what_is_no_method_fails_with_its_name() -> None:
    class Configured(HTTPEndpoint):
        options = {"a": 1}

        async def get(self) -> None: ...

    class Static(HTTPEndpoint):
        @staticmethod
        async def get(ctx: HTTPContext) -> None: ...

    class OfClass(HTTPEndpoint):
        @classmethod
        async def get(cls) -> None: ...

    with pytest.raises(ConfigError, match="has kind, by which endpoints are told apart; give it another name"):
        type("Kinded", (HTTPEndpoint,), {"kind": "invoice"})

    class Nothing(HTTPEndpoint):
        async def fetch(self) -> None: ...

    class Hooked(HTTPEndpoint): ...

    with pytest.raises(ConfigError, match=r"has options, which is \{'a': 1\} and no method"):
        app_of(Configured)
    for cls in (Static, OfClass):
        with pytest.raises(ConfigError, match="has get as a static or class method; make it a plain one, which takes self first"):
            app_of(cls)
    with pytest.raises(ConfigError, match="defines none of get, post, put, patch, delete, head, options"):
        app_of(Nothing)
    with pytest.raises(ConfigError, match="has on_connect, which is no hook and would never be called; there are none"):
        type("Hooked", (Hooked,), {"on_connect": 1})
    with pytest.raises(ConfigError, match="is an endpoint, which says its kind, methods and options itself"):
        App().add("/", Items, methods=["GET"])


# ---- generic bases

T = TypeVar("T")
IdT = TypeVar("IdT")


class Item(msgspec.Struct):
    name: str


class Note(msgspec.Struct):
    text: str


class Repository(Generic[T]):
    def __init__(self, kind: type[T]) -> None:
        self.kind = kind


class Reads(HTTPEndpoint, Generic[T]):
    def __init__(self, repository: Repository[T]) -> None:
        self.repository = repository

    async def get(self) -> str:
        return self.repository.kind.__name__


class Writes(HTTPEndpoint, Generic[T]):
    async def post(self, body: list[T]) -> str:
        return repr(body)


class CRUD(Reads[T], Writes[IdT], Generic[IdT, T]): ...


class Both(CRUD[Note, Item]): ...


class Unbound(Writes[T]): ...


@provider
def items() -> Repository[Item]:
    return Repository(Item)


@provider
def notes() -> Repository[Note]:
    return Repository(Note)


async def test_type_variables_are_those_of_the_base_that_a_method_stands_in() -> None:
    """`Reads` and `Writes` share a variable and differ in what it is."""
    recorder = Recorder(app_of(Both, providers=[items, notes]))
    assert (await recorder.get("/")).text == "Item"
    answer = await recorder.post("/", body=b'[{"text":"a"}]', headers={"content-type": "application/json"})
    assert answer.text == "[Note(text='a')]"


def test_a_type_variable_left_over_fails_the_build() -> None:
    with pytest.raises(ConfigError, match=r"body: .*T.* holds a type variable; write the type that stands for it"):
        app_of(Unbound).build()


# ---- context classes


class Page(HTTPContext):
    __slots__ = ()

    @property
    def number(self) -> int:
        return int(self.query.get("n", "0"))


class Deeper(Page):
    __slots__ = ()


async def paged(ctx: Page, next: Next) -> Response:
    ctx.stash["n"] = ctx.number
    return await next()


class Paged(HTTPEndpoint):
    context_class = Page

    async def get(self, ctx: Page) -> int:
        return ctx.number


async def test_the_nearest_context_class_is_that_of_the_exchange() -> None:
    from pagi import Router

    class Deep(HTTPEndpoint):
        context_class = Deeper

        async def get(self, ctx: Deeper) -> str:
            return type(ctx).__name__

    async def named(ctx: Context) -> str:
        return type(ctx).__name__

    router = Router("/r", context_class=Page, middleware=[paged])
    router.add("/deep", Deep)
    router.get("/plain")(named)
    app = App(routers=[router])
    app.get("/")(named)
    app.add("/own", Paged)
    with_own = App(contexts={"http": Page}, middleware=[paged])
    with_own.get("/")(named)
    recorder = Recorder(app)
    assert (await recorder.get("/")).text == "HTTPContext"
    assert (await recorder.get("/own?n=5")).text == "5"
    assert (await recorder.get("/r/plain")).text == "Page"
    assert (await recorder.get("/r/deep")).text == "Deeper"
    assert (await Recorder(with_own).get("/")).text == "Page"
    assert (await Recorder(with_own).get("/nowhere")).status == 404
    # The router's own middleware stands round its 405 too, with the context that it asks for.
    assert (await recorder.post("/r/plain")).status == 405
    assert (await recorder.http("OPTIONS", "/r/plain").run()).status == 204


async def test_a_mounted_app_keeps_how_its_handlers_are_cancelled() -> None:
    ended: list[str] = []

    async def waiting(ctx: HTTPContext) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(str(ctx.connection.disconnect_reason))

    inner, outer = App(), App()
    inner.get("/", cancel_on_disconnect=True)(waiting)
    outer.mount("/in", inner)
    async with TestClient(outer, disconnect_grace_seconds=0.05) as client:
        wire = client.connect()
        await wire.send(b"GET /in/ HTTP/1.1\r\nHost: testserver\r\n\r\n")
        wire.abort()
        await eventually(lambda: ended == ["client_closed"])


async def test_a_mounted_app_keeps_its_context_class() -> None:
    async def named(ctx: Page) -> str:
        return type(ctx).__name__

    inner, outer = App(contexts={"http": Page}, middleware=[paged]), App()
    inner.get("/")(named)
    outer.mount("/in", inner)
    assert (await Recorder(outer).get("/in/")).text == "Page"
    assert (await Recorder(outer).get("/in/lost")).status == 404


async def test_a_mounted_app_that_says_nothing_has_the_context_of_the_app_around() -> None:
    async def named(ctx: Context) -> str:
        return type(ctx).__name__

    inner, outer = App(), App(contexts={"http": Page}, middleware=[paged])
    inner.get("/")(named)
    outer.mount("/in", inner)
    assert (await Recorder(outer).get("/in/")).text == "Page"


def test_middleware_around_a_mount_must_fit_the_context_inside() -> None:
    class Other(HTTPContext):
        __slots__ = ()

    inner, outer = App(contexts={"http": Other}, providers=[Board]), App(contexts={"http": Page}, middleware=[paged])
    inner.add("/", Items)
    outer.mount("/in", inner)
    with pytest.raises(ConfigError, match=r"asks for .*Page.*, which no context of this app is"):
        outer.build()


def test_a_context_class_of_another_kind_is_refused() -> None:
    class Wrong(HTTPEndpoint):
        context_class = SSEContext

        async def get(self) -> None: ...

    class WrongToo(WebSocketEndpoint):
        context_class = Page

        async def on_receive(self, message: str) -> None: ...

    for cls, base in ((Wrong, "HTTPContext"), (WrongToo, "WebSocketContext")):
        with pytest.raises(ConfigError, match=rf"context_class \w+ is no {base}, and stands in an endpoint of kind"):
            app_of(cls).build()
    with pytest.raises(ConfigError, match=r"contexts\['http'\] is WebSocketContext, which is no HTTPContext"):
        App(contexts={"http": WebSocketContext})
    with pytest.raises(ConfigError, match="which is no of http, websocket or sse"):
        App(contexts={"ftp": Page})  # type: ignore[dict-item]
