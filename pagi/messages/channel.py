"""The head of an answer on its way out, and the `send` that lets hooks see it, whatever it belongs to."""

from collections.abc import Callable
from typing import Any

from pagi.gateway.types import HeaderList, Message, Send
from pagi.http.headers import MutableHeaders


class Head:
    """Status and header fields, just before they leave. For a WebSocket that is accepted the status is 101."""

    __slots__ = ("_headers", "raw_headers", "status")

    def __init__(self, status: int, raw_headers: HeaderList) -> None:
        self.status = status
        self.raw_headers = raw_headers
        self._headers: MutableHeaders | None = None

    @property
    def headers(self) -> MutableHeaders:
        """The header fields, to read and to change."""
        if self._headers is None:
            self._headers = MutableHeaders(self.raw_headers)
        return self._headers


_STATUS_BY_START: dict[str, int] = {
    "http.response.start": 200,
    "sse.start": 200,
    "websocket.http.response.start": 403,
    "websocket.accept": 101,
    "websocket.close": 403,
}


class Channel:
    """The raw channel of one exchange: `send`, with `on_response_start` hooks run on the head that passes."""

    __slots__ = ("_before_head", "head", "raw")

    def __init__(self, send: Send, before_head: Callable[[Head], None]) -> None:
        self.raw = send
        """The `send` underneath; what starts an answer must not go through it."""
        self.head: Head | None = None
        """What left, once something did."""
        self._before_head = before_head

    async def __call__(self, event: Message) -> None:
        if self.head is None:
            status = _STATUS_BY_START.get(event["type"])
            if status is not None:
                event = self._start(event, status)
        await self.raw(event)

    def _start(self, event: Message, default: int) -> dict[str, Any]:
        kind = event["type"]
        # The event is not ours: an application may send one constant list again and again.
        head = Head(event.get("status", default), [(bytes(name), bytes(value)) for name, value in event.get("headers", ())])
        # A plain close before accept is a 403 that carries no fields of ours.
        if kind != "websocket.close":
            self._before_head(head)
        self.head = head
        if kind == "websocket.close":
            return dict(event)
        started = {**event, "headers": head.raw_headers}
        if kind != "websocket.accept":
            started["status"] = head.status
        return started
