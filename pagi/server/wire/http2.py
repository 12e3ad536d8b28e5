"""HTTP/2 framing (RFC 9113), on hpack. No I/O, no clock: bytes in, events out, and back."""

from enum import Enum, auto

from pagi.server.options import HTTP1Options, HTTP2Options
from pagi.server.wire.engine import EventRefused
from pagi.server.wire.events import (
    Abort,
    Answer,
    Event,
    Fault,
    InformationalHead,
    InputEnded,
    ResponseData,
    ResponseEnd,
    ResponseHead,
    TunnelOpened,
)
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http2_control import SHUTDOWN_PING, Control
from pagi.server.wire.http2_faults import ConnectionFault, StreamFault
from pagi.server.wire.http2_floods import Floods
from pagi.server.wire.http2_frames import (
    ACK,
    CONTINUATION,
    DATA,
    FRAME_HEADER,
    FRAME_HEADER_BYTES,
    HEADERS,
    MAX_STREAM_ID,
    PING,
    PREFACE,
    SETTINGS,
    Code,
    frame,
    goaway,
    reset,
)
from pagi.server.wire.http2_inflow import Inflow, UnreadBudget
from pagi.server.wire.http2_output import Output
from pagi.server.wire.http2_requests import Requests
from pagi.server.wire.http2_response_writer import HTTP2ResponseWriter
from pagi.server.wire.http2_settings import our_settings
from pagi.server.wire.http2_streams import Fate, Stream, Streams

_KIND_AT = 3
_header_at = FRAME_HEADER.unpack_from


class _Ending(Enum):
    """How far we are with ending the connection (RFC 9113 section 6.8)."""

    NOT = auto()
    ANNOUNCED = auto()
    """A GOAWAY that names no stream is on its way."""
    FINAL = auto()
    """The last stream is named."""


class HTTP2Engine:
    """One HTTP/2 connection, seen from the server. Its first bytes must be the client preface, which may come in any pieces.

    Our own preface is queued from the start: call `take_output` once before the first read.

    What `receive` gives:

    - `Request`: with what came of its body in the same read. It holds one of the client's places until `release`.
    - `BodyData`, `BodyEnd`: at most one of each for a stream and a read. Padding was given back already, so `len(data)` is what
      `consumed` is told.
    - `StreamReset`: the client gave the exchange up, or broke a rule with it and was reset by us. Its unread bytes were given back,
      and what is still sent to it is dropped without an error. `release` is still due.
    - `Fault` with a stream's id: a request that is no `Request` but can be answered (431, 417, 501): send an `Answer` to it. It needs
      no `release`. A request reset by the client in the read it came in gives no event at all.
    - `Fault` with stream id 0: the connection is over. GOAWAY is queued, `closing` is True, nothing more is read.
    - `InputEnded` with stream id 0: end of input.
    """

    http_version = "2"
    waiting_bytes = 0
    is_bypassed = False

    __slots__ = (
        "_control", "_ending", "_floods", "_inflow", "_input_ended", "_max_frame_bytes", "_needed", "_output", "_partial", "_preface",
        "_requests", "_streams", "_writer", "closing",
    )  # fmt: skip

    def __init__(self, options: HTTP2Options, http1: HTTP1Options, common: StaticLines, budget: UnreadBudget) -> None:
        self.closing: bool = False
        """Nothing more can be exchanged after the output in hand: no stream is open, or the client broke the framing."""
        self._max_frame_bytes = options.h2_max_frame_bytes
        self._streams = Streams()
        self._floods = Floods(options)
        self._inflow = Inflow(options, budget)
        self._output = Output(self._streams, options.h2_max_control_bytes)
        self._requests = Requests(options, http1, self._streams, self._output, self._inflow, self._floods)
        self._control = Control(self._streams, self._output, self._inflow, self._floods, self._requests)
        self._writer = HTTP2ResponseWriter(self._output, common)
        self._ending = _Ending.NOT
        self._input_ended = False
        self._preface = PREFACE  # what is still to come of it
        # The beginning of a frame, until there are `_needed` bytes of it.
        self._partial = bytearray()
        self._needed = 0
        self._output.control(our_settings(options, http1))
        self._output.control(self._inflow.update())

    @property
    def mid_head(self) -> bool:
        """The preface is unfinished, or a head is, or a frame that may begin one."""
        partial = self._partial
        return (
            not self._control.is_settled
            or bool(self._requests.pending)
            or (bool(partial) and not (len(partial) > _KIND_AT and partial[_KIND_AT] == DATA))
        )

    @property
    def has_output(self) -> bool:
        """Another `take_output` would give something."""
        return not self._output.is_empty

    @property
    def open_streams(self) -> int:
        """Streams that are not ended in both directions."""
        return self._streams.open

    # ---- reading

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes mean. `b""` is the end of input. Nothing is raised, whatever comes."""
        if self.closing or self._input_ended:
            return []
        if not data:
            self._input_ended = True
            self._look_at_end()
            return [InputEnded(0)]
        try:
            self._cut(data)
        except ConnectionFault as fault:
            return [self._fail(fault)]
        events = self._requests.take_events()
        self._output.control(self._inflow.update())
        if self._control.ponged and self._ending is _Ending.ANNOUNCED:
            self.close_after()
        self._look_at_end()
        return events

    def advance(self) -> list[Event]:
        """HTTP/2 keeps no bytes back: nothing."""
        return []

    def _cut(self, data: bytes) -> None:
        """Reads every whole frame, and keeps the beginning of the next."""
        if self._preface:
            data = self._skip_preface(data)
        partial = self._partial
        if partial:
            partial += data
            if len(partial) < self._needed:
                return
            data = bytes(partial)
            self._partial = bytearray()
        at, end = 0, len(data)
        needed = FRAME_HEADER_BYTES
        while end - at >= FRAME_HEADER_BYTES:
            high, low, kind, flags, stream_id = _header_at(data, at)
            size = high << 16 | low
            if size > self._max_frame_bytes:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a frame of {size} bytes, over {self._max_frame_bytes}")
            start = at + FRAME_HEADER_BYTES
            after = start + size
            if after > end:
                needed += size
                break
            self._read(kind, flags, stream_id & MAX_STREAM_ID, data[start:after])
            at = after
        if at < end:
            self._partial = bytearray(data[at:])
            self._needed = needed

    def _read(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        """One frame.

        Raises:
            ConnectionFault: the connection cannot go on after it.
        """
        requests = self._requests
        try:
            if requests.pending:
                # "any number of CONTINUATION frames [...] MUST be followed" by nothing else (RFC 9113 section 6.10).
                if kind != CONTINUATION or stream_id != requests.pending:
                    raise ConnectionFault(Code.PROTOCOL_ERROR, f"a frame of type {kind} in the middle of a head")
                requests.continuation(flags, payload)
            elif not self._control.is_settled and (kind != SETTINGS or flags & ACK):
                raise ConnectionFault(Code.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            elif kind == HEADERS:
                requests.headers(flags, stream_id, payload)
            elif kind == DATA:
                requests.data(flags, stream_id, payload)
            else:
                self._control.read(kind, flags, stream_id, payload)
        except StreamFault as fault:
            requests.fail(fault)
        self._output.check_control()

    def _skip_preface(self, data: bytes) -> bytes:
        """What follows the client's preface; nothing while that is unfinished."""
        size = min(len(self._preface), len(data))
        if data[:size] != self._preface[:size]:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "the connection does not begin with the HTTP/2 preface")
        self._preface = self._preface[size:]
        return data[size:]

    def _fail(self, fault: ConnectionFault) -> Fault:
        self._requests.abandon()
        self._output.drop_bodies()
        self._output.last_words(goaway(self._requests.last_told, fault.code, fault.detail))
        self._partial = bytearray()
        self.closing = True
        return Fault(0, fault.status, fault.detail)

    # ---- writing

    def send(self, event: Event) -> None:
        """Queues an event for the peer. For a stream that is gone it is dropped.

        `Answer`, `ResponseHead`, `ResponseData`, `ResponseEnd`, `InformationalHead`, `TunnelOpened` (a head with status 200) and `Abort`
        (a reset: INTERNAL_ERROR, or CANCEL where the answer was whole).

        Raises:
            HeaderRefused: a status, name or value that may not go out.
            WrongContentLength: the body is not as long as declared.
            BodyRefused: a body that is not bytes.
            BodyOutOfOrder: a body without a head, or a second head.
            EventRefused: an event that is not a server's to send.
        """
        stream = self._streams.get(event.stream_id)
        if stream is None or self.closing or not (stream.output_open or stream.ends):
            return
        writer = self._writer
        if isinstance(event, Answer):
            writer.answer(stream, event)
        elif isinstance(event, ResponseData):
            writer.body(stream, event)
        elif isinstance(event, ResponseHead):
            writer.start(stream, event)
        elif isinstance(event, ResponseEnd):
            writer.end(stream, event)
        elif isinstance(event, InformationalHead):
            writer.interim(stream, event)
        elif isinstance(event, TunnelOpened):
            writer.open_tunnel(stream, event.headers)
        elif isinstance(event, Abort):
            self._inflow.give_back(stream)
            writer.abort(stream)
        else:
            raise EventRefused(f"a server does not send {type(event).__name__}")

    def consumed(self, stream_id: int, size: int) -> None:
        """The application took this many body bytes: the stream's window opens."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._inflow.consumed(stream, size)
            self._open_windows(stream)

    def release(self, stream_id: int) -> None:
        """The exchange is over and its task has ended: what is unread of its request is given back, and its place is free.

        If the request has not ended the stream is reset with NO_ERROR, after the answer (RFC 9113 section 8.1); if the answer has not
        either, with INTERNAL_ERROR, at once. It is due for each `Request`, also when the connection is lost: what waits unread counts
        for the whole process.
        """
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.ignored = True
        self._inflow.give_back(stream)
        if stream.is_open and not self.closing:
            if not stream.ends:
                self._output.reset(stream, Code.INTERNAL_ERROR)
            elif not stream.output_open:
                self._output.control(reset(stream_id, Code.NO_ERROR))
                self._streams.close(stream, Fate.RESET)
        self._streams.release(stream)
        self._open_windows(stream)

    def _open_windows(self, stream: Stream) -> None:
        if not self.closing:
            self._output.control(self._inflow.stream_update(stream))
            self._output.control(self._inflow.update())

    def queued(self, stream_id: int) -> int:
        """Body bytes accepted for the stream and not yet taken.

        Stream 0: what `take_output` would give if called until it is empty, so without what waits for a window.
        """
        if not stream_id:
            return self._output.size()
        stream = self._streams.get(stream_id)
        return stream.queued if stream is not None else 0

    def sent(self, stream_id: int) -> int:
        """Body bytes of the stream's answer that were taken so far. It stands still while the client's window is shut."""
        stream = self._streams.get(stream_id)
        return stream.sent if stream is not None else 0

    def take_output(self) -> list[bytes]:
        """What to write now, in order: control frames and heads, then about 64 KiB of bodies at most, by priority."""
        output = self._output
        parts = output.take()
        if output.whole_frames:
            self._floods.earn_window_updates(output.whole_frames)
            output.whole_frames = 0
        self._look_at_end()
        return parts

    def take_finished(self) -> list[int]:
        """Streams whose last byte, their end or their reset by us, was in what `take_output` gave since the last call."""
        finished, self._output.finished = self._output.finished, []
        return finished

    # ---- the connection's end, and time

    def close_after(self) -> None:
        """Ends the connection in two steps (RFC 9113 section 6.8): a GOAWAY that names no stream, with a PING; when that is answered, or at
        the second call, one that names the last stream. Streams that come after it are refused. `closing` follows the last open one.
        """
        if self.closing or self._ending is _Ending.FINAL:
            return
        if self._ending is _Ending.NOT:
            self._ending = _Ending.ANNOUNCED
            self._output.last_words(goaway(MAX_STREAM_ID, Code.NO_ERROR))
            self._output.control(frame(PING, 0, 0, SHUTDOWN_PING))
            return
        self._ending = _Ending.FINAL
        self._requests.is_full = True
        self._output.last_words(goaway(self._streams.last_id, Code.NO_ERROR))

    def tick(self, seconds: float) -> None:
        """So much time has passed: what was spent of the bursts is allowed again, and windows that were held back may open."""
        self._floods.tick(seconds)
        if not self.closing:
            self._output.control(self._inflow.update())

    def _look_at_end(self) -> None:
        if self._ending is _Ending.FINAL or self._control.peer_goes or self._input_ended:
            self.closing = self.closing or (not self._streams.open and self._output.is_empty)
