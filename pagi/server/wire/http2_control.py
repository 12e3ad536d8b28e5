"""What a client's frames say that are neither heads nor bodies (RFC 9113 sections 6.3 to 6.9, RFC 9218 section 7.1)."""

from collections.abc import Callable
from typing import ClassVar

from pagi.server.wire.http2_faults import ConnectionFault, StreamFault
from pagi.server.wire.http2_floods import Flood, Floods
from pagi.server.wire.http2_frames import (
    ACK,
    CONTINUATION,
    GOAWAY,
    MAX_STREAM_ID,
    MAX_WINDOW,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    SETTINGS_ACK,
    WINDOW_UPDATE,
    WORD,
    Code,
    frame,
)
from pagi.server.wire.http2_inflow import Inflow
from pagi.server.wire.http2_output import Output
from pagi.server.wire.http2_priority import read_priority
from pagi.server.wire.http2_requests import Requests
from pagi.server.wire.http2_settings import HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, read_settings
from pagi.server.wire.http2_streams import Fate, Stream, Streams

FIRST_TABLE_BYTES = 4096
PING_BYTES = 8
SHUTDOWN_PING = b"pagi end"
"""Ours, sent with the first GOAWAY: when it is answered, every stream that was opened before the client heard of the end has come."""

_GOAWAY_BYTES = 8
_PRIORITY_BYTES = 5


class Control:
    """Reads these frames, and does what they ask."""

    __slots__ = ("_floods", "_inflow", "_output", "_requests", "_streams", "_table_bytes", "is_settled", "peer_goes", "ponged")

    def __init__(self, streams: Streams, output: Output, inflow: Inflow, floods: Floods, requests: Requests) -> None:
        self._streams = streams
        self._output = output
        self._inflow = inflow
        self._floods = floods
        self._requests = requests
        self._table_bytes = FIRST_TABLE_BYTES
        self.is_settled = False
        """The client's first SETTINGS came."""
        self.peer_goes = False
        """The client sent GOAWAY. What it has asked is still answered."""
        self.ponged = False
        """It answered `SHUTDOWN_PING`."""

    def read(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """One frame.

        Raises:
            ConnectionFault, StreamFault: the client broke a rule.
        """
        read = self._READERS.get(kind)
        if read is None:
            self._floods.spend(Flood.OTHERS)  # "Implementations MUST ignore and discard frames of unknown types" (section 4.1)
        else:
            read(self, flags, stream_id, payload)

    def _settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_connection("SETTINGS", stream_id)
        self._floods.spend(Flood.SETTINGS)
        if flags & ACK:
            if payload:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"an acknowledgement of SETTINGS with {len(payload)} bytes")
            self._inflow.acknowledged()
            return
        # Of a setting that is given twice the last counts. Going through all streams for each would be another flood.
        settings = dict(read_settings(payload))
        table_bytes = settings.get(HEADER_TABLE_SIZE)
        if table_bytes is not None:
            if table_bytes < self._table_bytes:
                self._output.no_table_due = True
            self._table_bytes = table_bytes
        window = settings.get(INITIAL_WINDOW_SIZE)
        if window is not None:
            self._output.set_first_window(window)
        self._output.control(SETTINGS_ACK)
        self.is_settled = True

    def _ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_connection("PING", stream_id)
        _of_size("PING", payload, PING_BYTES)
        self._floods.spend(Flood.PINGS)
        if flags & ACK:
            self.ponged = self.ponged or payload == SHUTDOWN_PING
        else:
            self._output.control(frame(PING, ACK, 0, payload))

    def _goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_connection("GOAWAY", stream_id)
        if len(payload) < _GOAWAY_BYTES:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a GOAWAY frame of {len(payload)} bytes")
        self._floods.spend(Flood.OTHERS)
        self.peer_goes = True

    def _window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_size("WINDOW_UPDATE", payload, WORD.size)
        self._floods.spend(Flood.WINDOW_UPDATES)
        size = WORD.unpack(payload)[0] & MAX_WINDOW
        if not stream_id:
            if not size:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "a WINDOW_UPDATE of 0 bytes for the connection")
            self._output.widen(size)
            return
        stream = self._open_stream("WINDOW_UPDATE", stream_id)
        if not size:
            raise self._fault(stream_id, Code.PROTOCOL_ERROR, "a WINDOW_UPDATE of 0 bytes")
        if stream is not None and stream.output_open:  # else it ended while the frame was on its way
            self._output.widen_stream(stream, size)

    def _rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_stream("RST_STREAM", stream_id)
        _of_size("RST_STREAM", payload, WORD.size)
        stream = self._open_stream("RST_STREAM", stream_id)
        self._floods.spend(Flood.RESETS)
        if stream is not None:
            self._requests.reset_by_peer(stream)

    def _priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        """The scheme of RFC 7540 is not used any more, but its frames still come."""
        _of_stream("PRIORITY", stream_id)
        self._floods.spend(Flood.OTHERS)
        if len(payload) != _PRIORITY_BYTES:
            raise self._fault(stream_id, Code.FRAME_SIZE_ERROR, f"a PRIORITY frame of {len(payload)} bytes")
        if WORD.unpack_from(payload)[0] & MAX_STREAM_ID == stream_id:
            raise self._fault(stream_id, Code.PROTOCOL_ERROR, "a stream depends on itself")

    def _priority_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        _of_connection("PRIORITY_UPDATE", stream_id)
        if len(payload) < WORD.size:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a PRIORITY_UPDATE frame of {len(payload)} bytes")
        self._floods.spend(Flood.OTHERS)
        prioritized = WORD.unpack_from(payload)[0] & MAX_STREAM_ID
        if not prioritized & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"PRIORITY_UPDATE for stream {prioritized}, which no request can have")
        urgency, incremental = read_priority(payload[WORD.size :])
        stream = self._streams.get(prioritized)
        if stream is not None:
            self._output.prioritize(stream, urgency, incremental)
        elif prioritized > self._streams.last_id:
            self._requests.early_priority(prioritized, urgency, incremental)

    def _push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "a client cannot push")

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "CONTINUATION without a head before it")

    def _open_stream(self, kind: str, stream_id: int) -> Stream | None:
        """The stream, None where it is over. Raises where nobody opened it."""
        stream = self._streams.get(stream_id)
        if stream is not None and stream.is_open:
            return stream
        if self._streams.fate(stream_id) is Fate.IDLE:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"{kind} on stream {stream_id}, which nobody opened")
        return None

    def _fault(self, stream_id: int, code: Code, detail: str) -> ConnectionFault | StreamFault:
        """The stream's, if there is one: a stream that is not open cannot be reset."""
        stream = self._streams.get(stream_id)
        return StreamFault(stream_id, code, detail) if stream is not None and stream.is_open else ConnectionFault(code, detail)

    _READERS: ClassVar[dict[int, Callable[["Control", int, int, bytes], None]]] = {
        PRIORITY: _priority,
        RST_STREAM: _rst_stream,
        SETTINGS: _settings,
        PUSH_PROMISE: _push_promise,
        PING: _ping,
        GOAWAY: _goaway,
        WINDOW_UPDATE: _window_update,
        CONTINUATION: _continuation,
        PRIORITY_UPDATE: _priority_update,
    }


def _of_connection(kind: str, stream_id: int) -> None:
    if stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, f"{kind} on stream {stream_id}; it is of the connection")


def _of_stream(kind: str, stream_id: int) -> None:
    if not stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, f"{kind} on stream 0")


def _of_size(kind: str, payload: bytes, size: int) -> None:
    if len(payload) != size:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a {kind} frame of {len(payload)} bytes, not {size}")
