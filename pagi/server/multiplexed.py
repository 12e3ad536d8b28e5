"""Joins an HTTP/2 engine to its exchanges, many at a time. Synchronous, like its sister for HTTP/1.1 (`connection.py`)."""

from pagi.gateway.reasons import Reason
from pagi.server.exchanges.base import PLAIN, Exchange
from pagi.server.exchanges.http import HTTPExchange
from pagi.server.exchanges.scope import Peer
from pagi.server.exchanges.websocket import WebSocketExchange
from pagi.server.figures import OpenExchange
from pagi.server.line_holder import LineHolder
from pagi.server.runtime import Line
from pagi.server.service import Service
from pagi.server.stream import Stream
from pagi.server.wire.events import Answer, BodyData, BodyEnd, Event, Fault, InputEnded, Request, StreamReset
from pagi.server.wire.handshake import Refusal, read_handshake
from pagi.server.wire.http2 import HTTP2Engine

GOAWAY_SECONDS = 1.0
"""From the warning that a connection will end until it takes no more requests, if the client has not confirmed the warning before."""


class MultiplexedConnection(LineHolder):
    """One client's connection over HTTP/2. Each stream has a carrier of its own; what leaves in one tick leaves in one write."""

    __slots__ = (
        "_goaway_at", "_head_since", "_idle_since", "_input_over", "_is_closed", "_reading", "_streams", "_ticked_at", "_unspilled",
        "engine", "slow",
    )  # fmt: skip

    def __init__(self, service: Service, line: Line, peer: Peer, opened_at: float) -> None:
        super().__init__(service, line, peer)
        options = service.options
        self.engine = HTTP2Engine(options.http2, options.http1, service.static_lines, service.unread)
        self._streams: dict[int, Stream] = {}
        self.slow: set[Stream] = set()
        self._unspilled: list[Stream] = []
        self._is_closed = False
        """Nothing more may be written."""
        self._reading = False
        """A read is being taken in: what is written meanwhile leaves when that ends."""
        self._input_over = False
        self._ticked_at = self._idle_since = self.last_read
        self._head_since: float | None = opened_at
        self._goaway_at: float | None = None
        service.connections.add(self)

    # ---- what the transport tells

    def received(self, data: bytes) -> None:
        """Bytes arrived; `b""` is the end of input."""
        self.last_read = self.service.runtime.now()
        self._reading = True
        try:
            for event in self.engine.receive(data):
                self._handle(event)
        finally:
            self._reading = False
        if not self.engine.mid_head:
            self._head_since = None
        elif self._head_since is None:
            self._head_since = self.last_read
        self.write()

    def lost(self, reason: Reason) -> None:
        """The line is gone, whoever ended it."""
        self._is_closed = True
        if not self.found_lost():
            return
        for stream in list(self._streams.values()):
            stream.lost(reason)
        if not self._streams:
            self.service.forget(self)

    def congested(self) -> None:
        """Unsent bytes reached the high mark: the rest waits in the engine, where priorities still count."""
        self.is_congested = True

    def drained(self) -> None:
        """Unsent bytes fell under the low mark."""
        self.is_congested = False
        self.write()

    # ---- what the process tells

    def sweep(self, now: float) -> None:
        """Looks at every deadline of the connection and of its streams."""
        self.engine.tick(now - self._ticked_at)
        self._ticked_at = now
        if self._lost_at is not None:
            self.abandon_lost(self._exchanges(), now)
            return
        if self.stands_still(now):
            self._cut(Reason.WRITE_TIMEOUT)
            return
        if self._goaway_at is not None and now - self._goaway_at >= GOAWAY_SECONDS:
            self._say_goaway()
        for stream in list(self._streams.values()):
            if stream.exchange is not None:
                stream.sweep(stream.exchange, now)
        timeouts = self.service.options.timeouts
        if self._head_since is not None and timeouts.head_seconds and now - self._head_since >= timeouts.head_seconds:
            self.note_refused(408, f"a request's head took over {timeouts.head_seconds:g} s")
            self._line.close()
        elif not self._streams:
            self._sweep_idle(now)
        self.write()

    def _sweep_idle(self, now: float) -> None:
        """Nobody is served. Refusals may still wait for a window that the client keeps shut: they are nobody's exchange."""
        options = self.service.options
        stall, keep_alive = options.flow.write_stall_seconds, options.timeouts.keep_alive_seconds
        if self._goaway_at is not None and stall and now - max(self._goaway_at, self._idle_since) >= stall:
            self._line.close()
        elif keep_alive and now - self._idle_since >= keep_alive:
            self._say_goaway()

    def begin_closing(self, deadline: float) -> None:
        """The server will end: the client is told to send no more requests here, and the open ones until when."""
        if self._lost_at is None:
            self._say_goaway()
        for exchange in self._exchanges():
            exchange.begin_closing(deadline)
        self.write()

    def look(self, now: float) -> list[OpenExchange]:
        """What is going on here."""
        return [exchange.look(now, self.client()) for exchange in self._exchanges()]

    def cut(self) -> list[object]:
        """The deadline passed: ends every exchange with `server_shutdown`. Returns the tasks that still run."""
        tasks = [exchange.task for exchange in self._exchanges()]
        self._cut(Reason.SERVER_SHUTDOWN)
        return tasks

    # ---- what streams ask (see `Shared`)

    def spill_later(self, stream: Stream) -> None:
        if not self._unspilled or self._unspilled[-1] is not stream:
            self._unspilled.append(stream)
        self.write_later()

    def write_later(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            if not self._reading:
                self.service.runtime.soon(self._write_due)

    def write(self) -> None:
        self._flush_due = True  # what is spilled now need not arrange for another write
        unspilled, self._unspilled = self._unspilled, []
        for stream in unspilled:
            if stream.exchange is not None:
                stream.exchange.spill()
        self._flush_due = False
        if self._is_closed:
            return
        engine, line = self.engine, self._line
        while not self.is_congested and engine.has_output:
            parts = engine.take_output()
            self._written += sum(map(len, parts))
            line.write(parts)
        for stream_id in engine.take_finished():
            finished = self._streams.get(stream_id)
            if finished is not None:
                finished.finished()
        for stream in list(self.slow):
            stream.written()
        if engine.closing and not engine.has_output:
            self._is_closed = True
            line.close(linger=True)

    def when_sent(self, stream: Stream) -> None:
        exchange = stream.exchange
        if exchange is None:
            return
        if self.service.keeps_time or exchange.handle.is_watched:
            self._line.when_sent(exchange.sent)
        else:
            exchange.sent()

    def over(self, stream: Stream) -> None:
        self._streams.pop(stream.id, None)
        self.engine.release(stream.id)
        stream.end()
        if self._streams:
            self.write_later()
        elif self._lost_at is not None:
            self.service.forget(self)
        else:
            self._idle_since = self.service.runtime.now()
            if self._input_over:
                self.write()
                self._line.close()
            else:
                self.write_later()

    # ---- inside

    def _handle(self, event: Event) -> None:
        if type(event) is Request:
            self._request(event)
            return
        stream = self._streams.get(event.stream_id)
        exchange = stream.exchange if stream is not None else None
        match event:
            case BodyData():
                if stream is not None and exchange is not None:
                    stream.received(exchange, event.data)
            case BodyEnd():
                if exchange is not None:
                    exchange.body_ended()
            case StreamReset():
                if stream is not None:
                    stream.lost(Reason.CLIENT_CLOSED)
            case Fault():
                self._fault(event)
            case InputEnded():
                self._input_ended()
            case _:
                raise AssertionError(f"an engine may not produce {event!r}")

    def _request(self, request: Request) -> None:
        head = request.head
        service = self.service
        stream = Stream(self, request.stream_id)
        exchange: Exchange
        if (refusal := service.refusal(request)) is not None:
            self._refuse(request.stream_id, *refusal)
            return
        if head.tunnel is None:
            exchange = HTTPExchange(stream, request)
        else:
            handshake = read_handshake(head)
            if isinstance(handshake, Refusal):
                self._refuse(request.stream_id, handshake.status, handshake.detail, list(handshake.headers))
                return
            stream.open_tunnel()
            exchange = WebSocketExchange(stream, request, handshake)
            if request.body:
                stream.received(exchange, request.body)
        stream.exchange = exchange
        self._streams[request.stream_id] = stream
        service.begins()
        if service.closing_deadline is not None:
            exchange.begin_closing(service.closing_deadline)
        exchange.task = service.runtime.spawn(exchange.run)

    def _refuse(self, stream_id: int, status: int, detail: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
        """Answers a request that never became an exchange."""
        self.note_refused(status, detail)
        self.engine.send(Answer(stream_id, status, [*PLAIN, *(headers or ())], f"{detail}\n".encode()))
        self.engine.release(stream_id)

    def _fault(self, fault: Fault) -> None:
        if fault.stream_id:
            self._refuse(fault.stream_id, fault.status, fault.detail, list(fault.headers))
            return
        self.note_refused(fault.status, fault.detail)
        for stream in list(self._streams.values()):
            stream.lost(Reason.PROTOCOL_ERROR)

    def _input_ended(self) -> None:
        """The client will send nothing more. What it has asked for can still be answered, as far as its windows reach."""
        self._input_over = True
        for stream in list(self._streams.values()):
            if stream.exchange is not None and not stream.exchange.input_ended():
                stream.lost(Reason.CLIENT_CLOSED)
        if not any(exchange.handle.is_connected for exchange in self._exchanges()):
            self.write()
            self._line.close()

    def _say_goaway(self) -> None:
        """The first time it is a warning, so that a request on its way is not lost; the second time it counts."""
        if self._goaway_at is None:
            self._goaway_at = self.service.runtime.now()
        self.engine.close_after()

    def _cut(self, reason: Reason) -> None:
        for stream in list(self._streams.values()):
            stream.lost(reason)
        self._line.abort()
        self.lost(reason)

    def _exchanges(self) -> list[Exchange]:
        return [stream.exchange for stream in self._streams.values() if stream.exchange is not None]

    def _write_due(self) -> None:
        if self._flush_due:
            self.write()
