"""The innermost edge of an event stream: steps the generator, and starts and ends the stream around it."""

import inspect
import logging
import random
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, cast

import anyio
from typing_extensions import TypeIs

from pagi.context.answering import called
from pagi.context.next import Layer
from pagi.context.sse import SSEContext
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.http import check_first, sent
from pagi.endpoints.leash import hold
from pagi.endpoints.rescue import rescued
from pagi.endpoints.results import BadResult
from pagi.endpoints.route import ErrorEvent, RouteOptions
from pagi.endpoints.wiring import Owner, Wiring, has_open_call
from pagi.gateway.annotations import is_async, is_async_generator
from pagi.gateway.direct import Direct, Timer
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import PeerError
from pagi.injection.plan import Leaf
from pagi.injection.source import compile_plan
from pagi.messages.response import AlreadySent, Response
from pagi.messages.sse import SSE

log = logging.getLogger("pagi")

Call = Callable[[Any], Any]
"""Calls the handler for one context."""

RETRY_SECONDS = 3.0
"""How long browsers wait where the endpoint says nothing about it, more or less."""
HEAD_DELAY_SECONDS = 0.1
"""How long the generator may take for its first event, or its refusal, before the head leaves without either."""


def sse_layer(
    handler: Callable[..., Any],
    owner: Owner | None,
    wiring: Wiring,
    options: RouteOptions,
    before: Callable[[Any], object] | None = None,
) -> Layer:
    """What runs `handler` for one stream; `before(ctx)` is called when all that it takes is there.

    Raises:
        ConfigError: it is neither an async generator nor async, or its signature cannot be satisfied.
    """
    if not (is_async_generator(handler) or is_async(handler)):
        raise BadSignature(handler, wiring.pattern.text, "an SSE handler is an async generator of events, or an async function")
    plan = wiring.plan(handler, owner)
    leaves = [leaf for each in wiring.plans for leaf in each.leaves()]
    if has_open_call(plan):
        # What is open for the call lies around the whole stream, and hears of the exception that ends it.
        opening = compile_plan(plan, handed_on=True, before=before).call

        async def inside(ctx: SSEContext[Any]) -> Response:
            life = _begun(handler, options, leaves, ctx)
            life.is_inside = True

            async def use(result: Any) -> Response:
                return await _run(lambda _: result, life)

            try:
                return cast("Response", await opening(ctx, use))
            except Exception as error:
                return await life.ended(error)

        return inside
    call = compile_plan(plan, before=before).call

    def layer(ctx: SSEContext[Any]) -> Awaitable[Response]:
        return _run(call, _begun(handler, options, leaves, ctx))

    return layer


def _begun(handler: Callable[..., Any], options: RouteOptions, leaves: list[Leaf], ctx: SSEContext[Any]) -> "Life":
    check_first(ctx)
    sse = ctx.sse
    sse.retry_seconds = options.retry_seconds
    sse.keepalive_seconds = options.keepalive_seconds
    return Life(ctx, sse, handler, leaves, options.on_error)


def _run(call: Call, life: "Life") -> Awaitable[Response]:
    return run(call, life) if life.sse.direct is not None else run_beside(call, life)


class Life:
    """One stream, and how its head leaves."""

    __slots__ = ("_leaves", "_on_error", "ctx", "failure", "handler", "is_inside", "scope", "sse", "timer")

    def __init__(
        self, ctx: SSEContext[Any], sse: SSE, handler: Callable[..., Any], leaves: list[Leaf], on_error: ErrorEvent | None
    ) -> None:
        self.ctx = ctx
        self.sse = sse
        self.handler = handler
        self._leaves = leaves
        self._on_error = on_error
        self.is_inside = False
        """Something lies around it that has to hear of its failure first."""
        self.scope = anyio.CancelScope()
        self.failure: Exception | None = None
        """Why the head could not leave by itself."""
        self.timer: Timer | None = None

    def begin(self, direct: Direct) -> None:
        """The head leaves for the first event.

        Raises:
            StreamClosed: the stream was closed.
            ClientGone: the client left.
        """
        self.sse.check_open("an event")
        self.sse.start_at_once(direct)
        self.settle()

    def begin_late(self) -> None:
        """The head leaves by itself. Called by the server's clock, which nobody may raise to."""
        self.timer = None
        try:
            if self.sse.direct is not None:
                self.sse.start_at_once(self.sse.direct)
        except ClientGone:
            pass  # the next event finds out, and ends the handler
        except Exception as error:
            self.failure = error
            self.scope.cancel()

    async def begin_beside(self) -> None:
        """The head leaves by itself, where that may have to wait."""
        await anyio.sleep(HEAD_DELAY_SECONDS)
        try:
            await self.sse.start()
        except ClientGone:
            pass  # as above
        except Exception as error:
            self.failure = error
            self.scope.cancel()

    async def ended(self, error: Exception) -> Response:
        """What becomes of an error that ended the stream: an answer, or a last event.

        Raises:
            Exception: the error, where it goes on.
        """
        answer = await rescued(self.ctx, error, self._leaves)
        if answer is not None:
            return answer
        if isinstance(error, PeerError) and self.sse.state == "started":
            # The client's doing, above all one that reads too slowly: it comes back by itself, and finds its place again.
            log.info("the stream %s ends early: %s", called(self.ctx), error)
            await self.sse.close()
            return sent(self.ctx)
        if self._on_error is not None and self.sse.state == "started" and not isinstance(error, ClientGone):
            event = await self._on_error(self.ctx, error)
            if event is not None:
                log.error("the stream %s failed, and ends with an event that says so: %s", called(self.ctx), error, exc_info=error)
                await self.sse.send(event)
                await self.sse.close()
                return sent(self.ctx)
        raise error

    def settle(self) -> None:
        """The head need not leave by itself any more."""
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()


async def run(call: Call, life: Life) -> Response:
    """Runs one stream to its end. Its one scope lies around everything the handler opens."""
    ctx, sse = life.ctx, life.sse
    direct = sse.direct
    declined: Response | None = None
    try:
        with life.scope:
            hold(ctx.connection, life.scope)
            if direct is not None:
                life.timer = direct.after(HEAD_DELAY_SECONDS, life.begin_late)
            result: Any = call(ctx)
            if inspect.isawaitable(result):
                result = await result
            if gives_events(result):
                events = aiter(result)
                try:
                    if direct is None:
                        async for item in events:
                            await sse.send(item)
                            del item  # an idle stream keeps no event
                    else:
                        # As `sse.send`, without a coroutine for each event: they come in bursts.
                        take = direct.chunk
                        async for item in events:
                            if sse.state != "started":
                                life.begin(direct)
                            if take(sse.encoded(item)):
                                await direct.pace()
                            del item
                finally:
                    close = getattr(events, "aclose", None)
                    if close is not None:
                        await close()
            else:
                declined = _declined(life.handler, sse, result)
        if life.failure is not None:
            raise life.failure
    except Exception as error:
        if life.is_inside:
            raise
        return await life.ended(error)
    finally:
        life.settle()
    if declined is not None:
        return declined
    if ctx.connection.is_connected:
        # All that the closing server ends would be back at the same moment.
        ended_by_server = life.scope.cancelled_caught and sse.state == "started"
        await sse.close(retry_seconds=spread(sse.retry_seconds) if ended_by_server else None)
    return sent(ctx)


async def run_beside(call: Call, life: Life) -> Response:
    """`run`, with a task beside it that starts the stream: where every event may have to wait."""
    response: Response | None = None
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(life.begin_beside)
        try:
            response = await run(call, life)
        except Exception as error:
            failure = error  # leaves by hand: the group would wrap it
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return response if response is not None else sent(life.ctx)


def spread(retry_seconds: float | None) -> float:
    """When a client that is sent away should come back: half to one and a half times as long as usual, so that not all do at once."""
    return (RETRY_SECONDS if retry_seconds is None else retry_seconds) * random.uniform(0.5, 1.5)  # noqa: S311 (nothing secret)


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
