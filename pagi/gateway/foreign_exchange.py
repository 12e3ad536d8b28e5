"""One http or websocket exchange under a foreign ASGI server, made to behave as one under ours."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import anyio

from pagi.gateway.companions import Companions
from pagi.gateway.connection import ConnectionHandle
from pagi.gateway.fields import check
from pagi.gateway.file_body import absolute_path, send_file
from pagi.gateway.grammar import START, advance, is_final
from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import AnyApp, HeaderList, Message, Receive, Scope, Send

log = logging.getLogger("pagi.gateway")

DISCONNECT_GRACE_SECONDS = 5.0
"""How long an exchange may go on after its client left, before `on_abandoned` fires."""


class WatchedConnectionHandle(ConnectionHandle):
    """A handle that is fed by events instead of a socket.

    A foreign server tells of a departure only through `receive` and `send`. What the application receives and sends is
    therefore watched, and somebody who asks (`disconnected`, `on_disconnect`, `on_abandoned`) makes the bridge call
    `receive` on its own: but only once the request body was consumed, or if none was announced, because an event taken
    earlier would be body data, and would invite a client that waits for 100 to send it. The same holds for a WebSocket,
    where the departure shows when the application receives or sends. The closing signal never comes.
    """

    __slots__ = ("_watch",)

    def __init__(self, watch: Callable[[], None]) -> None:
        super().__init__(self._watched_waiter)
        self._watch = watch

    def on_disconnect(self, callback: Callable[[Reason], object]) -> None:
        super().on_disconnect(callback)
        self._watch()

    def on_abandoned(self, callback: Callable[[], object]) -> None:
        super().on_abandoned(callback)
        self._watch()

    def _watched_waiter(self) -> anyio.Event:
        self._watch()
        return anyio.Event()


class ForeignExchange:
    """`receive` and `send` for one application call, over those of a foreign server."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, grace_seconds: float) -> None:
        self.handle = WatchedConnectionHandle(self._watch)
        self._kind: str = scope["type"]
        self._scope = scope
        self._extensions: dict[str, Any] = scope["extensions"]
        self._foreign_receive = receive
        self._foreign_send = send
        self._grace_seconds = grace_seconds
        self._state = START[self._kind]
        self._companions = Companions()
        # The receiving side: one reader at a time, the application or the watch.
        self._reading = False
        self._read: anyio.Event | None = None
        self._held: Message | None = None  # taken by the watch, for the application
        self._departure: Message | None = None
        self._body_complete = False
        self._watch_wanted = False
        self._watching = False

    async def run(self, app: AnyApp) -> None:
        """Runs the application to its end, and settles what it left open.

        Raises:
            Exception: whatever `app` raised.
        """
        end = Reason.SERVER_SHUTDOWN  # nobody but the server cancels the call itself
        try:
            await self._companions.run(app, self._scope, self.receive, self.send)
            if self._kind == "websocket" and self._state == "open" and self.handle.is_connected:
                await self.send({"type": "websocket.close", "code": 1000})
            end = Reason.SERVER_ERROR
        except Exception:
            end = Reason.SERVER_ERROR
            raise
        finally:
            self.handle.mark_disconnected(end)  # ignored after any other end: a whole answer, or a departure

    # ---- receiving

    async def receive(self) -> Message:
        """The next event. After the departure it is said again, as often as it is asked for."""
        while True:
            if self._held is not None:
                event, self._held = self._held, None
                self._start_watch()
                return event
            if self._departure is not None:
                return dict(self._departure)
            if not self._reading:
                return await self._take()
            if self._read is None:
                self._read = anyio.Event()
            await self._read.wait()

    async def _take(self) -> Message:
        self._reading = True
        try:
            event = await self._foreign_receive()
            self._note(event)
        finally:
            self._reading = False
            if self._read is not None:
                self._read.set()
                self._read = None
            self._start_watch()
        return event

    def _note(self, event: Message) -> None:
        if event["type"] == "http.request":
            self._body_complete = not event.get("more_body")
        elif event["type"] in ("http.disconnect", "websocket.disconnect"):
            self._departure = event
            # Whatever reason the event names is the peer's word, not the server's.
            self._leave(Reason.CLIENT_CLOSED)

    def _leave(self, reason: Reason) -> None:
        if self.handle.is_connected:
            self.handle.mark_disconnected(reason)
            self._companions.start(self._abandon_later)

    async def _abandon_later(self) -> None:
        await anyio.sleep(self._grace_seconds)
        self.handle.abandon()

    # ---- watching for the departure

    def _watch(self) -> None:
        self._watch_wanted = True
        self._start_watch()

    def _start_watch(self) -> None:
        if self._watch_wanted and not self._reading and not self._watching and self._may_watch():
            self._watching = True
            self._companions.start(self._watch_on)

    def _may_watch(self) -> bool:
        if self._kind != "http" or self._departure is not None or not self.handle.is_connected:
            return False
        return self._body_complete or (self._held is None and not _announces_body(self._scope["headers"]))

    async def _watch_on(self) -> None:
        try:
            while self._may_watch() and not self._reading:
                event = await self._take()
                if event["type"] != "http.disconnect":
                    self._held = event
        finally:
            self._watching = False

    # ---- sending

    async def send(self, event: Message) -> None:
        """Passes an event on, in whatever form the foreign server understands.

        Raises:
            ClientGone: the client has left.
            EventOutOfOrder: the event may not come now.
            BadEvent: no such event, or a field is missing or of the wrong type.
            FileBodyError: a file could not be opened or read.
        """
        if self.handle.disconnect_reason is not None:
            raise ClientGone(self.handle.disconnect_reason)
        before = self._state
        after = advance(self._kind, before, event)
        check(self._kind, event)
        self._state = after
        passing = self._PASSING.get(event["type"])
        if passing is None:
            await self._forward(event)
        else:
            await passing(self, event, before)
        if is_final(self._kind, after) or (after == "trailers" and not self._knows("http.response.trailers")):
            self.handle.mark_complete()

    async def _forward(self, event: Message) -> None:
        try:
            await self._foreign_send(event)
        except OSError as error:
            reason = error.reason if isinstance(error, ClientGone) else Reason.CLIENT_CLOSED
            self._leave(reason)
            raise ClientGone(self.handle.disconnect_reason or reason) from error

    def _knows(self, extension: str) -> bool:
        return extension in self._extensions

    async def _start(self, event: Message, before: str) -> None:
        self.handle.response_started = True
        if event.get("trailers") and not self._knows("http.response.trailers"):
            event = {**event, "trailers": False}
        await self._forward(event)

    async def _body(self, event: Message, before: str) -> None:
        if event.get("file") is not None or event.get("fh") is not None:
            await self._file(event, before)
            return
        body = event.get("body")
        if body is None or isinstance(body, bytes):
            await self._forward(event)
        else:  # bytearray and memoryview are ours to take, and not every server's
            await self._forward({**event, "body": bytes(body)})

    async def _file(self, event: Message, before: str) -> None:
        whole = event.get("fh") is None and not event.get("offset") and event.get("length") is None
        if whole and before in ("started", "started+trailers") and self._knows("http.response.pathsend"):
            await self._forward({"type": "http.response.pathsend", "path": absolute_path(event)})
            return
        if self._scope["method"] != "HEAD":
            await send_file(event, self._part)
        await self._forward({"type": "http.response.body", "body": b"", "more_body": False})

    async def _part(self, data: bytes) -> None:
        await self._forward({"type": "http.response.body", "body": data, "more_body": True})

    async def _pathsend(self, event: Message, before: str) -> None:
        await self._file({"type": "http.response.body", "file": event["path"]}, before)

    async def _trailers(self, event: Message, before: str) -> None:
        if self._knows("http.response.trailers"):
            await self._forward(event)
        else:
            log.debug("trailers dropped: the server does not know them")

    async def _early_hint(self, event: Message, before: str) -> None:
        if before == "start" and self._knows("http.response.early_hint"):
            await self._forward(event)
        else:
            log.debug("early hint dropped: %s", "the head was given" if before != "start" else "the server does not know them")

    async def _websocket_keepalive(self, event: Message, before: str) -> None:
        log.debug("websocket.keepalive ignored: the server keeps its own pings")

    async def _denial_start(self, event: Message, before: str) -> None:
        self.handle.response_started = True
        if self._knows("websocket.http.response"):
            await self._forward(event)
        else:
            log.debug("the server knows no denial responses: status %d becomes its own refusal", event["status"])
            await self._forward({"type": "websocket.close"})

    async def _denial_body(self, event: Message, before: str) -> None:
        if self._knows("websocket.http.response"):
            await self._forward(event)

    _PASSING: ClassVar[dict[str, Callable[["ForeignExchange", Message, str], Awaitable[None]]]] = {
        "http.response.start": _start,
        "http.response.body": _body,
        "http.response.pathsend": _pathsend,
        "http.response.trailers": _trailers,
        "http.response.early_hint": _early_hint,
        "websocket.accept": _start,
        "websocket.keepalive": _websocket_keepalive,
        "websocket.http.response.start": _denial_start,
        "websocket.http.response.body": _denial_body,
    }


def _announces_body(headers: HeaderList) -> bool:
    return any(
        name in (b"transfer-encoding", b"expect") or (name == b"content-length" and value.strip(b"0 \t") != b"") for name, value in headers
    )
