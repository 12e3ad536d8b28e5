"""The innermost layer of a mount: enters a pagi app, asks a ready-made one, or hands the raw channel to any other."""

from typing import Any

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Layer
from pagi.context.pages import suited
from pagi.context.ready import ReadyApp
from pagi.endpoints.http import check_first
from pagi.endpoints.matching import INNER, InnerMatch
from pagi.endpoints.rescue import blame, rescued
from pagi.gateway.asgi import plain_scope
from pagi.gateway.mounting import root_of, route_path
from pagi.gateway.types import AnyApp, Scope
from pagi.http.errors import AppError
from pagi.messages.problems import problem
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
    outside = (ctx.site, ctx.scope.get("root_path", ""), ctx.path_params)
    ctx.enter(here.site, here.root_path, {**ctx.path_params, **here.params})
    try:
        return await here.target.run(ctx)
    except Exception as error:
        blame(here.site, error)
        raise
    finally:
        ctx.scope[INNER] = found
        ctx.enter(*outside)


def ready_layer(app: ReadyApp, prefix: Pattern | None) -> Layer:
    """Asks a ready-made application: its answer goes up as a value. For a WebSocket nothing is there."""
    end = _end_of(prefix)

    async def layer(ctx: Context[Any]) -> Response:
        check_first(ctx)
        if not isinstance(ctx, HTTPContext):
            return problem(404)
        scope = ctx.scope
        outside = scope.get("root_path") or ""
        scope["root_path"] = mounted_root(scope, end)
        try:
            return suited(ctx, await app.respond(ctx))
        except Exception as error:
            answer = await rescued(ctx, error)
            if answer is None:
                raise
            return answer
        finally:
            scope["root_path"] = outside

    return layer


def _end_of(prefix: Pattern | None) -> int:
    """Where a prefix ends in a path that was split at its slashes."""
    return len(prefix.segments) + 1 if prefix else 1


def mounted_root(scope: Scope, end: int) -> str:
    """The `root_path` inside of a mount: what the path really says where the prefix has parameters."""
    return root_of(scope) + "/".join(route_path(scope).split("/")[:end])


def foreign_layer(app: AnyApp, prefix: Pattern | None, speaks_sse: bool) -> Layer:
    """Runs a plain ASGI application. What it sends leaves at once, with the hooks run on its head."""
    end = _end_of(prefix)

    async def layer(ctx: Context[Any]) -> Response:
        check_first(ctx)
        scope = {**ctx.scope, "root_path": mounted_root(ctx.scope, end)}
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
