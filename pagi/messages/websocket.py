"""A WebSocket session: the handshake, and messages both ways."""

from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Literal, TypeVar, cast

import msgspec

from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import Message, Receive, Scope
from pagi.http.errors import AppError, PeerError
from pagi.messages.channel import Channel
from pagi.messages.opening import Opening
from pagi.messages.response import HeadersLike, Response, raw_pairs

T = TypeVar("T")

_decode_json = msgspec.json.Decoder().decode

WebSocketState = Literal["connecting", "open", "closed"]

NORMAL_CLOSURE = 1000
GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
NO_STATUS = 1005
INVALID_PAYLOAD = 1007
POLICY_VIOLATION = 1008
INTERNAL_ERROR = 1011

_DENIAL = "websocket.http.response"


class WebSocketClosed(ClientGone):
    """The session is over: `receive` was called after its end, or while it ended. Letting it pass ends the handler quietly."""

    def __init__(self, code: int, text: str, reason: Reason = Reason.CLIENT_CLOSED) -> None:
        super().__init__(reason)
        self.code = code
        """The code the client closed with; 1005 if it gave none (RFC 6455 section 7.4)."""
        self.text = text
        """What it said beside the code."""


class WrongState(AppError):
    """An operation does not fit where the session stands."""

    def __init__(self, operation: str, state: WebSocketState) -> None:
        told = {
            "connecting": "the handshake is not accepted yet; await accept() first",
            "open": "the session is open already",
            "closed": "the session is closed",
        }
        super().__init__(f"{operation}: {told[state]}")


class BadMessage(PeerError):
    """A message is not of the kind that was asked for. Letting it pass closes the session with `close_code`."""

    def __init__(self, message: str, close_code: int) -> None:
        super().__init__(message)
        self.close_code = close_code


class WebSocket(Opening):
    """One WebSocket session, from handshake to close."""

    __slots__ = ("_channel", "_encode", "_receive", "_send", "close_code", "close_reason", "state")

    def __init__(self, scope: Scope, receive: Receive, channel: Channel, encode: Callable[[Any], bytes]) -> None:
        super().__init__(scope)
        self._receive = receive
        self._channel = channel
        self._send = cast("Callable[[Message], Coroutine[Any, Any, None]]", channel.raw)
        self._encode = encode
        self.state: WebSocketState = "connecting"
        self.close_code: int | None = None
        """The code of the close, whoever sent it; None while open and after a denial."""
        self.close_reason = ""

    @property
    def subprotocols(self) -> list[str]:
        """What the client offers, the most wanted first."""
        return list(self.scope.get("subprotocols") or ())

    @property
    def is_raw(self) -> bool:
        """The handler answered the handshake through the raw channel, and goes on there by itself."""
        return self.state == "connecting" and self._channel.head is not None

    # ---- handshake

    async def accept(self, *, subprotocol: str | None = None, headers: HeadersLike | None = None) -> None:
        """Completes the handshake.

        Raises:
            WrongState: it was answered already.
            ValueError: `subprotocol` was not offered (RFC 6455 section 4.2.2).
            ClientGone: the client left.
        """
        if self.state != "connecting":
            raise WrongState("accept", self.state)
        if subprotocol is not None and subprotocol not in self.subprotocols:
            raise ValueError(f"subprotocol {subprotocol!r} was not offered, {self.subprotocols} were; accept one of them or None")
        # The connect event comes first; some servers insist on its being taken before they hear the answer.
        if not self._goes_on(await self._receive()):
            raise WebSocketClosed(self.close_code or NO_STATUS, self.close_reason)
        self.state = "open"
        event: dict[str, Any] = {"type": "websocket.accept", "subprotocol": subprotocol, "headers": raw_pairs(headers or ())}
        await self._channel(event)

    async def deny(self, response: Response) -> None:
        """Answers the handshake with an ordinary response instead; a server without that extension answers a bare 403.

        Raises:
            WrongState: it was answered already.
            ClientGone: the client left.
        """
        if self.state != "connecting":
            raise WrongState("deny", self.state)
        self.state = "closed"
        if _DENIAL not in (self.scope.get("extensions") or {}):
            await self._channel({"type": "websocket.close", "code": POLICY_VIOLATION})
            return

        async def send(event: Message) -> None:
            await self._channel({**event, "type": event["type"].replace("http.response", _DENIAL)})

        await response.deliver(send, response.status, response.raw_headers)

    async def close(self, code: int = NORMAL_CLOSURE, reason: str = "") -> None:
        """Closes the session; before `accept` that denies it with 403. A second call does nothing.

        Raises:
            ClientGone: the client left.
        """
        if self.state == "closed":
            return
        send = self._channel if self.state == "connecting" else self._channel.raw
        self.state = "closed"
        self.close_code, self.close_reason = code, reason
        await send({"type": "websocket.close", "code": code, "reason": reason})

    async def keepalive(self, interval_seconds: float, *, timeout_seconds: float | None = None) -> None:
        """Has the server ping every `interval_seconds` (0: never), and end the session when no pong comes for `timeout_seconds`."""
        self._check_open("keepalive")
        event: dict[str, Any] = {"type": "websocket.keepalive", "interval": interval_seconds}
        if timeout_seconds is not None:
            event["timeout"] = timeout_seconds
        await self._channel.raw(event)

    # ---- sending

    # Plain functions, and one coroutine a message: what the server gave is handed on to be awaited.

    def send_text(self, text: str) -> Coroutine[Any, Any, None]:
        """Sends a text message; to be awaited.

        Raises:
            WrongState: the session is not open.
            ClientGone: the client left.
        """
        if self.state != "open":
            raise WrongState("send_text", self.state)
        return self._send({"type": "websocket.send", "text": text})

    def send_bytes(self, data: bytes) -> Coroutine[Any, Any, None]:
        """Sends a binary message; to be awaited.

        Raises:
            WrongState: the session is not open.
            ClientGone: the client left.
        """
        if self.state != "open":
            raise WrongState("send_bytes", self.state)
        return self._send({"type": "websocket.send", "bytes": data})

    def send_json(self, value: Any) -> Coroutine[Any, Any, None]:
        """Sends a value as JSON, in a text message; to be awaited.

        Raises:
            TypeError: the value holds something that has no JSON form.
            WrongState: the session is not open.
            ClientGone: the client left.
        """
        if self.state != "open":
            raise WrongState("send_json", self.state)
        return self._send({"type": "websocket.send", "text": self._encode(value).decode()})

    # ---- receiving

    def receive(self) -> Coroutine[Any, Any, str | bytes]:
        """The next message, text or binary; to be awaited.

        Raises:
            WebSocketClosed: the session ended.
            WrongState: the handshake is not accepted.
        """
        return self._next(as_it_is)

    def receive_text(self) -> Coroutine[Any, Any, str]:
        """The next message, which must be text; to be awaited.

        Raises:
            BadMessage: it is binary (1003).
            WebSocketClosed: the session ended.
            WrongState: the handshake is not accepted.
        """
        return self._next(as_text)

    def receive_bytes(self) -> Coroutine[Any, Any, bytes]:
        """The next message, which must be binary; to be awaited.

        Raises:
            BadMessage: it is text (1003).
            WebSocketClosed: the session ended.
            WrongState: the handshake is not accepted.
        """
        return self._next(as_bytes)

    def receive_json(self) -> Coroutine[Any, Any, Any]:
        """The next message, decoded as JSON; to be awaited.

        Raises:
            BadMessage: it is not JSON (1007).
            WebSocketClosed: the session ended.
            WrongState: the handshake is not accepted.
        """
        return self._next(as_json)

    def iter_text(self) -> AsyncIterator[str]:
        """Text messages until the session ends, empty ones too."""
        return Messages(self, self._receive, as_text)

    def iter_bytes(self) -> AsyncIterator[bytes]:
        """Binary messages until the session ends."""
        return Messages(self, self._receive, as_bytes)

    def iter_json(self) -> AsyncIterator[Any]:
        """Messages decoded as JSON until the session ends."""
        return Messages(self, self._receive, as_json)

    async def _next(self, read: Callable[[str | bytes], T]) -> T:
        if not self.is_heard:
            raise self._closed()
        message = self.message(await self._receive())
        if message is None:
            raise self._closed()
        return read(message)

    def message(self, event: Message) -> str | bytes | None:
        """What an event carries; None for the end of the session, which is noted."""
        text: str | None = event.get("text")
        if text is not None:
            return text
        return cast("bytes", event["bytes"]) if self._goes_on(event) else None

    def _goes_on(self, event: Message) -> bool:
        """Notes the end of the session; True for every other event."""
        if event["type"] != "websocket.disconnect":
            return True
        self.state = "closed"
        self.close_code = event.get("code", NO_STATUS)
        self.close_reason = event.get("reason") or ""
        return False

    @property
    def is_heard(self) -> bool:
        """Messages may still come.

        Raises:
            WrongState: the handshake is not accepted.
        """
        if self.state == "connecting":
            raise WrongState("receive", self.state)
        return self.state == "open"

    def _closed(self) -> WebSocketClosed:
        return WebSocketClosed(self.close_code or NO_STATUS, self.close_reason)

    def _check_open(self, operation: str) -> None:
        if self.state != "open":
            raise WrongState(operation, self.state)


class Messages(AsyncIterator[T]):
    """The messages of a session as an iterator: no generator, which would have to be closed by whoever leaves a loop early."""

    __slots__ = ("_convert", "_receive", "_session")

    def __init__(self, session: WebSocket, receive: Receive, convert: Callable[[str | bytes], T]) -> None:
        self._session = session
        self._receive = receive
        self._convert = convert

    async def __anext__(self) -> T:
        session = self._session
        if session.state == "open" or session.is_heard:
            message = session.message(await self._receive())
            if message is not None:
                return self._convert(message)
        raise StopAsyncIteration


def as_it_is(message: str | bytes) -> str | bytes:
    """A message of either kind."""
    return message


def as_text(message: str | bytes) -> str:
    """A message that must be text.

    Raises:
        BadMessage: it is binary.
    """
    if not isinstance(message, str):
        raise BadMessage(f"a text message was expected, got {len(message)} bytes", UNSUPPORTED_DATA)
    return message


def as_bytes(message: str | bytes) -> bytes:
    """A message that must be binary.

    Raises:
        BadMessage: it is text.
    """
    if isinstance(message, str):
        raise BadMessage(f"a binary message was expected, got {len(message)} characters of text", UNSUPPORTED_DATA)
    return message


def as_json(message: str | bytes) -> Any:
    """A message decoded as JSON.

    Raises:
        BadMessage: it is not JSON.
    """
    try:
        return _decode_json(message)
    except RecursionError:
        raise BadMessage("the message is nested too deeply", INVALID_PAYLOAD) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadMessage(f"the message is not JSON: {error}", INVALID_PAYLOAD) from error
