"""An event stream: its start, its events, its end."""

from collections.abc import Callable
from typing import Any, Literal

from typing_extensions import TypeIs

from pagi.gateway.types import Receive, Scope
from pagi.http.errors import AppError
from pagi.http.event_stream import Event
from pagi.messages.channel import Channel
from pagi.messages.request import WithBody
from pagi.messages.response import HeadersLike, checked_status, raw_pairs

SSEState = Literal["pending", "started", "closed"]


class StreamClosed(AppError):
    """Something was sent after the stream was closed."""


class SSE(WithBody):
    """One event stream. The request's body can be read until it starts, and after."""

    __slots__ = ("_channel", "_encode", "_retry", "keepalive_seconds", "state")

    def __init__(self, scope: Scope, receive: Receive, channel: Channel, encode: Callable[[Any], bytes]) -> None:
        super().__init__(scope, receive)
        self._channel = channel
        self._encode = encode
        self._retry: int | None = None
        self.state: SSEState = "pending"
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

    def retry_after(self, seconds: float | None) -> None:
        """How long the client should wait before it comes back; goes out with the next event. None: say nothing."""
        self._retry = None if seconds is None else round(seconds * 1000)

    async def start(self, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        """Sends the head. A second call does nothing; without a call the first event does it.

        Raises:
            ClientGone: the client left.
        """
        if self.state != "pending" or self.is_raw:
            return
        self.state = "started"
        await self._channel({"type": "sse.start", "status": checked_status(status), "headers": raw_pairs(headers or ())})
        if self.keepalive_seconds is not None:
            await self._channel.raw({"type": "sse.keepalive", "interval": self.keepalive_seconds})

    async def send(self, item: Any) -> None:
        """Sends an `Event`, or the event that has `item` as its data: text as it is, anything else as JSON.

        Raises:
            StreamClosed: the stream was closed.
            InvalidEvent: the format cannot carry it.
            ClientGone: the client left.
        """
        if self.state != "started":
            await self._ready("an event")
        if isinstance(item, str):
            event: dict[str, Any] = {"type": "sse.send", "data": item}
        elif is_event(item):
            event = self._event(item)
        else:
            event = {"type": "sse.send", "data": self._encode(item).decode()}
        if self._retry is not None:
            event.setdefault("retry", self._retry)
            self._retry = None
        await self._channel.raw(event)

    async def comment(self, text: str) -> None:
        """Sends a line that clients skip.

        Raises:
            StreamClosed: the stream was closed.
            ClientGone: the client left.
        """
        if self.state != "started":
            await self._ready("a comment")
        await self._channel.raw({"type": "sse.comment", "comment": text})

    async def keepalive(self, interval_seconds: float) -> None:
        """From now on a comment fills every `interval_seconds` of silence; 0: never.

        Raises:
            ClientGone: the client left.
        """
        self.keepalive_seconds = interval_seconds
        if self.state == "started":
            await self._channel.raw({"type": "sse.keepalive", "interval": interval_seconds})

    async def close(self) -> None:
        """Ends the stream; one that never started is started first. A second call does nothing.

        Raises:
            ClientGone: the client left.
        """
        if self.state == "closed" or self.is_raw:
            return
        await self.start()
        self.state = "closed"
        await self._channel.raw({"type": "sse.close"})

    async def _ready(self, what: str) -> None:
        if self.state == "closed":
            raise StreamClosed(f"{what} cannot be sent: the stream was closed")
        await self.start()

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
