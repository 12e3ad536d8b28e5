"""What waits to be written on one HTTP/2 connection: control frames and heads at once, bodies by turns and windows."""

from typing import TypeAlias

from pagi.server.wire.http2_faults import ConnectionFault, StreamFault
from pagi.server.wire.http2_frames import (
    END_STREAM,
    FIRST_WINDOW,
    FRAME_BYTES,
    FRAME_HEADER_BYTES,
    MAX_WINDOW,
    Code,
    data_header,
    head,
    reset,
)
from pagi.server.wire.http2_head_writer import NO_TABLE
from pagi.server.wire.http2_schedule import Schedule
from pagi.server.wire.http2_streams import Fate, Place, Stream, Streams

TAKE_BYTES = 64 * 1024
"""Of bodies in one `take`, about: more would make what comes next wait behind it, however urgent."""

_Piece: TypeAlias = bytes | memoryview


class Output:
    """The queue of a connection, and the client's windows."""

    __slots__ = (
        "_ending", "_limit", "_parts", "_schedule", "_size", "_streams", "control_bytes", "finished", "first_window", "no_table_due",
        "whole_frames", "window",
    )  # fmt: skip

    def __init__(self, streams: Streams, max_control_bytes: int) -> None:
        self._streams = streams
        self._limit = max_control_bytes
        self._schedule = Schedule()
        self._parts: list[_Piece] = []
        self._size = 0
        self._ending: list[int] = []
        """Streams whose last byte is among `_parts`."""
        self.control_bytes = 0
        """Of `_parts`, those that the client made us queue."""
        self.window = FIRST_WINDOW
        """Body bytes that the client takes on the connection."""
        self.first_window = FIRST_WINDOW
        """What it takes on a new stream."""
        self.finished: list[int] = []
        """Streams whose last byte was taken."""
        self.no_table_due = False
        """The client made its table smaller: the next block must say that we follow."""
        self.whole_frames = 0
        """DATA frames taken that no window cut short, since somebody last looked."""

    # ---- control

    def control(self, frame: bytes) -> None:
        """Queues an acknowledgement, a credit or a reset; nothing if there is none."""
        if frame:
            self._queue(frame)
            self.control_bytes += len(frame)

    def check_control(self) -> None:
        """Raises ConnectionFault where so many of these wait that the client cannot be reading."""
        if self.control_bytes > self._limit:
            raise ConnectionFault(
                Code.ENHANCE_YOUR_CALM,
                f"over {self._limit} bytes of control frames wait for a client that does not read; see h2_max_control_bytes",
                status=429,
            )

    def last_words(self, frame: bytes) -> None:
        """Queues a GOAWAY. After the peer's fault it is the last frame: no body follows."""
        self._queue(frame)

    def drop_bodies(self) -> None:
        """Nothing but what is queued already will leave."""
        self._schedule = Schedule()
        for stream in self._streams.known():
            stream.place = Place.NOWHERE
            stream.queue, stream.queued = [], 0

    def reset(self, stream: Stream, code: Code) -> None:
        """Ends a stream at once. What waits of its body is dropped."""
        self.drop(stream, Fate.RESET)
        self._ending.append(stream.stream_id)
        self.control(reset(stream.stream_id, code))

    def drop(self, stream: Stream, fate: Fate) -> None:
        """The stream is reset, by whomever: nothing more of it leaves."""
        self._schedule.discard(stream)
        stream.queue, stream.queued = [], 0
        self._streams.close(stream, fate)

    # ---- answers

    def head(self, stream: Stream, block: bytes, ends: bool) -> None:
        """Queues a head, or trailers. `ends`: nothing follows."""
        self._queue(head(stream.stream_id, self._with_update(block), ends))
        if ends:
            self._end(stream, self._parts)
            self._ending.append(stream.stream_id)

    def body(self, stream: Stream, data: bytes, ends: bool) -> None:
        """Queues bytes of a body. `ends`: they are the last."""
        if data:
            stream.queue.append(data)
            stream.queued += len(data)
        if ends:
            stream.ends = True
            if not stream.queued:
                self._end_now(stream)
                return
            self._schedule.end_known(stream)
        if stream.window_out > 0 and stream.place is Place.NOWHERE and stream.queued:
            self._schedule.add(stream)

    def _with_update(self, block: bytes) -> bytes:
        due, self.no_table_due = self.no_table_due, False
        return NO_TABLE + block if due else block

    def _end_now(self, stream: Stream) -> None:
        """All of the body has been taken: no window is needed for its end."""
        if stream.trailers is not None:
            self.head(stream, stream.trailers, True)
            return
        self._queue(data_header(0, END_STREAM, stream.stream_id))
        self._end(stream, self._parts)
        self._ending.append(stream.stream_id)

    def _end(self, stream: Stream, parts: list[_Piece]) -> None:
        """The end of an answer is among `parts`. If nobody reads the rest of its request, the client need not send it."""
        if stream.input_open and not stream.held:
            end = reset(stream.stream_id, Code.NO_ERROR)
            parts.append(end)
            if parts is self._parts:
                self._size += len(end)
            self._streams.close(stream, Fate.RESET)
        else:
            self._streams.output_ended(stream)

    def prioritize(self, stream: Stream, urgency: int, incremental: bool) -> None:
        """The client says how urgent the answer is."""
        self._schedule.move(stream, urgency, incremental)

    # ---- the client's windows

    def widen(self, size: int) -> None:
        """The connection's window grows.

        Raises:
            ConnectionFault: past what a window may be.
        """
        if self.window + size > MAX_WINDOW:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, f"the connection window grew over {MAX_WINDOW}")
        self.window += size

    def widen_stream(self, stream: Stream, size: int) -> None:
        """A stream's window grows.

        Raises:
            StreamFault: past what a window may be.
        """
        if stream.window_out + size > MAX_WINDOW:
            raise StreamFault(stream.stream_id, Code.FLOW_CONTROL_ERROR, f"the stream window grew over {MAX_WINDOW}")
        self._change(stream, size)

    def set_first_window(self, size: int) -> None:
        """All windows of streams change by the difference to what was said before, and may fall under 0 (RFC 9113 section 6.9.2).

        Raises:
            ConnectionFault: one of them grew past what a window may be.
        """
        change = size - self.first_window
        self.first_window = size
        for stream in self._streams.known():
            if not stream.is_open:
                continue
            if stream.window_out + change > MAX_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE made a stream window grow over {MAX_WINDOW}")
            self._change(stream, change)

    def _change(self, stream: Stream, size: int) -> None:
        stream.window_out += size
        if stream.window_out <= 0:
            self._schedule.discard(stream)
        elif stream.queued:
            self._schedule.add(stream)

    # ---- taking

    @property
    def is_empty(self) -> bool:
        """`take` would give nothing."""
        return not self._parts and (not self._schedule.size or self.window <= 0)

    def size(self) -> int:
        """Bytes that `take` would give, called until it gives nothing; frame headers of bodies are not counted."""
        if not self._schedule.size:
            return self._size
        ready = sum(min(stream.queued, stream.window_out) for stream in self._streams.known() if stream.place is not Place.NOWHERE)
        return self._size + min(ready, max(self.window, 0))

    def take(self) -> list[bytes]:
        """The next bytes to write, in one part; empty where nothing may be written."""
        parts, self._parts = self._parts, []
        if parts:
            self._size = self.control_bytes = 0
            if self._ending:
                self.finished += self._ending
                self._ending.clear()
        if self._schedule.size and self.window > 0:
            self._take_bodies(parts)
        return [b"".join(parts)] if parts else []

    def _take_bodies(self, parts: list[_Piece]) -> None:
        schedule = self._schedule
        room = TAKE_BYTES
        while room > 0 and self.window > 0:
            stream = schedule.next()
            if stream is None:
                break
            queued = stream.queued
            wanted = min(queued, FRAME_BYTES)
            size = min(wanted, stream.window_out, self.window)
            is_last = size == queued
            ends = is_last and stream.ends
            parts.append(data_header(size, END_STREAM if ends and stream.trailers is None else 0, stream.stream_id))
            _move(stream, size, parts)
            self.window -= size
            room -= size + FRAME_HEADER_BYTES
            if size == wanted:
                self.whole_frames += 1
            schedule.took_turn(stream, is_last or stream.window_out <= 0)
            if ends:
                if stream.trailers is not None:
                    parts.append(head(stream.stream_id, self._with_update(stream.trailers), True))
                self._end(stream, parts)
                self.finished.append(stream.stream_id)

    def _queue(self, frame: bytes) -> None:
        self._parts.append(frame)
        self._size += len(frame)


def _move(stream: Stream, size: int, parts: list[_Piece]) -> None:
    """Moves `size` bytes from the front of the stream's queue to `parts`, without copying."""
    stream.sent += size
    stream.window_out -= size
    stream.queued -= size
    queue = stream.queue
    offset = stream.offset
    used = 0
    for chunk in queue:
        left = len(chunk) - offset
        if left > size:
            if size:
                parts.append(memoryview(chunk)[offset : offset + size])
            offset += size
            break
        parts.append(memoryview(chunk)[offset:] if offset else chunk)
        size -= left
        used += 1
        offset = 0
    del queue[:used]
    stream.offset = offset
