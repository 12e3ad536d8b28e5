"""An `SSEEndpoint` as one stream: its generator or its `on_connect`, and its end told once."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import anyio

from pagi.context.next import Layer
from pagi.context.sse import SSEContext
from pagi.endpoints.endpoint import BadEndpoint, SSEEndpoint, endpoint_class, method_of
from pagi.endpoints.hooks import compiled_hook, note_begun, with_last_words
from pagi.endpoints.route import RouteOptions
from pagi.endpoints.sse import sse_layer
from pagi.endpoints.wiring import Owner, Wiring
from pagi.gateway.reasons import ClientGone, Reason
from pagi.messages.response import Response


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
    if hasattr(endpoint, "on_error"):
        options = replace(options, on_error=compiled_hook(endpoint, "on_error", wiring, ("error",)).call)
    last = compiled_hook(endpoint, "on_disconnect", wiring, ("reason",)).call if hasattr(endpoint, "on_disconnect") else None
    if has_stream:
        before = note_begun if last is not None else None
        layer = sse_layer(method_of(endpoint, "stream"), owner, wiring, options, before)
    else:
        connect = compiled_hook(endpoint, "on_connect", wiring, begins=last is not None).call
        layer = sse_layer(_until_left(connect), None, wiring, options)
    return layer if last is None else with_last_words(layer, last, _reason)


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


def _reason(ctx: SSEContext[Any], error: BaseException | None) -> tuple[Reason | None]:
    """Why the stream ended; None where it ended by itself."""
    connection = ctx.connection
    if connection.disconnect_reason is not None:
        return (connection.disconnect_reason,)
    if isinstance(error, Exception) and not isinstance(error, ClientGone):
        return (Reason.SERVER_ERROR,)
    # What does not listen to the closing signal was ended by it.
    return (Reason.SERVER_SHUTDOWN if connection.is_closing and not connection.hears_closing else None,)
