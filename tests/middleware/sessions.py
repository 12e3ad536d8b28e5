"""An application whose handlers do to the session what a test asks for, on all three kinds."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from pagi import App, Event, HTTPContext, HTTPException, Response, SSEContext, WebSocketContext
from pagi.context.session import Session as ClientSession
from pagi.middleware import Session

SECRET = "Kq3vT8yZ1mB6nW4xR9cP2dF7gH5jL0aQ"
OLD_SECRET = "pW8eR2tY6uI0oP4aS7dF1gH5jK9lZ3xC"


class Teapot(Exception):
    """Nobody catches it."""


def count(session: ClientSession) -> int:
    """Counts the visits."""
    session["n"] = session.get("n", 0) + 1
    return int(session["n"])


def grow(session: ClientSession) -> None:
    """Changes a value in place."""
    session["list"].append(len(session["list"]))


def login(session: ClientSession) -> None:
    """What a login does."""
    session.regenerate()
    session["user"] = 7


def enlarge(session: ClientSession) -> None:
    """More than a cookie may hold."""
    session["small"] = 1
    session["large"] = "x" * 4000


ACTS: dict[str, Callable[[ClientSession], Any]] = {
    "nothing": lambda session: None,
    "count": count,
    "read": lambda session: {name: session[name] for name in session},
    "list": lambda session: session.__setitem__("list", []),
    "grow": grow,
    "clear": lambda session: session.clear(),
    "login": login,
    "logout": lambda session: session.destroy(),
    "short": lambda session: setattr(session, "max_age", 60),
    "large": enlarge,
}


def make_app(session: Session, **options: Any) -> App:
    """`/{act}`, `/sse/{act}` and `/ws/{act}` act before the head leaves, `.../late/{act}` after it, `/fail/{act}` fails after it acted."""
    app = App(middleware=[session], **options)

    @app.get("/{act}")
    async def before(ctx: HTTPContext, act: str) -> Response:
        return ctx.json(ACTS[act](ctx.session) if act != "nothing" else None)

    @app.get("/fail/{act}/{status:int}")
    async def fail(ctx: HTTPContext, act: str, status: int) -> None:
        ACTS[act](ctx.session)
        if not status:
            raise Teapot
        raise HTTPException(status)

    @app.get("/late/{act}")
    async def late(ctx: HTTPContext, act: str) -> AsyncIterator[str]:
        yield "head"
        ACTS[act](ctx.session)

    @app.sse("/sse/{act}")
    async def stream(ctx: SSEContext, act: str) -> AsyncIterator[Event[Any]]:
        yield Event(ACTS[act](ctx.session))

    @app.sse("/sse/late/{act}")
    async def late_stream(ctx: SSEContext, act: str) -> AsyncIterator[Event[Any]]:
        yield Event("head")
        yield Event(ACTS[act](ctx.session))

    @app.websocket("/ws/{act}")
    async def talk(ctx: WebSocketContext, act: str) -> None:
        result = ACTS[act](ctx.session)
        await ctx.accept()
        await ctx.send_json(result)

    @app.websocket("/ws/late/{act}")
    async def late_talk(ctx: WebSocketContext, act: str) -> None:
        await ctx.accept()
        await ctx.send_json(ACTS[act](ctx.session))

    @app.websocket("/ws/deny/{act}")
    async def deny(ctx: WebSocketContext, act: str) -> None:
        ACTS[act](ctx.session)
        await ctx.deny(Response("no", status=403))

    return app
