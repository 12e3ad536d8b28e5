"""The innermost edge of a WebSocket: runs the session function, and ends the session as it ended."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from pagi.context.next import Layer
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.http import check_first, sent
from pagi.endpoints.leash import hold
from pagi.endpoints.rescue import note_failure, rescued
from pagi.endpoints.wiring import Owner, Wiring
from pagi.gateway.annotations import is_async
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import PeerError
from pagi.injection.plan import Leaf
from pagi.injection.source import compile_plan
from pagi.messages.problems import HTTPException, problem
from pagi.messages.response import Response
from pagi.messages.websocket import GOING_AWAY, POLICY_VIOLATION, WebSocket

_MAX_REASON_BYTES = 123
"""What fits into a close frame beside the code (RFC 6455 section 5.5)."""

Session = Callable[[Any], Awaitable[object]]
"""What a session does, from the handshake to its end."""


def websocket_layer(handler: Callable[..., Any], owner: Owner | None, wiring: Wiring) -> Layer:
    """What runs `handler` for one session.

    Raises:
        ConfigError: it is not async, or its signature cannot be satisfied.
    """
    if not is_async(handler):
        raise BadSignature(handler, wiring.pattern.text, "a WebSocket handler is an async function; a plain one cannot wait for messages")
    compiled = compile_plan(wiring.plan(handler, owner), awaited=True)
    return session_layer(compiled.call, compiled.plan.leaves())


def session_layer(session: Session, leaves: list[Leaf]) -> Layer:
    """What runs a session, and ends it as it has to end."""

    async def layer(ctx: WebSocketContext[Any]) -> Response:
        check_first(ctx)
        ws, connection = ctx.websocket, ctx.connection
        # What ends a session from outside is the closing signal, or a client that left long ago.
        scope = anyio.CancelScope()
        try:
            with scope:
                hold(connection, scope)
                await session(ctx)
        except ClientGone:
            if ws.state != "closed":
                raise
        except Exception as error:
            answer = await refused(ctx, error, leaves)
            if answer is not None:
                return answer
        if ws.is_raw:
            return sent(ctx)
        if scope.cancelled_caught and connection.is_closing:
            if ws.state == "connecting":
                return problem(503)
            await ws.close(GOING_AWAY)
        elif ws.state == "connecting":
            return problem(403, "the handshake was not accepted")
        elif connection.is_connected:
            await ws.close()
        return sent(ctx)

    return layer


async def refused(ctx: WebSocketContext[Any], error: Exception, leaves: list[Leaf]) -> Response | None:
    """What becomes of an error: an answer to the handshake, else the close of the session.

    Raises:
        Exception: the error, where it is no refusal.
    """
    ws = ctx.websocket
    if ws.state == "connecting" and not ws.is_raw:
        answer = await rescued(ctx, error, leaves)
        if answer is None:
            raise error
        return answer
    note_failure(ctx, error)
    if ws.is_raw or not isinstance(error, (HTTPException, PeerError)):
        raise error
    await _close_for(ws, error)
    return None


async def _close_for(ws: WebSocket, error: HTTPException | PeerError) -> None:
    code = getattr(error, "close_code", POLICY_VIOLATION)
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    reason = (detail or "").encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    await ws.close(code, reason)
