"""Joins an HTTP/1.1 engine to its exchanges, one at a time. Synchronous: no loop, no socket; what waits does so on a `Waiter`."""

import logging

from pagi.gateway.connection import Waiter
from pagi.gateway.reasons import Reason
from pagi.gateway.transport import TransportHandle
from pagi.server.exchanges.base import FLUSH_BYTES, PLAIN, Exchange
from pagi.server.exchanges.http import HTTPExchange
from pagi.server.exchanges.scope import Peer
from pagi.server.exchanges.websocket import WebSocketExchange
from pagi.server.figures import OpenExchange
from pagi.server.line_holder import LineHolder
from pagi.server.runtime import Line
from pagi.server.service import Service
from pagi.server.wire.events import Abort, Answer, BodyData, BodyEnd, Event, Fault, InputEnded, Request, ResponseData
from pagi.server.wire.handshake import Refusal, read_handshake
from pagi.server.wire.http1 import HTTP1Engine
from pagi.server.wire.response_writer import coalesced

log = logging.getLogger("pagi.server")


class Connection(LineHolder):
    """One client's connection over HTTP/1.1. The transport tells it what arrived; it tells the line what to write."""

    __slots__ = (
        "_congested_waiters", "_exchange_waits", "_exchanges", "_head_since", "_idle_since", "_input_over", "_starting", "_tunnel",
        "_unread", "_unspilled", "engine", "flush_at", "reading_paused", "transport", "unyielded_bytes", "unyielded_events",
    )  # fmt: skip

    def __init__(self, service: Service, line: Line, peer: Peer, opened_at: float | None = None) -> None:
        super().__init__(service, line, peer)
        options = service.options
        self.engine = HTTP1Engine(options.http1, service.static_lines, options.body.drain_bytes)
        self.transport = TransportHandle(self, options.flow.high_water_bytes, options.flow.low_water_bytes)
        self.unyielded_bytes = self.unyielded_events = 0
        self.flush_at = min(FLUSH_BYTES, options.flow.high_water_bytes)
        self._exchanges: list[Exchange] = []
        """The last one is the engine's, unless that is over; the others were answered, and their tasks go on."""
        self._congested_waiters: list[Waiter] | None = None
        self._unspilled: list[Exchange] | None = None
        self._exchange_waits = False
        """A request waits until the client has read enough of the last answer."""
        self._starting = False
        """An exchange is in its first step: it is flushed when that ends."""
        self.reading_paused = False
        self._unread: bytes | None = None
        """What the engine left for a later turn."""
        self._input_over = False
        """The input ended behind that."""
        self._tunnel: Exchange | None = None
        """Whose bytes all of them are, both ways: the engine is bypassed."""
        self._idle_since = self.last_read
        self._head_since: float | None = self._idle_since if opened_at is None else opened_at
        service.connections.add(self)

    # ---- what the transport tells

    def received(self, data: bytes) -> None:
        """Bytes arrived; `b""` is the end of input."""
        if self._exchanges:
            self.last_read = self.service.runtime.now()
        if self._tunnel is not None and data:
            self._tunnel.body_received(data)
            return
        if self._unread is not None:
            self._unread += data  # it was on its way when the reading paused
            self._input_over = not data
            return
        engine = self.engine
        events = engine.receive(data)
        if events:
            self._handle(events)
        elif engine.closing:
            self._close_when_sent()
        else:
            self._look_at_waiting()
        if engine.unread and not engine.closing:
            self._put_off(engine.unread)

    def lost(self, reason: Reason) -> None:
        """The line is gone, whoever ended it."""
        if not self.found_lost():
            return
        for exchange in list(self._exchanges):
            exchange.disconnected(reason)
        self._wake_senders()
        self.transport.drop()
        if not self._exchanges:
            self.service.forget(self)

    def congested(self) -> None:
        """Unsent bytes reached the high mark."""
        self.is_congested = True
        self.transport.mark_high()

    def drained(self) -> None:
        """Unsent bytes fell under the low mark."""
        self.is_congested = False
        self.transport.mark_drained()
        self._wake_senders()
        if self._exchange_waits:
            self._exchange_waits = False
            self._next()

    # ---- what the process tells

    def sweep(self, now: float) -> None:
        """Looks at every deadline of the connection and of its exchanges."""
        timeouts = self.service.options.timeouts
        if self._lost_at is not None:
            self.abandon_lost(list(self._exchanges), now)
            return
        if self.stands_still(now):
            self._cut(Reason.WRITE_TIMEOUT)
            return
        for exchange in list(self._exchanges):
            exchange.sweep(now)
        if self._exchanges:
            return
        if self._head_since is not None:
            if timeouts.head_seconds and now - self._head_since >= timeouts.head_seconds:
                self._refuse(408, f"the request's head took over {timeouts.head_seconds:g} s")
        elif timeouts.keep_alive_seconds and now - self._idle_since >= timeouts.keep_alive_seconds:
            self._line.close()

    def begin_closing(self, deadline: float) -> None:
        """The server will end: an idle connection does so now, one with an exchange after it.

        One that waits for a retiring worker may stay idle for as long as ever: its next request may be on its way.
        """
        if self._exchanges:
            self.engine.close_after()
            for exchange in list(self._exchanges):
                exchange.begin_closing(deadline)
        elif self._head_since is None and not (self.service.is_retiring and self.service.options.timeouts.keep_alive_seconds):
            self._line.close()

    def look(self, now: float) -> list[OpenExchange]:
        """What is going on here."""
        return [exchange.look(now, self.client()) for exchange in self._exchanges]

    def cut(self) -> list[object]:
        """The deadline passed: ends every exchange with `server_shutdown`. Returns the tasks that still run."""
        tasks = [exchange.task for exchange in self._exchanges]
        self._cut(Reason.SERVER_SHUTDOWN)
        return tasks

    # ---- what exchanges ask (see `Carrier`)

    def send(self, event: Event) -> None:
        self.engine.send(event)
        if not self._flush_due:
            self._flush_later()

    def spill_later(self, exchange: Exchange) -> None:
        unspilled = self._unspilled
        if unspilled is None:
            self._unspilled = [exchange]
        elif unspilled[-1] is not exchange:  # a burst of messages asks for each
            unspilled.append(exchange)
        if not self._flush_due:
            self._flush_later()

    def flush(self) -> None:
        unspilled = self._unspilled
        if unspilled is not None:
            self._flush_due = True  # what is spilled now need not arrange for another flush
            self._unspilled = None
            for exchange in unspilled:
                exchange.spill()
        self._write_out()

    def buffered(self) -> int:
        return sum(exchange.unspilled() for exchange in self._unspilled or ()) + self.engine.queued(0) + self._line.buffered()

    def room(self) -> int:
        return max(self.transport.high_water_mark - self._line.buffered(), 0)

    def send_now(self, event: Event) -> None:
        self.engine.send(event)
        self.flush()

    def _write_out(self) -> None:
        self._flush_due = False
        parts = self.engine.take_output()
        if parts and self._lost_at is None:
            self._written += len(parts[0]) if len(parts) == 1 else sum(map(len, parts))
            self._line.write(parts)

    async def writable(self) -> None:
        self.flush()
        while self.is_congested and self._lost_at is None:
            waiter = self.service.runtime.waiter()
            if self._congested_waiters is None:
                self._congested_waiters = [waiter]
            else:
                self._congested_waiters.append(waiter)
            await waiter.wait()

    def holds(self, exchange: Exchange) -> None:
        if not self.reading_paused and exchange.waiting() >= self.transport.high_water_mark:
            self.reading_paused = True
            self._line.pause_reading()

    def took(self, exchange: Exchange, size: int) -> None:
        self.engine.consumed(exchange.stream_id, size)
        if self.reading_paused and exchange.waiting() <= self.transport.low_water_mark:
            self._resume_reading()

    def resume_tunnel(self, exchange: Exchange) -> None:
        self._handle(self.engine.advance())
        if self.engine.is_bypassed:
            self._tunnel = exchange

    def tunnel(self, exchange: Exchange, parts: list[bytes], size: int) -> None:
        if self._tunnel is exchange:
            if self._lost_at is None:
                self._written += size
                self._line.write(coalesced(parts, size) if len(parts) > 1 else parts)
        else:
            for part in parts:
                self.engine.send(ResponseData(exchange.stream_id, part))
            self._write_out()

    def close_after_answer(self) -> None:
        self.engine.close_after()

    def answer(self, exchange: Exchange, answer: Answer) -> None:
        engine = self.engine
        engine.send(answer)
        exchange.handle.response_started = True
        exchange.status = answer.status
        exchange.bytes_sent = len(answer.body)
        self.flush()
        self.answered(exchange)

    def answered(self, exchange: Exchange) -> None:
        if self.service.keeps_time or exchange.handle.is_watched:
            self._line.when_sent(exchange.sent)
        else:
            exchange.sent()
        self._next()

    def abort(self, exchange: Exchange) -> None:
        self._tunnel = None
        self.engine.send(Abort(exchange.stream_id))
        self.flush()
        self._close_when_sent()

    def close(self, exchange: Exchange) -> None:
        self.flush()
        self._tunnel = None
        self._line.close()

    def over(self, exchange: Exchange) -> None:
        self._exchanges.remove(exchange)
        if self._exchanges:
            return
        if self._lost_at is not None:
            self.service.forget(self)
        elif self.service.closing_deadline is not None:
            self._line.close()
        else:
            self._idle_since = self.service.runtime.now()

    # ---- inside

    def _handle(self, events: list[Event]) -> None:
        for event in events:
            if type(event) is Request:
                self._request(event)
                continue
            exchange = self._exchanges[-1] if self._exchanges else None
            if exchange is not None and exchange.stream_id != event.stream_id:
                exchange = None  # it ended before its input did
            match event:
                case BodyData():
                    if exchange is not None:
                        exchange.body_received(event.data)
                case BodyEnd():
                    if exchange is not None:
                        exchange.body_ended()
                case InputEnded():
                    self._input_ended(exchange)
                case Fault():
                    self._fault(event, exchange)
                case _:
                    raise AssertionError(f"an engine may not produce {event!r}")

    def _look_at_waiting(self) -> None:
        """Bytes came that mean nothing yet: the beginning of a head, or requests whose turn has not come."""
        engine = self.engine
        if engine.mid_head:
            if self._head_since is None:
                self._head_since = self.service.runtime.now()
        elif not self.reading_paused and engine.waiting_bytes > self.service.options.http1.max_pipelined_bytes:
            self.reading_paused = True
            self._line.pause_reading()

    def _put_off(self, unread: bytes) -> None:
        """Goes on with these bytes when everybody else has had a turn, and reads no more before that."""
        self._unread = unread
        if not self.reading_paused:
            self.reading_paused = True
            self._line.pause_reading()
        self.service.runtime.soon(self._go_on)

    def _go_on(self) -> None:
        unread, self._unread = self._unread, None
        if unread is not None and self._lost_at is None:
            self.received(unread)
            self._catch_up()

    def _catch_up(self) -> None:
        """Reads on, unless something was put off again."""
        if self._unread is not None:
            return
        if self._input_over:
            self.received(b"")
        elif self.reading_paused and all(exchange.waiting() <= self.transport.low_water_mark for exchange in self._exchanges):
            self._resume_reading()

    def _request(self, request: Request) -> None:
        self._head_since = None
        head = request.head
        service = self.service
        exchange: Exchange
        if (refusal := service.refusal(request)) is not None:
            self._refuse(*refusal)
            return
        if head.tunnel is None:
            exchange = HTTPExchange(self, request)
        else:
            handshake = read_handshake(head)
            if isinstance(handshake, Refusal):
                self._refuse(handshake.status, handshake.detail, list(handshake.headers))
                return
            exchange = WebSocketExchange(self, request, handshake)
        self._exchanges.append(exchange)
        service.begins()
        if service.is_leaving:
            self.engine.close_after()
            if service.closing_deadline is not None:
                exchange.begin_closing(service.closing_deadline)
        self._starting = True
        try:
            exchange.task = service.runtime.spawn(exchange.run)
        finally:
            self._starting = False
        if self._flush_due:
            self.flush()  # what the first step left unsaid: its tick ends here

    def _input_ended(self, exchange: Exchange | None) -> None:
        if exchange is None or not exchange.input_ended():
            self.flush()
            self._line.close()

    def _fault(self, fault: Fault, exchange: Exchange | None) -> None:
        if exchange is None:
            self._refuse(fault.status, fault.detail, list(fault.headers))
        else:
            log.info("%s: %d %s", self.client(), fault.status, fault.detail)
            exchange.faulted(fault.status, fault.detail)

    def _refuse(self, status: int, detail: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answers a request that never became an exchange, and closes."""
        self.note_refused(status, detail)
        self.engine.close_after()
        self.engine.send(Answer(0, status, [*PLAIN, *(headers or ())], f"{detail}\n".encode()))
        self.flush()
        self._line.close(linger=True)

    def _next(self) -> None:
        """The answer in hand is complete: the next request, once the client has read enough of this one's answer."""
        if self.is_congested:
            self._exchange_waits = True
            return
        events = self.engine.advance()
        if self.engine.closing:
            self._close_when_sent()
            return
        # Each answer would else let in another read, and what waits would grow with a client that sends faster than it is answered.
        if self.reading_paused and (not events or self.engine.waiting_bytes <= self.service.options.http1.max_pipelined_bytes):
            self._resume_reading()
        if events:
            self._handle(events)

    def _close_when_sent(self) -> None:
        """The engine is done with this connection: what is queued leaves, then the line closes."""
        self.flush()
        self._line.close(linger=True)

    def _cut(self, reason: Reason) -> None:
        for exchange in list(self._exchanges):
            exchange.disconnected(reason)
        self._line.abort()
        self.lost(reason)

    def _resume_reading(self) -> None:
        if self._unread is not None:
            return
        self.reading_paused = False
        self._line.resume_reading()

    def _wake_senders(self) -> None:
        waiters, self._congested_waiters = self._congested_waiters, None
        for waiter in waiters or ():
            waiter.set()

    def _flush_later(self) -> None:
        self._flush_due = True
        if not self._starting:
            self.service.runtime.soon(self._flush_soon)

    def _flush_soon(self) -> None:
        if self._flush_due:
            self.flush()
