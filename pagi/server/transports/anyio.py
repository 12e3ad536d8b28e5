"""Any anyio byte stream: trio, and whatever else is a stream. A task reads; writes go out at once where the socket takes them."""

import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, SocketAttribute, SocketStream, TaskGroup

from pagi.gateway.connection import Waiter
from pagi.server.connection import SERVER_FULL, Connection, reason_of
from pagi.server.exchanges.scope import peer_of
from pagi.server.runtime import Timer
from pagi.server.service import Service

log = logging.getLogger("pagi.server")

OUT_OF_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
ACCEPT_PAUSE_SECONDS = 0.1
READ_BYTES = 64 * 1024
LINGER_SECONDS = 1.0
LINGER_BYTES = 256 * 1024
"""What a client may still send after an error answer before it is cut off: enough for it to read that answer."""


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


class SpawnedTask:
    """One exchange's task, with the scope that may cut it."""

    __slots__ = ("_scope", "over")

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()
        self.over = anyio.Event()

    def cancel(self) -> None:
        self._scope.cancel()

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs `work` until it ends or is cancelled."""
        try:
            with self._scope:
                await work()
        finally:
            self.over.set()


class AnyioRuntime:
    """The running loop through anyio. Its tasks live in `group`, which its owner opens and closes."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._soon: list[Callable[[], None]] = []

    def now(self) -> float:
        return anyio.current_time()

    def spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> object:
        task = SpawnedTask()
        self._group.start_soon(task.run, work)
        return task

    async def cancel(self, tasks: list[object], grace_seconds: float) -> int:
        running = [task for task in tasks if isinstance(task, SpawnedTask) and not task.over.is_set()]
        for task in running:
            task.cancel()
        with anyio.move_on_after(grace_seconds):
            for task in running:
                await task.over.wait()
        return sum(not task.over.is_set() for task in running)

    def waiter(self) -> Waiter:
        return anyio.Event()

    def checkpoint(self) -> Awaitable[None]:
        return anyio.lowlevel.checkpoint()

    def soon(self, fn: Callable[[], None]) -> None:
        self._soon.append(fn)
        if len(self._soon) == 1:
            self._group.start_soon(self._run_soon)

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer:
        timer = ScopeTimer()
        self._group.start_soon(timer.run, deadline, fn)
        return timer

    async def _run_soon(self) -> None:
        calls, self._soon = self._soon, []
        for fn in calls:
            fn()


class StreamLine:
    """One accepted stream. `run` reads until the end; writes go straight to a plain socket, and through a task where that is full."""

    def __init__(self, service: Service, stream: ByteStream, group: TaskGroup) -> None:
        self._service = service
        self._stream = stream
        self._group = group
        flow = service.options.flow
        self._high, self._low = flow.high_water_bytes, flow.low_water_bytes
        self._socket: socket.socket | None = stream.extra(SocketAttribute.raw_socket, None)  # noqa: S610 - that rule means Django's
        self._connection: Connection | None = None
        self._backlog: list[bytes] = []
        self._backlog_bytes = 0
        self._draining = False
        self._flushes: list[Callable[[], None]] = []
        self._may_read = anyio.Event()
        self._may_read.set()
        self._scope = anyio.CancelScope()
        self._done = anyio.Event()
        self._closing = False
        self._lingering: int | None = None
        self._lost: BaseException | None = None

    async def run(self) -> None:
        """The connection's task: reads until either side ends it."""
        if self._service.is_full:
            with anyio.move_on_after(LINGER_SECONDS):
                await self._stream.send(SERVER_FULL)
            await self._stream.aclose()
            return
        sock = self._socket
        names = (sock.getpeername(), sock.getsockname()) if sock is not None else (None, None)
        connection = self._connection = Connection(self._service, self, peer_of(*names))
        try:
            with self._scope:
                await self._read(connection)
                await self._done.wait()
            if self._lingering is not None:
                await self._linger(self._lingering)
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            self._lost = error.__cause__ if isinstance(error.__cause__, OSError) else error
        finally:
            self._closing = True
            connection.lost(reason_of(self._lost))
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(self._stream)

    # ---- what the connection asks (see `Line`)

    def write(self, parts: list[bytes]) -> None:
        if self._closing:
            return
        if self._backlog_bytes or self._socket is None:
            self._keep(parts)
            return
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            taken = self._socket.send(data)
        except BlockingIOError:
            taken = 0
        except OSError as error:
            self._fail(error)
            return
        if taken < len(data):
            self._keep([data[taken:]])

    def buffered(self) -> int:
        return self._backlog_bytes

    def pause_reading(self) -> None:
        if self._may_read.is_set():
            self._may_read = anyio.Event()

    def resume_reading(self) -> None:
        self._may_read.set()

    def when_sent(self, fn: Callable[[], None]) -> None:
        if self._backlog_bytes:
            self._flushes.append(fn)
        else:
            fn()

    def close(self, *, linger: bool = False) -> None:
        if self._closing:
            return
        self._closing = True
        self._lingering = LINGER_BYTES if linger else None
        self._may_read.set()
        if not self._backlog_bytes:
            self._finish()

    def abort(self) -> None:
        self._closing = True
        self._scope.cancel()

    # ---- inside

    async def _read(self, connection: Connection) -> None:
        """Reads until the input ends; `close` cancels it."""
        stream = self._stream
        while True:
            try:
                data = await stream.receive(READ_BYTES)
            except anyio.EndOfStream:
                connection.received(b"")
                return
            connection.received(data)
            if not self._may_read.is_set():
                await self._may_read.wait()

    async def _linger(self, left: int) -> None:
        """Closes our side, then discards what still comes for a moment, so that the client can read the last answer."""
        if self._socket is not None:
            self._socket.shutdown(socket.SHUT_WR)
            with anyio.move_on_after(LINGER_SECONDS), suppress(anyio.EndOfStream):
                while left > 0:
                    left -= len(await self._stream.receive(READ_BYTES))

    def _keep(self, parts: list[bytes]) -> None:
        connection = self._connection
        self._backlog += parts
        self._backlog_bytes += sum(map(len, parts))
        if not self._draining:
            self._draining = True
            self._group.start_soon(self._drain)
        if connection is not None and self._backlog_bytes >= self._high and not connection.is_congested:
            connection.congested()

    async def _drain(self) -> None:
        """Sends the backlog piece by piece, until it is empty."""
        connection = self._connection
        try:
            while self._backlog:
                part = self._backlog.pop(0)
                for at in range(0, len(part), READ_BYTES):
                    piece = part[at : at + READ_BYTES]
                    await self._stream.send(piece)
                    self._backlog_bytes -= len(piece)
                    if connection is not None and connection.is_congested and self._backlog_bytes <= self._low:
                        connection.drained()
        except (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            self._fail(error.__cause__ if isinstance(error.__cause__, OSError) else error)
            return
        finally:
            self._draining = False
        flushes, self._flushes = self._flushes, []
        for fn in flushes:
            fn()
        if self._closing and not self._backlog_bytes:
            self._finish()

    def _fail(self, error: BaseException) -> None:
        self._lost = error
        self._backlog.clear()
        self._backlog_bytes = 0
        self.abort()

    def _finish(self) -> None:
        """Everything was sent and the line is to close: the reading task stops waiting for input."""
        self._done.set()
        self._scope.cancel()


class AnyioTransport:
    """Accepts on listening sockets with any loop that anyio knows. Its tasks live in `group`."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._scope = anyio.CancelScope()
        self._sockets: list[socket.socket] = []
        self.runtime = AnyioRuntime(group)

    async def listen(self, service: Service, sockets: list[socket.socket]) -> None:
        """Accepts from now on."""
        self._sockets = sockets
        self._group.start_soon(self._accept_on_all, service)

    async def stop_listening(self) -> None:
        """Accepts nothing more, and closes the listening sockets. Open connections stay."""
        self._scope.cancel()
        await anyio.lowlevel.checkpoint()
        for opened in self._sockets:
            opened.close()

    async def _accept_on_all(self, service: Service) -> None:
        with self._scope:
            async with anyio.create_task_group() as accepting:
                for opened in self._sockets:
                    accepting.start_soon(self._accept, service, opened)

    async def _accept(self, service: Service, listening: socket.socket) -> None:
        while True:
            await anyio.wait_readable(listening)
            try:
                accepted, _ = listening.accept()
            except BlockingIOError:
                continue
            except OSError as error:
                if error.errno in OUT_OF_DESCRIPTORS:
                    log.error("cannot accept: %s; pausing for %g s", error.strerror, ACCEPT_PAUSE_SECONDS)
                    await anyio.sleep(ACCEPT_PAUSE_SECONDS)
                continue
            if accepted.family != socket.AF_UNIX:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = await SocketStream.from_socket(accepted)
            self._group.start_soon(StreamLine(service, stream, self._group).run)
