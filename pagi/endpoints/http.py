"""The innermost edge of http: calls the handler, turns refusals into responses, and results too."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import anyio.to_thread

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Layer
from pagi.endpoints.binding import Call, bind
from pagi.endpoints.results import Render, renderer
from pagi.gateway.annotations import is_async, is_async_generator, unwrapped
from pagi.http.errors import PeerError
from pagi.messages.problems import HTTPException, answer_to
from pagi.messages.response import AlreadySent, Response, SentResponse
from pagi.messages.stream import Stream
from pagi.routing.patterns import Pattern

Threads = Callable[[], anyio.CapacityLimiter]
"""The limiter of the app's worker threads, on the loop that runs."""


def http_layer(handler: Callable[..., Any], pattern: Pattern, encode: Callable[[Any], bytes], threads: Threads) -> Layer:
    """What runs `handler` for one request.

    Raises:
        ConfigError: its signature cannot be satisfied.
    """
    call = bind(handler, HTTPContext, pattern)
    render = renderer(handler, encode)
    if streams(handler):
        return _streaming(call)
    if is_async(handler):
        return _awaiting(call, render)
    return _threaded(call, render, threads)


def streams(handler: Callable[..., Any]) -> bool:
    """The handler is a generator: its body is cancelled when the client is gone for good."""
    return is_async_generator(handler) or inspect.isgeneratorfunction(unwrapped(handler))


def check_first(ctx: Context[Any]) -> None:
    """Refuses to run a handler again once its answer left.

    Raises:
        AlreadySent: something left.
    """
    if ctx.channel is not None and ctx.channel.head is not None:
        raise AlreadySent("next() was called again after the answer had begun to leave; call it once, or before anything is sent")


def refused(ctx: Context[Any], error: HTTPException | PeerError) -> Response:
    """The answer that a refusal is; one that comes too late goes on as the error it is."""
    if ctx.has_left:
        raise error
    return answer_to(error)


def sent(ctx: Context[Any]) -> SentResponse:
    """What `next()` gives for a session or stream that is over."""
    head = ctx.send.head
    return SentResponse(head.status, head.raw_headers) if head is not None else SentResponse(200, [])


def _awaiting(call: Call, render: Render) -> Layer:
    async def layer(ctx: HTTPContext[Any]) -> Response:
        if ctx.channel is not None:
            check_first(ctx)
        try:
            return render(ctx, await call(ctx))
        except (HTTPException, PeerError) as error:
            return refused(ctx, error)

    return layer


def _streaming(call: Call) -> Layer:
    async def layer(ctx: HTTPContext[Any]) -> Response:
        check_first(ctx)
        try:
            stream = Stream(call(ctx))
            if ctx.method != "HEAD":  # there a stream is closed unstarted
                await stream.prefetch()
        except (HTTPException, PeerError) as error:
            return refused(ctx, error)
        ctx.after_response(stream.aclose)  # whatever a middleware answers in its place
        if ctx.builder is not None:
            ctx.builder.dress(stream)
        return stream

    return layer


def _boxed(call: Call, ctx: HTTPContext[Any]) -> tuple[Any]:
    # A thread may not return an awaitable on trio, where it is taken for a mistake; here it is awaited on the loop.
    return (call(ctx),)


def _threaded(call: Call, render: Render, threads: Threads) -> Layer:
    async def layer(ctx: HTTPContext[Any]) -> Response:
        check_first(ctx)
        try:
            (result,) = await anyio.to_thread.run_sync(partial(_boxed, call, ctx), limiter=threads())
            if inspect.isawaitable(result):
                result = await result
            return render(ctx, result)
        except (HTTPException, PeerError) as error:
            return refused(ctx, error)

    return layer
