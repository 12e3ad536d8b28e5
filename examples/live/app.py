"""A live page on one server: a clock by events, an echo by WebSocket, a notebook by HTTP.

`pagi run examples/live/app.py` starts it. The page itself is in `page/`: plain HTML, CSS and JavaScript.
"""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from html import escape
from pathlib import Path
from time import time
from typing import TypedDict

import anyio
import msgspec

from pagi import App, Context, Event, Head, HTTPContext, HTTPException, Next, Response, SSEContext, WebSocketContext

PAGE = Path(__file__).parent / "page"
PARTS = {"style.css", "script.js", "icon.svg"}
MAX_NAME, MAX_NOTE = 40, 280


class Note(msgspec.Struct, frozen=True):
    name: str
    text: str
    at: str

    @property
    def html(self) -> str:
        """A list item. What visitors wrote is text here, never markup."""
        return f"<li><p>{escape(self.text)}</p><p class=by>{escape(self.name)}, <time>{self.at}</time></p></li>\n"


class Tick(msgspec.Struct, frozen=True):
    time: str
    date: str
    zone: str
    watching: int
    """How many pages hear this clock."""


class Farewell(msgspec.Struct, frozen=True):
    seconds: float
    """How long the server still takes at most."""


class Room:
    """What all visitors share; gone when the server ends."""

    def __init__(self) -> None:
        self.notes: deque[Note] = deque(maxlen=50)
        self.watching = 0

    def tick(self) -> Tick:
        now = datetime.now().astimezone()
        return Tick(f"{now:%H:%M:%S}", f"{now:%A}, {now.day} {now:%B %Y}", now.tzname() or "", self.watching)


class LiveState(TypedDict):
    room: Room


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[LiveState]:
    yield {"room": Room()}


async def strict(ctx: Context, next: Next) -> Response:
    """For every kind of exchange: the page may load nothing from elsewhere, and is asked for again each time."""

    def dress(head: Head) -> None:
        head.headers.set("content-security-policy", "default-src 'self'; frame-ancestors 'none'")
        head.headers.set("x-content-type-options", "nosniff")
        head.headers.set("cache-control", "no-cache")

    ctx.on_response_start(dress)
    return await next()


async def from_this_page(ctx: HTTPContext, next: Next) -> Response:
    """Forms of other sites are refused: a browser says where a form stands."""
    origin = ctx.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != ctx.headers.get("host"):
        raise HTTPException(403, "notes are taken from this page only")
    return await next()


app = App(middleware=[strict], lifespan=lifespan)


@app.get("/")
async def page(ctx: HTTPContext) -> Response:
    return ctx.file(PAGE / "page.html")


@app.get("/parts/{name}")
async def part(ctx: HTTPContext, name: str) -> Response:
    if name not in PARTS:
        raise HTTPException(404)
    return ctx.file(PAGE / name)


# ---- the clock: one path, two kinds. Who asks for events gets the stream, anybody else the time of day.


@app.get("/clock")
async def time_of_day(ctx: HTTPContext[LiveState]) -> Tick:
    return ctx.state["room"].tick()


@app.sse("/clock", retry_seconds=1)
async def clock(ctx: SSEContext[LiveState]) -> AsyncIterator[Event[Tick] | Event[Farewell]]:
    room = ctx.state["room"]
    closing = anyio.Event()
    ctx.connection.on_closing(lambda deadline: closing.set())  # we listen, so the stream is ours to end
    room.watching += 1
    try:
        while not closing.is_set():
            yield Event(room.tick(), event="tick")
            with anyio.move_on_after(1 - time() % 1):  # until the next full second
                await closing.wait()
        left = (ctx.connection.closing_deadline or 0) - anyio.current_time()
        yield Event(Farewell(max(left, 0)), event="closing")
    finally:
        room.watching -= 1


# ---- the echo


@app.websocket("/echo")
async def echo(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for text in ctx.iter_text():
        await ctx.send_text(text)


# ---- the notebook: answers are pieces of HTML, which the page puts where they belong


@app.get("/notes")
async def notes(ctx: HTTPContext[LiveState]) -> Response:
    return ctx.html("".join(note.html for note in reversed(ctx.state["room"].notes)))


@app.post("/notes", middleware=[from_this_page])
async def add_note(ctx: HTTPContext[LiveState]) -> Response:
    form = await ctx.request.form()
    name, text = (form.get_text("name") or "").strip(), (form.get_text("text") or "").strip()
    if not text:
        raise HTTPException(422, "Write something first.")
    if len(name) > MAX_NAME or len(text) > MAX_NOTE:
        raise HTTPException(422, f"A name has at most {MAX_NAME} characters and a note {MAX_NOTE}.")
    note = Note(name or "Somebody", text, f"{datetime.now():%H:%M}")
    ctx.state["room"].notes.append(note)
    return ctx.html(note.html, status=201)
