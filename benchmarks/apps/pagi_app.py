"""The same workloads as a user of pagi would write them: one App with routes, and two layers of middleware round each of them."""

from collections.abc import AsyncIterator

import anyio

from benchmarks.apps.payloads import CHUNK, CHUNKS, EVENT_TEXTS, HELLO_EVENT, MESSAGE, PLAINTEXT, large_file, served_file
from pagi import App, Context, Event, HTTPContext, Next, Response, SSEContext, WebSocketContext


async def outer(ctx: Context, next: Next) -> Response:
    return await next()


async def inner(ctx: Context, next: Next) -> Response:
    return await next()


class Starter:
    """Starts a burst for all who wait, on any loop. Counts the starts, so that nobody misses one between two waits."""

    def __init__(self) -> None:
        self.started = 0
        self.gate: anyio.Event | None = None

    def start(self) -> None:
        gate, self.gate = self.gate, None
        self.started += 1
        if gate is not None:
            gate.set()

    async def after(self, seen: int) -> None:
        """Returns once more than `seen` bursts have been started."""
        while self.started <= seen:
            if self.gate is None:
                self.gate = anyio.Event()
            await self.gate.wait()


starter = Starter()
app = App(middleware=[outer, inner])


@app.get("/plaintext")
async def plaintext() -> str:
    return PLAINTEXT


@app.get("/json")
async def json() -> dict[str, str]:
    return MESSAGE


@app.get("/stream")
async def stream() -> AsyncIterator[bytes]:
    for _ in range(CHUNKS):
        yield CHUNK


@app.post("/upload")
async def upload(ctx: HTTPContext) -> str:
    size = 0
    async for part in ctx.request.stream():
        size += len(part)
    return str(size)


@app.get("/file")
async def file(ctx: HTTPContext) -> Response:
    return ctx.file(served_file())


@app.get("/file_large")
async def file_large(ctx: HTTPContext) -> Response:
    return ctx.file(large_file())


@app.websocket("/echo_text")
async def echo_text(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for text in ctx.iter_text():
        await ctx.send_text(text)


@app.websocket("/echo_bytes")
async def echo_bytes(ctx: WebSocketContext) -> None:
    await ctx.accept()
    async for data in ctx.iter_bytes():
        await ctx.send_bytes(data)


@app.post("/burst")
async def burst() -> str:
    starter.start()
    return PLAINTEXT


@app.sse("/events")
async def events(ctx: SSEContext) -> AsyncIterator[Event[str]]:
    seen = starter.started
    yield Event(HELLO_EVENT)
    while True:
        await starter.after(seen)
        seen += 1
        for text in EVENT_TEXTS:
            yield Event(text)
