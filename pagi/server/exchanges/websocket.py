"""One WebSocket session, whatever the framing below it."""

from pagi.gateway import grammar
from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import HeaderList, Message, Send
from pagi.server.exchanges.base import PLAIN, SWEPT_SECONDS, YIELD_EVENTS, Carrier, Exchange, log
from pagi.server.exchanges.scope import websocket_scope
from pagi.server.runtime import Timer
from pagi.server.wire.events import Answer, Request, ResponseEnd, TunnelOpened
from pagi.server.wire.handshake import Handshake, accept_headers
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import BinaryMessage, Closed, TextMessage, WSFault

BIG_BYTES = 4096
"""A message from which on it is worth looking at the marks."""
MOMENT_SECONDS = 0.01
NO_CODE = 1006
"""Never on the wire: the session ended without a Close (RFC 6455 section 7.4.1)."""


class WebSocketExchange(Exchange):
    """A handshake that the application accepts or denies, then messages both ways until one side closes."""

    __slots__ = (
        "_close_deadline", "_connect_delivered", "_denial", "_end", "_frames", "_handshake",
        "_inbox", "_inbox_bytes", "_input_over", "_last_message", "_last_ping", "_moved", "_peer_done", "_ping_interval",
        "_ping_timeout", "_ping_timer", "_replied", "_stalled", "_state", "_unanswered_since",
    )  # fmt: skip

    def __init__(self, carrier: Carrier, request: Request, handshake: Handshake) -> None:
        super().__init__(carrier, request.stream_id, request.head, "websocket")
        service = carrier.service
        options = service.options
        self.scope = websocket_scope(
            service.common_scope(carrier.peer),
            carrier.peer,
            request.head,
            list(handshake.subprotocols),
            service.state,
            self.handle,
            carrier.transport,
        )
        self._handshake = handshake
        self._frames: WebSocketEngine | None = None
        self._state = grammar.START["websocket"]
        self._connect_delivered = False
        self._inbox: list[tuple[Message, int]] = []
        self._inbox_bytes = 0
        self._stalled = False
        """Bytes in hand are unread until the application took some of the inbox."""
        self._input_over = False
        """The input ended behind unread bytes."""
        self._end: tuple[int, str] | None = None
        """Code and reason of the `websocket.disconnect` to deliver."""
        self._denial: tuple[int, HeaderList, list[bytes]] | None = None
        self._close_deadline: float | None = None
        now = service.runtime.now()
        self._last_message = now
        self._ping_interval = options.websocket.ws_ping_interval_seconds
        self._ping_timeout = options.websocket.ws_ping_timeout_seconds
        self._last_ping = now
        self._unanswered_since: float | None = None
        self._peer_done = False
        """Nothing of the peer is read any more, beside what is in hand."""
        self._moved = False
        """A message went or came since the idle limit was last looked at."""
        self._replied = False
        """Something was sent since the last read."""
        self._ping_timer: Timer | None = None

    # ---- what the application sends

    def sender(self) -> Send:
        return self.send

    async def send(self, event: Message) -> None:
        """Takes one event.

        Raises:
            AppError: the event is wrong or out of order.
            ClientGone: the client left.
        """
        if self._end is not None:
            raise ClientGone(self.handle.disconnect_reason or Reason.CLIENT_CLOSED)
        frames = self._frames
        if frames is not None and event.get("type") == "websocket.send" and len(event) == 2:
            # The ordinary message needs no grammar: the session is open and stays so.
            message = event.get("text")
            if type(message) is str or type(message := event.get("bytes")) is bytes:
                if self._message(frames, message):
                    await self.pace()
                return
        grammar.check("websocket", event)
        state = grammar.advance("websocket", self._state, event)
        await self._deliver(event)
        self._state = state

    async def _deliver(self, event: Message) -> None:
        kind = event["type"]
        if kind == "websocket.send":
            text, data = event.get("text"), event.get("bytes")
            if self._message(self._opened(), text if text is not None else bytes(data or b"")):
                await self.pace()
        elif kind == "websocket.accept":
            self._accept(event.get("subprotocol"), list(event.get("headers") or ()))
        elif kind == "websocket.close":
            code, reason = event.get("code"), event.get("reason") or ""
            if self._frames is None:
                self._deny(403, list(PLAIN), b"Forbidden\n")
            else:
                self._close(1000 if code is None else code, reason)
        elif kind == "websocket.http.response.start":
            self._denial = event["status"], list(event.get("headers") or ()), []
        elif kind == "websocket.http.response.body" and self._denial is not None:
            status, headers, parts = self._denial
            parts.append(bytes(event.get("body") or b""))
            if not event.get("more_body"):
                self._deny(status, headers, b"".join(parts))
        elif kind == "websocket.keepalive":
            self._ping_interval = float(event["interval"])
            self._ping_timeout = float(event.get("timeout") or 0)
            self._arrange_ping()

    def _message(self, frames: WebSocketEngine, message: str | bytes) -> bool:
        """Sends a message. Returns whether it is time for `pace`."""
        size = len(message)
        if isinstance(message, str):
            frames.send_text(message)
        else:
            frames.send_bytes(message)
        carrier = self.carrier
        if self._replied:
            carrier.spill_later(self)
        else:
            # The first message after a read is most often the answer to it: it leaves at once. Bursts are collected.
            self._replied = True
            self.spill()
        self.bytes_sent += size
        carrier.unyielded_bytes += size
        carrier.unyielded_events += 1
        self._moved = True
        return carrier.is_congested or carrier.unyielded_events >= YIELD_EVENTS or carrier.unyielded_bytes >= carrier.flush_at

    def spill(self) -> None:
        frames = self._frames
        if frames is not None and (size := frames.queued):
            self.carrier.tunnel(self, frames.take_output(), size)

    def unspilled(self) -> int:
        return self._frames.queued if self._frames is not None else 0

    def _accept(self, subprotocol: str | None, headers: HeaderList) -> None:
        options = self.carrier.service.options.websocket
        fields, extensions = accept_headers(self._handshake, subprotocol, headers, options.ws_deflate)
        self.carrier.send(TunnelOpened(self.stream_id, fields))
        self.carrier.flush()
        self.note_head(101 if self.head.http_version == "1.1" else 200, fields)
        self.handle.response_started = True
        self._frames = WebSocketEngine(options.ws_max_message_bytes, extensions)
        self._arrange_ping()
        self.carrier.resume_tunnel(self)

    def _deny(self, status: int, headers: HeaderList, body: bytes) -> None:
        self.carrier.close_after_answer()
        self.carrier.send(Answer(self.stream_id, status, headers, body))
        self.handle.response_started = True
        self.note_head(status, headers)
        self.bytes_sent = len(body)
        self._end = NO_CODE, ""
        self._peer_done = True
        self.carrier.flush()
        self.carrier.answered(self)

    def _close(self, code: int, reason: str = "") -> None:
        frames = self._opened()
        frames.close(code, reason)
        self.carrier.spill_later(self)
        self.carrier.flush()
        # What the peer still says is dropped, so however full the inbox is: only its Close is looked for.
        self._go_on_soon()
        self.carrier.took(self, 0)
        self._close_deadline = self.carrier.service.runtime.now() + self.carrier.service.options.websocket.ws_close_seconds

    def _opened(self) -> WebSocketEngine:
        assert self._frames is not None, "the grammar lets nothing through before the accept"
        return self._frames

    # ---- what the application receives

    async def receive(self) -> Message:
        """`websocket.connect`, then messages, then `websocket.disconnect` for as often as asked."""
        if not self._connect_delivered:
            self._connect_delivered = True
            return {"type": "websocket.connect"}
        while not self._inbox:
            if self._end is not None and not (self._frames is not None and self._frames.unread):
                code, reason = self._end
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await self.wait()
        event, size = self._inbox.pop(0)
        self._inbox_bytes -= size
        self.carrier.took(self, size)
        if self._stalled and self._has_room():
            self._go_on_soon()
        return event

    def waiting(self) -> int:
        frames = self._frames
        is_reading = frames is not None and bool(frames.unread)
        if frames is not None and frames.close_sent and not is_reading:
            return 0
        # A full queue counts as a full buffer, and so do unread bytes.
        if is_reading or not self._has_room():
            return max(self._inbox_bytes, self.carrier.transport.high_water_mark + 1)
        return self._inbox_bytes

    def _has_room(self) -> bool:
        return len(self._inbox) < max(self.carrier.service.options.websocket.ws_max_queue, 1)

    # ---- what the connection tells

    def body_received(self, data: bytes) -> None:
        frames = self._frames
        if frames is None:
            return
        if frames.unread:
            if data:
                frames.unread += data  # it was on its way when the reading paused
                return
        elif self._peer_done:
            return
        # One turn. What it leaves unread is read in later ones, between which everybody else runs, as the inbox drains.
        self._replied = False
        was_done = self._peer_done
        for event in frames.receive(data):
            if type(event) is TextMessage:
                self._arrived({"type": "websocket.receive", "text": event.data}, len(event.data))
            elif type(event) is BinaryMessage:
                self._arrived({"type": "websocket.receive", "bytes": event.data}, len(event.data))
            elif type(event) is Closed:
                self._leave(event.code, event.reason, None if frames.close_sent and self._state == "closed" else Reason.CLIENT_CLOSED)
            elif type(event) is WSFault:
                log.info("%s: the client broke the WebSocket protocol, closed with %d: %s", self.where(), event.code, event.detail)
                self._leave(event.code, Reason.PROTOCOL_ERROR.value, Reason.PROTOCOL_ERROR)
        if frames.queued:
            self.carrier.spill_later(self)
        if self._peer_done and not was_done:
            self._close_line()
        elif frames.unread:
            self.carrier.holds(self)
            self._stalled = True
            if frames.close_sent or self._has_room():
                self._go_on_soon()

    def _go_on_soon(self) -> None:
        if self._stalled:
            self._stalled = False
            self.carrier.service.runtime.soon(self._go_on)

    def _go_on(self) -> None:
        self.body_received(b"")
        if self._opened().unread:
            return
        self.carrier.took(self, 0)
        if self._input_over and not self._peer_done:
            self.disconnected(Reason.CLIENT_CLOSED)
            self.carrier.close(self)
        self.wake()  # the end may be due

    def _arrived(self, event: Message, size: int) -> None:
        inbox = self._inbox
        inbox.append((event, size))
        self._inbox_bytes += size
        self._moved = True
        if self._waiter is not None:
            self.wake()  # it is taken within the tick: to pause the reading until then would cost more than the message
        elif size >= BIG_BYTES or len(inbox) > 1:
            self.carrier.holds(self)

    def body_ended(self) -> None:
        self.input_ended()

    def input_ended(self) -> bool:
        if self._frames is not None and self._frames.unread:
            self._input_over = True
            return True
        self.disconnected(Reason.CLIENT_CLOSED)
        return False

    def faulted(self, status: int, detail: str) -> None:
        self.carrier.abort(self)
        self.disconnected(Reason.PROTOCOL_ERROR)

    def disconnected(self, reason: Reason) -> None:
        self._leave(NO_CODE, reason.value, reason)
        super().disconnected(reason)

    def begin_closing(self, deadline: float) -> None:
        super().begin_closing(deadline)
        if not self.carrier.service.speaks_sse and self._frames is not None and self._frames.is_open:
            self._close(1001, "server shutdown")  # a plain ASGI application cannot hear the signal
            self._end = 1001, Reason.SERVER_SHUTDOWN.value
            self.handle.mark_disconnected(Reason.SERVER_SHUTDOWN)
            self.wake()

    def sweep(self, now: float) -> None:
        frames = self._frames
        if frames is None or self._peer_done:
            return
        options = self.carrier.service.options.websocket
        if self._close_deadline is not None:
            if options.ws_close_seconds and now >= self._close_deadline:
                self._leave(NO_CODE, Reason.CLIENT_TIMEOUT.value, Reason.CLIENT_TIMEOUT)
                self._close_line()
        elif options.ws_idle_seconds and self._is_idle(now, options.ws_idle_seconds):
            self._leave(NO_CODE, Reason.IDLE_TIMEOUT.value, Reason.IDLE_TIMEOUT)
            self._close(1001, "idle for too long")
            self._close_line()
        elif self._ping_interval >= SWEPT_SECONDS:
            self._ping(frames, now)

    def _is_idle(self, now: float, limit: float) -> bool:
        if self._moved:
            self._moved, self._last_message = False, now
        return now - self._last_message >= limit

    # ---- heartbeats

    def _ping(self, frames: WebSocketEngine, now: float) -> None:
        """Sends the ping that is due; gives up on a client that let one go unanswered. Whatever it sends is an answer."""
        carrier = self.carrier
        unanswered = self._unanswered_since
        if unanswered is not None:
            if carrier.last_read >= unanswered or carrier.reading_paused:  # a clock that stands still shows both at once
                self._unanswered_since = None
            elif self._ping_timeout and now - unanswered >= self._ping_timeout:
                carrier.abort(self)
                self.disconnected(Reason.KEEPALIVE_TIMEOUT)
                return
        if now - self._last_ping >= self._ping_interval:
            self._last_ping = now
            if self._unanswered_since is None:
                self._unanswered_since = now
            frames.ping()
            self.carrier.spill_later(self)
            carrier.flush()

    def _arrange_ping(self) -> None:
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None
        if 0 < self._ping_interval < SWEPT_SECONDS:
            runtime = self.carrier.service.runtime
            self._ping_timer = runtime.at(runtime.now() + self._ping_interval, self._ping_tick)

    def _ping_tick(self) -> None:
        self._ping_timer = None
        frames = self._frames
        if frames is None or not frames.is_open or self._peer_done:
            return
        runtime = self.carrier.service.runtime
        now = runtime.now()
        if now - self._last_ping > 2 * self._ping_interval:
            # The process stood still: what the client sent meanwhile is looked at before it is judged (see `Sweeper`).
            self._last_ping = now - self._ping_interval
            self._ping_timer = runtime.at(now + MOMENT_SECONDS, self._ping_tick)
        else:
            self._ping(frames, now)
            self._arrange_ping()

    # ---- the ends

    def _leave(self, code: int, reason: str, ended: Reason | None) -> None:
        """No message can be exchanged any more: what `receive` will say, once. `ended` is None where our own Close was answered."""
        if self._end is None:
            self._end = code, reason
        self._peer_done = True
        if ended is not None:
            self.handle.mark_disconnected(ended)
        self.wake()

    def _close_line(self) -> None:
        """The tunnel is done both ways, or given up: what is queued leaves, then the line closes."""
        self.spill()
        self.carrier.send(ResponseEnd(self.stream_id))
        self.carrier.flush()
        self.carrier.close(self)
        if self.handle.is_connected:
            self.sent()
        else:
            self.conclude()

    def failed(self, error: Exception) -> None:
        if self._end is not None:
            self.log_late_failure(error)
            return
        self.log_failure("the application failed", error=error)
        self._finish_for_application(500, 1011, Reason.SERVER_ERROR)

    def returned(self) -> None:
        if self._frames is None and self._end is None:
            self.log_failure("the application returned without accepting or closing")
        self._finish_for_application(500, 1000, None)

    def released(self) -> None:
        if self._ping_timer is not None:
            self._ping_timer.cancel()

    def _finish_for_application(self, status: int, code: int, reason: Reason | None) -> None:
        """Ends what the application left open: the handshake by `status`, the session by a Close with `code`."""
        if self._end is not None:
            return
        if self._frames is None:
            self.handle.mark_disconnected(Reason.SERVER_ERROR)
            self._deny(status, list(PLAIN), b"Internal Server Error\n")
        elif self._frames.is_open:
            self._state = "closed"
            self._close(code)
            if reason is not None:
                self.handle.mark_disconnected(reason)
