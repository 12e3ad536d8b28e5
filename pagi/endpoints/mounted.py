"""The innermost layer of a mount: enters a pagi app, or hands the raw channel to any other."""

from typing import Any

from pagi.context.context import Context
from pagi.context.next import Layer
from pagi.endpoints.http import check_first
from pagi.endpoints.matching import INNER, InnerMatch, route_path
from pagi.gateway.asgi import plain_scope
from pagi.gateway.types import AnyApp
from pagi.http.errors import AppError
from pagi.messages.response import Response, SentResponse
from pagi.routing.patterns import Pattern


class NoAnswer(AppError):
    """A mounted application returned without answering."""

    def __init__(self, app: object, path: str) -> None:
        super().__init__(f"the mounted application {app!r} returned without answering {path}")


async def pagi_layer(ctx: Context[Any]) -> Response:
    """Enters a mounted pagi app: the same context goes on, with the routes and names of that app."""
    found: list[InnerMatch] = ctx.scope[INNER]
    here = found[0]
    ctx.scope[INNER] = found[1:]
    ctx.enter(here.site, here.root_path, here.params)
    try:
        return await here.target.run(ctx)
    finally:
        ctx.scope[INNER] = found


def foreign_layer(app: AnyApp, prefix: Pattern | None, speaks_sse: bool) -> Layer:
    """Runs a plain ASGI application. What it sends leaves at once, with the hooks run on its head."""
    end = len(prefix.segments) + 1 if prefix else 1

    async def layer(ctx: Context[Any]) -> Response:
        check_first(ctx)
        root_path = (ctx.scope.get("root_path") or "").rstrip("/") + "/".join(route_path(ctx.scope).split("/")[:end])
        scope = {**ctx.scope, "root_path": root_path}
        receive = ctx.receive
        if not speaks_sse:
            plain, receive = plain_scope(scope, receive)
            scope = dict(plain)
        channel = ctx.send
        await app(scope, receive, channel)
        if channel.head is None:
            raise NoAnswer(app, ctx.path)
        return SentResponse(channel.head.status, channel.head.raw_headers)

    return layer
