"""How the answer to a request leaves: once, with the hooks run on its head. And what is done after it."""

import inspect
import logging
from typing import Any

import anyio

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.messages.files import FileResponse
from pagi.messages.response import AlreadySent, Response
from pagi.messages.stream import Stream

log = logging.getLogger("pagi")


async def answer(ctx: HTTPContext[Any], response: Response, *, is_cancellable: bool = False) -> None:
    """Sends a response that came out of the layers, once, with the hooks run on its head.

    A body that comes in parts is ended when the grace after a disconnect is over; where the whole exchange `is_cancellable`, who
    called sees to that.

    Raises:
        AlreadySent: something else left before.
        ClientGone: the client left.
    """
    if ctx.channel is not None and ctx.channel.head is not None:
        if response.is_sent:
            return
        raise AlreadySent("an answer had left through the raw channel, and then another one was returned; return nothing after ctx.send")
    if response.is_whole:
        if ctx.hooks is None:
            await response.deliver(ctx.raw_send, response.status, response.raw_headers)
        else:
            head = ctx.dressed(response.status, response.raw_headers)
            await response.deliver(ctx.raw_send, head.status, head.raw_headers)
    elif is_cancellable or ctx.method == "HEAD":
        await _answer_in_parts(ctx, response)
    else:
        with anyio.CancelScope() as scope:
            ctx.connection.on_abandoned(scope.cancel)
            await _answer_in_parts(ctx, response)


async def _answer_in_parts(ctx: HTTPContext[Any], response: Response) -> None:
    if isinstance(response, FileResponse):
        await response.prepare()
    if ctx.method == "HEAD":
        # The fields of GET without its body (RFC 9110 section 9.3.2); a stream is closed unstarted.
        await response.aclose()
        head = ctx.dressed(response.status, response.raw_headers)
        await ctx.raw_send({"type": "http.response.start", "status": head.status, "headers": head.raw_headers})
        await ctx.raw_send({"type": "http.response.body", "body": b""})
        return
    try:
        if isinstance(response, Stream):
            await response.prefetch()
        head = ctx.dressed(response.status, response.raw_headers)
        await response.deliver(ctx.raw_send, head.status, head.raw_headers)
    finally:
        await response.aclose()


async def run_background(ctx: Context[Any]) -> None:
    """Runs what `after_response` registered, in order. Errors are logged, and the rest still runs."""
    for work in ctx.background or ():
        try:
            result = work()
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            log.error("work after the answer to %s failed: %s", called(ctx), error, exc_info=error)
    ctx.background = None


def called(ctx: Context[Any]) -> str:
    """How a line in the log calls an exchange: its path, and the id that `RequestId` gave it."""
    request_id = ctx.scope.get("pagi.request_id")
    return ctx.path if request_id is None else f"{ctx.path} [{request_id}]"
