"""Sockets through anyio: trio's transport. Reads and writes at once where the socket is ready, and waits for it where it is not."""

import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from pagi.gateway.connection import Waiter
from pagi.server.endings import LINGER_BYTES, LINGER_SECONDS, forget_unsent, reason_of
from pagi.server.exchanges.scope import Peer, peer_of
from pagi.server.runtime import Listener, Timer
from pagi.server.service import Service
from pagi.server.transports.driving import DONE, first_step, go_on
from pagi.server.transports.parts import has_file, send_parts
from pagi.server.transports.tick import TickEnd
from pagi.server.transports.tls_handshake import begin
from pagi.server.wire.engine import Part
from pagi.server.wire.response_writer import JOIN_BYTES

log = logging.getLogger("pagi.server")

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

READ_BYTES = 64 * 1024


class ScopeTimer:
    """A call arranged for later, as a sleeping task."""

    __slots__ = ("_scope",)

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()

    def cancel(self) -> None:
        self._scope.cancel()

    async def run(self, deadline: float, fn: Callable[[], None]) -> None:
        """Sleeps until `deadline`, then calls `fn`."""
        with self._scope:
            await anyio.sleep_until(deadline)
            fn()


class AnyioRuntime:
    """The running loop through anyio. `clockwork` holds timers and writers, `work` the exchanges and the reading of connections."""

    def __init__(self, clockwork: TaskGroup, work: TaskGroup) -> None:
        self._clockwork = clockwork
        self._work = work
        self._running = 0
        self._idle = anyio.Event()
        self._tick_due = anyio.Event()
        self._tick = TickEnd(self._wake_tick)
        self.soon = self._tick.soon
        self.write_soon = self._tick.write_soon
        self.handed_over: list[Work] | None = None
        """Where the reading task collects what arrived, to go on with the first itself; None while nobody reads."""
        clockwork.start_soon(self._run_ticks)

    def now(self) -> float:
        return anyio.current_time()

    def spawn(self, work: Work) -> object:
        if self.handed_over is not None:
            self.handed_over.append(work)
        else:
            self._work.start_soon(self.run, work())
        return None

    async def cancel(self, tasks: list[object], grace_seconds: float) -> int:
        self._work.cancel_scope.cancel()
        with anyio.move_on_after(grace_seconds):
            while self._running:
                self._idle = anyio.Event()
                await self._idle.wait()
        return self._running

    def close(self) -> None:
        """Nothing is kept ready here."""

    def waiter(self) -> Waiter:
        return anyio.Event()

    def checkpoint(self) -> Awaitable[None]:
        return anyio.lowlevel.checkpoint()

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer:
        timer = ScopeTimer()
        self._clockwork.start_soon(timer.run, deadline, fn)
        return timer

    async def run(self, exchange: Awaitable[None]) -> None:
        """Awaits one exchange to its end in the task that calls this."""
        self._running += 1
        try:
            await exchange
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()

    async def _run_ticks(self) -> None:
        while True:
            await self._tick_due.wait()
            self._tick_due = anyio.Event()
            self._tick.run()

    def _wake_tick(self) -> None:
        self._tick_due.set()


class SocketLine:
    """One accepted socket.

    The task that reads a request goes on with its exchange by itself, and another takes over the reading only if that
    exchange has to wait: a task per request is the dearest thing on trio. Nothing here is cancelled from outside: closing the
    socket is what wakes its reader and its writer.
    """

    sends_files = True

    def __init__(self, service: Service, runtime: AnyioRuntime, clockwork: TaskGroup, work: TaskGroup, accepted: socket.socket) -> None:
        self._service = service
        self._runtime = runtime
        self._clockwork = clockwork
        self._work = work
        self._socket = accepted
        flow = service.options.flow
        self._high, self._low = flow.high_water_bytes, flow.low_water_bytes
        self._connection: Listener | None = None
        self._small = min(self._high // 4, JOIN_BYTES)
        self._due: Sequence[Part] | None = None
        """A small write of this tick."""
        self._backlog: list[Part] = []
        self._backlog_bytes = 0
        self._is_draining = False
        """A task sends the backlog; it also takes what is added when it has told that it is done."""
        self._flushes: list[Callable[[], None]] = []
        self._may_read: anyio.Event | None = None
        self._closing = False
        self._lingering: int | None = None
        self._lost = False

    def begin(self, peer: Peer | None = None) -> bool:
        """Looks who is there, unless that is known, and has a connection made for it. Returns whether there is something to read."""
        accepted = self._socket
        try:
            peer = peer or peer_of(accepted.getpeername(), accepted.getsockname())
        except OSError:
            accepted.close()  # it was reset before it was looked at
            return False
        begin(self._service, self, peer)
        return True

    # ---- what the connection asks (see `Line`)

    def hand_over(self, listener: Listener) -> None:
        self._connection = listener

    def write(self, parts: Sequence[Part]) -> None:
        if self._lost:
            return
        if self._due is None and len(parts) == 1 and len(parts[0]) <= self._small:
            self._due = parts
            self._runtime.write_soon(self._write_due)
        else:
            self._due = parts if self._due is None else [*self._due, *parts]
            self._write_due()  # much of it: it waits for nobody, and may have to wait by itself

    def _write_due(self) -> None:
        parts, self._due = self._due, None
        if not parts or self._lost:
            return
        part = parts[0]
        unsent: list[Part] | None
        try:
            if len(parts) == 1 and isinstance(part, bytes) and not self._backlog:
                taken = self._socket.send(part)  # what nearly always happens
                unsent = [part[taken:]] if taken < len(part) else None
            else:
                unsent = list(parts)
                if not self._backlog:
                    send_parts(self._socket, unsent)
        except BlockingIOError:
            unsent = list(parts)
        except OSError as error:
            self._lose(error)
            return
        if unsent:
            self._keep(unsent)

    def buffered(self) -> int:
        return self._backlog_bytes + (sum(map(len, self._due)) if self._due else 0)

    def pause_reading(self) -> None:
        if self._may_read is None:
            self._may_read = anyio.Event()

    def resume_reading(self) -> None:
        if self._may_read is not None:
            self._may_read.set()
            self._may_read = None

    def when_sent(self, fn: Callable[[], None]) -> None:
        self._write_due()
        if self._backlog_bytes:
            self._flushes.append(fn)
        else:
            fn()

    def close(self, *, linger: bool = False) -> None:
        if self._closing or self._lost:
            return
        self._write_due()
        self._closing = True
        if linger:
            self._lingering = LINGER_BYTES
        self.resume_reading()
        if not self._backlog:
            self._finish()

    def abort(self) -> None:
        if not self._lost:
            forget_unsent(self._socket)
            self._lose(None)

    # ---- inside

    async def read(self) -> None:
        """Reads until the connection ends, or until an exchange that has to wait keeps this task."""
        accepted, runtime = self._socket, self._runtime
        while not self._lost:
            if self._may_read is not None:
                await self._may_read.wait()
                continue
            try:
                await anyio.wait_readable(accepted)
                data = accepted.recv(READ_BYTES)
            except BlockingIOError:
                continue
            except (OSError, anyio.ClosedResourceError) as error:
                self._lose(error if isinstance(error, OSError) else None)
                return
            if self._closing:
                if self._discarded(len(data)):
                    return
                continue
            if self._connection is None:
                return
            started: list[Work] = []
            runtime.handed_over = started
            try:
                self._connection.received(data)
            except Exception:
                log.exception("the server failed while it read: the connection is cut, the others are not to suffer")
                self._lose(None)
            finally:
                runtime.handed_over = None
            if started:
                for work in started[1:]:
                    self._work.start_soon(runtime.run, work())
                steps = started[0]()
                awaited = first_step(steps)
                if awaited is not DONE:
                    if data:
                        self._work.start_soon(self.read)
                    await runtime.run(go_on(steps, awaited))
                    return
            if not data:
                return

    def _discarded(self, size: int) -> bool:
        """The line closes and still gets input, which nobody wants. Returns whether that is over."""
        if self._lingering is not None and size:
            self._lingering -= size
            if self._lingering > 0:
                return False
        elif self._backlog and not size:
            return True  # the peer ended too; the writer closes when it is done
        self._lose(None)
        return True

    def _keep(self, parts: list[Part]) -> None:
        if not self._is_draining:
            self._is_draining = True
            self._clockwork.start_soon(self._drain)
        self._backlog += parts
        self._backlog_bytes += sum(map(len, parts))
        if self._connection is not None and not self._connection.is_congested and (self._backlog_bytes >= self._high or has_file(parts)):
            self._connection.congested()  # for a file however little is left: it has to stay open for it

    async def _drain(self) -> None:
        """Sends the backlog as the socket takes it, until it is empty."""
        accepted = self._socket
        while self._backlog:
            try:
                await anyio.wait_writable(accepted)
                send_parts(accepted, self._backlog)
            except (OSError, anyio.ClosedResourceError) as error:
                self._lose(error if isinstance(error, OSError) else None)
                return
            self._backlog_bytes = sum(map(len, self._backlog))
            connection = self._connection
            if connection is not None and connection.is_congested and self._backlog_bytes <= self._low and not has_file(self._backlog):
                connection.drained()
        self._is_draining = False
        flushes, self._flushes = self._flushes, []
        for fn in flushes:
            fn()
        if self._closing and not self._backlog:
            self._finish()

    def _finish(self) -> None:
        """Everything was sent and the line is to close. Who lingers closes its side only, and leaves the rest to its reader."""
        if self._lingering is None:
            self._lose(None)
            return
        with suppress(OSError):  # the peer may have gone already
            self._socket.shutdown(socket.SHUT_WR)
        self._runtime.at(self._runtime.now() + LINGER_SECONDS, partial(self._lose, None))

    def _lose(self, error: OSError | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        self._backlog.clear()
        self._backlog_bytes = 0
        self._flushes.clear()
        self.resume_reading()
        anyio.notify_closing(self._socket)
        self._socket.close()
        if self._connection is not None:
            # Not at once: whoever wrote or closed is in the middle of something, and would find its exchange ended under it.
            self._runtime.soon(partial(self._connection.lost, reason_of(error)))
