"""What authors write with injection and endpoints: it must pass mypy and pyright in strict mode, mean the types it seems to, and work."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator
from typing import Annotated, Any, Generic, NewType, TypedDict, TypeVar, assert_type

import msgspec
import pytest
from typing_extensions import TypeAliasType

from pagi import (
    JSON,
    App,
    Context,
    Cookie,
    Depends,
    Event,
    Form,
    Header,
    HTTPContext,
    HTTPEndpoint,
    HTTPException,
    Next,
    Outcome,
    Path,
    Provider,
    Query,
    Request,
    Response,
    Router,
    SSEContext,
    SSEEndpoint,
    Stash,
    State,
    WebSocketContext,
    WebSocketEndpoint,
    get,
    only,
    post,
    provider,
)
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class NewMessage(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Message(msgspec.Struct):
    id: int
    text: str


class AppState(TypedDict):
    name: str


class Board:
    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def add(self, text: str) -> Message:
        self.messages.append(Message(len(self.messages) + 1, text))
        return self.messages[-1]


class Clock: ...


class Pool: ...


class Session: ...


class User(msgspec.Struct):
    name: str


Dsn = NewType("Dsn", str)

# ---- providers of every make


@provider(scope="app")
async def board() -> AsyncIterator[Board]:
    yield Board()


@provider(scope="app")
def dsn(state: State) -> Dsn:
    return Dsn("memory:")


@provider(scope="app", thread=True)
def pool(dsn: Dsn) -> Iterator[Pool]:
    yield Pool()


@provider(scope="call")
async def session(pool: Pool) -> AsyncGenerator[Session, None]:
    yield Session()


@provider
async def visit(board: Board) -> AsyncGenerator["Visit", Outcome]:
    outcome = yield Visit(board)
    assert_type(outcome, Outcome)


@provider
async def later() -> "Later":
    return Later()


def promised() -> Awaitable["Promise"]:
    async def make() -> Promise:
        return Promise()

    return make()


class Visit:
    def __init__(self, board: Board) -> None:
        self.board = board


class Later: ...


class Promise: ...


clock = provider(Clock, scope="app")
promise = provider(promised)
named = provider(lambda: Board(), provides=Dsn)

assert_type(board, Provider[Board])
assert_type(dsn, Provider[Dsn])
assert_type(pool, Provider[Pool])
assert_type(session, Provider[Session])
assert_type(visit, Provider[Visit])
assert_type(later, Provider[Later])
assert_type(promise, Provider[Promise])
assert_type(clock, Provider[Clock])


# ---- dependencies


async def current_user(ctx: Context, x_user: Annotated[str, Header] = "nobody") -> User:
    if x_user == "nobody":
        raise HTTPException(401)
    return User(x_user)


CurrentUser = Annotated[User, Depends(current_user)]
OfBoard = Annotated[Board, Depends(board)]
Paged = TypeAliasType("Paged", Annotated[int, Query, msgspec.Meta(ge=0)])


# ---- endpoints


class Messages(HTTPEndpoint):
    def __init__(self, board: Board) -> None:
        self.board = board

    async def get(self, after: Paged = 0, tags: list[str] | None = None) -> list[Message]:
        return self.board.messages[after:]

    async def post(self, ctx: HTTPContext[AppState], body: NewMessage, user: CurrentUser, session: Session) -> Response:
        assert_type(user, User)
        assert_type(ctx.state, AppState)
        return ctx.json(await self.board.add(f"{user.name}: {body.text}"), status=201)


class Reads(HTTPEndpoint, Generic[T]):
    async def put(self, body: T) -> JSON[list[T]]:
        return JSON([body])


class Notes(Reads[Message]): ...


class Feed(SSEEndpoint):
    keepalive_interval = 15.0
    retry = None

    async def stream(self, ctx: SSEContext, board: OfBoard, visit: Visit) -> AsyncIterator[Event[Message]]:
        for message in board.messages:
            yield Event(message, id=str(message.id))

    async def on_disconnect(self, reason: object) -> None: ...

    async def on_error(self, error: Exception) -> Event[str]:
        return Event(str(error), event="error")


class Chat(WebSocketEndpoint):
    encoding = "json"

    async def on_connect(self, ctx: WebSocketContext, room: str) -> None:
        await ctx.accept(subprotocol=None)

    async def on_receive(self, ctx: WebSocketContext, message: NewMessage, room: str, session: Session) -> None:
        await ctx.send_json({"room": room, "echo": message.text})

    async def on_disconnect(self, ctx: WebSocketContext, code: int, reason: str) -> None: ...


class Admin(Router):
    prefix = "/admin"
    middleware = ["require_admin"]

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board

    async def require_admin(self, ctx: Context, next: Next) -> Response:
        user = await ctx.resolve(Board)
        assert_type(user, Board)
        return await next()

    @get("/stats")
    async def stats(self, ctx: HTTPContext) -> dict[str, int]:
        return {"messages": len(self.board.messages)}

    @post("/form/{id}")
    async def form(self, id: Annotated[int, Path], name: Annotated[str, Form], c: Annotated[str | None, Cookie] = None) -> str:
        return f"{id} {name} {c}"

    @get("/blocking")
    def blocking(self, request: Request, stash: Stash) -> str:
        return request.method


class Audit:
    def __init__(self, board: Board, *, level: int = 3) -> None:
        self.board = board

    async def __call__(self, ctx: Context, next: Next) -> Response:
        assert_type(await ctx.resolve(Board), Board)
        anything = await ctx.resolve(current_user)
        assert_type(anything, Any)
        return await next()


async def no_store(ctx: HTTPContext, next: Next) -> Response:
    response = await next()
    response.headers["cache-control"] = "no-store"
    return response


def new_app() -> App:
    router = Router("/api", middleware=[only(HTTPContext, no_store)])
    router.add("/messages", Messages)
    router.add("/notes", Notes)
    router.add("/feed", Feed)
    router.add("/chat/{room}", Chat, name="chat")
    app = App(
        routers=[router, Admin],
        middleware=[Audit],
        providers=[board, dsn, pool, session, visit, later, clock, promise],
        exception_handlers={LookupError: missing},
    )

    @app.on_error(ZeroDivisionError)
    async def zero(ctx: HTTPContext, error: ZeroDivisionError) -> Response:
        return ctx.text(str(error), status=418)

    @app.get("/zero")
    async def divide(ctx: HTTPContext, n: int, later: Later, promise: Promise, clock: Clock) -> float:
        return 1 / n

    return app


def missing(ctx: Context, error: LookupError) -> Response:
    return Response(str(error), status=404)


async def test_it_works_as_it_reads() -> None:
    async with TestClient(new_app(), headers={"x-user": "ada"}) as client:
        reply = await client.post("/api/messages", json={"text": "hi"})
        assert (reply.status_code, reply.json(), reply.headers["cache-control"]) == (201, {"id": 1, "text": "ada: hi"}, "no-store")
        assert (await client.get("/api/messages?after=0")).json() == [{"id": 1, "text": "ada: hi"}]
        assert (await client.get("/api/messages?after=-1")).status_code == 422
        assert (await client.put("/api/notes", json={"id": 1, "text": "x"})).json() == [{"id": 1, "text": "x"}]
        assert (await client.get("/admin/stats")).json() == {"messages": 1}
        assert (await client.post("/admin/form/5", data={"name": "ada"})).text == "5 ada None"
        assert (await client.get("/admin/blocking")).text == "GET"
        assert (await client.get("/zero?n=0")).status_code == 418
        assert (await client.get("/zero?n=2")).json() == 0.5
        async with client.sse("/api/feed") as feed:
            assert (await feed.receive()).data == {"id": 1, "text": "ada: hi"}
        async with client.websocket("/api/chat/lobby") as ws:
            await ws.send_json({"text": "hi"})
            assert await ws.receive_json() == {"room": "lobby", "echo": "hi"}


def test_a_provider_is_called_by_unit_tests_as_before() -> None:
    assert isinstance(clock(), Clock)
