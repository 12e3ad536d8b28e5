"""The client's side of one WebSocket, on wsproto: what the server wrote is read by a library that is not ours."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Self

import anyio
import msgspec
import wsproto
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate
from wsproto.utilities import RemoteProtocolError

from pagi.gateway.types import HeaderList
from pagi.http.errors import PagiError
from pagi.http.headers import Headers
from pagi.testing.line import RawConnection
from pagi.testing.reply import Reply, ReplyHead, ServerBrokeProtocol, ServerHungUp
from pagi.testing.served import Failures

NO_CLOSE = 1006
"""The session ended without a Close (RFC 6455 section 7.4.1)."""
CLOSE_SECONDS = 1.0
"""How long the server may take to answer our Close."""
MOST_AHEAD = 32
"""Frames read before the test asks for them, while the clock is advanced. More wait in the line's own buffer."""


class WebSocketDenied(PagiError):
    """Raised when the handshake got an ordinary answer instead of a session."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"the handshake was denied with {reply.status_code}: {reply.content[:200]!r}")
        self.reply = reply
        self.status = reply.status_code
        self.headers = reply.headers
        self.body = reply.content


class WebSocketClosed(PagiError):
    """Raised when a message was awaited or sent, and the server had closed the session. 1006: without a Close."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the server closed the WebSocket with {code}{f' ({reason})' if reason else ''}")
        self.code = code
        self.reason = reason


class UnexpectedMessage(PagiError):
    """Raised when a message of the other type came: text for bytes, or bytes for text."""


class WebSocketSession:
    """An open WebSocket. Pings are answered while the test receives or advances the clock; `answers_pings=False` plays a dead client.

    `async for` gives the messages until the server closes.
    """

    def __init__(self, wire: RawConnection, failures: Failures, *, answers_pings: bool = True) -> None:
        self.wire = wire
        self.subprotocol: str | None = None
        """What the server chose, if anything."""
        self.headers = Headers()
        """The fields of the answer that opened the session, those of the handshake itself left out."""
        self.closed: WebSocketClosed | None = None
        """How the session ended; None while it is open."""
        self.pings = 0
        """How many pings came so far."""
        self._failures = failures
        self._frames = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._answers_pings = answers_pings
        self._ahead: deque[Event | ServerBrokeProtocol] = deque()
        self._is_reading = False
        self._parts: list[Any] = []

    async def start(self, host: str, target: str, subprotocols: Sequence[str], headers: HeaderList, *, deflate: bool) -> None:
        """Does the handshake.

        Raises:
            WebSocketDenied: it got an ordinary answer.
            ServerHungUp: it got none.
        """
        extensions = [PerMessageDeflate()] if deflate else []
        self._send(Request(host=host, target=target, subprotocols=list(subprotocols), extensions=extensions, extra_headers=headers))
        event = await self._next()
        if isinstance(event, AcceptConnection):
            self.subprotocol = event.subprotocol
            self.headers = Headers([(bytes(name), bytes(value)) for name, value in event.extra_headers])
            return
        if not isinstance(event, RejectConnection):
            self._failures.check()
            raise ServerHungUp(f"the server closed the connection before it answered the handshake for {target}")
        body = b""
        rest: Event | None = event if event.has_body else None
        while rest is not None:
            if isinstance(rest, RejectData):
                body += bytes(rest.data)
            rest = None if isinstance(rest, RejectData) and rest.body_finished else await self._next()
        self._failures.check()
        head = ReplyHead(event.status_code, Headers([(bytes(name), bytes(value)) for name, value in event.headers]), "1.1")
        raise WebSocketDenied(Reply(head, body, is_complete=True, trailers=Headers()))

    async def receive(self) -> str | bytes:
        """The next message.

        Raises:
            WebSocketClosed: the server closed. What the application failed with is raised instead, if it did.
        """
        while self.closed is None:
            event = await self._next()
            if isinstance(event, TextMessage | BytesMessage):
                self._parts.append(event.data)
                if event.message_finished:
                    parts, self._parts = self._parts, []
                    return "".join(parts) if isinstance(event, TextMessage) else b"".join(map(bytes, parts))
            elif isinstance(event, CloseConnection):
                self.closed = WebSocketClosed(event.code, event.reason or "")
            elif event is None:
                self.closed = WebSocketClosed(NO_CLOSE, "")
        self._failures.check()
        raise self.closed

    async def receive_text(self) -> str:
        """The next message, which is text.

        Raises:
            UnexpectedMessage: it is bytes.
            WebSocketClosed: see `receive`.
        """
        message = await self.receive()
        if not isinstance(message, str):
            raise UnexpectedMessage(f"expected text, got {len(message)} bytes: {message[:100]!r}")
        return message

    async def receive_bytes(self) -> bytes:
        """The next message, which is bytes.

        Raises:
            UnexpectedMessage: it is text.
            WebSocketClosed: see `receive`.
        """
        message = await self.receive()
        if not isinstance(message, bytes):
            raise UnexpectedMessage(f"expected bytes, got text of {len(message)} characters: {message[:100]!r}")
        return message

    async def receive_json(self) -> Any:
        """The next message, text or bytes, read as JSON."""
        return msgspec.json.decode(await self.receive())

    async def send_text(self, text: str) -> None:
        """Sends a message, and waits while the server reads nothing.

        Raises:
            WebSocketClosed: the session is over.
        """
        await self._send_message(TextMessage(text))

    async def send_bytes(self, data: bytes) -> None:
        """Sends a message of bytes. See `send_text`."""
        await self._send_message(BytesMessage(data))

    async def send_json(self, value: object) -> None:
        """Sends a value as JSON, in a text message. See `send_text`."""
        await self.send_text(msgspec.json.encode(value).decode())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the session and waits a moment for the server's Close; messages that come before it are dropped."""
        if self.closed is None and self._frames.state is ConnectionState.OPEN:
            self._send(CloseConnection(code, reason))
        with anyio.move_on_after(CLOSE_SECONDS):
            while self.closed is None:
                event = await self._next()
                if event is None:
                    self.closed = WebSocketClosed(NO_CLOSE, "")
                elif isinstance(event, CloseConnection):
                    self.closed = WebSocketClosed(event.code, event.reason or "")
            await self.wire.receive_rest()  # the server closes the connection (RFC 6455 section 7.1.1)
        self.wire.abort()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.receive()
        except WebSocketClosed as closed:
            raise StopAsyncIteration from closed

    # ---- inside

    async def _send_message(self, message: Message[Any]) -> None:
        if self.closed is None and self.wire.line.is_closing:
            await self._see_the_end()
        if self.closed is not None:
            self._failures.check()
            raise self.closed
        await self.wire.send(self._frames.send(message))

    async def _see_the_end(self) -> None:
        """The server closed the connection: what it sent before that says why."""
        try:
            while True:
                await self.receive()
        except WebSocketClosed:
            return

    def _send(self, event: Event) -> None:
        self.wire.line.put(self._frames.send(event))

    def tend(self) -> None:
        """Answers what asks for an answer, as a client does whose test is busy with the clock; messages wait for `receive`."""
        if self._is_reading or len(self._ahead) >= MOST_AHEAD:
            return
        if data := self.wire.line.take():
            try:
                self._frames.receive_data(data)
                self._ahead += [event for event in self._frames.events() if not self._answered(event)]
            except RemoteProtocolError as error:
                self._ahead.append(_broken(error))

    def _answered(self, event: Event) -> bool:
        """Answers a ping or a Close. Returns whether there is nothing more to it."""
        if isinstance(event, Ping):
            self.pings += 1
            # Nothing follows our own Close (RFC 6455 section 5.5.1), and a ping that crossed it needs no answer (5.5.2).
            if self._answers_pings and self._frames.state is ConnectionState.OPEN:
                self._send(event.response())
            return True
        if isinstance(event, CloseConnection) and self._frames.state is ConnectionState.REMOTE_CLOSING:
            self._send(event.response())
        return False

    async def _next(self) -> Event | None:
        """The next event that is no ping; None where the connection ended without one."""
        while True:
            if self._ahead:
                ahead = self._ahead.popleft()
                if isinstance(ahead, ServerBrokeProtocol):
                    raise ahead
                return ahead
            try:
                for event in self._frames.events():
                    if not self._answered(event):
                        return event
                self._is_reading = True
                data = await self.wire.receive()
                if not data:
                    return None
                self._frames.receive_data(data)
            except RemoteProtocolError as error:
                raise _broken(error) from error
            finally:
                self._is_reading = False


def _broken(error: RemoteProtocolError) -> ServerBrokeProtocol:
    return ServerBrokeProtocol(f"wsproto refuses what the server sent: {error}")
