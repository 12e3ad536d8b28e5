"""What is deployed anew while it is used: events out of a SQLite file that somebody else appends to, and WebSockets that echo.

Started as a file by `pagi run`. The file's name is in ROLLING_EVENTS.
"""

import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import TypedDict

import anyio

from pagi import App, Event, SSEContext, WebSocketContext

LOOK_SECONDS = 0.02


class Tail:
    """The rows of the file so far, by number; each worker reads it once for all of its streams."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._more = anyio.Event()
        self.rows: list[str] = []

    async def follow(self) -> None:
        """Reads on, for as long as it is not cancelled."""
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=5)) as file:
            while True:
                fresh = file.execute("SELECT number, word FROM events WHERE number > ? ORDER BY number", (len(self.rows),)).fetchall()
                for number, word in fresh:
                    self.rows.append(word)
                    assert number == len(self.rows)
                if fresh:
                    self._more.set()
                    self._more = anyio.Event()
                await anyio.sleep(LOOK_SECONDS)

    async def after(self, number: int) -> AsyncIterator[tuple[int, str]]:
        """Every row behind this one, with its number, as they come."""
        while True:
            while number < len(self.rows):
                number += 1
                yield number, self.rows[number - 1]
            await self._more.wait()


class Shared(TypedDict):
    tail: Tail


@asynccontextmanager
async def lifespan(app: App) -> AsyncGenerator[Shared]:
    tail = Tail(os.environ["ROLLING_EVENTS"])
    async with anyio.create_task_group() as group:
        group.start_soon(tail.follow)
        yield {"tail": tail}
        group.cancel_scope.cancel()


app = App(lifespan=lifespan, origins="*")


@app.sse("/events", retry_seconds=0.2)
async def events(ctx: SSEContext) -> AsyncIterator[Event[str]]:
    tail: Tail = ctx.state["tail"]
    async for number, word in tail.after(int(ctx.last_event_id or 0)):
        yield Event(word, id=str(number))


@app.websocket("/echo")
async def echo(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for text in ctx.iter_text():
        await ctx.send_text(text)
