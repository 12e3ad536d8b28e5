"""The innermost edge of a WebSocket: runs the session function, and ends the session as it ended."""

from collections.abc import Callable
from typing import Any

import anyio

from pagi.context.next import Layer
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.binding import BadSignature, bind
from pagi.endpoints.http import check_first, sent
from pagi.endpoints.leash import hold
from pagi.gateway.annotations import is_async
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import PeerError
from pagi.messages.problems import HTTPException, answer_to, problem
from pagi.messages.response import Response
from pagi.messages.websocket import GOING_AWAY, POLICY_VIOLATION, WebSocket
from pagi.routing.patterns import Pattern

_MAX_REASON_BYTES = 123
"""What fits into a close frame beside the code (RFC 6455 section 5.5)."""


def websocket_layer(handler: Callable[..., Any], pattern: Pattern) -> Layer:
    """What runs `handler` for one session.

    Raises:
        ConfigError: it is not async, or its signature cannot be satisfied.
    """
    if not is_async(handler):
        raise BadSignature(handler, pattern.text, "a WebSocket handler is an async function; a plain one cannot wait for messages")
    call = bind(handler, WebSocketContext, pattern)

    async def layer(ctx: WebSocketContext[Any]) -> Response:
        check_first(ctx)
        ws, connection = ctx.websocket, ctx.connection
        # What ends a session from outside is the closing signal, or a client that left long ago.
        scope = anyio.CancelScope()
        try:
            with scope:
                hold(connection, scope)
                await call(ctx)
        except (HTTPException, PeerError) as error:
            if ws.is_raw:
                raise
            if ws.state == "connecting":
                return answer_to(error)
            await _close_for(ws, error)
        except ClientGone:
            if ws.state != "closed":
                raise
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


async def _close_for(ws: WebSocket, error: HTTPException | PeerError) -> None:
    code = getattr(error, "close_code", POLICY_VIOLATION)
    detail = error.detail if isinstance(error, HTTPException) else str(error)
    reason = (detail or "").encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
    await ws.close(code, reason)
