"""One exchange's share of an HTTP/2 connection: its carrier, with marks and a window of its own."""

from typing import Protocol

from pagi.gateway.connection import Waiter
from pagi.gateway.reasons import Reason
from pagi.gateway.transport import TransportHandle
from pagi.server.exchanges.base import FLUSH_BYTES, Exchange
from pagi.server.exchanges.scope import Peer
from pagi.server.service import Service
from pagi.server.wire.events import Abort, Answer, Event, ResponseData
from pagi.server.wire.http2 import HTTP2Engine


class Shared(Protocol):
    """The connection, as its streams see it."""

    service: Service
    peer: Peer
    engine: HTTP2Engine
    last_read: float
    slow: set["Stream"]
    """Streams whose application waits for their clients."""

    def spill_later(self, stream: "Stream") -> None:
        """Has the stream's exchange spill with the next write, at the end of the tick."""
        ...

    def write_later(self) -> None:
        """Writes what the engine holds at the end of the tick."""
        ...

    def write(self) -> None:
        """Writes what the engine holds now, as far as the line takes it."""
        ...

    def when_sent(self, stream: "Stream") -> None:
        """Calls the exchange's `sent` once the system took all that was written."""
        ...

    def over(self, stream: "Stream") -> None:
        """The exchange is over: forgets it."""
        ...


class Stream:
    """A carrier (see `Carrier`) over an HTTP/2 stream. What its client does not read piles up here, and slows nobody else down."""

    __slots__ = (
        "_answered", "_connection", "_early", "_engine", "_owed", "_progress", "_progress_at", "_tunnel", "_waiters", "exchange",
        "flush_at", "id", "is_congested", "peer", "reading_paused", "sends_files", "service", "transport", "unyielded_bytes",
        "unyielded_events",
    )  # fmt: skip

    def __init__(self, connection: Shared, stream_id: int) -> None:
        self.service = connection.service
        self.peer = connection.peer
        flow = self.service.options.flow
        self.id = stream_id
        self.exchange: Exchange | None = None
        """Whom it carries; None only while that is being made."""
        self.transport = TransportHandle(self, flow.high_water_bytes, flow.low_water_bytes)
        self.is_congested = False
        self.reading_paused = False
        self.sends_files = False
        self.flush_at = min(FLUSH_BYTES, flow.high_water_bytes)
        self.unyielded_bytes = self.unyielded_events = 0
        self._connection = connection
        self._engine = connection.engine
        self._answered = False
        self._waiters: list[Waiter] | None = None
        self._tunnel = False
        self._early: list[bytes] | None = None
        """What a tunnel carried before it was granted."""
        self._owed = 0
        """Bytes of the tunnel that were handed over while too much waited: their credit is due when that was taken."""
        self._progress = 0
        self._progress_at = connection.last_read

    @property
    def last_read(self) -> float:
        return self._connection.last_read

    # ---- what the exchange asks (see `Carrier`)

    def buffered(self) -> int:
        return self._engine.queued(self.id) + (self.exchange.unspilled() if self.exchange is not None else 0)

    def room(self) -> int:
        return max(self.transport.high_water_mark - self._engine.queued(self.id), 0)

    def send(self, event: Event) -> None:
        self._engine.send(event)
        self._connection.write_later()

    def flush(self) -> None:
        self._spill()
        if self._engine.queued(self.id) >= self.transport.high_water_mark:
            self._connection.write()
        self._look_at_marks()

    def send_now(self, event: Event) -> None:
        self._engine.send(event)
        self._connection.write()
        self._look_at_marks()

    async def writable(self) -> None:
        self.flush()
        while self.is_congested:
            waiter = self.service.runtime.waiter()
            if self._waiters is None:
                self._waiters = [waiter]
            else:
                self._waiters.append(waiter)
            await waiter.wait()

    def holds(self, exchange: Exchange) -> None:
        # Nothing has to be done for it: the window is not opened before the application takes something.
        self.reading_paused = exchange.waiting() >= self.transport.high_water_mark

    def took(self, exchange: Exchange, size: int) -> None:
        if self._tunnel:
            self._pay(exchange)
        elif size:
            self._engine.consumed(self.id, size)
            self._connection.write_later()
        if self.reading_paused and exchange.waiting() <= self.transport.low_water_mark:
            self.reading_paused = False

    def resume_tunnel(self, exchange: Exchange) -> None:
        early, self._early = self._early, None
        for data in early or ():
            self._carry(exchange, data)

    def tunnel(self, exchange: Exchange, parts: list[bytes], size: int) -> None:
        self._engine.send(ResponseData(self.id, parts[0] if len(parts) == 1 else b"".join(parts)))
        self._connection.write_later()
        self._look_at_marks()

    def close_after_answer(self) -> None:
        """The other streams go on: what is still to come of this one's request is refused when the exchange is over."""

    def spill_later(self, exchange: Exchange) -> None:
        self._connection.spill_later(self)

    def answer(self, exchange: Exchange, answer: Answer) -> None:
        self._engine.send(answer)
        exchange.handle.response_started = True
        exchange.status = answer.status
        exchange.bytes_sent = len(answer.body)
        self._answered = True
        self._connection.write_later()

    def answered(self, exchange: Exchange) -> None:
        self._answered = True

    def abort(self, exchange: Exchange) -> None:
        exchange.spill()
        self._connection.write()  # a reset drops what waits, and what was sent before should arrive if it can
        self._engine.send(Abort(self.id))
        self._connection.write_later()

    def close(self, exchange: Exchange) -> None:
        """The exchange has ended the tunnel, and nothing else ends with it."""

    def over(self, exchange: Exchange) -> None:
        self._connection.over(self)

    # ---- what the connection tells

    def open_tunnel(self) -> None:
        """What comes from now on belongs to a tunnel, and is kept until the application grants it."""
        self._tunnel = True
        self._early = []

    def received(self, exchange: Exchange, data: bytes) -> None:
        """Some bytes of the request body, or of the tunnel."""
        if self._early is not None:
            self._early.append(data)
        elif self._tunnel:
            self._carry(exchange, data)
        else:
            exchange.body_received(data)

    def finished(self) -> None:
        """Its last byte was written."""
        if self._answered:
            self._connection.when_sent(self)

    def written(self) -> None:
        """Some of what waited was written: whoever waited for that goes on."""
        if self.is_congested and self._engine.queued(self.id) <= self.transport.low_water_mark:
            self.drained()

    def drained(self) -> None:
        """Nothing holds the application back any more, for better or worse."""
        self.is_congested = False
        self._connection.slow.discard(self)
        self.transport.mark_drained()
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            waiter.set()

    def lost(self, reason: Reason) -> None:
        """The stream ended early, from whatever side."""
        if self.exchange is not None:
            self.exchange.disconnected(reason)
        self.drained()
        self.transport.drop()

    def end(self) -> None:
        """Its exchange is over. Neither holds the other any longer: else only the collector would free them, at each request."""
        self.exchange = None
        self.transport.end()

    def sweep(self, exchange: Exchange, now: float) -> None:
        """Looks at its deadlines. A window that the client keeps shut is a client that does not read."""
        if self._engine.queued(self.id) and self._engine.sent(self.id) == self._progress:
            limit = self.service.options.flow.write_stall_seconds
            if limit and now - self._progress_at >= limit:
                self.abort(exchange)
                self.lost(Reason.WRITE_TIMEOUT)
                return
        else:
            self._progress, self._progress_at = self._engine.sent(self.id), now
        exchange.sweep(now)

    # ---- inside

    def _spill(self) -> None:
        if self.exchange is not None:
            self.exchange.spill()

    def _carry(self, exchange: Exchange, data: bytes) -> None:
        self._owed += len(data)
        exchange.body_received(data)
        self._pay(exchange)

    def _pay(self, exchange: Exchange) -> None:
        """A tunnel's messages are not the bytes they came in: its window opens while little waits, not by what was taken."""
        if self._owed and exchange.waiting() < self.transport.high_water_mark:
            self._engine.consumed(self.id, self._owed)
            self._owed = 0
            self._connection.write_later()

    def _look_at_marks(self) -> None:
        if not self.is_congested and self._engine.queued(self.id) >= self.transport.high_water_mark:
            self.is_congested = True
            self._connection.slow.add(self)
            self.transport.mark_high()
