"""An `SSEEndpoint` as one stream: its generator or its `on_connect`, and its end told once."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio

from pagi.context.answering import called
from pagi.context.next import Layer
from pagi.context.sse import SSEContext
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.endpoint import BadEndpoint, SSEEndpoint, endpoint_class
from pagi.endpoints.route import RouteOptions
from pagi.endpoints.sse import sse_layer
from pagi.endpoints.websocket_hooks import LAST_WORDS_SECONDS
from pagi.endpoints.wiring import Owner, Wiring
from pagi.gateway.annotations import is_async
from pagi.gateway.reasons import ClientGone
from pagi.injection.plan import Leaf
from pagi.injection.source import Compiled, compile_plan
from pagi.messages.response import Response

log = logging.getLogger("pagi")


def sse_endpoint_layer(endpoint: SSEEndpoint | type[SSEEndpoint], wiring: Wiring, options: RouteOptions) -> Layer:
    """What runs the endpoint for one stream.

    Raises:
        ConfigError: it has neither `stream` nor `on_connect` or both, or one of its methods asks for what cannot be given.
    """
    owner = Owner.of(endpoint) if isinstance(endpoint, type) else None
    has_stream, has_connect = hasattr(endpoint, "stream"), hasattr(endpoint, "on_connect")
    if has_stream == has_connect:
        problem = "defines both stream and on_connect; keep one" if has_stream else "defines neither stream nor on_connect"
        raise BadEndpoint(endpoint_class(endpoint), problem)
    on_error = _hook(endpoint, "on_error", ("error",), owner, wiring)
    if on_error is not None:
        options = replace(options, on_error=on_error.call)
    last = _hook(endpoint, "on_disconnect", ("reason",), owner, wiring)
    if has_stream:
        layer = sse_layer(endpoint.stream, owner, wiring, options)
    else:
        if not is_async(endpoint.on_connect):
            raise BadSignature(endpoint.on_connect, wiring.pattern.text, "a hook is an async function")
        connect = compile_plan(wiring.plan(endpoint.on_connect, owner), awaited=True).call
        layer = sse_layer(_until_left(connect), None, wiring, options)
    return layer if last is None else _with_last_words(layer, last.call)


def _until_left(connect: Callable[[Any], Awaitable[Any]]) -> Callable[..., Any]:
    async def stay(ctx: SSEContext[Any]) -> Response | None:
        declined = await connect(ctx)
        if isinstance(declined, Response):
            return declined
        await ctx.start()
        if ctx.sse.state == "started":
            # Whoever else has the context may close the stream: a clean end, which no disconnect follows.
            ended = anyio.Event()
            ctx.connection.on_complete(ended.set)
            ctx.connection.on_disconnect(lambda reason: ended.set())
            await ended.wait()
        return None

    return stay


def _with_last_words(layer: Layer, last: Callable[..., Awaitable[Any]]) -> Layer:
    async def whole(ctx: SSEContext[Any]) -> Response:
        try:
            return await layer(ctx)
        finally:
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + LAST_WORDS_SECONDS):
                try:
                    await last(ctx, ctx.connection.disconnect_reason)
                except ClientGone:
                    pass  # it tried to send; there is nobody any more
                except Exception as error:
                    log.error("on_disconnect of %s failed: %s", called(ctx), error, exc_info=error)

    return whole


def _hook(
    endpoint: SSEEndpoint | type[SSEEndpoint], name: str, told: tuple[str, ...], owner: Owner | None, wiring: Wiring
) -> Compiled | None:
    hook: Callable[..., Any] | None = getattr(endpoint, name, None)
    if hook is None:
        return None
    if not is_async(hook):
        raise BadSignature(hook, wiring.pattern.text, "a hook is an async function")
    extras = {each: Leaf(each, what=f"the {each}") for each in told}
    return compile_plan(wiring.plan(hook, owner, extras), extras=told, awaited=True)
