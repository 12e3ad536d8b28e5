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
        self._before_head: Callable[[Head], None] | None = before_head

    async def __call__(self, event: Message) -> None:
        await self.raw(self.passing(event))

    def passing(self, event: Message) -> Message:
        """What is to leave in place of `event`: where it starts the answer, the hooks run on its head first."""
        if self.head is not None or self._before_head is None:
            return event
        kind = event["type"]
        default = _STATUS_BY_START.get(kind)
        return event if default is None else self._start(event, kind, default, self._before_head)

    def _start(self, event: Message, kind: str, default: int, before_head: Callable[[Head], None]) -> Message:
        # The event is not ours: an application may send one constant list again and again.
        head = Head(event.get("status", default), [(bytes(name), bytes(value)) for name, value in event.get("headers", ())])
        # A plain close before accept is a 403 that carries no fields of ours.
        if kind != "websocket.close":
            before_head(head)
        self.head = head
        self._before_head = None  # nobody is asked again: an idle session keeps nothing for it
        if kind == "websocket.close":
            return dict(event)
        started: dict[str, Any] = {**event, "headers": head.raw_headers}
        if kind != "websocket.accept":
            started["status"] = head.status
        return started
