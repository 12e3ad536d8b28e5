"""The innermost edge of http: calls the handler, turns what it raises into responses, and what it returns too."""

import inspect
from collections.abc import Callable
from typing import Any

import anyio.to_thread

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Layer
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.rescue import rescued
from pagi.endpoints.results import Render, renderer
from pagi.endpoints.wiring import Owner, Wiring, has_open_call
from pagi.gateway.annotations import is_async, is_async_generator, unwrapped
from pagi.injection.source import Compiled, compile_plan
from pagi.messages.response import AlreadySent, Response, SentResponse
from pagi.messages.stream import Stream

Threads = Callable[[], anyio.CapacityLimiter]
"""The limiter of the app's worker threads, on the loop that runs."""


def http_layer(handler: Callable[..., Any], owner: Owner | None, wiring: Wiring, encode: Callable[[Any], bytes], threads: Threads) -> Layer:
    """What runs `handler` for one request.

    Raises:
        ConfigError: its signature cannot be satisfied.
    """
    plan = wiring.plan(handler, owner)
    render = renderer(handler, encode)
    if streams(handler):
        if has_open_call(plan):
            raise BadSignature(
                handler,
                wiring.pattern.text,
                "it is a generator, and what it takes of scope 'call' would end before the answer begins; give that scope 'request'",
            )
        return _streaming(compile_plan(plan))
    if is_async(handler):
        return _awaiting(compile_plan(plan, awaited=True), render)
    return _awaiting(compile_plan(plan, threaded=_in_thread(threads)), render)


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


def sent(ctx: Context[Any]) -> SentResponse:
    """What `next()` gives for a session or stream that is over."""
    head = ctx.send.head
    return SentResponse(head.status, head.raw_headers) if head is not None else SentResponse(200, [])


def _awaiting(compiled: Compiled, render: Render) -> Layer:
    call, leaves = compiled.call, compiled.plan.leaves()

    async def layer(ctx: HTTPContext[Any]) -> Response:
        if ctx.channel is not None:
            check_first(ctx)
        try:
            return render(ctx, await call(ctx))
        except Exception as error:
            answer = await rescued(ctx, error, leaves)
            if answer is None:
                raise
            return answer

    return layer


def _streaming(compiled: Compiled) -> Layer:
    call, leaves = compiled.call, compiled.plan.leaves()

    async def layer(ctx: HTTPContext[Any]) -> Response:
        check_first(ctx)
        try:
            stream = Stream(await call(ctx) if compiled.is_async else call(ctx))
            if ctx.method != "HEAD":  # there a stream is closed unstarted
                await stream.prefetch()
        except Exception as error:
            answer = await rescued(ctx, error, leaves)
            if answer is None:
                raise
            return answer
        ctx.after_response(stream.aclose)  # whatever a middleware answers in its place
        if ctx.builder is not None:
            ctx.builder.dress(stream)
        return stream

    return layer


def _in_thread(threads: Threads) -> Callable[..., Any]:
    async def call(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        def boxed() -> tuple[Any]:
            # A thread may not return an awaitable on trio, where it is taken for a mistake; here it is awaited on the loop.
            return (function(*args, **kwargs),)

        (result,) = await anyio.to_thread.run_sync(boxed, limiter=threads())
        return await result if inspect.isawaitable(result) else result

    return call
