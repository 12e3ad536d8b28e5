"""Event streams over http: `EventStream` makes `sse.*` events into `http.*` events and knows no loop; `adapt` adds loop and clock."""

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import anyio

from pagi.gateway.companions import Companions
from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.fields import BadEvent, check, unknown_event
from pagi.gateway.grammar import DECLINE_NAMES, START, advance, is_final
from pagi.gateway.reasons import Reason
from pagi.gateway.types import AnyApp, HeaderList, Message, Receive, Scope, Send
from pagi.http.event_stream import encode_comment, encode_event, encode_retry, encode_text

KEEPALIVE_SECONDS = 15.0
"""Silence after which a comment is sent, unless the application says otherwise: proxies cut idle streams at 30 to 60 s."""

# What a stream needs to arrive piece by piece: no cache may keep it, and nginx must not buffer it.
_STREAM_FIELDS: HeaderList = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """The sending side of one sse exchange, as ordinary http events.

    Between `sse.start` and the end each event becomes exactly one `http.response.body`, so nothing can come between its
    lines. A stream that was not started may be declined with `http.response.*` events, which pass through.
    """

    __slots__ = ("close_reason", "declined", "ended", "keepalive_comment", "keepalive_interval", "started", "state")

    def __init__(self, *, keepalive_interval: float = KEEPALIVE_SECONDS, keepalive_comment: str = "") -> None:
        self.keepalive_interval = keepalive_interval
        """Seconds of silence after which `keepalive()` is due; 0 for never. `sse.start` and `sse.keepalive` change it."""
        self.keepalive_comment = keepalive_comment
        self.state = START["sse"]
        """Where the exchange stands in the grammar."""
        self.started = False
        self.declined = False
        self.ended = False
        """True once the last event was fed: a close, or the end of a decline."""
        self.close_reason: str | None = None
        """What the application gave with `sse.close`; for the log, never for the client."""

    def feed(self, event: Message) -> list[Message]:
        """The http events that `event` stands for, usually one: none for `sse.keepalive`, and a body too for a start with `retry`.

        Raises:
            EventOutOfOrder: the event may not come now.
            BadEvent: no such event, or a field is missing or of the wrong type.
            InvalidEvent: `event` or `id` of an `sse.send` holds a line end, `id` a NUL, or text has no UTF-8 form.
        """
        try:
            name: object = event["type"]
        except (KeyError, TypeError):
            raise unknown_event("sse", event) from None
        if name == "sse.send" and self.state == "open":
            return [{"type": "http.response.body", "body": frame(event), "more_body": True}]
        state = advance("sse", self.state, event)
        check("sse", event)
        events = self._TRANSLATE.get(event["type"], EventStream._decline)(self, event)
        self.state = state
        self.ended = is_final("sse", state)
        return events

    def keepalive(self) -> Message:
        """The http event that keeps an idle stream alive. Legal while the stream is started and not ended."""
        return {"type": "http.response.body", "body": encode_comment(self.keepalive_comment), "more_body": True}

    def finish(self) -> list[Message]:
        """What is still to send once the application has returned: the end of a started stream, else nothing."""
        if self.ended or not self.started:
            return []
        return self.feed({"type": "sse.close"})

    def _start(self, event: Message) -> list[Message]:
        headers = _pairs(event.get("headers") or ())
        given = {name.lower() for name, _ in headers}
        headers += [field for field in _STREAM_FIELDS if field[0] not in given]
        self.started = True
        status = event.get("status")
        if event.get("keepalive") is not None:
            self.keepalive_interval = event["keepalive"]
        events: list[Message] = [{"type": "http.response.start", "status": 200 if status is None else status, "headers": headers}]
        if event.get("retry") is not None:
            events.append({"type": "http.response.body", "body": encode_retry(event["retry"]), "more_body": True})
        return events

    def _comment(self, event: Message) -> list[Message]:
        return [{"type": "http.response.body", "body": encode_comment(event["comment"]), "more_body": True}]

    def _keepalive(self, event: Message) -> list[Message]:
        self.keepalive_interval = event["interval"]
        self.keepalive_comment = event.get("comment") or ""
        return []

    def _close(self, event: Message) -> list[Message]:
        if self.ended:
            return []
        self.close_reason = event.get("reason")
        last = b"" if event.get("retry") is None else encode_retry(event["retry"])
        return [{"type": "http.response.body", "body": last, "more_body": False}]

    def _decline(self, event: Message) -> list[Message]:
        name = DECLINE_NAMES.get(event["type"], event["type"])
        self.declined = self.declined or name == "http.response.start"
        return [event if name is event["type"] else {**event, "type": name}]

    _TRANSLATE: ClassVar[dict[str, Callable[["EventStream", Message], list[Message]]]] = {
        "sse.start": _start,
        "sse.comment": _comment,
        "sse.keepalive": _keepalive,
        "sse.close": _close,
    }


def frame(event: Message) -> bytes:
    """The bytes of one `sse.send`, for a stream that is open. Events come in bursts: the usual fields are looked at once.

    Raises:
        BadEvent: a field is missing or unusable.
        InvalidEvent: the format cannot carry it.
    """
    data = event.get("data")
    if type(data) is str and len(event) == 2:
        return encode_text(data)
    check("sse", event)
    return encode_event(data, event.get("event"), event.get("id"), event.get("retry"), event.get("comment"))


def _pairs(headers: Iterable[Any]) -> HeaderList:
    try:
        pairs = [(name, value) for name, value in headers]
    except (TypeError, ValueError) as error:
        raise BadEvent("sse", "sse.start", "'headers' of 'sse.start' must be (name, value) pairs of bytes") from error
    for name, value in pairs:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise BadEvent("sse", "sse.start", f"header ({name!r}, ...) of 'sse.start' must be a pair of bytes")
    return pairs


async def adapt(app: AnyApp, scope: Scope, receive: Receive, send: Send, *, keepalive_interval: float = KEEPALIVE_SECONDS) -> None:
    """Runs an application that speaks `sse` over an http exchange, under any ASGI server.

    The application gets a copy of `scope` with the type `sse` and everything else as it was. Comments fill the silence
    every `keepalive_interval` seconds (0 for never), until the stream ends, the client leaves or the application changes
    the interval by `sse.keepalive`. An application that returns without closing ends the stream cleanly; one that raises
    after `sse.start` leaves it unfinished, so that the client can tell.

    Raises:
        Exception: whatever `app` raised.
    """
    adapter = _Adapter(scope, receive, send, EventStream(keepalive_interval=keepalive_interval))
    await adapter.companions.run(app, {**scope, "type": "sse"}, adapter.receive, adapter.send)
    if not adapter.has_left():
        for event in adapter.stream.finish():
            await send(event)


class _Adapter:
    """One exchange in the middle of `adapt`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, stream: EventStream) -> None:
        self.stream = stream
        self.companions = Companions()
        self._gone = False
        self._handle: ConnectionHandle | None = scope.get("pagi.connection")
        self._receive = receive
        self._send = send
        # One event at a time: several tasks of the application may send, and the keepalive besides.
        self._turn = anyio.Lock(fast_acquire=True)
        self._sent_at = 0.0
        self._interval_changed: anyio.Event | None = None

    def has_left(self) -> bool:
        """True once the client's departure is known, from whatever side."""
        return self._gone or (self._handle is not None and self._handle.disconnect_reason is not None)

    async def receive(self) -> Message:
        event = await self._receive()
        if event["type"] == "http.disconnect":
            self._leave()
            reason = self._handle.disconnect_reason if self._handle is not None else None
            return {"type": "sse.disconnect", "reason": (reason or Reason.CLIENT_CLOSED).value}
        if event["type"] == "http.request":
            return {**event, "type": "sse.request"}
        return event

    async def send(self, event: Message) -> None:
        async with self._turn:
            interval = self.stream.keepalive_interval
            events = self.stream.feed(event)
            if event["type"] == "sse.start":
                if len(events) == 1:
                    # Some servers hold the head back until the body begins, and EventSource waits for it.
                    events.append({"type": "http.response.body", "body": b"", "more_body": True})
                self._sent_at = anyio.current_time()
                self.companions.start(self._keep_alive)
            elif self.stream.keepalive_interval != interval:
                self._wake()
            for translated in events:
                await self._forward(translated)
            self._sent_at = anyio.current_time()

    async def _forward(self, event: Message) -> None:
        try:
            await self._send(event)
        except OSError:
            self._leave()
            raise

    def _leave(self) -> None:
        self._gone = True
        self._wake()

    def _wake(self) -> None:
        if self._interval_changed is not None:
            self._interval_changed.set()

    async def _keep_alive(self) -> None:
        stream = self.stream
        while not (self.has_left() or stream.ended):
            changed = self._interval_changed
            if changed is None or changed.is_set():
                changed = self._interval_changed = anyio.Event()
            if stream.keepalive_interval <= 0:
                await changed.wait()
                continue
            with anyio.move_on_after(self._sent_at + stream.keepalive_interval - anyio.current_time()):
                await changed.wait()
                continue
            await self._keepalive_if_due()

    async def _keepalive_if_due(self) -> None:
        # Whoever holds the turn is sending, perhaps for long, against backpressure: then the silence begins anew.
        async with self._turn:
            due = self._sent_at + self.stream.keepalive_interval
            if self.has_left() or self.stream.ended or self.stream.keepalive_interval <= 0 or anyio.current_time() < due:
                return
            self._sent_at = anyio.current_time()
            # A client that left is no error of the application, which learns it from its own next call.
            with contextlib.suppress(OSError):
                await self._forward(self.stream.keepalive())
