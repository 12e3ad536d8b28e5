"""A connection in memory: the server's `Line` on one end, bytes in the hands of a test on the other."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from pagi.gateway.connection import Waiter
from pagi.server.endings import reason_of
from pagi.server.options import FlowOptions
from pagi.server.runtime import Listener, Runtime
from pagi.server.wire.engine import Part

READ_BYTES = 64 * 1024
"""What the server gets at most at once, as from a socket."""
ABSORBED_BYTES = 64 * 1024
"""What the client's end holds for a test that does not read, as a kernel does (see `MemoryLine.absorb`)."""


class Bell:
    """Wakes all who wait, each time it is rung."""

    __slots__ = ("_runtime", "_waiters")

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._waiters: list[Waiter] = []

    def ring(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.set()

    async def wait(self) -> None:
        """Waits for the next `ring`."""
        waiter = self._runtime.waiter()
        self._waiters.append(waiter)
        await waiter.wait()


class MemoryLine:
    """Both directions of one connection. What the test has neither read nor `absorb`ed counts as buffered; no byte is ever in between."""

    sends_files = False

    def __init__(self, runtime: Runtime, flow: FlowOptions) -> None:
        self.connection: Listener | None = None
        """Who hears what the test sends; None where the server refused the connection, or the line is gone."""
        self.listener: Listener | None = None
        """Who heard it last, also when the line is gone."""
        self.arrived = Bell(runtime)
        """Rung when there is something new to read, the end included."""
        self.taken = Bell(runtime)
        """Rung when the server has read everything the test sent, or will read no more."""
        self.is_gone = False
        """No byte goes either way any more."""
        self._runtime = runtime
        self._high, self._low = flow.high_water_bytes, flow.low_water_bytes
        self._outgoing: deque[bytes] = deque()
        self._buffered = self._written = self._absorbed = 0
        self._flushes: deque[tuple[int, Callable[[], None]]] = deque()
        self._closing = False
        self._incoming: deque[bytes] = deque()
        self._input_ends = False
        self._hung_up = False
        self._paused = False
        self._delivering = False

    # ---- what the connection asks (see `Line`)

    def hand_over(self, listener: Listener) -> None:
        self.connection = self.listener = listener

    def write(self, parts: Sequence[Part]) -> None:
        if self._closing:
            return
        if self._hung_up:
            # Nobody is there to read: what a kernel answers is a reset, and the server hears of it in the next tick.
            self._runtime.soon(self.reset)
            return
        for part in parts:
            if part:
                self._outgoing.append(cast(bytes, part))  # there is no descriptor here that files could be sent to
                self._buffered += len(part)
                self._written += len(part)
        self.arrived.ring()
        connection = self.connection
        if connection is not None and self._buffered >= self._high and not connection.is_congested:
            connection.congested()

    def buffered(self) -> int:
        return self._buffered

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._runtime.soon(self._deliver)

    def when_sent(self, fn: Callable[[], None]) -> None:
        if not self._buffered:
            fn()
        elif not self.is_gone:
            self._flushes.append((self._written, fn))

    def close(self, *, linger: bool = False) -> None:
        # No kernel resets this line, so an answer needs no lingering: what still comes is dropped either way.
        if self._closing:
            return
        self._closing = True
        self._incoming.clear()
        self.taken.ring()
        if not self._buffered:
            self._runtime.soon(self._lose)

    def abort(self) -> None:
        self._closing = True
        self._drop()
        self._runtime.soon(self._lose)

    # ---- what the test does

    @property
    def is_readable(self) -> bool:
        """`take` has something to give, if only the end."""
        return bool(self._outgoing) or self._closing

    @property
    def unread(self) -> int:
        """Bytes that the server wrote and the test has not taken."""
        return self._buffered + self._absorbed

    @property
    def is_closing(self) -> bool:
        """The server reads no more, and writes no more than it has."""
        return self._closing

    @property
    def is_taken(self) -> bool:
        """The server has read all that was put, or will read no more."""
        return self._closing or not self._incoming

    def put(self, data: bytes) -> None:
        """Sends bytes to the server, which reads them at once unless it paused reading. One that closed drops them."""
        if not self._closing and data:
            self._incoming.append(data)
            self._deliver()

    def put_end(self) -> None:
        """The client will send nothing more: the server's end of input."""
        self._input_ends = True
        self._deliver()

    def hang_up(self) -> None:
        """The client closes its end: end of input, what was not read is lost, what still comes meets a reset."""
        self._hung_up = True
        self.put_end()
        if self._buffered:
            self.reset()

    def reset(self) -> None:
        """The client is gone at once."""
        self._lose(ConnectionResetError("the test client is gone"))

    def peek(self) -> bytes:
        """What the server wrote; it stays unread."""
        return b"".join(self._outgoing)

    def take(self, most: int | None = None) -> bytes:
        """What the server wrote, at most so many bytes; `b""` at the end, and where there is nothing yet."""
        data = self.peek()
        self._outgoing.clear()
        if most is not None and len(data) > most:
            self._outgoing.append(data[most:])
            data = data[:most]
        absorbed = min(self._absorbed, len(data))
        self._absorbed -= absorbed
        self._buffered -= len(data) - absorbed
        if data:
            self._told_read()
        return data

    def absorb(self) -> None:
        """Takes what the server wrote into the client's own buffer, as far as there is room: the server counts it as sent."""
        size = min(self._buffered, ABSORBED_BYTES - self._absorbed)
        if size > 0:
            self._buffered -= size
            self._absorbed += size
            self._told_read()

    # ---- inside

    def _told_read(self) -> None:
        read = self._written - self._buffered
        while self._flushes and self._flushes[0][0] <= read:
            self._flushes.popleft()[1]()
        connection = self.connection
        if connection is not None and connection.is_congested and self._buffered <= self._low:
            connection.drained()
        if self._closing and not self._buffered:
            self._runtime.soon(self._lose)

    def _deliver(self) -> None:
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._incoming and not self._paused and not self._closing and self.connection is not None:
                piece = self._incoming.popleft()
                if len(piece) > READ_BYTES:
                    self._incoming.appendleft(piece[READ_BYTES:])
                    piece = piece[:READ_BYTES]
                self.connection.received(piece)
            if self._input_ends and not self._incoming and not self._paused and not self._closing and self.connection is not None:
                self._input_ends = False
                self.connection.received(b"")
        finally:
            self._delivering = False
        if self.is_taken:
            self.taken.ring()

    def _lose(self, error: BaseException | None = None) -> None:
        if self.is_gone:
            return
        self.is_gone = self._closing = True
        if error is None and not self._buffered:
            self._drop_rest()  # a close in order: what the client's end holds may still be read
        else:
            self._drop()
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.lost(reason_of(error))

    def _drop(self) -> None:
        self._outgoing.clear()
        self._buffered = self._absorbed = 0
        self._drop_rest()

    def _drop_rest(self) -> None:
        self._flushes.clear()
        self._incoming.clear()
        self.arrived.ring()
        self.taken.ring()


class RawConnection:
    """One connection to the server under test, byte by byte.

    Nothing here checks what is sent: malformed requests, halves of frames and pipelines go out as they are.
    """

    def __init__(self, line: MemoryLine) -> None:
        self.line = line

    @property
    def is_closed(self) -> bool:
        """The server closed it, and everything it wrote was read; or the test did."""
        return self.line.is_gone and not self.line.unread

    @property
    def unread_bytes(self) -> int:
        """What the server wrote and the test has not read."""
        return self.line.unread

    async def send(self, data: bytes) -> None:
        """Sends bytes and waits until the server has read them: for ever, where it reads no more and does not close.

        A server that closed drops them, as one that lingers after its last answer does.
        """
        self.line.put(data)
        while not self.line.is_taken:
            await self.line.taken.wait()

    async def receive(self, most: int | None = None) -> bytes:
        """Waits for bytes and gives all there are, or the first `most` of them; `b""` once the server closed."""
        while not self.line.is_readable:
            await self.line.arrived.wait()
        return self.line.take(most)

    async def receive_until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`; less where the server closed before. What follows stays unread."""
        data = b""
        while True:
            while not self.line.is_readable:
                await self.line.arrived.wait()
            unread = self.line.peek()
            at = (data + unread).find(mark)
            if at >= 0:
                return data + self.line.take(at + len(mark) - len(data))
            if not unread:
                return data
            data += self.line.take()

    async def receive_rest(self) -> bytes:
        """Everything until the server closes."""
        pieces: list[bytes] = []
        while piece := await self.receive():
            pieces.append(piece)
        return b"".join(pieces)

    def eof(self) -> None:
        """Ends our side, as a half-close does: the server may still answer."""
        self.line.put_end()

    def close(self) -> None:
        """Closes our side whole: the server meets the end of input, and a reset when it writes."""
        self.line.hang_up()

    def abort(self) -> None:
        """Resets the connection: the server knows at once."""
        self.line.reset()
