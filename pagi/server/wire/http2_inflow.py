"""Request bodies as they come: windows, what waits unread, and the credit that each byte gives back (RFC 9113 section 5.2)."""

from pagi.server.options import HTTP2Options
from pagi.server.wire.http2_faults import ConnectionFault, StreamFault
from pagi.server.wire.http2_frames import FIRST_WINDOW, Code, window_update
from pagi.server.wire.http2_streams import Stream


class UnreadBudget:
    """Body bytes that wait for applications, over all HTTP/2 connections of one process. One is shared by all engines."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    @property
    def is_tight(self) -> bool:
        """Half of it is used: connections are given no more than every peer may have."""
        return self.used * 2 >= self.limit


class Inflow:
    """One connection's bodies. Its own window opens when bytes arrive, so that no stream holds up another; a stream's when they are read.

    What waits unread, with what may still come, is never over `h2_max_unread_bytes`: past that the window opens as bytes are read.
    """

    __slots__ = ("_budget", "_limit", "_slack", "_stream_window", "_unread", "_wanted", "window")

    def __init__(self, options: HTTP2Options, budget: UnreadBudget) -> None:
        self._budget = budget
        self._limit = options.h2_max_unread_bytes
        self._wanted = min(options.h2_connection_window_bytes, self._limit)
        self._stream_window = options.h2_initial_window_bytes
        # Until the client has acknowledged our SETTINGS it may send by the window that it began with.
        self._slack = max(FIRST_WINDOW - self._stream_window, 0)
        self._unread = 0
        self.window = FIRST_WINDOW
        """Bytes that the client may still send on the connection."""

    @property
    def stream_window(self) -> int:
        """What a new stream may send."""
        return self._stream_window

    def acknowledged(self) -> None:
        """The client applied our SETTINGS."""
        self._slack = 0

    def arrived(self, size: int) -> None:
        """A DATA frame of `size` bytes came, padding included, whatever becomes of it.

        Raises:
            ConnectionFault: the connection's window was smaller.
        """
        if size > self.window:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, f"{size} bytes of DATA in a connection window of {self.window}")
        self.window -= size

    def arrived_on(self, stream: Stream, size: int, used: int) -> None:
        """The frame is of this stream, and `used` bytes of it are its body. The rest is credited at once.

        Raises:
            StreamFault: the stream's window was smaller, or the process has no room for more.
        """
        if size > stream.window_in + self._slack:
            raise StreamFault(
                stream.stream_id, Code.FLOW_CONTROL_ERROR, f"{size} bytes of DATA in a stream window of {max(stream.window_in, 0)}"
            )
        if self._budget.used + used > self._budget.limit:
            raise StreamFault(
                stream.stream_id,
                Code.ENHANCE_YOUR_CALM,
                f"{self._budget.used} bytes of request bodies are unread in this process; raise h2_max_unread_total_bytes if there is room",
            )
        stream.window_in -= size
        stream.credit += size - used
        stream.unread += used
        self._unread += used
        self._budget.used += used

    def consumed(self, stream: Stream, size: int) -> None:
        """Bytes that were handed over are used."""
        size = min(size, stream.unread)
        stream.unread -= size
        stream.credit += size
        self._unread -= size
        self._budget.used -= size

    def give_back(self, stream: Stream) -> None:
        """Nobody will use what is unread of the stream."""
        self.consumed(stream, stream.unread)

    def stream_update(self, stream: Stream) -> bytes:
        """The frame that opens the stream's window, once that is worth one; else nothing."""
        credit = stream.credit
        if not credit or not stream.input_open or credit * 2 < self._stream_window:
            return b""
        stream.credit = 0
        stream.window_in += credit
        return window_update(stream.stream_id, credit)

    def update(self) -> bytes:
        """The frame that opens the connection's window, once half of what is allowed was used; else nothing."""
        wanted = min(self._wanted, self._limit - self._unread)
        if self._budget.is_tight:
            wanted = min(wanted, FIRST_WINDOW)
        missing = wanted - self.window
        if missing <= 0 or self.window * 2 > wanted:
            return b""
        self.window += missing
        return window_update(0, missing)
