"""The context of a WebSocket session."""

from collections.abc import AsyncIterator, Coroutine
from typing import Any, cast

from pagi.context.context import Context, StateT
from pagi.messages.opening import Opening
from pagi.messages.response import HeadersLike, Response
from pagi.messages.websocket import NORMAL_CLOSURE, WebSocket


class WebSocketContext(Context[StateT]):
    """One WebSocket session. Everything here is `ctx.websocket`'s."""

    __slots__ = ()

    def _open(self) -> Opening:
        if self._opening is None:
            self._opening = WebSocket(self.scope, self.receive, self.send, self.site.encode)
        return self._opening

    @property
    def websocket(self) -> WebSocket:
        """The session's operations."""
        return cast("WebSocket", self._open())

    ws = websocket

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers, the most wanted first."""
        return self.websocket.subprotocols

    async def accept(self, *, subprotocol: str | None = None, headers: HeadersLike | None = None) -> None:
        """Completes the handshake (see `WebSocket.accept`)."""
        await self.websocket.accept(subprotocol=subprotocol, headers=headers)

    async def deny(self, response: Response) -> None:
        """Answers the handshake with an ordinary response instead."""
        await self.websocket.deny(response)

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Closes the session; before `accept` that denies it with 403."""
        await self.websocket.close(code, reason)

    # Not async: a layer less for each message.

    def send_text(self, text: str) -> Coroutine[Any, Any, None]:
        """Sends a text message."""
        return self.websocket.send_text(text)

    def send_bytes(self, data: bytes) -> Coroutine[Any, Any, None]:
        """Sends a binary message."""
        return self.websocket.send_bytes(data)

    def send_json(self, value: Any) -> Coroutine[Any, Any, None]:
        """Sends a value as JSON, in a text message."""
        return self.websocket.send_json(value)

    def receive_text(self) -> Coroutine[Any, Any, str]:
        """The next message, which must be text."""
        return self.websocket.receive_text()

    def receive_bytes(self) -> Coroutine[Any, Any, bytes]:
        """The next message, which must be binary."""
        return self.websocket.receive_bytes()

    def receive_json(self) -> Coroutine[Any, Any, Any]:
        """The next message, decoded as JSON."""
        return self.websocket.receive_json()

    def iter_text(self) -> AsyncIterator[str]:
        """Text messages until the session ends."""
        return self.websocket.iter_text()

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Binary messages until the session ends."""
        return self.websocket.iter_bytes()

    def iter_json(self) -> AsyncIterator[Any]:
        """Messages decoded as JSON until the session ends."""
        return self.websocket.iter_json()
