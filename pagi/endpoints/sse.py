"""The innermost edge of an event stream: steps the generator, and starts and ends the stream around it."""

import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

import anyio
from typing_extensions import TypeIs

from pagi.context.annotations import is_async, is_async_generator
from pagi.context.next import Layer
from pagi.context.sse import SSEContext
from pagi.endpoints.binding import BadSignature, bind
from pagi.endpoints.http import check_first, sent
from pagi.endpoints.results import BadResult
from pagi.endpoints.route import RouteOptions
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import PeerError
from pagi.messages.problems import HTTPException, answer_to
from pagi.messages.response import AlreadySent, Response
from pagi.messages.sse import SSE
from pagi.routing.patterns import Pattern

HEAD_DELAY_SECONDS = 0.1
"""How long the generator may take for its first event, or its refusal, before the head leaves without either."""


def sse_layer(handler: Callable[..., Any], pattern: Pattern, options: RouteOptions) -> Layer:
    """What runs `handler` for one stream.

    Raises:
        ConfigError: it is neither an async generator nor async, or its signature cannot be satisfied.
    """
    if not (is_async_generator(handler) or is_async(handler)):
        raise BadSignature(handler, pattern.text, "an SSE handler is an async generator of events, or an async function")
    call = bind(handler, SSEContext, pattern)

    async def layer(ctx: SSEContext[Any]) -> Response:
        check_first(ctx)
        sse = ctx.sse
        sse.retry_after(options.retry_seconds)
        sse.keepalive_seconds = options.keepalive_seconds
        declined: Response | None = None
        failure: Exception | None = None
        events: AsyncIterator[Any] | None = None
        # One task group around all of it, so that the generator's own scopes nest inside. Errors leave by hand: it would wrap them.
        async with anyio.create_task_group() as group:
            scope = group.cancel_scope
            ctx.connection.on_abandoned(scope.cancel)
            ctx.connection.on_drain(lambda _: scope.cancel())
            group.start_soon(_start_late, sse)
            try:
                result: Any = call(ctx)
                if inspect.isawaitable(result):
                    result = await result
                if gives_events(result):
                    events = aiter(result)
                    async for event in events:
                        await sse.send(event)
                else:
                    declined = _declined(handler, sse, result)
            except (HTTPException, PeerError) as error:
                if ctx.has_left:
                    failure = error
                else:
                    declined = answer_to(error)
            except Exception as error:
                failure = error
            finally:
                close = getattr(events, "aclose", None)
                if close is not None:
                    await close()
            scope.cancel()
        if failure is not None:
            raise failure
        if declined is not None:
            return declined
        if ctx.connection.is_connected:
            await sse.close()
        return sent(ctx)

    return layer


def gives_events(result: object) -> TypeIs[AsyncIterable[Any]]:
    """A handler's result can be iterated."""
    return isinstance(result, AsyncIterable)


def _declined(handler: Callable[..., Any], sse: SSE, result: object) -> Response | None:
    """The response that a coroutine declines with; None if it sent by itself."""
    if result is None:
        return None
    if not isinstance(result, Response):
        raise BadResult(handler, f"returned {type(result).__name__}; an SSE handler gives an async iterator, a Response, or sends itself")
    if sse.state != "pending" or sse.is_raw:
        raise AlreadySent(f"a stream cannot be declined after its head left, {HEAD_DELAY_SECONDS} s after the handler began")
    return result


async def _start_late(sse: SSE) -> None:
    await anyio.sleep(HEAD_DELAY_SECONDS)
    try:
        await sse.start()
    except ClientGone:
        return  # the next event finds out, and ends the handler
