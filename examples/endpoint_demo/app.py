"""Endpoints as classes: messages over HTTP, heard live as events, an echo over a WebSocket. `make run` starts it.

Or: `pagi run examples/endpoint_demo/app.py`. The page is plain HTML, CSS and JavaScript, in `page/`, and shows the code below.

What is written is kept in `messages.json` beside this file (the variable `MESSAGES` says where else), so it outlives a restart.
All pages have to be on one process: with several workers each would have its own board and its own listeners.
"""

import ast
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Annotated

import anyio
import msgspec

from pagi import (
    App,
    Context,
    Event,
    Head,
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
    provider,
)
from pagi.apps import StaticFiles
from pagi.channels import Channels, Topic

HERE = Path(__file__).parent
MOST_MESSAGES = 100


# ---- what is written, and what is told of it


class NewMessage(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=280)]


class Message(msgspec.Struct, frozen=True):
    id: int
    name: str
    text: str
    at: datetime


class Kept(msgspec.Struct):
    """What is in the file. An id is never given twice."""

    last_id: int = 0
    messages: list[Message] = []


class Change(msgspec.Struct, frozen=True, tag=str.lower):
    """Something a page has to know."""

    @property
    def name(self) -> str:
        return str(self.__struct_config__.tag)


class Everything(Change, frozen=True):
    messages: list[Message]


class Added(Change, frozen=True):
    message: Message


class Removed(Change, frozen=True):
    id: int


class Listening(Change, frozen=True):
    pages: int


News = Added | Removed | Listening
NEWS = Topic[News]("news", News)


class Board:
    """The latest messages, and who listens. What changes is kept first and told then, one change at a time."""

    def __init__(self, channels: Channels, file: anyio.Path, kept: Kept) -> None:
        self._channels = channels
        self._file = file
        self._kept = kept
        self._pages: set[object] = set()
        self._changing = anyio.Lock()

    @property
    def messages(self) -> list[Message]:
        return self._kept.messages

    async def add(self, new: NewMessage) -> Message:
        async with self._changing:
            message = Message(self._kept.last_id + 1, new.name, new.text, datetime.now(UTC))
            await self._keep(Kept(message.id, [*self.messages, message][-MOST_MESSAGES:]))
            await self._channels.publish(NEWS, Added(message))
        return message

    async def remove(self, id: int) -> bool:
        async with self._changing:
            rest = [message for message in self.messages if message.id != id]
            if len(rest) == len(self.messages):
                return False
            await self._keep(Kept(self._kept.last_id, rest))
            await self._channels.publish(NEWS, Removed(id))
        return True

    async def joined(self, page: object) -> None:
        self._pages.add(page)
        await self._channels.publish(NEWS, Listening(len(self._pages)))

    async def left(self, page: object) -> None:
        self._pages.discard(page)
        await self._channels.publish(NEWS, Listening(len(self._pages)))

    async def _keep(self, kept: Kept) -> None:
        unfinished = self._file.with_suffix(".new")
        await unfinished.write_bytes(msgspec.json.encode(kept))
        await unfinished.replace(self._file)
        self._kept = kept


@provider(scope="app")
async def board(channels: Channels) -> AsyncIterator[Board]:
    file = anyio.Path(os.environ.get("MESSAGES", HERE / "messages.json"))
    kept = msgspec.json.decode(await file.read_bytes(), type=Kept) if await file.exists() else Kept()
    yield Board(channels, file, kept)


# ---- the three kinds of endpoints


class Messages(HTTPEndpoint):
    async def get(self, board: Board) -> list[Message]:
        return board.messages

    async def post(self, ctx: HTTPContext, body: NewMessage, board: Board) -> Response:
        message = await board.add(body)
        return ctx.json(message, status=201)


class OneMessage(HTTPEndpoint):
    async def delete(self, id: int, board: Board) -> None:
        if not await board.remove(id):
            raise HTTPException(404, f"there is no message {id}")


class Feed(SSEEndpoint):
    retry = 1.0

    def __init__(self, channels: Channels, board: Board) -> None:
        self.channels = channels
        self.board = board

    async def stream(self, ctx: SSEContext) -> AsyncIterator[Event[Change]]:
        async with self.channels.subscribe(NEWS, after=ctx.last_event_id) as news:
            if news.after is None or news.gap:  # new, or away for too long
                yield Event(Everything(self.board.messages), event="everything", id=news.cursor)
            await self.board.joined(self)
            async for item in news:
                yield Event(item.data, event=item.data.name, id=item.id)

    async def on_disconnect(self) -> None:
        await self.board.left(self)


class Call(msgspec.Struct):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    times: Annotated[int, msgspec.Meta(ge=1, le=5)] = 1


class Echo(WebSocketEndpoint):
    encoding = "json"

    async def on_connect(self, ctx: WebSocketContext) -> None:
        await ctx.accept()
        await ctx.send_json({"welcome": "The echo is listening."})

    async def on_receive(self, ctx: WebSocketContext, message: Call) -> None:
        for n in range(1, message.times + 1):
            await ctx.send_json({"echo": message.text, "n": n, "of": message.times})

    async def on_invalid(self, ctx: WebSocketContext, error: Exception) -> None:
        await ctx.send_json({"problem": str(error)})


# ---- middleware: a function, a class, a method


async def strict(ctx: Context, next: Next) -> Response:
    def dress(head: Head) -> None:
        head.headers.set("content-security-policy", "default-src 'self'; frame-ancestors 'none'")
        head.headers.set("x-content-type-options", "nosniff")

    ctx.on_response_start(dress)
    return await next()


class Served:
    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self.kinds = Counter(http=0, sse=0, websocket=0)


class Tally:
    def __init__(self, served: Served) -> None:
        self.served = served

    async def __call__(self, ctx: Context, next: Next) -> Response:
        self.served.kinds[ctx.type] += 1
        return await next()


class Desk(Router):
    prefix = "/server"
    middleware = ["fresh"]

    def __init__(self, served: Served) -> None:
        super().__init__()
        self.served = served

    async def fresh(self, ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        response.headers["cache-control"] = "no-store"
        return response

    @get("/tally")
    async def tally(self) -> dict[str, object]:
        return {"since": self.served.since, **self.served.kinds}


# ---- all of it together


app = App(
    routers=[Desk],
    middleware=[strict, Tally],
    providers=[board, provider(Served, scope="app")],
)
app.add("/api/messages", Messages)
app.add("/api/messages/{id}", OneMessage)
app.add("/feed", Feed)
app.add("/echo", Echo)
app.mount("/page", StaticFiles(HERE / "page", cache_control="no-cache"))


def with_code(page: str) -> str:
    """The page, in which `{{Feed}}` stands for the source of that class: what it shows is what runs."""
    source = Path(__file__).read_text()
    parts: dict[str, str] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            parts[node.name] = escape("\n".join(source.splitlines()[first - 1 : node.end_lineno]))
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], page)


PAGE = with_code((HERE / "page" / "page.html").read_text())


@app.get("/")
async def page(ctx: HTTPContext) -> Response:
    return ctx.html(PAGE)
