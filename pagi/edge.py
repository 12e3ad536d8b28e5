"""The outermost edge: where an exchange enters and leaves the framework, whatever becomes of it in between."""

import logging
from typing import Any

import anyio

from pagi.context.answering import answer, called, run_background
from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Layer
from pagi.context.pages import failure
from pagi.context.sse import SSEContext
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.rescue import last_answer, note_failure
from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.reasons import ClientGone, Outcome
from pagi.http.errors import PeerError
from pagi.injection.scopes import close_request
from pagi.messages.files import FileResponse
from pagi.messages.problems import HTTPException, problem
from pagi.messages.response import AlreadySent, Response
from pagi.messages.stream import Stream
from pagi.messages.websocket import INTERNAL_ERROR

log = logging.getLogger("pagi")

LAST_CLEANUP_SECONDS = 0.5
"""How long cleanup may take that begins when the shutdown deadline has passed."""


async def serve(ctx: Context[Any], layer: Layer, *, is_cancellable: bool = False) -> None:
    """Runs one exchange: the layers, what comes out of them, and what is to be done after it.

    Of a WebSocket or an event stream, what comes out unsent is a denial or a decline.
    """
    try:
        try:
            response = await layer(ctx)
            if isinstance(ctx, HTTPContext):
                await answer(ctx, response, is_cancellable=is_cancellable)
            elif not response.is_sent:
                await decline(ctx, response)
        except Exception as error:
            await recover(ctx, error)
        if ctx.background is not None:
            await run_background(ctx)
    finally:
        if ctx.exits:
            await close_exits(ctx)


async def serve_cancellable(ctx: Context[Any], layer: Layer) -> None:
    """Like `serve`, but ended when the grace after a disconnect is over. The scope lies around the whole exchange."""
    with anyio.CancelScope() as scope:
        ctx.connection.on_abandoned(scope.cancel)
        await serve(ctx, layer, is_cancellable=True)


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
    note_failure(ctx, error)
    if isinstance(error, ClientGone):
        return  # nobody is left to be answered, and the session is over; never an error
    if isinstance(error, (HTTPException, PeerError)):
        await refuse(ctx, error)
    else:
        await fail(ctx, error)


async def refuse(ctx: Context[Any], error: HTTPException | PeerError) -> None:
    """Answers a refusal that came out of the layers; after the head left it is a failure like any other."""
    try:
        answer = await ctx.site.rescue(ctx, error)
    except Exception as worse:  # the app's own handler failed
        await fail(ctx, worse)
        return
    if answer is None:
        await fail(ctx, error)
    else:
        await _last_word(ctx, answer)


async def fail(ctx: Context[Any], error: Exception) -> None:
    """Answers 500 for an error that nobody caught, if an answer is still possible; else the server must end the exchange.

    Logged once: here where it becomes an answer, by the server where it is raised on.
    """
    if ctx.has_left:
        if isinstance(ctx, WebSocketContext) and ctx.websocket.state == "open":
            await ctx.websocket.close(INTERNAL_ERROR)
        raise error
    log.error("%s %s failed: %s", ctx.scope.get("method", "websocket"), called(ctx), error, exc_info=error)
    ctx.scope["pagi.exception"] = error
    await _last_word(ctx, await _answer_to_failure(ctx, error))


async def _answer_to_failure(ctx: Context[Any], error: Exception) -> Response:
    try:
        return await last_answer(ctx, error) or failure(ctx, error)
    except Exception as worse:
        log.error("the exception handler for %s failed: %s", called(ctx), worse, exc_info=worse)
        return problem(500)


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
        log.error("the head of %s for %s could not leave: %s", response, called(ctx), error, exc_info=error)
        await send(ctx, problem(500))


async def send(ctx: Context[Any], response: Response) -> None:
    """Sends what came out of the layers, in the way of the exchange's kind."""
    if isinstance(ctx, HTTPContext):
        await answer(ctx, response)
    else:
        await decline(ctx, response)


async def close_exits(ctx: Context[Any]) -> None:
    """Ends what injection opened for the exchange: with the exception that ended its handler, else with the outcome.

    Nothing cancels it before the shutdown deadline: cleanup is what must not be lost.
    """
    exits, ctx.exits = ctx.exits or [], None
    with anyio.CancelScope(shield=True) as scope:
        _end_by_the_deadline(ctx.connection, scope)
        # That the client left is an outcome, not a failure of the handler.
        failure, ctx.failure = None if isinstance(ctx.failure, ClientGone) else ctx.failure, None
        outcome = await _outcome(ctx) if failure is None else None
        await close_request(exits, failure, outcome, called(ctx))


def _end_by_the_deadline(connection: ConnectionHandle, scope: anyio.CancelScope) -> None:
    def limit(deadline: float) -> None:
        scope.deadline = max(deadline, anyio.current_time() + LAST_CLEANUP_SECONDS)

    if connection.closing_deadline is not None:
        limit(connection.closing_deadline)
    else:
        connection.on_drain(limit)


async def _outcome(ctx: Context[Any]) -> Outcome:
    """How the exchange ended; waits for it where all that is left is the system taking the last bytes."""
    known = ctx.outcome
    if known is not None:
        return known
    if _is_raw(ctx):
        return Outcome.SENT  # the server judges only after us whether it was whole
    ended = anyio.Event()
    ctx.connection.on_complete(ended.set)
    ctx.connection.on_disconnect(lambda reason: ended.set())
    await ended.wait()
    return ctx.outcome or Outcome.ERROR


def _is_raw(ctx: Context[Any]) -> bool:
    """The answer went through the raw channel, by hand."""
    if isinstance(ctx, WebSocketContext):
        return ctx.websocket.is_raw
    if isinstance(ctx, SSEContext):
        return ctx.sse.is_raw
    return ctx.channel is not None and ctx.channel.head is not None
