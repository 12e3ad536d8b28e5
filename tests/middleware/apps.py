"""Applications that middleware is put around: every kind, every shape of answer, and a mount of each sort."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from pagi import App, FileResponse, HTTPContext, HTTPException, Middleware, Response, Stream, WebSocketContext
from pagi.gateway.types import Receive, Scope, Send

TEXT = "a line of text that repeats itself, as text does\n" * 100
RECORD = {"numbers": list(range(1000))}


async def plain_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """A plain ASGI application: greets over http, echoes one message over a WebSocket."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        if message["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        await send({"type": "websocket.close", "code": 1000})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": TEXT.encode()})


def app_of(*middleware: Middleware, file: Path | None = None) -> App:
    """Every kind and every shape of answer, with `middleware` around all of it."""
    app = App(middleware=middleware)

    @app.get("/text")
    async def text() -> str:
        return TEXT

    @app.get("/json")
    async def json() -> dict[str, Any]:
        return RECORD

    @app.get("/small")
    async def small() -> str:
        return "small"

    @app.get("/refuses")
    async def refuses() -> None:
        raise HTTPException(409, TEXT)

    @app.get("/fails")
    async def fails() -> None:
        raise LookupError("lost it")

    @app.get("/pieces")
    async def pieces() -> AsyncIterator[str]:
        for number in range(5):
            yield f"piece {number}\n"

    @app.get("/stepped")
    async def stepped() -> Stream:
        def lines() -> Iterator[bytes]:
            yield b"one\n"
            yield b"two\n"

        return Stream(lines(), content_type="text/csv")

    @app.get("/file")
    async def of_file() -> FileResponse:
        assert file is not None
        return FileResponse(file)

    @app.get("/raw")
    async def raw(ctx: HTTPContext) -> None:
        await ctx.send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
        await ctx.send({"type": "http.response.body", "body": TEXT.encode()})

    @app.get("/nothing")
    async def nothing() -> None: ...

    @app.sse("/feed")
    async def feed() -> AsyncIterator[str]:
        for number in range(3):
            yield f"event {number} {TEXT!r}"

    @app.sse("/declines")
    async def declines() -> Response:
        return Response(TEXT, status=409)

    @app.websocket("/echo")
    async def echo(ctx: WebSocketContext) -> None:
        await ctx.accept()
        async for message in ctx.iter_text():
            await ctx.send_text(message)

    inner = App()
    inner.get("/text")(text)
    app.mount("/inner", inner)
    app.mount("/plain", plain_asgi)
    return app
