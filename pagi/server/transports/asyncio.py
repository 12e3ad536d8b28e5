"""asyncio and uvloop: a Protocol is the line, a loop is the runtime. The fast path, and the one room that may import asyncio."""

import asyncio
import logging
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, cast

from pagi.gateway.connection import Waiter
from pagi.server.endings import LINGER_BYTES, LINGER_SECONDS, forget_unsent, reason_of
from pagi.server.exchanges.scope import Peer, peer_of
from pagi.server.runtime import Listener, Timer
from pagi.server.service import Service
from pagi.server.transports.accepting import OPENING_SECONDS, Acceptor, Pause
from pagi.server.transports.adoption import Adopter
from pagi.server.transports.arrival import Arrival
from pagi.server.transports.parts import has_file
from pagi.server.transports.past_transport import PastTransport
from pagi.server.transports.tick import TickEnd
from pagi.server.transports.tls_handshake import begin
from pagi.server.wire.engine import Part
from pagi.server.wire.response_writer import JOIN_BYTES

log = logging.getLogger("pagi.server")

FORGETS_TO_PAUSE = (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)
"""In these Pythons asyncio's `writelines` looks at no mark: what a client does not read would grow without bound (CVE-2024-12254)."""


class FutureWaiter:
    """A one-shot event on an asyncio loop. Every waiting task has a future of its own: cancelling one leaves the others waiting."""

    __slots__ = ("_future", "_is_set", "_loop", "_others")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_set = False
        self._future: asyncio.Future[None] | None = None
        self._others: list[asyncio.Future[None]] | None = None

    def set(self) -> None:
        self._is_set = True
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)
        for future in self._others or ():
            if not future.done():
                future.set_result(None)

    def wait(self) -> Awaitable[None]:
        future = self._loop.create_future()
        if self._is_set:
            future.set_result(None)
        elif self._future is None:
            self._future = future
        else:
            self._others = [*(self._others or ()), future]
        return future


class AsyncioRuntime:
    """The running asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now: Callable[[], float] = loop.time
        self.waiter: Callable[[], Waiter] = partial(FutureWaiter, loop)
        tick = TickEnd(lambda: loop.call_soon(tick.run))
        self.soon = tick.soon
        self.write_soon = tick.write_soon
        self._adopter = Adopter(loop)
        self.spawn: Callable[[Callable[[], Coroutine[Any, Any, None]]], object] = self._adopter.start

    def close(self) -> None:
        self._adopter.close()

    def checkpoint(self) -> Awaitable[None]:
        return asyncio.sleep(0)

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer:
        return self._loop.call_at(deadline, fn)

    async def cancel(self, tasks: list[object], grace_seconds: float) -> int:
        running = [task for task in cast(list[asyncio.Task[None] | None], tasks) if task is not None and not task.done()]
        for task in running:
            task.cancel()
        if not running:
            return 0
        _, stubborn = await asyncio.wait(running, timeout=grace_seconds)
        return len(stubborn)


class ProtocolLine(asyncio.Protocol):
    """One accepted socket: what asyncio tells goes to the `Connection`, what that writes goes to the transport."""

    sends_files = True

    __slots__ = (
        "_closes", "_connection", "_due", "_flushes", "_lingering", "_loop", "_marks", "_past", "_peer", "_runtime", "_service", "_small",
        "_transport",
    )  # fmt: skip

    def __init__(
        self, service: Service, loop: asyncio.AbstractEventLoop, marks: tuple[int, int], runtime: AsyncioRuntime, peer: Peer | None = None
    ) -> None:
        self._peer = peer
        """The ends that a proxy told; None: those of the socket."""
        self._runtime = runtime
        self._due: Sequence[Part] | None = None
        self._past: PastTransport | None = None
        self._closes: bool | None = None
        """The line closes once nothing is written past the transport any more; True: with `linger`."""
        self._service = service
        self._loop = loop
        self._marks = marks
        self._small = min(marks[0] // 4, JOIN_BYTES)
        self._flushes: list[Callable[[], None]] | None = None
        self._lingering: int | None = None
        self._connection: Listener | None = None
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)

    # ---- what asyncio tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(*self._marks)
        peer = self._peer or peer_of(transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
        begin(self._service, self, peer)

    def data_received(self, data: bytes) -> None:
        if self._lingering is None and self._connection is not None:
            self._connection.received(data)
        elif self._lingering is not None:
            self._lingering -= len(data)
            if self._lingering < 0:
                self._transport.abort()

    def eof_received(self) -> bool:
        if self._lingering is not None or self._connection is None:
            return False
        self._connection.received(b"")
        return True  # the write side stays open: an answer may still go out

    def connection_lost(self, exc: Exception | None) -> None:
        connection, self._connection = self._connection, None
        self._flushes = None
        if self._past is not None:
            self._past.close()
            self._past = None
        if connection is not None:
            connection.lost(reason_of(exc))

    def pause_writing(self) -> None:
        if self._connection is not None and self._transport.get_write_buffer_size() > self._marks[0]:
            self._connection.congested()

    def resume_writing(self) -> None:
        flushes, self._flushes = self._flushes, None
        if flushes is not None:
            self._transport.set_write_buffer_limits(*self._marks)
            for fn in flushes:
                fn()
        if self._connection is not None and self._connection.is_congested and self._past is None:
            self._connection.drained()

    # ---- what the connection asks (see `Line`)

    def hand_over(self, listener: Listener) -> None:
        self._connection = listener

    def write(self, parts: Sequence[Part]) -> None:
        if len(parts) > 1 or len(parts[0]) > self._small or self._due is not None:
            self._due = parts if self._due is None else [*self._due, *parts]
            self._write_due()  # much of it: it waits for nobody, and may have to wait by itself
        else:
            self._due = parts
            self._runtime.write_soon(self._write_due)

    def _write_due(self) -> None:
        """Hands what was collected in this tick to the operating system."""
        parts, self._due = self._due, None
        if parts and not self._transport.is_closing():  # uvloop raises where asyncio drops what nobody will read
            part = parts[0]
            if len(parts) == 1 and isinstance(part, bytes) and self._past is None:
                self._transport.write(part)
            elif self._past is not None or has_file(parts):
                self._write_past(parts)
            else:
                self._transport.writelines(cast(Sequence[bytes], parts))
                if FORGETS_TO_PAUSE and self._flushes is None:
                    self._transport.set_write_buffer_limits(*self._marks)  # looks at them
            if self._flushes is not None:
                self.pause_writing()  # under the borrowed marks of `when_sent` asyncio has paused already, and would not tell again

    def _write_past(self, parts: Sequence[Part]) -> None:
        past = self._past
        if past is not None:
            past.add(parts)
            return
        past = self._past = PastTransport(self._loop, self._transport.get_extra_info("socket").dup(), self._past_is_over)
        past.add(parts)
        self._when_drained(past.go_on)
        if past and self._connection is not None and not self._connection.is_congested:
            self._connection.congested()  # however little is left: the file has to stay open for it

    def _past_is_over(self, error: OSError | None) -> None:
        self._past = None
        if error is not None:
            self._loop.call_soon(self._lose, error)
            return
        if self._connection is not None and self._connection.is_congested:
            self._connection.drained()
        if self._closes is not None:
            self.close(linger=self._closes)

    def _lose(self, error: OSError) -> None:
        if self._connection is not None:
            self._connection.lost(reason_of(error))
        self._transport.abort()

    def buffered(self) -> int:
        size = self._transport.get_write_buffer_size() + (len(self._past) if self._past is not None else 0)
        return size + sum(map(len, self._due)) if self._due else size

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def when_sent(self, fn: Callable[[], None]) -> None:
        self._write_due()
        if self._past is None:
            self._when_drained(fn)
        else:
            self._past.then(fn)

    def _when_drained(self, fn: Callable[[], None]) -> None:
        if not self._transport.get_write_buffer_size():
            fn()
        elif self._flushes is not None:
            self._flushes.append(fn)
        else:
            self._flushes = [fn]
            # With both marks at zero asyncio tells when the last byte has left. The real ones come back then.
            self._transport.set_write_buffer_limits(0, 0)

    def close(self, *, linger: bool = False) -> None:
        if self._lingering is not None or self._transport.is_closing():
            return
        self._write_due()
        if self._past is not None:
            self._closes = linger or bool(self._closes)
        elif linger and self._transport.can_write_eof():
            self._lingering = LINGER_BYTES
            try:
                self._transport.write_eof()
            except OSError:
                self._transport.abort()  # the peer has gone already
                return
            self._transport.resume_reading()
            self._loop.call_later(LINGER_SECONDS, self._transport.close)
        else:
            self._transport.close()

    def abort(self) -> None:
        if self._past is not None:
            self._past.close()
            self._past = None
        if self._connection is not None:  # else it is closed, and the descriptor may be another's by now
            forget_unsent(self._transport.get_extra_info("socket"))
        self._transport.abort()


class AsyncioTransport:
    """Accepts on listening sockets with the running asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.runtime = AsyncioRuntime(loop)
        self._acceptors: dict[Acceptor, Callable[..., ProtocolLine]] = {}
        """What makes the lines of each listening socket."""
        self._openings: set[asyncio.Task[None]] = set()
        self._arrivals: set[asyncio.Task[None]] = set()
        """Connections whose proxies have not spoken yet; they need not be awaited, for each counts as one that is open."""

    async def listen(self, service: Service, sockets: list[socket.socket]) -> None:
        """Accepts from now on."""
        self._service = service
        flow = service.options.flow
        # asyncio's mark must be exceeded, ours is reached: so uvloop also writes 64 KiB at once instead of queueing them.
        high = max(flow.high_water_bytes - 1, 0)
        marks = high, min(flow.low_water_bytes, high)
        for listening in sockets:
            acceptor = Acceptor(listening, service.gives_way)
            self._acceptors[acceptor] = partial(ProtocolLine, service, self._loop, marks, self.runtime)
            self._watch(acceptor)

    async def stop_listening(self, *, take_waiting: bool) -> None:
        """Accepts nothing more, and closes the listening sockets. Open connections stay.

        With `take_waiting` those that the system holds ready are taken first: closing the socket would reset them.
        """
        for acceptor, line in self._acceptors.items():
            if not acceptor.is_closed:
                self._loop.remove_reader(acceptor.listening)
                for accepted in acceptor.waiting() if take_waiting else ():
                    self._begin(accepted, line)
                acceptor.listening.close()
        self._acceptors.clear()
        if self._openings:
            await asyncio.wait(self._openings, timeout=OPENING_SECONDS)

    def _watch(self, acceptor: Acceptor) -> None:
        if not acceptor.is_closed:
            self._loop.add_reader(acceptor.listening, self._accept, acceptor)

    def _accept(self, acceptor: Acceptor) -> None:
        try:
            accepted = acceptor.accept()
        except Pause as pause:
            self._loop.remove_reader(acceptor.listening)
            self._loop.call_later(pause.seconds, self._watch, acceptor)
            return
        if accepted is not None:
            self._begin(accepted, self._acceptors[acceptor])

    def _begin(self, accepted: socket.socket, line: Callable[..., ProtocolLine]) -> None:
        if self._service.announcers is None:
            task, kept = self._loop.create_task(self._open(accepted, line)), self._openings
        else:
            task, kept = self._loop.create_task(self._arrive(accepted, Arrival(self._service, accepted), line)), self._arrivals
        kept.add(task)
        task.add_done_callback(kept.discard)

    async def _arrive(self, accepted: socket.socket, arrival: Arrival, line: Callable[..., ProtocolLine]) -> None:
        peer = await arrival.peer()
        if peer is not None:
            await self._open(accepted, partial(line, peer=peer))
            arrival.gone()  # the line has taken its place by now, or nothing did

    async def _open(self, accepted: socket.socket, line: Callable[..., ProtocolLine]) -> None:
        try:
            await self._loop.connect_accepted_socket(line, accepted)
        except OSError as error:
            accepted.close()
            log.debug("a connection was gone before it was looked at: %s", error)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The asyncio loop that runs here; None under trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
