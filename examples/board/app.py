"""A message board in one file: typed endpoints as classes, events with history, sessions, a class-based router, mounts.

`pagi run examples/board/app.py`, then:

    curl -d '{"text": "hi"}' -H 'Content-Type: application/json' localhost:8000/api/messages
    curl -N -H 'Accept: text/event-stream' -H 'Last-Event-ID: 0' localhost:8000/api/feed

All of it lives in one process and is gone when that ends; with several workers each would have a board of its own.
`ADMIN_PASSWORD=... pagi run ...` lets an admin in; `SECRET` keeps people signed in over a restart.
"""

import hmac
import os
import secrets
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, chdir
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, TypedDict

import anyio
import msgspec

from pagi import (
    App,
    Context,
    Depends,
    Event,
    HTTPContext,
    HTTPEndpoint,
    HTTPException,
    Next,
    Response,
    Router,
    SSEContext,
    SSEEndpoint,
    WebSocketContext,
    WebSocketEndpoint,
    get,
    only,
    provider,
)
from pagi.apps import StaticFiles
from pagi.channels import Channels, Gap, Topic
from pagi.middleware import CORS, Compress, RequestId, Session


class Settings(msgspec.Struct):
    """What the operator says, in the environment."""

    secret: str
    """Signs the sessions. One that is made up here ends them with the process."""
    admin_password: str | None
    """None: nobody is let in."""

    def lets_in(self, password: str) -> bool:
        return self.admin_password is not None and hmac.compare_digest(password.encode(), self.admin_password.encode())


settings = Settings(os.environ.get("SECRET") or secrets.token_urlsafe(32), os.environ.get("ADMIN_PASSWORD"))


# ---- what is said, and by whom


class NewMessage(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Message(msgspec.Struct):
    id: int
    text: str


class User(msgspec.Struct):
    name: str
    messages: int = 0
    """How many this user wrote."""


class UserStore:
    """Who was here. Whoever did not sign in is the guest."""

    def __init__(self) -> None:
        self._users: dict[str, User] = {}

    def named(self, name: str) -> User:
        return self._users.setdefault(name, User(name))

    def messages_by_name(self) -> dict[str, int]:
        return {user.name: user.messages for user in self._users.values()}


class AppState(TypedDict):
    users: UserStore


users = UserStore()

BOARD = Topic("board", Message)  # a typed topic


class Board:
    """The latest messages; each one is published as it is added."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels
        self._messages: deque[Message] = deque(maxlen=1000)
        self._ids = count(1)

    async def since(self, after: int) -> list[Message]:
        return [message for message in self._messages if message.id > after]

    async def add(self, text: str, *, by: User) -> Message:
        message = Message(next(self._ids), text)
        self._messages.append(message)
        by.messages += 1
        await self._channels.publish(BOARD, message)
        return message


@provider(scope="app")  # found by its return type; closed at shutdown
async def board(channels: Channels) -> AsyncIterator[Board]:
    yield Board(channels)


async def current_user(ctx: HTTPContext) -> User:  # a dependency is a function; ctx is injected by its type
    return users.named(ctx.session.get("user", "guest"))


CurrentUser = Annotated[User, Depends(current_user)]


# ---- endpoints


class Messages(HTTPEndpoint):  # a class of verbs
    async def get(self, board: Board, after: int = 0) -> list[Message]:  # `after` is a query parameter
        return await board.since(after)

    async def post(self, ctx: HTTPContext, body: NewMessage, board: Board, user: CurrentUser) -> Response:
        message = await board.add(body.text, by=user)
        return ctx.json(message, status=201)


class Feed(SSEEndpoint):  # a class of events
    keepalive_interval = 15.0

    async def stream(self, ctx: SSEContext, channels: Channels) -> AsyncIterator[Event[Message | Gap]]:
        async with channels.subscribe(BOARD, after=ctx.last_event_id) as messages:
            async for event in messages.events("message"):  # id, event and data; a Gap first where history is missing
                yield event


class Chat(WebSocketEndpoint):  # a class of hooks
    encoding = "json"

    async def on_connect(self, ctx: WebSocketContext) -> None:
        await ctx.accept(subprotocol=None)

    async def on_receive(self, ctx: WebSocketContext, message: NewMessage) -> None:  # decoded and validated
        await ctx.send_json({"echo": message.text})

    async def on_disconnect(self, ctx: WebSocketContext, code: int, reason: str) -> None:
        print(f"{ctx.path_params['room']}: somebody left, with {code} {reason}".rstrip(), flush=True)


# ---- middleware


async def timing(ctx: Context, next: Next) -> Response:  # middleware: async def (ctx, next)
    start = perf_counter()
    ctx.on_response_start(lambda head: head.headers.set("server-timing", f"app;dur={1000 * (perf_counter() - start):.1f}"))
    return await next()


async def no_store(ctx: HTTPContext, next: Next) -> Response:  # http only: the answer is a value
    response = await next()
    response.headers["cache-control"] = "no-store"
    return response


# ---- routers


router = Router(prefix="/api", middleware=[RequestId(), only(HTTPContext, no_store)])
router.add("/messages", Messages)  # register classes...
router.add("/feed", Feed)
router.add("/chat/{room}", Chat, name="chat")


@router.get("/rooms/{room}/users/{id:int}", name="user")  # ...or functions
async def show_user(ctx: HTTPContext, room: str, id: int, q: str | None = None) -> dict[str, object]:
    ctx.stash["seen"] = id
    return {"room": room, "id": id, "link": ctx.url_for("user", room=room, id=id)}


@router.websocket("/echo")
async def echo(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for text in ctx.iter_text():
        await ctx.send_text(text)


async def counter() -> AsyncIterator[int]:
    for n in count(1):
        yield n
        await anyio.sleep(1)


@router.sse("/ticks")
async def ticks(ctx: SSEContext) -> AsyncIterator[Event[int]]:
    async for n in counter():
        yield Event(n)


class SignIn(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    password: str | None = None


@router.post("/sign-in")
async def sign_in(ctx: HTTPContext, body: SignIn) -> None:
    """Anybody may have a name. To be an admin takes the password."""
    if body.password is not None and not settings.lets_in(body.password):
        raise HTTPException(403, "that is not the password")
    ctx.session.regenerate()
    ctx.session["user"] = body.name
    ctx.session["admin"] = body.password is not None


class Admin(Router):  # a class-based router: methods are handlers and middleware
    prefix = "/admin"
    middleware = ["require_admin"]

    def __init__(self, users: UserStore) -> None:
        super().__init__()
        self.users = users

    async def require_admin(self, ctx: Context, next: Next) -> Response:
        if not ctx.session.get("admin", False):
            raise HTTPException(403, "admins only")
        return await next()

    @get("/stats")
    async def stats(self, ctx: HTTPContext) -> dict[str, int]:
        return self.users.messages_by_name()


# ---- the application


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[AppState]:  # may yield a state dict
    yield {"users": users}


async def any_asgi_app(scope: Any, receive: Any, send: Any) -> None:
    """What was there before: an application that knows nothing of pagi."""
    body = f"{scope['method']} {scope['path']}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


app = App(
    routers=[router, Admin(users)],
    middleware=[Compress(), CORS(origins=["https://example.org"]), Session(secret=settings.secret), timing],
    providers=[board],
    lifespan=lifespan,
)
app.mount("/legacy", any_asgi_app)
with chdir(Path(__file__).parent):  # "public" lies beside this file, wherever the server was started
    app.mount("/static", StaticFiles("public"))
