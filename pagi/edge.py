"""The outermost edge: where an exchange enters and leaves the framework, whatever becomes of it in between."""

import inspect
import logging
from typing import Any

import anyio

from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Layer
from pagi.context.websocket import WebSocketContext
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import PeerError
from pagi.messages.files import FileResponse
from pagi.messages.problems import HTTPException, answer_to, problem
from pagi.messages.response import AlreadySent, Response
from pagi.messages.stream import Stream
from pagi.messages.websocket import INTERNAL_ERROR

log = logging.getLogger("pagi")


async def serve_http(ctx: HTTPContext[Any], layer: Layer) -> None:
    """Runs one request: the layers, the answer, and what is to be done after it."""
    try:
        await answer(ctx, await layer(ctx))
    except Exception as error:
        await recover(ctx, error)
    if ctx.background is not None:
        await run_background(ctx)


async def serve_cancellable(ctx: HTTPContext[Any], layer: Layer) -> None:
    """Like `serve_http`, but ended when the grace after a disconnect is over. The scope lies around the whole exchange."""
    with anyio.CancelScope() as scope:
        ctx.connection.on_abandoned(scope.cancel)
        await serve_http(ctx, layer)


async def answer(ctx: HTTPContext[Any], response: Response) -> None:
    """Sends a response that came out of the layers, once, with the hooks run on its head.

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
    else:
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
    with anyio.CancelScope() as scope:
        ctx.connection.on_abandoned(scope.cancel)
        try:
            if isinstance(response, Stream):
                await response.prefetch()
            head = ctx.dressed(response.status, response.raw_headers)
            await response.deliver(ctx.raw_send, head.status, head.raw_headers)
        finally:
            await response.aclose()


async def serve_session(ctx: Context[Any], layer: Layer) -> None:
    """Runs one WebSocket session or event stream: what comes out unsent is a denial or a decline."""
    try:
        response = await layer(ctx)
        if not response.is_sent:
            await decline(ctx, response)
    except Exception as error:
        await recover(ctx, error)
    if ctx.background is not None:
        await run_background(ctx)


async def decline(ctx: Context[Any], response: Response) -> None:
    """Answers a handshake, or the request for a stream, with an ordinary response.

    Raises:
        AlreadySent: the session or stream had begun.
        ClientGone: the client left.
    """
    if ctx.has_left:
        raise AlreadySent("a response was returned after the session or stream had begun; return what next() gave")
    if isinstance(response, FileResponse):
        await response.prepare()
    elif isinstance(response, Stream):
        await response.prefetch()
    try:
        if isinstance(ctx, WebSocketContext):
            await ctx.websocket.deny(response)
        else:
            await response.deliver(ctx.send, response.status, response.raw_headers)
    finally:
        await response.aclose()


async def recover(ctx: Context[Any], error: Exception) -> None:
    """What becomes of an error that came out of the layers, or of the answering.

    Raises:
        Exception: the error, where the head left already: the server must end the exchange.
    """
    if isinstance(error, ClientGone):
        return  # nobody is left to be answered, and the session is over; never an error
    if isinstance(error, (HTTPException, PeerError)):
        await refuse(ctx, error)
    else:
        await fail(ctx, error)


async def refuse(ctx: Context[Any], error: HTTPException | PeerError) -> None:
    """Answers a refusal that came out of the layers; after the head left it is a failure like any other."""
    if ctx.has_left:
        await fail(ctx, error)
    else:
        await _last_word(ctx, answer_to(error))


async def fail(ctx: Context[Any], error: Exception) -> None:
    """Answers 500 for an error that nobody caught, if an answer is still possible; else the server must end the exchange.

    Logged once: here where it becomes an answer, by the server where it is raised on.
    """
    if ctx.has_left:
        if isinstance(ctx, WebSocketContext) and ctx.websocket.state == "open":
            await ctx.websocket.close(INTERNAL_ERROR)
        raise error
    log.error("%s %s failed: %s", ctx.scope.get("method", "websocket"), _called(ctx), error, exc_info=error)
    ctx.scope["pagi.exception"] = error
    await _last_word(ctx, problem(500))


async def _last_word(ctx: Context[Any], response: Response) -> None:
    """Sends what the edge itself has to say."""
    try:
        await send(ctx, response)
    except ClientGone:
        pass  # nobody waits for the news
    except Exception as error:
        if ctx.has_left:
            raise
        # A hook failed: what it wanted to add is lost, the answer is not.
        log.error("the head of %s for %s could not leave: %s", response, _called(ctx), error, exc_info=error)
        await send(ctx, problem(500))


async def send(ctx: Context[Any], response: Response) -> None:
    """Sends what came out of the layers, in the way of the exchange's kind."""
    if isinstance(ctx, HTTPContext):
        await answer(ctx, response)
    else:
        await decline(ctx, response)


async def run_background(ctx: Context[Any]) -> None:
    """Runs what `after_response` registered, in order. Errors are logged, and the rest still runs."""
    for work in ctx.background or ():
        try:
            result = work()
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            log.error("work after the answer to %s failed: %s", _called(ctx), error, exc_info=error)
    ctx.background = None


def _called(ctx: Context[Any]) -> str:
    """How a line in the log calls an exchange: its path, and the id that `RequestId` gave it."""
    request_id = ctx.scope.get("pagi.request_id")
    return ctx.path if request_id is None else f"{ctx.path} [{request_id}]"
