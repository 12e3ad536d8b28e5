"""An event stream: its start, its events, its end."""

from collections.abc import Callable
from typing import Any, Literal

import anyio
from typing_extensions import TypeIs

from pagi.gateway.direct import Direct, is_direct
from pagi.gateway.types import Message, Receive, Scope
from pagi.http.errors import AppError
from pagi.http.event_stream import Event, encode, encode_comment, encode_json, encode_retry, encode_text
from pagi.messages.channel import Channel
from pagi.messages.request import WithBody
from pagi.messages.response import HeadersLike, checked_status, raw_pairs

SSEState = Literal["pending", "started", "closed"]


class StreamClosed(AppError):
    """Something was sent after the stream was closed."""


class SSE(WithBody):
    """One event stream. The request's body can be read until it starts, and after."""

    __slots__ = ("_channel", "_encode", "_leaving", "direct", "keepalive_seconds", "retry_seconds", "state")

    def __init__(self, scope: Scope, receive: Receive, channel: Channel, encode: Callable[[Any], bytes]) -> None:
        super().__init__(scope, receive)
        self._channel = channel
        self._encode = encode
        self._leaving: anyio.Event | None = None
        """The head is on its way, in one of two tasks: what follows waits for it."""
        raw = channel.raw
        self.direct: Direct | None = raw if is_direct(raw) else None
        """The server's plain calls, where nothing stands in between: events then go out as bytes."""
        self.state: SSEState = "pending"
        self.retry_seconds: float | None = None
        """How long the client should wait before it comes back, said with the head; None: nothing is said."""
        self.keepalive_seconds: float | None = None
        """What `keepalive` asked for; None: the server's default."""

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event the client saw before it came back; None if it never was here."""
        return self.headers.get("last-event-id")

    @property
    def is_raw(self) -> bool:
        """The handler began to answer through the raw channel, and goes on there by itself."""
        return self.state == "pending" and self._channel.head is not None

    async def start(self, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        """Sends the head. A second call does nothing; without a call the first event does it.

        Raises:
            ClientGone: the client left.
        """
        if self._leaving is not None:
            await self._leaving.wait()
        if self.state != "pending" or self.is_raw:
            return
        if self.direct is not None:
            self.start_at_once(self.direct, status=status, headers=headers)
            return
        event = self._opening(status, headers)
        if self.retry_seconds is not None:
            event["retry"] = round(self.retry_seconds * 1000)
        self.state = "started"
        leaving = self._leaving = anyio.Event()
        try:
            with anyio.CancelScope(shield=True):  # cancelled in the middle, nobody would know whether it left
                await self._channel(event)
        finally:
            self._leaving = None
            leaving.set()

    def start_at_once(self, direct: Direct, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        """`start` without waiting, where the server takes plain calls.

        Raises:
            ClientGone: the client left.
        """
        if self.state != "pending" or self.is_raw:
            return
        event = self._opening(status, headers)
        self.state = "started"
        direct.start(self._channel.passing(event))
        if self.retry_seconds is not None:
            direct.chunk(encode_retry(round(self.retry_seconds * 1000)))

    def _opening(self, status: int, headers: HeadersLike | None) -> dict[str, Any]:
        event: dict[str, Any] = {"type": "sse.start", "status": checked_status(status), "headers": raw_pairs(headers or ())}
        if self.keepalive_seconds is not None:
            event["keepalive"] = self.keepalive_seconds
        return event

    async def send(self, item: Any) -> None:
        """Sends an `Event`, or the event that has `item` as its data: text as it is, anything else as JSON.

        Raises:
            StreamClosed: the stream was closed.
            InvalidEvent: the format cannot carry it.
            ClientGone: the client left.
        """
        if self.state != "started":
            await self._ready("an event")
        if self.direct is not None:
            if self.direct.chunk(self.encoded(item)):
                await self.direct.pace()
        elif isinstance(item, str):
            await self._follow({"type": "sse.send", "data": item})
        elif is_event(item):
            await self._follow(self._event(item))
        else:
            await self._follow({"type": "sse.send", "data": self._encode(item).decode()})

    def encoded(self, item: Any) -> bytes:
        """The bytes of what `send` would send.

        Raises:
            InvalidEvent: the format cannot carry it.
        """
        if is_event(item):
            return encode(item, self._encode)
        return encode_text(item) if isinstance(item, str) else encode_json(self._encode(item))

    async def comment(self, text: str) -> None:
        """Sends a line that clients skip.

        Raises:
            StreamClosed: the stream was closed.
            ClientGone: the client left.
        """
        if self.state != "started":
            await self._ready("a comment")
        if self.direct is None:
            await self._follow({"type": "sse.comment", "comment": text})
        elif self.direct.chunk(encode_comment(text)):
            await self.direct.pace()

    async def keepalive(self, interval_seconds: float) -> None:
        """From now on a comment fills every `interval_seconds` of silence; 0: never.

        Raises:
            ClientGone: the client left.
        """
        self.keepalive_seconds = interval_seconds
        if self.state == "started":
            await self._follow({"type": "sse.keepalive", "interval": interval_seconds})

    async def close(self, *, retry_seconds: float | None = None) -> None:
        """Ends the stream; one that never started is started first. A second call does nothing.

        `retry_seconds` is the last thing that is said: how long the client should wait before it comes back.

        Raises:
            ClientGone: the client left.
        """
        if self.state == "closed" or self.is_raw:
            return
        await self.start()
        self.state = "closed"
        await self._channel.raw(
            {"type": "sse.close"} if retry_seconds is None else {"type": "sse.close", "retry": round(retry_seconds * 1000)}
        )

    async def _follow(self, event: Message) -> None:
        if self._leaving is not None:
            await self._leaving.wait()
        await self._channel.raw(event)

    async def _ready(self, what: str) -> None:
        self.check_open(what)
        await self.start()

    def check_open(self, what: str) -> None:
        """Refuses to send `what` once the stream was closed.

        Raises:
            StreamClosed: it was.
        """
        if self.state == "closed":
            raise StreamClosed(f"{what} cannot be sent: the stream was closed")

    def _event(self, item: Event[Any]) -> dict[str, Any]:
        data: Any = item.data
        event: dict[str, Any] = {"type": "sse.send", "data": data if isinstance(data, str) else self._encode(data).decode()}
        if item.event is not None:
            event["event"] = item.event
        if item.id is not None:
            event["id"] = item.id
        if item.retry is not None:
            event["retry"] = item.retry
        if item.comment is not None:
            event["comment"] = item.comment
        return event


def is_event(item: object) -> TypeIs[Event[Any]]:
    """Tells an event from data that becomes one."""
    return isinstance(item, Event)
